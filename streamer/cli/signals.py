"""Ctrl-C, `kill` and a closed terminal: the first asks for an orderly end, the second for an immediate one.

The handler only counts. The loop of the main thread acts on it: a handler interrupts that thread anywhere, also
where it holds a lock that stopping would need.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Signals"]

_CAUGHT = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""SIGHUP: the terminal was closed. Windows has none."""


class Signals:
    """Catches signals inside the `with` block, once armed; what was there before comes back afterwards.

    Before it is armed a signal ends the program on the spot: while a stream is being opened nothing has been written
    yet, and a library that waits for a network would keep any handler from running.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self.count = 0
        """Signals received since the start of the block."""

    def __enter__(self) -> Self:
        for number in _CAUGHT:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # under nohup a closed terminal is to change nothing
                self._before[number] = before
        self.disarm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # Asked to end, the program is on its way out: one more signal must not cut off its report and summary.
            signal.signal(number, signal.SIG_IGN if self.count else handler)

    def arm(self) -> None:
        """From now on signals are counted."""
        for number in self._before:
            signal.signal(number, self._handle)

    def disarm(self) -> None:
        """From now on a signal ends the program on the spot."""
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
