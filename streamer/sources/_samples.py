"""What cameras hand over -> pictures: JPEG per picture, or samples as they are."""

from __future__ import annotations

import numpy as np

from streamer.core.picture import Picture

__all__ = ["COMPRESSED", "RAW", "Samples"]

COMPRESSED = {"MJPG": "mjpeg", "JPEG": "mjpeg"}
"""Four letters of a format that needs a decoder -> its name in FFmpeg."""
RAW = {
    "YUYV": "yuyv422",
    "UYVY": "uyvy422",
    "YVYU": "yvyu422",
    "NV12": "nv12",
    "NV21": "nv21",
    "YU12": "yuv420p",
    "422P": "yuv422p",
    "RGB3": "rgb24",
    "BGR3": "bgr24",
    "GREY": "gray",
}
"""Four letters of samples as they are -> their name in FFmpeg; the better ones first."""
_ROW_BYTES = {"YUYV": 2, "UYVY": 2, "YVYU": 2, "NV12": 1, "NV21": 1, "RGB3": 3, "BGR3": 3, "GREY": 1}
"""Bytes of a row per pixel, where all rows of a picture are equally long."""
_RAW_DECODER = "rawvideo"
_END_OF_JPEG = b"\xff\xd9"


class Samples:
    """Makes pictures of one format.

    code: four letters, a key of COMPRESSED or RAW. row_bytes: bytes from one row to the next; 0 when compressed.
    Raises ValueError for a format, or rows with gaps between them, that it cannot read.
    """

    def __init__(self, code: str, width: int, height: int, row_bytes: int) -> None:
        import av

        if code not in COMPRESSED and code not in RAW:
            raise ValueError(f"pictures in the format {code} cannot be read")
        self._raw = code in RAW
        self._row_bytes = self._used_bytes = self._length = 0
        context = av.CodecContext.create(_RAW_DECODER if self._raw else COMPRESSED[code], "r")
        assert isinstance(context, av.VideoCodecContext)
        self._context = context
        self._context.thread_type = "SLICE"
        if not self._raw:
            # Without this FFmpeg paints what is missing of a cut-off picture, and says nothing.
            self._context.options = {"err_detect": "explode"}
            return
        self._context.width, self._context.height, self._context.pix_fmt = width, height, RAW[code]
        self._length = _length(RAW[code], width, height)
        used = width * _ROW_BYTES.get(code, 1)
        if row_bytes > used:
            if code not in _ROW_BYTES:
                raise ValueError(f"pictures in the format {code} with {row_bytes} bytes per row cannot be read")
            self._row_bytes, self._used_bytes = row_bytes, used

    def picture(self, data: bytes) -> Picture | None:
        """One picture; None when it is damaged or incomplete: half a face is not found, but may be recognised."""
        import av

        if self._row_bytes:
            rows = np.frombuffer(data, np.uint8)[: len(data) // self._row_bytes * self._row_bytes]
            data = rows.reshape(-1, self._row_bytes)[:, : self._used_bytes].tobytes()
        if self._raw:
            data = data[: self._length]
        elif data.rfind(_END_OF_JPEG, len(data) // 2) < 0:
            return None
        if not data or len(data) < self._length:
            return None
        try:
            frames = self._context.decode(av.Packet(data))
        except av.error.FFmpegError:
            return None
        if not frames or frames[0].is_corrupt:
            return None
        return Picture.from_av(frames[0])


def _length(name: str, width: int, height: int) -> int:
    """Bytes of one whole picture without gaps."""
    import av

    layout = av.VideoFormat(name, width, height)
    if layout.is_planar:
        return sum(component.width * component.height for component in layout.components)
    return layout.padded_bits_per_pixel * width * height // 8
