"""Threads that end, and errors that arrive. Every thread of the program is started here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from streamer.core.errors import StuckError

__all__ = ["Workers"]


class Workers:
    """A group of threads that live and die together.

    on_failure: called once, in the failing thread, with the first exception; it should wake the others.
    """

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._on_failure = on_failure
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """The first exception that ended a worker."""
        return self._failure

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread called `name`. An exception that leaves it fails the whole group."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # whatever it is, it must reach the caller of join()
                self.fail(error)

        # Daemons, because a thread stuck in native code must not keep a finished program from exiting;
        # join() names it instead of forgetting it.
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def fail(self, error: BaseException) -> None:
        """Record a failure as if a worker had raised it; only the first counts."""
        with self._lock:
            if self._failure is not None:
                return
            self._failure = error
        self._on_failure(error)

    def alive(self) -> list[str]:
        """Names of the threads still running."""
        return [thread.name for thread in self._threads if thread.is_alive()]

    def join(self, timeout_s: float) -> None:
        """Wait for all threads, at most timeout_s in total.

        Raises the first worker's exception; StuckError, naming the threads, when some did not end.
        """
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._failure is not None:
            raise self._failure
        if stuck := self.alive():
            raise StuckError(f"did not end within {timeout_s:g} s: {', '.join(stuck)}")
