"""Keeps the anonymized frames in a list: for tests, and for programs that embed the pipeline."""

from __future__ import annotations

from collections import deque

from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.options import Context, PartOptions
from streamer.sinks import StreamFormat
from streamer.sinks._unattended import Unattended

__all__ = ["MemorySink", "Options", "build"]


class Options(PartOptions):
    """Settings of the list of frames."""

    limit: int | None = Field(None, ge=1, description="keep only this many frames, the newest; null keeps all of them")


class MemorySink(Unattended):
    """Collects what it is given.

    Another thread may read `frames` at any time: it returns a copy.
    """

    live = False

    def __init__(self, options: Options | None = None) -> None:
        limit = (options or Options()).limit
        self._frames: deque[AnonymizedFrame] = deque(maxlen=limit)
        self.format: StreamFormat | None = None
        """What the stream was said to be; None before `open()`."""
        self.written = 0
        """Frames taken so far, those that fell out of the list included."""
        self.closed = False

    @property
    def frames(self) -> list[AnonymizedFrame]:
        """The frames kept, oldest first."""
        return list(self._frames)

    def open(self, format: StreamFormat) -> None:
        """Remember what is coming."""
        self.format = format

    def write(self, frame: AnonymizedFrame) -> None:
        """Keep one frame."""
        self._frames.append(frame)
        self.written += 1

    def close(self) -> None:
        """The frames stay readable."""
        self.closed = True


def build(options: Options, ctx: Context) -> MemorySink:
    """Make the sink. The type is the exact one, because its list is what it is built for."""
    return MemorySink(options)
