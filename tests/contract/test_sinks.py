"""One suite for every sink: what `Sink` promises, with drawn frames.

The window runs on a screen that nobody sees, in a process of its own, and a virtual camera needs a device:
`test_sinks_window.py` and `test_sinks_virtual_camera.py` hold them to it; here they have to refuse in order.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.frames import number_of, numbered, read_video

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.config.parts import kinds, load
from streamer.core.errors import SinkError, StreamerError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.sinks import Sink, StreamFormat

SIZE = (320, 240)
FRAMES = 10


@dataclass(frozen=True)
class Case:
    """A sink, where it writes, and how what it wrote is read again."""

    name: str
    kind: str
    path: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    stills: bool = False
    read: Callable[[Path], list[int]] | None = None
    """Numbers of the frames in what was written; None: nothing lies on disk."""
    most: int = FRAMES

    def __str__(self) -> str:
        return self.name


def _video(path: Path) -> list[int]:
    return list(read_video(path).numbers)


def _luma(path: Path) -> int:
    """The number of a picture, from its file."""
    bgr = cv2.imread(str(path))
    assert bgr is not None
    return number_of(Picture.from_bgr(np.asarray(bgr, np.uint8)))


def _one(path: Path) -> list[int]:
    return [_luma(path)]


def _folder(path: Path) -> list[int]:
    return [_luma(one) for one in sorted(path.iterdir())]


CASES = [
    *(Case(f"file-{ending}", "file", f"out.{ending}", read=_video) for ending in ("mp4", "mkv", "mov", "avi", "webm")),
    *(Case(f"image-{ending}", "images", f"out.{ending}", stills=True, read=_one, most=1) for ending in ("png", "jpg")),
    Case("images-folder", "images", "out", stills=True, read=_folder),
    Case("memory", "memory"),
    Case("null", "null"),
]
_ELSEWHERE = {"window", "virtual_camera"}
_ON_DISK = [case for case in CASES if case.path]

every = pytest.mark.parametrize("case", CASES, ids=str)
on_disk = pytest.mark.parametrize("case", _ON_DISK, ids=str)


def a_format(case: Case, *, stills: bool | None = None, live: bool = False) -> StreamFormat:
    return StreamFormat(*SIZE, 25.0, live=live, stills=case.stills if stills is None else stills, title="drawn")


def build(case: Case, folder: Path, **options: Any) -> Sink:
    module = load("sinks", case.kind)
    address = {"path": folder / case.path} if case.path else {}
    made: Sink = module.build(module.Options(**{**case.options, **address, **options}), Context())
    return made


def frames(case: Case, number: int | None = None, size: tuple[int, int] = SIZE) -> list[AnonymizedFrame]:
    """Numbered ones, with names where they are pictures."""
    made = [numbered(n, n / 25, size) for n in range(number or case.most)]
    if not case.stills:
        return made
    return [named(one, f"{one.seq:03d}.png") for one in made]


def named(frame: AnonymizedFrame, name: str) -> AnonymizedFrame:
    """The same picture under a name."""
    return derive(slate(frame.seq, frame.t, frame.image.size, name=name), lambda _: frame.image)


def test_every_kind_is_held_to_it() -> None:
    assert {case.kind for case in CASES} | _ELSEWHERE == set(kinds("sinks"))


@pytest.mark.parametrize("kind", kinds("sinks"))
def test_it_says_what_it_is(kind: str, tmp_path: Path) -> None:
    module = load("sinks", kind)
    address = {"path": tmp_path / "x.mp4"} if "path" in module.Options.model_fields else {}
    sink: Sink = module.build(module.Options(**address), Context())
    assert isinstance(sink.live, bool)
    assert sink.main_thread == (kind == "window")
    assert list(tmp_path.iterdir()) == [], "build() only keeps the options"
    sink.close()


@on_disk
def test_nothing_is_made_before_the_first_frame(case: Case, tmp_path: Path) -> None:
    sink = build(case, tmp_path)
    assert list(tmp_path.iterdir()) == []
    sink.open(a_format(case))
    assert list(tmp_path.iterdir()) == []
    sink.close()
    assert list(tmp_path.iterdir()) == []


@every
@pytest.mark.parametrize("live", [False, True])
def test_what_was_written_is_whole(case: Case, tmp_path: Path, live: bool) -> None:
    sink = build(case, tmp_path)
    sink.open(a_format(case, live=live and not case.stills))
    for frame in frames(case):
        sink.write(frame)
        assert sink.poll() == []
    sink.close()
    if case.read is not None:
        assert case.read(tmp_path / case.path) == list(range(case.most))
        assert [one.name for one in tmp_path.iterdir()] == [case.path], "nothing lies beside it"
    if case.kind == "memory":
        assert [one.seq for one in vars(sink)["_frames"]] == list(range(FRAMES))


@every
def test_closing_twice_is_fine(case: Case, tmp_path: Path) -> None:
    for number in (0, 1):
        sink = build(case, tmp_path)
        sink.open(a_format(case))
        for frame in frames(case, number or None)[:number]:
            sink.write(frame)
        sink.close()
        sink.close()


@every
def test_closing_unopened_is_fine(case: Case, tmp_path: Path) -> None:
    sink = build(case, tmp_path)
    sink.close()
    sink.close()
    assert list(tmp_path.iterdir()) == []


@every
def test_frames_are_not_touched(case: Case, tmp_path: Path) -> None:
    sink = build(case, tmp_path)
    sink.open(a_format(case))
    given = frames(case)
    before = [frame.image.buffer.copy() for frame in given]
    for frame in given:
        assert not frame.image.buffer.flags.writeable
        sink.write(frame)
    sink.close()
    for frame, buffer in zip(given, before, strict=True):
        assert np.array_equal(frame.image.buffer, buffer)


@every
def test_frames_may_change_size(case: Case, tmp_path: Path) -> None:
    sink = build(case, tmp_path)
    sink.open(a_format(case))
    sizes = [SIZE, (160, 120), (640, 480)][: case.most]
    for number, size in enumerate(sizes):
        (frame,) = [one for one in frames(case, number + 1, size) if one.seq == number]
        sink.write(frame)
    sink.close()
    if case.kind == "file":
        assert {picture.size for picture in read_video(tmp_path / case.path).pictures} == {SIZE}


@on_disk
def test_what_exists_is_refused_before_anything_is_overwritten(case: Case, tmp_path: Path) -> None:
    first = build(case, tmp_path)
    first.open(a_format(case))
    for frame in frames(case):
        first.write(frame)
    first.close()
    there = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def write() -> None:
        sink = build(case, tmp_path)
        try:
            sink.open(a_format(case))
            sink.write(frames(case)[0])
        finally:
            sink.close()

    with pytest.raises(UsageError, match="--force"):
        write()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == there
    forced = build(case, tmp_path, force=True)
    forced.open(a_format(case))
    for frame in frames(case):
        forced.write(frame)
    forced.close()
    assert case.read is not None
    assert case.read(tmp_path / case.path) == list(range(case.most))


@on_disk
def test_errors_are_typed_and_one_line(case: Case, tmp_path: Path) -> None:
    """A folder that is not there, and one that goes away between `open()` and the first frame."""

    def write(folder: Path, *, gone: bool) -> None:
        sink = build(case, folder)
        try:
            sink.open(a_format(case))
            if gone:
                folder.rmdir()
                folder.write_text("a file now")
            for frame in frames(case):
                sink.write(frame)
        finally:
            sink.close()

    for gone in (False, True):
        folder = tmp_path / str(gone) / "folder"
        if gone:
            folder.mkdir(parents=True)
        with pytest.raises((SinkError, UsageError)) as caught:
            write(folder, gone=gone)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize("case", [case for case in CASES if case.stills], ids=str)
def test_a_stream_of_the_other_sort_is_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a video"):
        build(case, tmp_path).open(a_format(case, stills=False))
    assert list(tmp_path.iterdir()) == []


@on_disk
def test_files_are_readable_as_the_system_lets_new_files_be(case: Case, tmp_path: Path) -> None:
    sink = build(case, tmp_path)
    sink.open(a_format(case))
    for frame in frames(case):
        sink.write(frame)
    sink.close()
    (tmp_path / "other").touch()
    usual = stat.S_IMODE((tmp_path / "other").stat().st_mode)
    for path in (tmp_path / case.path).rglob("*") if (tmp_path / case.path).is_dir() else [tmp_path / case.path]:
        assert stat.S_IMODE(path.stat().st_mode) == usual


@pytest.mark.parametrize("kind", sorted(_ELSEWHERE))
def test_without_a_device_it_refuses_in_one_line(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    module = load("sinks", kind)
    address = {"device": str(tmp_path / "video99")} if kind == "virtual_camera" else {}
    sink: Sink = module.build(module.Options(**address), Context())
    with pytest.raises(StreamerError) as caught:
        sink.open(StreamFormat(*SIZE, 25.0, live=True, stills=False, title="drawn"))
    assert isinstance(caught.value, SinkError | UsageError)
    assert "\n" not in str(caught.value)
    sink.close()
    sink.close()
