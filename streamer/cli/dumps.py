"""No picture of this program's memory is left behind: it holds raw frames, vectors of faces, and keys."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

__all__ = ["switch_off_dumps"]

_PR_SET_DUMPABLE = 4


def switch_off_dumps() -> None:
    """Let the system write no core dump of this process, and no other program of the user look into it.

    For the command line only: a program that embeds the pipeline decides for itself. A limit of zero does not reach
    dumps that are piped to a collector (systemd-coredump, apport); Linux's own switch does. With it, debuggers and
    sampling profilers cannot attach, either, unless they run as root.
    """
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
