"""How much has come over a connection that FFmpeg has not read yet.

A reader that did not get the processor for 90 ms looks as if it had waited so long. Only the operating system knows
whether something lay there meanwhile. FFmpeg keeps its connection to itself, so it is looked for among the files that
this process has open. Where it is not found, nothing is said.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from typing import TypeVar

__all__ = ["opened", "unread_bytes"]

T = TypeVar("T")
_OPEN_FILES = "/dev/fd"


def _sockets() -> frozenset[int]:
    """Numbers of the sockets that this process has open."""
    found = []
    try:
        with os.scandir(_OPEN_FILES) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return frozenset()
    for name in names:
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.append(int(name))
        except (OSError, ValueError):  # that of the folder itself, closed by now
            continue
    return frozenset(found)


def opened(what: Callable[[], T]) -> tuple[T, int | None]:
    """Open something, and which socket it opened; None when that is not known, or more than one came."""
    before = _sockets()
    made = what()
    new = _sockets() - before
    return made, next(iter(new)) if len(new) == 1 else None


def unread_bytes(socket: int | None) -> int | None:
    """So much lies there; None when nobody knows."""
    if socket is None:
        return None
    try:
        import fcntl
        import termios

        answer = fcntl.ioctl(socket, termios.FIONREAD, b"\0" * 4)
    except (ImportError, OSError):
        return None
    (number,) = struct.unpack("=i", answer)
    return int(number)
