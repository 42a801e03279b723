"""One encoder and one container: frames with time stamps in, a file out. The rules of timing are the sink's."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from streamer.errors import SinkError
from streamer.picture import Color, Picture, even
from streamer.sinks._codecs import Codec, Container

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["VideoFile", "VideoShape"]

_KEYFRAMES_BY_COUNT = 9999
_FULL = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk quota exceeded", errno.EFBIG: "file size limit reached"}


@dataclass(frozen=True, slots=True)
class VideoShape:
    """What all frames of a file have in common."""

    width: int
    height: int
    """True size in pixels; an odd size is stored with one more row or column."""
    color: Color
    rate: Fraction
    """Nominal frames per second."""
    time_base: Fraction
    """Seconds per tick of a time stamp."""


class VideoFile:
    """A file being written. Used by one thread.

    Making one creates the file, or truncates it. Raises SinkError, and then leaves no file of its own behind.
    """

    def __init__(self, path: Path, container: Container, codec: Codec, shape: VideoShape) -> None:
        import av

        self._path = path
        self._shape = shape
        self._last_duration = 0
        self.written = 0
        """Frames handed to the encoder."""
        before = _fingerprint(path)
        with self._errors_named():
            self._container = av.open(
                str(path), "w", format=container.format, container_options=dict(container.options)
            )
        try:
            self._stream = self._add_stream(codec)
            with self._errors_named():
                self._container.start_encoding()
        except SinkError:
            self.abandon()
            if _fingerprint(path) != before:
                path.unlink(missing_ok=True)
            raise

    def _add_stream(self, codec: Codec) -> VideoStream:
        """The video stream, its encoder open. Nothing has touched the disk yet."""
        from av.video.reformatter import ColorRange, Colorspace

        shape = self._shape
        with self._errors_named(f"{codec.encoder} cannot encode {shape.width}x{shape.height} pixels"):
            stream = cast(  # the encoder's name decides what kind of stream it is
                "VideoStream",
                self._container.add_stream(codec.encoder, rate=shape.rate, options=dict(codec.options)),
            )
            stream.width, stream.height, stream.pix_fmt = even(shape.width), even(shape.height), "yuv420p"
            context = stream.codec_context
            context.time_base = shape.time_base
            context.thread_count = codec.threads
            context.gop_size = _KEYFRAMES_BY_COUNT  # the caller asks for keyframes by time instead
            context.max_b_frames = 0
            context.colorspace = Colorspace.ITU709 if shape.color.matrix == "bt709" else Colorspace.ITU601
            context.color_range = ColorRange.JPEG if shape.color.full_range else ColorRange.MPEG
            if codec.tag is not None:
                context.codec_tag = codec.tag
            context.open()
        return stream

    def write(self, picture: Picture, pts: int, duration: int, *, key: bool) -> None:
        """Encode one picture of this file's size and colour. Raises SinkError; then only `abandon()` may follow.

        pts: ticks, greater than the last one. duration: ticks; it counts for the last frame of the file only.
        """
        from av.video.frame import PictureType

        # The frame borrows the picture's memory; FFmpeg copies it before `encode()` returns.
        frame = picture.to_av()
        frame.pts, frame.time_base = pts, self._shape.time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        with self._errors_named(f"cannot encode {picture.width}x{picture.height} pixels"):
            packets = self._stream.encode(frame)
        self._mux(packets, duration)
        self._last_duration = duration
        self.written += 1

    def _mux(self, packets: Sequence[Packet[VideoStream]], duration: int) -> None:
        with self._errors_named():
            for packet in packets:
                packet.duration = duration
                self._container.mux(packet)

    def close(self) -> None:
        """Write what is left in the encoder, and the file's end. Raises SinkError. Call it once."""
        try:
            with self._errors_named():
                packets = self._stream.encode(None)
            self._mux(packets, self._last_duration)
            with self._errors_named():
                self._container.close()
        except SinkError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Let go of the file after a failure. What was written stays."""
        from av.error import FFmpegError

        # The failure was told already, and the same one comes again: a full disk has no room for a file's end either.
        with suppress(FFmpegError, OSError):
            self._container.close()

    @contextmanager
    def _errors_named(self, what: str = "cannot write") -> Iterator[None]:
        """Turn FFmpeg's errors into one line about this file."""
        from av.error import FFmpegError

        try:
            yield
        except (FFmpegError, OSError) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number in _FULL:
                raise SinkError(f"{_FULL[number]}: {self._path} ends after {self.written} frames") from None
            raise SinkError(f"{self._path}: {what} ({error.strerror or type(error).__name__})") from None


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    """Tells whether a file was touched; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
