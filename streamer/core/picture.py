"""A picture as the decoder made it: planes of 8-bit samples. BGR exists only where someone looks.

Two layouts:

`i420`  luma at full size, two chroma planes at half size, in one flat buffer of `W * H * 3 / 2` bytes. W and H are
        even; odd pictures are padded by repeating their last row or column, `width` and `height` keep the true size.
`bgrp`  blue, green and red planes at full size, in one flat buffer. For stills, which should lose nothing.

Effects work plane by plane, so that no frame is converted there and back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.transparency import laid_on_black, may_be_transparent

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

__all__ = ["BT601", "BT709", "Color", "Cut", "Format", "Picture", "Plane", "even"]

Plane = NDArray[np.uint8]
Format = Literal["i420", "bgrp"]

# Values of FFmpeg's enum AVColorSpace (libavutil/pixfmt.h), after ITU-T H.273 table 4.
_AVCOL_SPC = {"bt709": 1, "bt601": 5}
_FROM_AVCOL_SPC = {1: "bt709", 5: "bt601", 6: "bt601"}
_HIGH_DEFINITION = 720
"""Lines from which players take untagged colours for BT.709, below for BT.601."""
_AVCOL_RANGE_MPEG, _AVCOL_RANGE_JPEG = 1, 2


_SMALLEST_FOR_SWSCALE_PX = 8
"""Below this, FFmpeg's scaler refuses some sizes."""

_KEPT_REFORMATTERS = 8
_per_thread = threading.local()


def _reformatter(width: int, height: int, format: str) -> VideoReformatter:
    """A colour converter of this thread for pictures of this size and format.

    Getting one ready for another size costs several times the conversion, and the detector's input, a small copy of it
    and enlarged faces take turns.
    """
    if not hasattr(_per_thread, "reformatters"):
        from av.video.reformatter import VideoReformatter

        _per_thread.reformatters = lru_cache(_KEPT_REFORMATTERS)(lambda *shape: VideoReformatter())
    reformatter: VideoReformatter = _per_thread.reformatters(width, height, format)
    return reformatter


def even(number: int) -> int:
    """Round up to the next even number."""
    return number + (number & 1)


@dataclass(frozen=True, slots=True)
class Color:
    """How luma and chroma become red, green and blue."""

    matrix: Literal["bt601", "bt709"] = "bt601"
    full_range: bool = False
    """True: luma uses 0..255 (JPEG, most webcams); False: 16..235 (broadcast, most video)."""


