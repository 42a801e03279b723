"""One at a time, across programs, on every system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]

_POLL_S = 0.02
_USUAL_MODE = -1
"""As the system lets new files be read."""


@contextmanager
def locked(
    path: Path, *, timeout_s: float | None = None, private: bool = False, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the lock that the file `path` stands for; it is made when needed, and stays empty.

    The system gives it free when a process dies. A link in its place is not followed.
    timeout_s: longest wait for it; None waits for ever. private: the file is for its owner only.
    on_wait: called once when somebody else holds it.
    Raises TimeoutError when somebody else keeps it; OSError when the file cannot be made, or locked on its file system.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(
        path,
        mode=0o600 if private else _USUAL_MODE,
        poll_interval=_POLL_S,
        thread_local=False,  # a log is opened by one thread and closed by another
        fallback_to_soft=False,  # where a file system has no locks, one that is only pretended is worse than none
    )
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is not None:
            on_wait()
        lock.acquire(timeout=-1 if timeout_s is None else timeout_s)
    try:
        yield
    finally:
        lock.release()
