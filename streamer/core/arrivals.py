"""Pictures of a live source that had to be waited for: only they say how its clock differs from ours. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["Run", "Wait"]

_WAITED_S, _WAITED_SHARE = 0.002, 0.1
"""A reader that waited this long, and this share of the time since the picture before, had nothing else to read."""
_RUN_S = 0.7
"""Pictures that were waited for are looked at together over this time."""
_PROVEN_RUN_S = 1.5
"""Over this time where the rate has proved right before: jitter looks like another rate for shorter."""
_RUN_LEAST_S = 0.3
_BUSY_RUN_S = 1.3
"""The least run where the reader hardly had to wait: on a busy machine, a read of what lies ready takes long, too."""
_IDLE_SHARE = 0.25
"""A reader that waited for this share of a run was not busy."""
_RATE_OFF = 0.05
"""A rate that differs by less is taken for the present one: differences so small are followed by moving the clock."""
_RATE_OFF_S = 0.1
"""So far must the clock have come to be wrong within the run."""
_RATE_ERRORS = 4.0
"""So many standard errors must the difference be."""
_RATES = 1 / 50, 50.0


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a picture was waited for."""

    s: float
    long: bool | None
    """So long that nothing else can have been there; None: not known."""

    @classmethod
    def of(cls, waited_s: float | None, passed: float) -> Wait:
        """passed: since the picture before."""
        if waited_s is None:
            return cls(0.0, None)
        return cls(min(waited_s, passed), waited_s >= max(_WAITED_S, _WAITED_SHARE * passed))


class Run:
    """Pictures in a row that were waited for: source's time and arrival. Only they say how the two clocks differ."""

    def __init__(self) -> None:
        self.rate = 1.0
        """Seconds that pass while the source's clock goes on by one."""
        self._points: deque[tuple[float, float]] = deque(maxlen=256)
        self._waits_s: deque[float] = deque(maxlen=256)
        """How long each was waited for."""
        self._proven = False
        """The rate has proved right over a whole run."""
        self._ready = 0
        """Pictures in a row that were there already: some cameras send two at a time."""

    def clear(self) -> None:
        """What comes next has nothing to do with what came."""
        self._points.clear()
        self._waits_s.clear()

    def add(self, source_t: float, now: float, wait: Wait) -> None:
        """A picture arrived. One that was not waited for belongs to the one before it; two are a backlog."""
        self._ready = 0 if wait.long else self._ready + 1
        if self._ready > 1:
            self.clear()
            return
        self._points.append((source_t, now))
        self._waits_s.append(wait.s)
        while len(self._points) > 3 and now - self._points[0][1] > _PROVEN_RUN_S:
            self._points.popleft()
            self._waits_s.popleft()

    def adapt(self) -> None:
        """Take the rate at which the pictures came, where it differs beyond doubt."""
        points, span_s = self._points, self._span_s
        if len(points) < 3 or (len(points) < 4 and span_s < _RUN_LEAST_S) or not self._convinces:
            return
        if self._proven and span_s < 0.9 * _PROVEN_RUN_S:
            return
        slope, error = _fitted(list(points))
        off = slope - self.rate
        ticked = points[-1][0] - points[0][0]
        beyond_doubt = abs(off) > max(_RATE_OFF * self.rate, _RATE_ERRORS * error)
        if beyond_doubt and abs(off) * ticked > _RATE_OFF_S and self._throughout(off):
            self.rate = min(max(slope, _RATES[0]), _RATES[1])
        elif span_s >= _RUN_S:
            self._proven = True

    def _throughout(self, off: float) -> bool:
        """Whether the rate is off in every part of the run, not because of one picture that was late."""
        points = list(self._points)
        size = 2 if len(points) < 6 else (len(points) + 1) // 2
        parts = [points[start : start + size] for start in range(len(points) - size + 1)]
        return all((_fitted(part)[0] - self.rate) / off > 0.5 for part in parts)

    @property
    def _convinces(self) -> bool:
        """Whether there surely was nothing else to read."""
        waited_s = sum(self._waits_s) - self._waits_s[0]
        return waited_s >= _IDLE_SHARE * self._span_s or self._span_s >= _BUSY_RUN_S

    @property
    def _span_s(self) -> float:
        return self._points[-1][1] - self._points[0][1] if self._points else 0.0

    def least_lag(self, due: float) -> float:
        """How late the least late of the pictures is, when the last one's time is `due`."""
        if len(self._points) < 3 or self._span_s < _RUN_LEAST_S or not self._convinces:
            return 0.0
        present, latest = self._points[-1]
        least = math.inf
        for source_t, now in reversed(self._points):
            least = min(least, now - due - self.rate * (source_t - present))
            if latest - now >= _RUN_S:
                break
        return max(0.0, least)


def _fitted(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Slope of the line through at least two points, and its standard error."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    if xx <= 0:
        return 1.0, math.inf
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / xx
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / max(1, n - 2) / xx)
