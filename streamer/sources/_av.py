"""What the sources that decode with FFmpeg share: stepping over damage, turning upright, times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from streamer.core.errors import InputError

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

__all__ = ["BOUNDS", "Decoder", "Timeline", "others", "pick_video"]

BOUNDS = {"max_pixels": "100000000"}
"""For FFmpeg, when it opens anything: larger pictures are not decoded, whatever they announce. 8K has 33 million."""
_READ_ERRORS_IN_A_ROW = 16
"""Reading goes on after this many failed reads in a row at most: a disk that is gone fails for ever."""
_PICTURE_CODECS = ("mjpeg", "png", "bmp", "gif", "webp", "tiff")
"""Codecs of single pictures: such a stream beside a video is its cover."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_WAITED_S = 0.006
"""A packet that had to be waited for so long is of the present."""
_KEYS_CLOSE_S = 0.1
"""Where key frames come more often than this, hardly anything is lost by going on with one."""
_KEYS_SOON_S = 5.0
"""Where key frames come less often than this, waiting for one would be worse than being late."""
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
        unread: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._own = _seeing_alpha(stream)
        self._context = self._own or stream.codec_context
        self._unread = unread
        """Bytes that have come and were not read; None: not known."""
        self._spares = False
        """Frames that no other is built upon are left out."""
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
        self.skipped = 0
        """Packets that were not decoded, to be back at the present."""
        self._skip_to_s: float | None = None
        """Skipping, to a key frame from this time stamp on."""
        self._keys = _Keys()
        self._patience_s = 0.0
        """While skipping, so much longer than `limit_s` may it take."""
        self._last_s = 0.0
        """Time stamp of the last packet decoded."""
        self.waited_s = 0.0
        """How long the last frame was waited for: hardly at all when it lay there already."""

    def _demux(self) -> Iterator[Packet[Any]]:
        # With a limit, packets of sound are seen too: where only they come, the limit must still be noticed.
        return self._container.demux(self._stream) if self.limit_s is None else self._container.demux()

    def frame(self) -> av.VideoFrame | None:
        """The next good frame; None at the end.

        Raises av.error.FFmpegError or OSError when reading keeps failing, TimeoutError after `limit_s` without a frame.
        """
        from av.video.frame import PictureType

        deadline = None if self.limit_s is None else time.monotonic() + self.limit_s
        self.waited_s = 0.0
        while True:
            while self._ready:
                frame = self._ready.pop(0)
                if frame.is_corrupt:
                    self._smeared = self._resume_at_key
                elif not self._smeared or frame.key_frame or frame.pict_type == PictureType.I:
                    self._smeared = False
                    return frame
                self.damaged += 1
            asked = time.monotonic()
            packet = self._packet()
            waited_s = time.monotonic() - asked
            if packet is None:
                return None
            if (self._unread() or 0) > packet.size:  # it had not to wait for the network, but for the processor
                waited_s = self.waited_s = 0.0
            self.waited_s += waited_s
            if packet.stream.index == self._stream.index:  # the empty packets of the end know no other number
                if self._skips(packet, waited_s):
                    self.skipped += 1
                    self.waited_s = 0.0
                else:
                    self._decode(packet)
            if deadline is not None and not self._ready and time.monotonic() > deadline + self._patience_s:
                raise TimeoutError(f"no frame within {self.limit_s} s")

    def skip_to_present(self, behind_s: float, *, patient: bool = False) -> None:
        """So much lies unread, by time stamps: decode nothing more before a key frame of the present.

        Nothing is skipped where key frames are rare, or were not seen to come again. patient: nor where they do not
        follow each other closely; then only frames that no other is built upon.
        """
        step_s = self._keys.step_s
        self._spare(True)
        if self._skip_to_s is None and step_s is not None and step_s <= (_KEYS_CLOSE_S if patient else _KEYS_SOON_S):
            # A group that is not quite of the present is taken as well: there would be nothing to show until the next.
            self._skip_to_s = self._last_s + behind_s - step_s
            self._patience_s = step_s

    def _spare(self, spare: bool) -> None:
        """Leave out frames that no other is built upon, or not any more."""
        if spare != self._spares:
            self._spares = spare
            self._context.skip_frame = "NONREF" if spare else "DEFAULT"

    def _skips(self, packet: Packet[Any], waited_s: float) -> bool:
        """Whether this packet is left out."""
        at_s = None if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)
        if packet.is_keyframe:
            self._keys.saw(at_s)
        if waited_s >= _WAITED_S:
            self._spare(False)
        if self._skip_to_s is not None and packet.size:
            if waited_s >= _WAITED_S:  # nothing lies unread any more, whatever the stamps say
                self._skip_to_s = -math.inf
            if not packet.is_keyframe or (at_s is not None and at_s < self._skip_to_s):
                return True
            self._skip_to_s, self._patience_s = None, 0.0
            self._context.flush_buffers()
        self._last_s = self._last_s if at_s is None else at_s
        return False

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
            frames = packet.decode() if self._own is None else self._own.decode(packet if packet.size else None)
            self._ready.extend(frames)
            self.skipped += self._spares and bool(packet.size) and not frames
        except av.error.EOFError:  # the decoder was already told that nothing follows
            return
        except av.error.FFmpegError:  # decoders know many words for "this packet is nonsense"
            self.damaged += 1
            self._smeared = self._resume_at_key


class _Keys:
    """How often key frames come."""

    def __init__(self) -> None:
        self.step_s: float | None = None
        """The longest time between two of them; None when that is not known."""
        self._last_s: float | None = None

    def saw(self, at_s: float | None) -> None:
        """A key frame came, of that time stamp."""
        if at_s is not None and self._last_s is not None and at_s > self._last_s:
            self.step_s = max(self.step_s or 0.0, at_s - self._last_s)
        self._last_s = at_s


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
    """The stream to show: the one marked as default, or else the first; a cover picture only where nothing else is.

    Players choose so. Some files begin with a small preview, or with a cover picture that is not marked as one.
    """
    from av.stream import Disposition

    def rank(stream: VideoStream) -> tuple[bool, bool]:
        return stream.codec_context.name in _PICTURE_CODECS, not stream.disposition & Disposition.default

    shown = [stream for stream in container.streams.video if stream.codec_context is not None]
    return min(
        (stream for stream in shown if not stream.disposition & Disposition.attached_pic), key=rank, default=None
    )


def others(container: InputContainer, picked: VideoStream) -> str:
    """For people: which stream is shown, and which are not; empty where there is one."""
    from av.stream import Disposition

    left = [
        stream
        for stream in container.streams.video
        if stream is not picked and stream.codec_context is not None
        if not stream.disposition & Disposition.attached_pic
    ]
    return f"shows {_named(picked)} and leaves out {', '.join(map(_named, left))}" if left else ""


def _named(stream: VideoStream) -> str:
    return f"stream {stream.index} ({stream.codec_context.name} {stream.width}x{stream.height})"
