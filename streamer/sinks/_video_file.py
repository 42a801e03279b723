"""One encoder and one container: frames with time stamps in, a file out. The rules of timing are the sink's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from streamer.core.files import write_error
from streamer.core.picture import Color, Picture, even
from streamer.sinks._codecs import Codec
from streamer.sinks._disk import DiskFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["VideoFile", "VideoShape"]

_KEYFRAMES_BY_COUNT = 9999


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
    """A file being written. Used by one thread. After any SinkError only `abandon()` may follow.

    format, options: FFmpeg's muxer. The file is created when the first frame is encoded. replace: what was there before
    gives way then; without it, it is an error.
    """

    def __init__(
        self,
        path: Path,
        format: str,
        options: Mapping[str, str],
        codec: Codec,
        shape: VideoShape,
        *,
        replace: bool = False,
    ) -> None:
        import av

        self._path = path
        self._shape = shape
        self._last_duration = 0
        self._header_bytes: int | None = None
        self._disk = DiskFile(path, replace=replace)
        with self._errors_named(f"{codec.encoder} cannot encode {shape.width}x{shape.height} pixels"):
            self._container = av.open(self._disk, "w", format=format, container_options=dict(options))
            self._stream = self._add_stream(codec)

    def _add_stream(self, codec: Codec) -> VideoStream:
        """The video stream, its encoder open."""
        from av.video.reformatter import ColorRange, Colorspace

        shape = self._shape
        stream = cast(  # the encoder's name decides what kind of stream it is
            "VideoStream", self._container.add_stream(codec.encoder, rate=shape.rate, options=dict(codec.options))
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
        """Encode one picture of this file's size and colour. Raises SinkError.

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

    def _mux(self, packets: Sequence[Packet[VideoStream]], duration: int) -> None:
        # The header waits for the first packet: FFmpeg's MP4 muxer crashes when it has to finish a file without one.
        with self._errors_named():
            for packet in packets:
                if self._header_bytes is None:
                    self._container.start_encoding()
                    self._header_bytes = self._disk.size
                packet.duration = duration
                self._container.mux(packet)
                if self._disk.size > self._header_bytes:  # a header alone is no video
                    self._disk.mark()

    def close(self) -> None:
        """Write what is left in the encoder, and the file's end. Raises SinkError."""
        with self._errors_named():
            packets = self._stream.encode(None)
        self._mux(packets, self._last_duration)
        with self._errors_named():
            self._container.close()
        self._disk.close()

    def abandon(self) -> None:
        """Let go of the file after a failure. What was finished before stays; without a whole frame, no file stays."""
        from av.error import FFmpegError

        # The failure was told already, and finishing the container cannot but fail again.
        with suppress(FFmpegError, OSError):
            self._container.close()
        with suppress(OSError):
            self._disk.close()

    @contextmanager
    def _errors_named(self, what: str = "cannot write") -> Iterator[None]:
        """Turn FFmpeg's errors into one line about this file."""
        from av.error import FFmpegError

        try:
            yield
        except (FFmpegError, OSError) as error:
            raise write_error(self._path, self._disk.failure or error, what) from None
