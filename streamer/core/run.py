"""What everything that runs within one stream shares."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.core.logs import StreamLog
from streamer.core.stats import Stats

__all__ = ["RunContext"]


def _never_stops() -> Callable[[float], bool]:
    return threading.Event().wait


@dataclass(slots=True)
class Signal:
    """Whether the source sends: told by the thread that reads it, asked by those that show."""

    at: float | None = None
    """When its last picture came, on the run's clock; also of pictures that are left out."""
    frozen: bool = False
    """It sends the same picture again and again."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one stream. The defaults are for tests: real time, and nobody stops it."""

    stats: Stats = field(default_factory=Stats)
    clock: Callable[[], float] = time.monotonic
    """Seconds, monotonic."""
    wait: Callable[[float], bool] = field(default_factory=_never_stops)
    """Sleeps so many seconds, or returns True at once when the run is to stop."""
    duration_s: float | None = None
    """The run ends after so many seconds of the input; None: with the input."""
    max_failures: int = 1
    """So many failures of one part in a row end the run."""
    signal: Signal = field(default_factory=Signal)

    def time_of_day(self, t: float) -> str:
        """A moment of the run's clock as people here call it."""
        return time.strftime("%H:%M:%S", time.localtime(time.time() + t - self.clock()))

    @property
    def log(self) -> StreamLog:
        """What the stream says, beside its tallies."""
        return self.stats.log
