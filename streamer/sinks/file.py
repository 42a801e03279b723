"""A video file. It plays while it is written, and after the program was killed, up to the last second or so."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.addresses import VIDEOS, Claim, written_file
from streamer.core.errors import SinkError, UsageError
from streamer.core.files import check_output
from streamer.core.options import Context, PartOptions
from streamer.sinks import StreamFormat
from streamer.sinks._codecs import CONTAINERS, CodecName, Container, codec_settings
from streamer.sinks._fit import Fitter
from streamer.sinks._timeline import Timeline, nominal_rate
from streamer.sinks._unattended import Unattended
from streamer.sinks._video_file import VideoFile, VideoShape

__all__ = ["FORMS", "FileSink", "Options", "build", "claims"]

FORMS = f"a video ({' '.join(VIDEOS)})"


class Options(PartOptions):
    """Settings of a video file."""

    path: Path = Field(description="where to write: .mp4, .mov, .mkv, .avi or .webm")
    force: bool = Field(False, description="replace the file if it exists")
    codec: CodecName | None = Field(None, description="h264, h265 or vp9; null takes vp9 for .webm and h264 otherwise")
    crf: int | None = Field(
        None, ge=0, le=51, description="quality, lower is better and larger; null takes 26 (h264), 28 (h265), 33 (vp9)"
    )
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = Field(
        "ultrafast", description="effort of the encoder: a slower one makes a smaller file"
    )
    threads: int | None = Field(
        None, ge=1, le=64, description="threads of the encoder; null takes 1 for h264 up to 1080p, else up to 4"
    )
    keyframe_s: float = Field(
        1.0, ge=0.1, le=60, description="seconds between keyframes: what a killed program loses at most"
    )


class FileSink(Unattended):
    """Writes one video file.

    Frames keep their own times, counted from the first one. All get the size of the stream's format and the colours of
    the first frame. After a failed write the sink only wants to be closed.
    """

    live = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self.path = options.path.expanduser().absolute()
        self.written = 0
        """Frames in the file so far."""
        self.skipped = 0
        """Frames left out because they were not later than the one before."""
        self._format: StreamFormat | None = None
        self._writing: _Writing | None = None
        self._failed = False

    def open(self, format: StreamFormat) -> None:
        """Check that the file can be written. Nothing is created or overwritten before the first frame.

        Raises UsageError naming what to change.
        """
        self._kind()
        check_output(self.path, force=self._options.force)
        self._format = format

    def write(self, frame: AnonymizedFrame) -> None:
        """Encode one frame. Raises SinkError."""
        try:
            if self._writing is None:
                self._writing = self._begin(frame)
            if self._writing.write(frame):
                self.written += 1
            else:
                self.skipped += 1
        except SinkError:
            self._failed = True
            raise

    def close(self) -> None:
        """Finish the file. Raises SinkError when its end could not be written, unless a write failed before."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            if not self._failed:
                writing.file.close()
        except SinkError:
            self._failed = True
            raise
        finally:
            if self._failed:
                writing.file.abandon()

    def _kind(self) -> tuple[Container, CodecName]:
        """The container and the codec the options ask for. Raises UsageError when they do not go together."""
        suffix = self.path.suffix.lower()
        container = CONTAINERS.get(suffix)
        if container is None:
            known = ", ".join(CONTAINERS)
            raise UsageError(f"output {self.path}: {suffix or 'no extension'} is no video file; use one of {known}")
        codec = self._options.codec or container.codecs[0]
        if codec not in container.codecs:
            raise UsageError(
                f"output {self.path}: {suffix} cannot hold {codec}; use {' or '.join(container.codecs)}, or .mkv"
            )
        return container, codec

    def _begin(self, first: AnonymizedFrame) -> _Writing:
        """Create the file. Raises SinkError, and then there is none."""
        if self._format is None:
            raise SinkError(f"output {self.path} was written to before it was opened")
        container, codec_name = self._kind()
        options, width, height = self._options, self._format.width, self._format.height
        codec = codec_settings(
            codec_name, (width, height), crf=options.crf, preset=options.preset, threads=options.threads
        )
        rate = nominal_rate(self._format.fps)
        time_base = 1 / rate if container.constant_rate else Fraction(1, container.ticks_per_s)
        muxing = container.endless if self._format.live else container.options
        shape = VideoShape(width, height, first.image.color, rate, time_base)
        # Nobody may have put a file there since `open()`.
        check_output(self.path, force=options.force)
        return _Writing(
            VideoFile(self.path, container.format, muxing, codec, shape, replace=options.force),
            Fitter(width, height, first.image.color),
            Timeline(time_base, rate, keyframe_s=options.keyframe_s, grid=container.constant_rate),
        )


class _Writing:
    """A file with at least one frame on its way."""

    def __init__(self, file: VideoFile, fit: Fitter, timeline: Timeline) -> None:
        self.file, self._fit, self._timeline = file, fit, timeline

    def write(self, frame: AnonymizedFrame) -> bool:
        """Encode one frame; False when it is not later than the one before."""
        tick = self._timeline.place(frame.t)
        if tick is None:
            return False
        key = self._timeline.key_is_due(tick)
        self.file.write(self._fit(frame).image, tick, self._timeline.duration, key=key)
        return True


def claims(text: str) -> Claim | None:
    """Names of video files."""
    return written_file(text, VIDEOS)


def build(options: Options, ctx: Context) -> FileSink:
    """Make the sink."""
    return FileSink(options)
