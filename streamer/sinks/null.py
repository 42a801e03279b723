"""Writes nothing, counts everything: for measuring, and for running the rest of the program."""

from __future__ import annotations

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.options import Context, PartOptions
from streamer.core.types import Command
from streamer.sinks import Sink, StreamFormat

__all__ = ["NullSink", "Options", "build"]


class Options(PartOptions):
    """There is nothing to set."""


class NullSink:
    """Takes every frame and forgets it."""

    live = False
    main_thread = False

    def __init__(self) -> None:
        self.written = 0
        """Frames taken so far."""
        self.covered = 0
        """How many of them were hidden as a whole."""

    def open(self, format: StreamFormat) -> None:
        """Nothing to get ready."""

    def write(self, frame: AnonymizedFrame) -> None:
        """Count one frame."""
        self.written += 1
        self.covered += frame.covered

    def poll(self) -> list[Command]:
        """Nobody asks for anything here."""
        return []

    def close(self) -> None:
        """Nothing to finish."""


def build(options: Options, ctx: Context) -> Sink:
    """Make the sink."""
    return NullSink()
