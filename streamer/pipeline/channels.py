"""The channels of one stream. What each holds, and what it does when it is full: docs/architecture.md."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.channel import Channel, Full
from streamer.core.memory import affordable
from streamer.core.patience import Progress
from streamer.core.types import DetectionRequest, Frame, IdentityRequest, Planned
from streamer.stages.detect import DetectionOutcome
from streamer.stages.embed import Answer

__all__ = ["Asked", "Channels", "most_held"]

_RAW_FRAMES = 2
_HELD_MB, _HELD_LEAST = 150.0, 8
"""Memory that the frames of a live source may take that wait for the detector."""
_DECIDED_FRAMES = 8
"""Frames that may wait between scheduler and render."""
_DECIDED_MB = 50.0
"""So much memory they may take."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The way to the embedder and back."""

    requests: Channel[IdentityRequest]
    answers: Channel[Answer]

    @classmethod
    def make(cls, changed: threading.Condition) -> Asked:
        """changed: told of every answer."""
        return cls(Channel(1, Full.BLOCK), Channel(1, Full.BLOCK, changed=changed))


@dataclass(frozen=True, slots=True)
class Channels:
    """From capture to the sinks."""

    raw: Channel[Frame]
    requests: Channel[DetectionRequest]
    results: Channel[DetectionOutcome]
    decided: Channel[Planned]
    sinks: tuple[Channel[AnonymizedFrame], ...]
    identity: Asked | None
    """None: nobody asks whose faces these are."""
    changed: threading.Condition
    """Told whenever something happens that the scheduler takes in."""
    progress: Progress = field(default_factory=Progress)
    """The detector's."""

    @classmethod
    def make(
        cls,
        *,
        live: bool,
        size: tuple[int, int] = (0, 0),
        on_drop: Callable[[Frame], None],
        sinks: Sequence[Channel[AnonymizedFrame]] = (),
        connect: Callable[[threading.Condition], Asked | None] = lambda changed: None,
    ) -> Channels:
        """size: of the pictures. on_drop: told of every frame that a live source has too many of.

        connect: makes the way to the embedder.
        """
        changed = threading.Condition()
        full = Full.DROP_OLDEST if live else Full.BLOCK
        return cls(
            raw=Channel(_RAW_FRAMES, full, on_drop=on_drop, changed=changed),
            requests=Channel(1, Full.BLOCK),
            results=Channel(1, Full.BLOCK, changed=changed),
            decided=Channel(min(_DECIDED_FRAMES, affordable(size, _DECIDED_MB)), Full.BLOCK),
            sinks=tuple(sinks),
            identity=connect(changed),
            changed=changed,
        )

    def abort(self) -> None:
        """Throw everything away and wake everybody."""
        asked = () if self.identity is None else (self.identity.requests, self.identity.answers)
        every: tuple[Channel[Any], ...] = (self.raw, self.requests, self.results, self.decided, *asked, *self.sinks)
        for channel in every:
            channel.abort()


def most_held(size: tuple[int, int]) -> int:
    """How many frames of a live source, of that size, may wait for the detector."""
    return affordable(size, _HELD_MB, least=_HELD_LEAST)
