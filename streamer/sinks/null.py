"""Writes nothing, counts everything: for measuring, and for running the rest of the program."""

from __future__ import annotations

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.addresses import Claim
from streamer.core.options import Context, PartOptions
from streamer.sinks import Sink, StreamFormat
from streamer.sinks._unattended import Unattended

__all__ = ["FORMS", "NullSink", "Options", "build", "claims"]

FORMS = "null"


class Options(PartOptions):
    """There is nothing to set."""


class NullSink(Unattended):
    """Takes every frame and forgets it."""

    live = False

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


def claims(text: str) -> Claim | None:
    """The word alone."""
    return Claim(text=text) if text == "null" else None


def build(options: Options, ctx: Context) -> Sink:
    """Make the sink."""
    return NullSink()
