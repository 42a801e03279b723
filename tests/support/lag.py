"""STREAMER_TEST_LAG=10: detection takes ten times as long, here and in programs that tests start.

Only inside the virtual machine of the cameras' tests it does not: there everything is slow.

What a slow detector may cost is frames: dropped ones, covered ones. It may never cost a face.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["environment", "lag", "slowed"]

_VARIABLE = "STREAMER_TEST_LAG"

_LONGEST_S = 0.5
"""A detection that hangs anyway need not hang ten times as long."""


def lag() -> float:
    """How many times as long every detection is to take; 1 leaves everything as it is."""
    return float(os.environ.get(_VARIABLE) or 1)


def slowed(look: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """The same function, `factor` times as slow; also where it raises."""

    def slow(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return look(*arguments)
        finally:
            time.sleep(min(_LONGEST_S, (factor - 1) * (time.perf_counter() - start)))

    return slow


def environment(factor: float) -> dict[str, str]:
    """For programs that tests start: theirs, with detectors so many times slower."""
    folder = str(Path(__file__).parent / "lagged")
    others = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry not in ("", folder)]
    path = [folder, *others] if factor > 1 else others
    return {**os.environ, _VARIABLE: str(factor), "PYTHONPATH": os.pathsep.join(path)}
