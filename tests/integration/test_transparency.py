"""Pixels that a picture hides under its transparency stay hidden: in the file, and as surroundings of a face."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights

from streamer.anonymize.frame import derive, slate
from streamer.config.parts import build
from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.picture import BT601, Picture
from streamer.core.types import Captured
from streamer.drawn.faces import draw_face
from streamer.evaluate.contact_sheet import room
from streamer.sinks._fit import Fitter

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


def face(opacity: bool) -> NDArray[np.uint8]:
    """A drawn face in grey; with `opacity`, black of which the opacity is the picture."""
    bgr = np.full((400, 480, 3), 190, np.uint8)
    patch, alpha = draw_face(160, seed=3)
    y, x = (400 - patch.shape[0]) // 2, (480 - patch.shape[1]) // 2
    share = alpha[:, :, None] / np.float32(255)
    part = bgr[y : y + patch.shape[0], x : x + patch.shape[1]]
    part[:] = (patch * share + part * (1 - share)).astype(np.uint8)
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return np.dstack([np.zeros_like(bgr), 255 - grey]) if opacity else np.dstack([bgr, np.full_like(grey, 254)])


@pytest.mark.parametrize("opacity", [False, True])
def test_a_face_that_only_the_opacity_shows_is_found_and_hidden(opacity: bool, tmp_path: Path) -> None:
    """A grey photo of which a program made white transparent is black all over, and shows the face on every page."""
    from typer.testing import CliRunner

    from streamer.cli.app import app

    weights("yunet")
    path, target = tmp_path / "in.png", tmp_path / "out.png"
    cv2.imwrite(str(path), face(opacity))
    result = CliRunner().invoke(app, ["run", str(path), "-o", str(target)])
    assert "faces hidden 1" in result.output, result.output
    written = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert written is not None
    middle = written[170:230, 210:270]
    assert (middle[:, :, 3] == 255).all()
    assert float(np.abs(np.diff(middle[:, :, 0].astype(int), axis=0)).mean()) < 4, "blocks, and nothing of eyes"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_whose_opacity_would_be_dropped_is_refused(order: str, tmp_path: Path) -> None:
    """Grey and opacity: OpenCV decodes the grey alone, with what was hidden."""
    samples = bytes([200, 0] * 16 * 16)
    fields = [(256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (273, 8), (277, 2)]
    fields += [(278, 16), (279, len(samples)), (338, 2)]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, 3, 1) + struct.pack(f"{order}HH", number, 0) for tag, number in fields
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(samples))
    directory = struct.pack(f"{order}H", len(fields)) + entries + bytes(4)
    (tmp_path / "in.tif").write_bytes(head + samples + directory)
    with pytest.raises(InputError, match=r"in\.tif is a grey TIFF with transparency, .*; save it as PNG"):
        read(tmp_path / "in.tif")


def test_a_picture_is_seen_on_every_ground() -> None:
    picture = Picture.from_bgra(art())
    plain, white, black = picture.looks()
    assert plain is picture
    assert (white.alpha, black.alpha) == (None, None)
    assert (white.bgr()[:, :20] == 255).all()
    assert not black.bgr()[:, :20].any()
    half = picture.bgr()[:, 25:35].astype(float)
    assert np.abs(white.bgr()[:, 25:35] - (half * 120 + 255 * 135) / 255).max() <= 1.5
    assert np.abs(black.bgr()[:, 25:35] - half * 120 / 255).max() <= 1.5
    opaque = Picture.from_bgr(room(60, 40), format="bgrp")
    assert list(opaque.looks()) == [opaque]
    assert opaque.laid_on(255) is opaque


def test_sinks_without_opacity_show_it_on_white() -> None:
    picture = Picture.from_bgra(art(64, 48))
    frame = derive(slate(0, 0.0, picture.size), lambda _: picture)
    shown = Fitter(64, 48, BT601)(frame).image.bgr()
    assert shown[:, :16].min() > 240
