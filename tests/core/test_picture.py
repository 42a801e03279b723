"""Pictures in planes: conversions, odd sizes, crops, turns."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.picture import Format, Picture


def drawn(width: int, height: int) -> NDArray[np.uint8]:
    """Smooth colours with a bright corner: survives chroma subsampling, shows mirrors and turns."""
    x, y = np.meshgrid(np.linspace(40, 200, width), np.linspace(40, 200, height))
    bgr = np.stack([x, y, (x + y) / 2], axis=-1).astype(np.uint8)
    bgr[: max(1, height // 4), : max(1, width // 4)] = 230
    return bgr


@pytest.mark.parametrize("size", [(64, 48), (427, 239), (64, 46), (480, 270), (9, 7), (1, 1), (320, 8)])
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_bgr_comes_back(size: tuple[int, int], format: Format) -> None:
    bgr = drawn(*size)
    back = Picture.from_bgr(bgr, format=format).bgr()
    assert back.shape == bgr.shape
    assert np.abs(back.astype(int) - bgr).mean() < (4 if format == "i420" and min(size) > 8 else 40)
    if format == "bgrp":
        assert np.array_equal(back, bgr)


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuv444p", "yuv422p", "yuvj422p", "yuv420p10le", "rgb24", "gray", "nv12"]
)
@pytest.mark.parametrize("size", [(64, 48), (427, 239)])
def test_decoded_formats_keep_their_look(pixels: str, size: tuple[int, int]) -> None:
    bgr = drawn(*size)
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format=pixels)
    picture = Picture.from_av(frame)
    assert picture.size == size
    truth = frame.to_ndarray(format="bgr24") if pixels != "gray" else np.stack([frame.to_ndarray()] * 3, axis=-1)
    assert np.abs(picture.bgr().astype(int) - truth).mean() < 6
    assert not picture.buffer.flags.writeable


def test_range_and_matrix_travel() -> None:
    frame = av.VideoFrame.from_ndarray(drawn(64, 48), format="bgr24").reformat(format="yuvj420p")
    picture = Picture.from_av(frame)
    assert picture.color.full_range
    assert picture.to_av().color_range == 2
    untagged = av.VideoFrame.from_ndarray(drawn(1280, 720), format="bgr24").reformat(format="yuv420p")
    untagged.colorspace = 2
    assert Picture.from_av(untagged).color.matrix == "bt709"


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_turns(format: Format, size: tuple[int, int]) -> None:
    picture = Picture.from_bgr(drawn(*size), format=format)
    for degrees in (0, 90, 180, 270, 360, -90):
        turned = picture.rotated(degrees).bgr()
        truth = np.rot90(picture.bgr(), degrees // 90)
        assert turned.shape == truth.shape
        assert np.abs(turned.astype(int) - truth).mean() < 2.5


def test_crops_widen_to_even_pixels_and_stay_inside() -> None:
    picture = Picture.from_bgr(drawn(64, 48))
    assert picture.cropped((3, 5, 11, 13)).size == (10, 10)
    assert picture.cropped((-10, -10, 500, 500)).size == (64, 48)
    with pytest.raises(ValueError, match="outside"):
        picture.cropped((70, 0, 80, 10))


@pytest.mark.parametrize("size", [(32, 24), (33, 25), (128, 96), (7, 5)])
def test_scaled_bgr(size: tuple[int, int]) -> None:
    picture = Picture.from_bgr(drawn(64, 48))
    small = picture.bgr(size=size)
    assert small.shape == (size[1], size[0], 3)
    assert abs(float(small.mean()) - float(picture.bgr().mean())) < 10


def test_canvas_is_a_copy_and_frozen_is_read_only() -> None:
    picture = Picture.from_bgr(drawn(64, 48))
    canvas = picture.canvas()
    canvas.planes[0][:] = 0
    assert picture.planes[0].any()
    with pytest.raises(ValueError, match="read-only"):
        picture.planes[0][:] = 0


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_empty_pictures_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="is none"):
        Picture(width, height, "i420", np.zeros(0, np.uint8))


def test_wrong_buffers_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Picture(4, 4, "i420", np.zeros(23, np.uint8))
