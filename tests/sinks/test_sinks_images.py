"""Pictures on disk: names, formats, nothing but pixels, nothing half-written, nothing overwritten unasked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.core.errors import SinkError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.sinks import StreamFormat
from streamer.sinks.images import ENDINGS, ImagesSink, Options, build

STILLS = StreamFormat(97, 61, 25.0, live=False, stills=True, title="pictures")


def photo(name: str | None, *, size: tuple[int, int] = (97, 61), format: Any = "bgrp") -> AnonymizedFrame:
    """A soft colour gradient, of odd size."""
    width, height = size
    across, down = np.meshgrid(np.linspace(20, 230, width), np.linspace(30, 200, height))
    bgr = np.dstack([across, down, 255 - across]).astype(np.uint8)
    return derive(slate(4, 0.0, size, name=name), lambda _: Picture.from_bgr(bgr, format=format))


def opened(path: Path, **options: Any) -> ImagesSink:
    sink = build(Options(path=path, **options), Context())
    sink.open(STILLS)
    return sink


def stored(path: Path) -> Any:
    bgr = cv2.imread(str(path))
    assert bgr is not None
    return bgr.astype(int)


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_picture_in_the_format_of_its_name(tmp_path: Path, ending: str) -> None:
    frame = photo("any.jpg")
    sink = opened(tmp_path / f"out{ending.upper()}")
    sink.write(frame)
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == [f"out{ending.upper()}"]
    difference = np.abs(stored(tmp_path / f"out{ending.upper()}") - frame.image.bgr())
    lossless = ending in (".png", ".bmp", ".tif", ".tiff")
    assert difference.max() == 0 if lossless else difference.mean() < 4
    magic = (tmp_path / f"out{ending.upper()}").read_bytes()[:4]
    starts = {".jpg": b"\xff\xd8", ".png": b"\x89PNG", ".bmp": b"BM", ".webp": b"RIFF", ".tif": b"II"}
    assert magic.startswith(starts[".jpg" if ending == ".jpeg" else ending[:4] if ending == ".tiff" else ending])


def test_a_folder_keeps_names_and_subfolders(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    names = ["a.jpg", "sub/deeper/a.jpg", "sub/b.PNG", "c.heic", "Größe 1.png"]
    for name in names:
        sink.write(photo(name))
    sink.write(photo(None))
    sink.close()
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == sorted(["a.jpg", "sub/deeper/a.jpg", "sub/b.PNG", "c.heic.png", "Größe 1.png", "000004.png"])
    assert sink.written == 6
    assert sink.poll() == []


def test_nothing_but_pixels_is_written(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out")
    for ending in ENDINGS:
        sink.write(photo(f"a{ending}"))
    for path in (tmp_path / "out").iterdir():
        assert b"Exif" not in path.read_bytes()
        assert b"eXIf" not in path.read_bytes()


def test_quality_changes_the_size(tmp_path: Path) -> None:
    sizes = []
    for quality in (30, 95):
        opened(tmp_path / f"{quality}.jpg", quality=quality).write(photo(None))
        sizes.append((tmp_path / f"{quality}.jpg").stat().st_size)
    assert sizes[0] < sizes[1]


def test_a_planar_video_picture_is_written_at_its_true_size(tmp_path: Path) -> None:
    frame = photo(None, format="i420")
    opened(tmp_path / "out.png").write(frame)
    assert stored(tmp_path / "out.png").shape == (61, 97, 3)


def test_existing_pictures_need_force(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"a.png exists; .*--force"):
        opened(tmp_path / "a.png")
    sink = opened(tmp_path)
    with pytest.raises(UsageError, match=r"a.png exists; .*--force"):
        sink.write(photo("a.png"))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]
    opened(tmp_path, force=True).write(photo("a.png"))
    assert stored(tmp_path / "a.png").shape == (61, 97, 3)


def test_a_second_picture_for_one_file_is_refused(tmp_path: Path) -> None:
    sink = opened(tmp_path / "a.png", force=True)
    sink.write(photo("a.png"))
    with pytest.raises(SinkError, match="name a folder"):
        sink.write(photo("b.png"))


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "sub/../../a.png"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(SinkError, match="outside"):
        opened(tmp_path / "out").write(photo(name))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/out.png", "output folder .*missing does not exist; create it with"),
        ("missing/deeper", "output folder .*missing does not exist; create it with"),
        ("file", "output folder .*file is not a folder"),
        ("file/out.png", "output folder .*file is not a folder"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message):
        opened(tmp_path / path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_video_does_not_go_into_a_picture(tmp_path: Path) -> None:
    sink = build(Options(path=tmp_path / "out.jpg"), Context())
    with pytest.raises(UsageError, match=r"out.jpg takes pictures, but clip.mp4 is a video; name a video file"):
        sink.open(StreamFormat(64, 48, 25.0, live=False, stills=False, title="clip.mp4"))


def test_a_picture_too_large_for_its_format(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out.webp")
    with pytest.raises(SinkError, match=r"out.webp: .webp holds at most 16383 pixels a side, not 17000"):
        sink.write(photo(None, size=(17000, 2)))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stands_where_a_file_should_go(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match=r"a.png is a folder"):
        sink.write(photo("a.png"))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    sink = opened(tmp_path / "out.png")
    with pytest.raises(SinkError, match=r"^disk full: .*out.png$"):
        sink.write(photo(None))
    assert list(tmp_path.iterdir()) == []
