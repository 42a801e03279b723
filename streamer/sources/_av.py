"""What the sources that decode with FFmpeg share: stepping over damage, turning upright, times."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from streamer.core.errors import InputError
from streamer.core.picture import Picture, even

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

__all__ = ["BOUNDS", "Decoder", "Timeline", "describe", "pick_video", "shown_size", "upright"]

BOUNDS = {"max_pixels": "100000000"}
"""For FFmpeg, when it opens anything: larger pictures are not decoded, whatever they announce. 8K has 33 million."""
_READ_ERRORS_IN_A_ROW = 16
"""Reading goes on after this many failed reads in a row at most: a disk that is gone fails for ever."""
_SANE_ASPECT = (0.25, 4.0)
"""Shapes of pixels outside this range are mistakes of the program that wrote the file."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_JUMP_BACK_S = 1.0
"""Times that go back by more than this are a new clock (joined recordings), not a stray frame."""


class Decoder:
    """Frames of one video stream, in order of display, with damage stepped over and counted.

    Frames that the decoder itself calls damaged are left out: in a smeared picture a face may stand where no detector
    finds it and still be read by a person.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        limit_s: float | None = None,
        resume_at_key: bool = False,
    ) -> None:
        self._own = _seeing_alpha(stream)
        self._resume_at_key = resume_at_key
        """After damage, leave out as well what is built upon it, until a picture stands by itself."""
        self._smeared = False
        self.limit_s = limit_s
        """Longest time for one frame while packets do come; None waits until the end. May be changed between frames."""
        self._container = container
        self._stream = stream
        self._packets = self._demux()
        self._ready: list[av.VideoFrame] = []
        self._failed_reads = 0
        self._last_failure: Exception | None = None
        self.damaged = 0
        """Packets that could not be decoded and frames left out because they were damaged."""
        self.cut = False
        """The last packet was incomplete: the container ends before its time."""

    def _demux(self) -> Iterator[Packet[Any]]:
        # With a limit, packets of sound are seen too: where only they come, the limit must still be noticed.
        return self._container.demux(self._stream) if self.limit_s is None else self._container.demux()

    def frame(self) -> av.VideoFrame | None:
        """The next good frame; None at the end.

        Raises av.error.FFmpegError or OSError when reading keeps failing, TimeoutError after `limit_s` without a frame.
        """
        from av.video.frame import PictureType

        deadline = None if self.limit_s is None else time.monotonic() + self.limit_s
        while True:
            while self._ready:
                frame = self._ready.pop(0)
                if frame.is_corrupt:
                    self._smeared = self._resume_at_key
                elif not self._smeared or frame.key_frame or frame.pict_type == PictureType.I:
                    self._smeared = False
                    return frame
                self.damaged += 1
            packet = self._packet()
            if packet is None:
                return None
            if packet.stream.index == self._stream.index:  # the empty packets of the end know no other number
                self._decode(packet)
            if deadline is not None and not self._ready and time.monotonic() > deadline:
                raise TimeoutError(f"no frame within {self.limit_s} s")

    def _packet(self) -> Packet[Any] | None:
        import av

        while True:
            try:
                packet = next(self._packets, None)
            except av.error.InvalidDataError:
                self._failed_reads += 1
                self.damaged += 1
                if self._failed_reads >= _READ_ERRORS_IN_A_ROW:
                    raise
                self._packets = self._demux()
            else:
                self._failed_reads = 0
                return packet

    def _decode(self, packet: Packet[Any]) -> None:
        import av

        if packet.is_corrupt:
            self.cut = True
        elif packet.size:
            self.cut = False
        try:
            self._ready.extend(
                packet.decode() if self._own is None else self._own.decode(packet if packet.size else None)
            )
        except av.error.EOFError:  # the decoder was already told that nothing follows
            return
        except av.error.FFmpegError:  # decoders know many words for "this packet is nonsense"
            self.damaged += 1
            self._smeared = self._resume_at_key


def _seeing_alpha(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder for VP8 and VP9 with transparency, which FFmpeg's usual ones drop; None for all other streams.

    Raises InputError where there is none: what the transparency hides would be seen.
    """
    import av

    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1":
        return None
    try:
        context = av.CodecContext.create(name, "r")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            f"the video is transparent, and this FFmpeg has no {name} to see that; lay it on a colour first"
        ) from error
    assert isinstance(context, av.VideoCodecContext)
    context.options = BOUNDS
    return context


class Timeline:
    """Seconds for frames, always growing, from time stamps that may be missing, repeated or set back."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._offset_s = 0.0
        self._last_s: float | None = None

    def place(self, t: float | None) -> float:
        """The time of the next frame. t: its own time stamp in seconds, None when it has none."""
        if t is None:
            t = 0.0 if self._last_s is None else self._last_s + self._interval_s
        else:
            t += self._offset_s
            if self._last_s is not None and t <= self._last_s:
                if t < self._last_s - _JUMP_BACK_S:
                    self._offset_s += self._last_s + self._interval_s - t
                    t = self._last_s + self._interval_s
                else:
                    t = self._last_s + min(1e-3, self._interval_s)
        self._last_s = t
        return t


def pick_video(container: InputContainer) -> VideoStream | None:
    """The stream to show: the first that can be decoded and is not the cover picture of a piece of music."""
    from av.stream import Disposition

    for stream in container.streams.video:
        has_decoder = stream.codec_context is not None
        if has_decoder and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _aspect(frame: av.VideoFrame, stream: VideoStream) -> float:
    """Width of a pixel over its height."""
    shape = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    aspect = float(shape) if shape else 1.0
    return aspect if _SANE_ASPECT[0] <= aspect <= _SANE_ASPECT[1] else 1.0


def _orientation(frame: av.VideoFrame) -> tuple[bool, int]:
    """What the display matrix asks for: left and right swapped first; then so many degrees counter-clockwise.

    To the nearest quarter: 0, 90, 180 or 270.
    """
    side_data: Any = frame.side_data  # PyAV's types know of one kind only
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


def upright(frame: av.VideoFrame, stream: VideoStream) -> Picture:
    """The frame as a person should see it: square pixels, turned as its metadata say."""
    picture = Picture.from_av(frame)
    if _aspect(frame, stream) != 1.0:
        width = even(round(frame.width * _aspect(frame, stream)))
        picture = picture.scaled(width, frame.height)
    mirrored, quarter = _orientation(frame)
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
