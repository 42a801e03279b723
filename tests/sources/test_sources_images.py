"""The images source: which pictures, in which order, and which way up."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.sources.images import ImagesSource, Options, build


def scene() -> NDArray[np.uint8]:
    """48x32 with a red top left quarter on blue; 8x8 blocks survive JPEG."""
    bgr = np.full((32, 48, 3), (200, 60, 30), np.uint8)
    bgr[:16, :24] = (30, 40, 220)
    return bgr


def save(path: Path, bgr: NDArray[np.generic] | None = None) -> Path:
    """Write a picture in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(scene() if bgr is None else bgr))
    return path


def opened(path: Path, *, recursive: bool = True) -> ImagesSource:
    source = build(Options(path=path, recursive=recursive), Context())
    assert isinstance(source, ImagesSource)
    return source


def shown(path: Path, *, recursive: bool = True) -> tuple[ImagesSource, list[Captured]]:
    """The source, closed, and everything it gave."""
    source = opened(path, recursive=recursive)
    pictures = []
    while (captured := source.read()) is not None:
        pictures.append(captured)
    source.close()
    source.close()
    assert source.read() is None
    return source, pictures


def is_scene(captured: Captured, tolerance: int = 12) -> bool:
    assert captured.image.format == "bgrp"
    bgr = captured.image.bgr().astype(int)
    return bgr.shape == (32, 48, 3) and bool(np.abs(bgr[4:12, 4:20] - (30, 40, 220)).max() <= tolerance)


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".JPG"])
def test_formats(tmp_path: Path, ending: str) -> None:
    source, pictures = shown(save(tmp_path / f"a{ending}"))
    assert len(pictures) == 1
    assert is_scene(pictures[0], tolerance=0 if ending in (".png", ".bmp", ".tif", ".tiff") else 40)
    assert (pictures[0].t, pictures[0].name) == (None, f"a{ending}")
    assert (source.info.width, source.info.height, source.info.frames) == (48, 32, 1)
    assert (source.info.stills, source.info.live, source.info.name) == (True, False, f"a{ending}")
    assert source.warnings == []


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    names = ["img10.png", "img2.png", "IMG1.png", "b/3.png", "b/20.png", "a 1.png", "c.txt"]
    for name in names[:-1]:
        save(tmp_path / name)
    (tmp_path / "c.txt").write_text("no picture")
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".thumbs" / "x.png")
    source, pictures = shown(tmp_path)
    assert [one.name for one in pictures] == ["a 1.png", "b/3.png", "b/20.png", "IMG1.png", "img2.png", "img10.png"]
    assert source.info.frames == 6
    _, flat = shown(tmp_path, recursive=False)
    assert [one.name for one in flat] == ["a 1.png", "IMG1.png", "img2.png", "img10.png"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / "2.png").symlink_to(tmp_path / "a" / "1.png")
    _, pictures = shown(tmp_path)
    assert [one.name for one in pictures] == ["2.png", "a/1.png"]


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF segment put in by hand that holds one entry: the orientation."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\x00\x2a" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 0)
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize(
    ("orientation", "red"),  # where the stored top left quarter is to be shown: y, x as shares
    [(1, (0.25, 0.25)), (3, (0.75, 0.75)), (6, (0.25, 0.75)), (8, (0.75, 0.25)), (2, (0.25, 0.75)), (4, (0.75, 0.25))],
)
def test_exif_rotation_is_honoured(tmp_path: Path, orientation: int, red: tuple[float, float]) -> None:
    path = save(tmp_path / "a.jpg")
    path.write_bytes(with_exif(path.read_bytes(), orientation))
    _, (captured,) = shown(path)
    assert captured.image.size == ((32, 48) if orientation in (6, 8) else (48, 32))
    bgr = captured.image.bgr()
    blue, _, red_value = bgr[int(red[0] * bgr.shape[0]), int(red[1] * bgr.shape[1])]
    assert red_value > 150 > blue
    blue, _, red_value = bgr[int((1 - red[0]) * bgr.shape[0]), int((1 - red[1]) * bgr.shape[1])]
    assert blue > 150 > red_value


def test_sixteen_bits_grey_and_alpha_become_eight_bit_colour(tmp_path: Path) -> None:
    grey = np.full((32, 48), 77, np.uint8)
    alpha = np.dstack([scene(), np.full((32, 48), 128, np.uint8)])
    save(tmp_path / "1.png", scene().astype(np.uint16) * 257)
    save(tmp_path / "2.tif", scene().astype(np.uint16) * 257)
    save(tmp_path / "3.png", grey)
    save(tmp_path / "4.png", alpha)
    source, pictures = shown(tmp_path)
    assert [is_scene(one, tolerance=1) for one in pictures] == [True, True, False, True]
    assert (pictures[2].image.bgr() == 77).all()
    assert source.warnings == []


def test_palette(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + bytes([0] * 24 + [1] * 24 if y < 16 else [1] * 48) for y in range(32))
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 32, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes([220, 40, 30, 30, 60, 200]))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    _, (captured,) = shown(tmp_path / "a.png")
    assert is_scene(captured, tolerance=0)


def test_unreadable_pictures_in_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_text("words")
    save(tmp_path / "2.png")
    (tmp_path / "3.png").touch()
    (tmp_path / "4.png").write_bytes(save(tmp_path / "x.png").read_bytes()[:40])
    (tmp_path / "x.png").unlink()
    save(tmp_path / "5.png")
    source, pictures = shown(tmp_path)
    assert [one.name for one in pictures] == ["2.png", "5.png"]
    assert source.info.frames == 5
    said = "\n".join(source.warnings)
    assert len(source.warnings) == 3
    assert f"{tmp_path / '1.jpg'} is not a picture that can be read, or it is damaged" in said
    assert f"{tmp_path / '3.png'} is empty (0 bytes)" in said
    assert str(tmp_path / "4.png") in said


def test_a_picture_that_goes_away_meanwhile(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    save(tmp_path / "2.png")
    source = opened(tmp_path)
    (tmp_path / "2.png").unlink()
    assert source.read() is not None
    assert source.read() is None
    assert source.warnings == [f"{tmp_path / '2.png'} cannot be read: No such file or directory"]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".bmp", ".webp"])
def test_cut_off_pictures_are_refused(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    path = save(tmp_path / f"a{ending}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert "or it is damaged" in refused(path)


def test_more_than_one_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert cv2.imwritemulti(str(path), [scene(), scene(), scene()])
    source, pictures = shown(path)
    assert len(pictures) == 1
    assert source.warnings == [f"{path} holds 3 pictures; only the first is taken"]


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_unreadable_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("words")
    assert "is not a picture that can be read" in refused(tmp_path / "a.jpg")


def test_nothing_but_unreadable_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_text("words")
    assert "nor can the 2 others" in refused(tmp_path)


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert "is empty (0 bytes)" in refused(tmp_path / "a.png")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert "holds no pictures" in refused(tmp_path)


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.png")


def test_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert "is not a regular file" in refused(tmp_path / "a.png")
    assert "holds no pictures" in refused(tmp_path)


def test_real_folder(media: Path) -> None:
    source, pictures = shown(media / "media" / "images_annotated")
    assert source.info.frames == len(pictures) >= 100
    assert source.warnings == []
