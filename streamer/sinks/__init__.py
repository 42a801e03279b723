"""Where the anonymized picture goes. One file per kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.types import Command

__all__ = ["Sink", "StreamFormat"]


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What a sink is told about the stream before the first frame."""

    width: int
    height: int
    fps: float
    """Nominal; the frames' own times count."""
    live: bool
    """The source is live."""
    stills: bool
    """Every frame is a picture by itself, with a name."""
    title: str
    """For people: the source's name."""


class Sink(Protocol):
    """An open output. `build(options, ctx)` only keeps the options; `open()` touches the world.

    All calls after `build` come from one thread: the sink's own worker, or the main thread where `main_thread` is True.
    """

    live: bool
    """True: it shows the present, is called at a steady pace, and gets repeats and slates. False: it keeps a record."""
    main_thread: bool
    """True: a window; it is pumped by the program's main thread."""

    def open(self, format: StreamFormat) -> None:
        """Get ready. Raises SinkError, or UsageError for what the user can mend, before anything is overwritten."""
        ...

    def write(self, frame: AnonymizedFrame) -> None:
        """Take one frame. Frames may change size; the sink letterboxes with `derive()`. Raises SinkError."""
        ...

    def poll(self) -> list[Command]:
        """What the user asked for since the last call; an empty list for most sinks."""
        ...

    def close(self) -> None:
        """Finish what was begun, so that it is whole. Raises SinkError; calling it twice is fine."""
        ...
