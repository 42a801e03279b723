"""STREAMER_TEST_LAG=10: every look of every detector takes ten times as long, in all tests that run a pipeline here.

What a slow detector may cost is frames: dropped ones, covered ones. It may never cost a face.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

__all__ = ["lag", "slowed"]

_LONGEST_S = 0.5
"""A look that hangs anyway need not hang ten times as long."""


def lag() -> float:
    """How many times as long every look is to take; 1 leaves everything as it is."""
    return float(os.environ.get("STREAMER_TEST_LAG") or 1)


def slowed(look: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """The same function, `factor` times as slow; also where it raises."""

    def slow(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return look(*arguments)
        finally:
            time.sleep(min(_LONGEST_S, (factor - 1) * (time.perf_counter() - start)))

    return slow
