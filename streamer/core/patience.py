"""Whether a part that was asked something works on it, however slowly, or has fallen silent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Patience", "Progress"]

_LOOK_S = 1.0
"""Who looks less often than this did not run: the machine slept, or was as slow as the part."""


@dataclass(slots=True)
class Progress:
    """Signs of life: told by the thread that works, looked at by the one that waits."""

    steps: int = 0

    def step(self) -> None:
        """Another step is done."""
        self.steps += 1


class Patience:
    """Counts the time without an answer and without progress. To be looked at about twice a second."""

    def __init__(self, limit_s: float, progress: Progress | None = None) -> None:
        self.limit_s = limit_s
        self._progress = Progress() if progress is None else progress
        self._seen_steps = 0
        self._looked_at: float | None = None
        self._silent_s = 0.0

    def asked(self, now: float) -> None:
        """From now on an answer is waited for."""
        self._looked_at, self._silent_s = now, 0.0

    def answered(self) -> None:
        """It came."""
        self._looked_at = None

    def ended(self, now: float) -> bool:
        """Whether there was neither an answer nor progress for too long."""
        if self._looked_at is None:
            return False
        moved = self._progress.steps != self._seen_steps
        self._silent_s = 0.0 if moved else self._silent_s + min(_LOOK_S, now - self._looked_at)
        self._seen_steps, self._looked_at = self._progress.steps, now
        return self._silent_s > self.limit_s
