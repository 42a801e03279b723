"""Fitting pictures of any size and colour into a stream that has one of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamer.anonymize.frame import AnonymizedFrame, derive
from streamer.core.picture import Color, Picture, even

if TYPE_CHECKING:
    from av.video.reformatter import VideoReformatter

__all__ = ["Fitter", "letterbox"]


def letterbox(picture: Picture, width: int, height: int) -> Picture:
    """The picture scaled into width x height pixels, its shape kept, the rest black. Returns it as it is if it fits."""
    if picture.size == (width, height):
        return picture
    if picture.format == "i420" and (even(picture.width), even(picture.height)) == (width, height):
        return Picture(width, height, "i420", picture.buffer, picture.color)  # its padding is shown
    scale = min(width / picture.width, height / picture.height)
    inner = picture.scaled(
        min(width, max(1, round(picture.width * scale))), min(height, max(1, round(picture.height * scale)))
    )
    if inner.size == (width, height):
        return inner
    black = 0 if picture.format == "bgrp" or picture.color.full_range else 16
    result = Picture.blank(width, height, luma=black, format=picture.format, color=picture.color)
    # Chroma has half the samples, so the inner picture starts on an even pixel.
    x, y = (width - inner.width) // 2 & ~1, (height - inner.height) // 2 & ~1
    for target, source, shift in zip(result.planes, inner.planes, picture.shifts, strict=True):
        room = target[y >> shift : (y >> shift) + source.shape[0], x >> shift : (x >> shift) + source.shape[1]]
        room[:] = source[: room.shape[0], : room.shape[1]]
    return result.frozen()


class Fitter:
    """Makes every frame of a stream alike: one size, one colour, i420. Used by one thread.

    width, height: pixels. color: the stream's.
    """

    def __init__(self, width: int, height: int, color: Color) -> None:
        self.width, self.height, self.color = width, height, color
        self._converter: VideoReformatter | None = None

    def __call__(self, frame: AnonymizedFrame) -> AnonymizedFrame:
        """The frame itself when it is right already, else one derived from it."""
        picture = frame.image
        if picture.size == (self.width, self.height) and picture.format == "i420" and picture.color == self.color:
            return frame
        return derive(frame, self._fitted)

    def _fitted(self, picture: Picture) -> Picture:
        if picture.format == "bgrp":
            picture = Picture.from_bgr(picture.laid_on(255).bgr())
        return self._recolored(letterbox(picture, self.width, self.height))

    def _recolored(self, picture: Picture) -> Picture:
        if picture.color == self.color:
            return picture
        from av.video.reformatter import Colorspace, VideoReformatter

        if self._converter is None:
            self._converter = VideoReformatter()
        spaces = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709}
        frame = self._converter.reformat(
            picture.to_av(),
            format="yuv420p",
            src_colorspace=spaces[picture.color.matrix],
            dst_colorspace=spaces[self.color.matrix],
            src_color_range="JPEG" if picture.color.full_range else "MPEG",
            dst_color_range="JPEG" if self.color.full_range else "MPEG",
        )
        flat = np.ascontiguousarray(frame.to_ndarray(), np.uint8).reshape(-1)
        assert (frame.width, frame.height) == (even(picture.width), even(picture.height))
        return Picture(picture.width, picture.height, "i420", flat, self.color)
