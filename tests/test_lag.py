"""The slow detector of the tests, itself: without it, a green run under lag would say nothing."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from support.lag import environment, slowed


def test_a_look_takes_so_many_times_as_long_also_when_it_raises() -> None:
    def look(seconds: float) -> None:
        time.sleep(seconds)
        raise ValueError("no look")

    start = time.perf_counter()
    with pytest.raises(ValueError, match="no look"):
        slowed(look, 5)(0.02)
    assert time.perf_counter() - start >= 0.1


def test_programs_that_tests_start_are_slowed_too() -> None:
    code = (
        "import streamer.stages.detect as detect, sys; print(detect._detect.__module__, 'onnxruntime' in sys.modules)"
    )
    for factor, module in ((1, "streamer.stages.detect"), (3, "support.lag")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(factor), capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [module, "False"]
