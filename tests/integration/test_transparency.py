"""Pixels that a picture hides under its transparency stay hidden: in the file, and as surroundings of a face."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.config.parts import build
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Captured
from streamer.evaluate.contact_sheet import room

SECRET = 0, 0, 255


def art(width: int = 60, height: int = 40) -> NDArray[np.uint8]:
    """A room of which the left third is cut away, with red beneath, and the next third half transparent."""
    bgra = np.dstack([room(width, height), np.full((height, width), 255, np.uint8)])
    bgra[:, : width // 3] = (*SECRET, 0)
    bgra[:, width // 3 : 2 * width // 3, 3] = 120
    return bgra


def read(path: Path) -> Picture:
    captured = build("sources", "images", {"path": path}, Context()).read()
    assert isinstance(captured, Captured)
    return captured.image


def with_orientation(png: bytes, orientation: int) -> bytes:
    """The PNG with an EXIF chunk that says how it is to be turned."""
    exif = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHH", 1, 0x0112, 3, 1, orientation, 0) + bytes(4)
    chunk = b"eXIf" + exif
    return png[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


@pytest.mark.parametrize(
    ("ending", "depth"),
    [("png", np.uint8), ("png", np.uint16), ("tif", np.uint8), ("tif", np.uint16), ("webp", np.uint8)],
)
def test_what_lies_under_transparency_is_cleared_and_the_opacity_kept(ending: str, depth: type, tmp_path: Path) -> None:
    bgra = art()
    path = tmp_path / f"in.{ending}"
    cv2.imwrite(str(path), bgra.astype(depth) * (257 if depth is np.uint16 else 1), [cv2.IMWRITE_WEBP_QUALITY, 101])
    picture = read(path)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, bgra[:, :, 3])
    assert not picture.bgr()[:, :20].any()
    assert np.abs(picture.bgr()[:, 20:].astype(int) - bgra[:, 20:, :3]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_opacity_is_turned_with_the_picture(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(with_orientation(cv2.imencode(".png", art())[1].tobytes(), orientation))
    picture = read(path)
    assert picture.alpha is not None
    cleared = (picture.bgr() == 0).all(axis=2)
    assert np.array_equal(cleared, picture.alpha == 0)


@pytest.mark.parametrize("side", [(40, 40), (33, 51)])
def test_an_opaque_picture_has_no_opacity(side: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.dstack([room(*side), np.full(side[::-1], 255, np.uint8)]))
    assert read(path).alpha is None


@pytest.mark.parametrize(
    ("ending", "kept"), [("png", True), ("webp", True), ("tif", True), ("jpg", False), ("bmp", False)]
)
def test_through_the_program(ending: str, kept: bool, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from streamer.cli.app import app

    path, target = tmp_path / "in.png", tmp_path / f"out.{ending}"
    cv2.imwrite(str(path), art(320, 240))
    result = CliRunner().invoke(app, ["run", str(path), "-o", str(target)])
    assert result.exit_code == 0, result.output
    written = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert written is not None
    assert (written.shape[2] == 4) == kept
    left = written[:, :100, :3].astype(int)
    assert np.abs(left - (0 if kept else 255)).max() < 12, "nothing of the secret is left: black beneath, or white"
    if kept:
        assert np.array_equal(written[:, :, 3], art(320, 240)[:, :, 3])


def test_pictures_of_other_sizes_and_turns_keep_their_opacity() -> None:
    picture = Picture.from_bgra(art())
    assert picture.alpha is not None
    turned, half, part = picture.rotated(90), picture.scaled(30, 20), picture.cropped((10, 4, 50, 30))
    assert turned.alpha is not None
    assert np.array_equal(turned.alpha, np.rot90(picture.alpha))
    assert half.alpha is not None
    assert half.alpha.shape == (20, 30)
    assert part.alpha is not None
    assert np.array_equal(part.alpha, picture.alpha[4:30, 10:50])
    with pytest.raises(ValueError, match="opacity does not fit"):
        Picture(4, 4, "i420", np.zeros(24, np.uint8), alpha=np.zeros((4, 4), np.uint8))
