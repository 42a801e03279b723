"""Every importer and parser against inputs that were changed at random: no crash, no hang, no memory without end.

The usual run takes a second for each. The long form takes as long as it is told, with other inputs each time it is told
another seed, and prints its numbers:

    STREAMER_TEST_FUZZ_S=600 STREAMER_TEST_FUZZ_SEED=1 scripts/test tests/fuzz -s
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fuzz_targets import TARGETS

import streamer

_SECONDS = float(os.environ.get("STREAMER_TEST_FUZZ_S", "0.5"))
_SEED = os.environ.get("STREAMER_TEST_FUZZ_SEED", "0")
_ROOT = Path(streamer.__file__).parents[1]
_MANY = 500
"""Inputs of which some are refused for certain."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds on memory and time are Linux's")
@pytest.mark.timeout(_SECONDS + 120)
@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs_are_taken_or_refused(target: str, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-W", "error", "-m", "support.fuzz_child", target, _SEED, str(_SECONDS), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'tests'}", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_SECONDS + 110,
        check=False,
    )
    if told.returncode != 0:
        found = (tmp_path / "input").read_bytes() if (tmp_path / "input").exists() else b""
        pytest.fail(f"{target} ended with {told.returncode} at {found[:2000]!r}\n{told.stderr[-4000:]}")
    numbers = json.loads(told.stdout)
    print(numbers)
    number = numbers["refused"] + numbers["taken"]
    assert numbers["refused"] or number < _MANY, "inputs that are always taken are not changed"
