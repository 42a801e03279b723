"""Decoded frames as a person should see them: square pixels, turned as their metadata say."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from streamer.core.picture import Picture, even

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

__all__ = ["Upright", "describe", "shown_size"]

_SANE_ASPECT = (0.25, 4.0)
"""Shapes of pixels outside this range are mistakes of the program that wrote the file."""


def _aspect(frame: av.VideoFrame, stream: VideoStream) -> float:
    """Width of a pixel over its height."""
    shape = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    aspect = float(shape) if shape else 1.0
    return aspect if _SANE_ASPECT[0] <= aspect <= _SANE_ASPECT[1] else 1.0


def _orientation(frame: av.VideoFrame) -> tuple[bool, int]:
    """What the display matrix asks for: left and right swapped first; then so many degrees counter-clockwise.

    To the nearest quarter: 0, 90, 180 or 270.
    """
    try:
        side_data: Any = frame.side_data  # PyAV's types know of one kind only
    except ValueError:  # PyAV lists no side data at all if it does not know a kind of it, for example EXIF
        return False, round(frame.rotation / 90) % 4 * 90
    if "DISPLAYMATRIX" not in side_data:
        return False, 0
    a, b, _, c, d = struct.unpack("=5i", bytes(side_data["DISPLAYMATRIX"])[:20])
    mirrored = a * d - b * c < 0
    # The first column tells where the x axis goes; y points downwards, so a positive angle turns clockwise.
    clockwise = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    return mirrored, round(-clockwise / 90) % 4 * 90


def shown_size(frame: av.VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height of the frame as a person should see it."""
    width, height = frame.width, frame.height
    aspect = _aspect(frame, stream)
    if aspect != 1.0:
        width = even(round(width * aspect))
    return (height, width) if _orientation(frame)[1] % 180 else (width, height)


class Upright:
    """Frames of one stream as a person should see them: square pixels, turned as their metadata say.

    PyAV frees a frame whose side data were looked at only when Python collects garbage. At 4K that came to a gigabyte.
    So they are looked at where the angle is another than that of the frame before.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._angle: int | None = None
        self._turn = False, 0

    def __call__(self, frame: av.VideoFrame) -> Picture:
        """The frame as a picture."""
        if frame.rotation != self._angle:
            self._angle, self._turn = frame.rotation, _orientation(frame)
        picture = Picture.from_av(frame)
        aspect = _aspect(frame, self._stream)
        if aspect != 1.0:
            picture = picture.scaled(even(round(frame.width * aspect)), frame.height)
        mirrored, quarter = self._turn
        return (picture.mirrored() if mirrored else picture).rotated(quarter)


def describe(frame: av.VideoFrame, stream: VideoStream) -> str:
    """For people: codec, samples, and what is done to show it right."""
    parts = [stream.codec_context.name, frame.format.name]
    if (frame.width, frame.height) != shown_size(frame, stream):
        parts.append(f"stored as {frame.width}x{frame.height}")
    mirrored, quarter = _orientation(frame)
    if mirrored:
        parts.append("mirrored")
    if quarter:
        parts.append(f"turned by {quarter} degrees")
    return ", ".join(parts)