BT601 = Color("bt601")
BT709 = Color("bt709")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture in planes. Read-only unless it came from `canvas()`.

    width, height: true size in pixels, at least 1.
    buffer: flat uint8, laid out as the module says.
    alpha: (height, width) opacity, 0 transparent to 255 opaque; None when all of it is opaque. Only `bgrp` has one.
    """

    width: int
    height: int
    format: Format
    buffer: NDArray[np.uint8]
    color: Color = BT601
    alpha: Plane | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a picture of {self.width}x{self.height} pixels is none")
        if self.buffer.shape != (self._length(self.width, self.height, self.format),) or self.buffer.dtype != np.uint8:
            raise ValueError(f"the buffer does not fit {self.format} {self.width}x{self.height}")
        if self.alpha is not None and (self.format != "bgrp" or self.alpha.shape != (self.height, self.width)):
            raise ValueError(f"the opacity does not fit {self.format} {self.width}x{self.height}")

    # -- making one ---------------------------------------------------------------------------------------------

    @staticmethod
    def _length(width: int, height: int, format: Format) -> int:
        if format == "bgrp":
            return 3 * width * height
        return even(width) * even(height) * 3 // 2

    @classmethod
    def blank(cls, width: int, height: int, *, luma: int = 0, format: Format = "i420", color: Color = BT601) -> Picture:
        """A writable grey canvas; luma in 0..255."""
        buffer = np.full(cls._length(width, height, format), luma, np.uint8)
        if format == "i420":
            buffer[even(width) * even(height) :] = 128
        return cls(width, height, format, buffer, color)

    @classmethod
    def from_bgra(cls, bgra: NDArray[np.uint8]) -> Picture:
        """From interleaved (H, W, 4) BGR and opacity. What lies under transparent pixels is black afterwards."""
        alpha = np.ascontiguousarray(bgra[:, :, 3])
        if (alpha == 255).all():
            return cls.from_bgr(bgra[:, :, :3], format="bgrp")
        cleared = bgra[:, :, :3].copy()
        cleared[alpha == 0] = 0
        return replace(cls.from_bgr(cleared, format="bgrp"), alpha=alpha).frozen()

    @classmethod
    def from_bgr(cls, bgr: NDArray[np.uint8], *, format: Format = "i420") -> Picture:
        """From interleaved (H, W, 3) BGR. `i420` comes out as BT.601, limited range."""
        height, width = bgr.shape[:2]
        if format == "bgrp":
            buffer = np.empty(3 * height * width, np.uint8)
            cv2.split(bgr, list(buffer.reshape(3, height, width)))
            return cls(width, height, "bgrp", buffer).frozen()
        if (even(height), even(width)) != (height, width):
            bgr = np.pad(bgr, ((0, height & 1), (0, width & 1), (0, 0)), mode="edge")
        flat = cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2YUV_I420).reshape(-1)
        return cls(width, height, "i420", np.asarray(flat, np.uint8)).frozen()

    @classmethod
    def from_av(cls, frame: av.VideoFrame) -> Picture:
        """From a decoded frame; its samples are copied. 10-bit, 4:2:2, 4:4:4, grey and RGB are converted to i420.

        What is transparent is laid on black.
        """
        if may_be_transparent(frame.format):
            planar, tagged = frame.format.name.startswith("yuv"), _FROM_AVCOL_SPC.get(int(frame.colorspace))
            assumed = tagged or ("bt709" if frame.height >= _HIGH_DEFINITION else "bt601")
            converter = _reformatter(frame.width, frame.height, f"{frame.format.name} on black")
            frame = laid_on_black(frame, converter, matrix=_AVCOL_SPC[assumed] if planar else None)
        full_range = frame.format.name == "yuvj420p" or int(frame.color_range) == _AVCOL_RANGE_JPEG
        matrix = _FROM_AVCOL_SPC.get(int(frame.colorspace))
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            planar = frame.format.name.startswith("yuv")
            full_range = full_range and planar
            frame = _reformatter(frame.width, frame.height, frame.format.name).reformat(
                frame,
                format="yuv420p",
                dst_colorspace=_AVCOL_SPC[matrix or "bt601"] if not planar else None,
                dst_color_range=_AVCOL_RANGE_JPEG if full_range else _AVCOL_RANGE_MPEG,
            )
            matrix = matrix or ("bt601" if not planar else None)
        if matrix is None:  # untagged: players take BT.709 for high definition, BT.601 below
            matrix = "bt709" if frame.height >= _HIGH_DEFINITION else "bt601"
        picture = cls.blank(
            frame.width, frame.height, color=Color("bt709" if matrix == "bt709" else "bt601", full_range)
        )
        for target, plane in zip(picture.planes, frame.planes, strict=True):
            samples = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
                :, : plane.width
            ]
            target[: plane.height, : plane.width] = samples
            if target.shape != samples.shape:
                target[plane.height :, : plane.width] = samples[-1:]
                target[:, plane.width :] = target[:, plane.width - 1 : plane.width]
        return picture.frozen()

    def canvas(self) -> Picture:
        """A writable copy, to paint on."""
        return replace(self, buffer=self.buffer.copy())

    def frozen(self) -> Picture:
        """This very picture, from now on read-only."""
        self.buffer.flags.writeable = False
        if self.alpha is not None:
            self.alpha.flags.writeable = False
        return self

    # -- looking at it ------------------------------------------------------------------------------------------

    @property
    def size(self) -> tuple[int, int]:
        """True width and height in pixels."""
        return self.width, self.height

    @property
    def shifts(self) -> tuple[int, int, int]:
        """Per plane, the power of two by which it is smaller than the picture: (0, 1, 1) for i420."""
        return (0, 1, 1) if self.format == "i420" else (0, 0, 0)

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Views of the three planes, each (rows, columns); padded to even size for i420."""
        if self.format == "bgrp":
            blue, green, red = self.buffer.reshape(3, self.height, self.width)
            return blue, green, red
        width, height = even(self.width), even(self.height)
        luma, chroma = width * height, width * height // 4
        return (
            self.buffer[:luma].reshape(height, width),
            self.buffer[luma : luma + chroma].reshape(height // 2, width // 2),
            self.buffer[luma + chroma :].reshape(height // 2, width // 2),
        )

    def looks(self) -> Iterator[Picture]:
        """What can be seen of it: its colours by themselves and, where it is transparent, on white and on black.

        Colours alone may show nothing where the opacity is the picture.
        """
        yield self
        if self.alpha is not None:
            yield self.laid_on(255)
            yield self.laid_on(0)

    def laid_on(self, ground: int) -> Picture:
        """An opaque picture: this one on a ground of this brightness, 0 to 255."""
        if self.alpha is None:
            return self
        result = Picture.blank(*self.size, format=self.format)
        rest = cv2.convertScaleAbs(cv2.bitwise_not(self.alpha), alpha=ground / 255)
        for source, target in zip(self.planes, result.planes, strict=True):
            cv2.add(cv2.multiply(source, self.alpha, scale=1 / 255), rest, dst=target)
        return result.frozen()

    def cropped(self, box: tuple[int, int, int, int]) -> Picture:
        """See `cut`; for those who need not know where the part begins."""
        return self.cut(box).picture

    def cut(self, box: tuple[int, int, int, int]) -> Cut:
        """The part inside x0, y0, x1, y1, widened to even pixels and clipped to the picture, and where it begins.

        Raises ValueError when nothing is left.
        """
        x0, y0 = max(0, box[0]) & ~1, max(0, box[1]) & ~1
        x1, y1 = min(self.width, box[2]), min(self.height, box[3])
        if self.format == "i420":
            x1, y1 = min(even(x1), even(self.width)), min(even(y1), even(self.height))
        if x1 <= x0 or y1 <= y0:
            raise ValueError(f"box {box} lies outside a picture of {self.width}x{self.height}")
        parts = [
            plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift].reshape(-1)
            for plane, shift in zip(self.planes, self.shifts, strict=True)
        ]
        alpha = None if self.alpha is None else self.alpha[y0:y1, x0:x1].copy()
        picture = Picture(x1 - x0, y1 - y0, self.format, np.concatenate(parts), self.color, alpha).frozen()
        return Cut(picture, (x0, y0))

    def scaled(self, width: int, height: int) -> Picture:
        """This picture at another size, plane by plane. Averages over areas when it shrinks by two or more."""
        if (width, height) == self.size:
            return self
        shrink = max(self.width / width, self.height / height)
        how = cv2.INTER_AREA if shrink >= 2 else cv2.INTER_LINEAR
        result = Picture.blank(width, height, format=self.format, color=self.color)
        for source, target in zip(self.planes, result.planes, strict=True):
            cv2.resize(source, (target.shape[1], target.shape[0]), dst=target, interpolation=how)
        if self.alpha is not None:
            result = replace(result, alpha=np.asarray(cv2.resize(self.alpha, (width, height), interpolation=how)))
        return result.frozen()

    def rotated(self, degrees: int) -> Picture:
        """Turned counter-clockwise by a multiple of 90 degrees."""
        turns = (degrees // 90) % 4
        if turns == 0:
            return self
        width, height = (self.height, self.width) if turns % 2 else self.size
        result = Picture.blank(width, height, format=self.format, color=self.color)
        for source, target, shift in zip(self.planes, result.planes, self.shifts, strict=True):
            # Without the padding, which would else become the first row or column.
            rows, columns = (self.height + shift) >> shift, (self.width + shift) >> shift
            turned = np.rot90(source[:rows, :columns], turns)
            target[:] = np.pad(
                turned, [(0, t - s) for t, s in zip(target.shape, turned.shape, strict=True)], mode="edge"
            )
        if self.alpha is not None:
            result = replace(result, alpha=np.ascontiguousarray(np.rot90(self.alpha, turns)))
        return result.frozen()

    def mirrored(self) -> Picture:
        """Left and right exchanged."""
        result = Picture.blank(*self.size, format=self.format, color=self.color)
        for source, target, shift in zip(self.planes, result.planes, self.shifts, strict=True):
            columns = (self.width + shift) >> shift  # without the padding, which would else become the first column
            target[:, :columns] = source[:, :columns][:, ::-1]
            target[:, columns:] = target[:, columns - 1 : columns]
        if self.alpha is not None:
            result = replace(result, alpha=np.ascontiguousarray(self.alpha[:, ::-1]))
        return result.frozen()

    def bgr(
        self, box: tuple[int, int, int, int] | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Interleaved (H, W, 3) BGR of the picture, or of the part in `box` (x0, y0, x1, y1), scaled to `size`."""
        picture = self if box is None else self.cropped(box)
        if size is not None:
            picture = picture.scaled(*size)
        if picture.format == "bgrp":
            return np.asarray(cv2.merge(picture.planes), np.uint8)
        if min(picture.size) < _SMALLEST_FOR_SWSCALE_PX:
            rows = even(picture.height) * 3 // 2
            tiny = cv2.cvtColor(picture.buffer.reshape(rows, -1), cv2.COLOR_YUV2BGR_I420)
            return np.asarray(tiny, np.uint8)[: picture.height, : picture.width]
        frame = _reformatter(picture.width, picture.height, "bgr24").reformat(picture.to_av(), format="bgr24")
        return np.asarray(frame.to_ndarray(), np.uint8)[: picture.height, : picture.width]

    def to_av(self) -> av.VideoFrame:
        """A frame for FFmpeg, i420 at the padded size, on this picture's memory (which must outlive it)."""
        import av

        if self.format == "bgrp":
            return Picture.from_bgr(self.bgr()).to_av()
        width, height = even(self.width), even(self.height)
        if height % 4 == 0:
            array: Any = self.buffer.reshape(height * 3 // 2, width)
            frame = av.VideoFrame.from_numpy_buffer(array, format="yuv420p")
        else:  # from_numpy_buffer takes the height from the rows, and is two rows short when it is no multiple of four
            frame = av.VideoFrame(width, height, "yuv420p")
            for source, plane in zip(self.planes, frame.planes, strict=True):
                target = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                target[:, : plane.width] = source
        frame.colorspace = _AVCOL_SPC[self.color.matrix]
        frame.color_range = _AVCOL_RANGE_JPEG if self.color.full_range else _AVCOL_RANGE_MPEG
        return frame


class Cut(NamedTuple):
    """A part of a picture."""

    picture: Picture
    origin: tuple[int, int]
    """Where in the whole picture it begins: x, y."""
