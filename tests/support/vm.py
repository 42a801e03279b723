"""The small virtual machine of scripts/vm: a kernel with a virtual camera and a webcam, for tests as root on Debian."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

__all__ = ["require_vm", "run_in_vm"]

_SCRIPTS = Path(__file__).parents[2] / "scripts" / "vm"
_SETUP_TIMEOUT_S = 300
SWITCH = "STREAMER_VM"
"""Environment variable: 0 leaves the tests that need the machine out."""


@cache
def _problem() -> str | None:
    """Why there is no machine; None when it is ready. Makes it on the first call, which takes up to a minute."""
    if os.environ.get(SWITCH) == "0":
        return f"virtual machine: left out, {SWITCH} is 0"
    try:
        done = subprocess.run(
            [_SCRIPTS / "setup"], capture_output=True, text=True, timeout=_SETUP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"virtual machine: not made within {_SETUP_TIMEOUT_S} s"
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["virtual machine: not made"])[-1]


def require_vm() -> None:
    """Skip the test, saying why, where the machine cannot be had."""
    if problem := _problem():
        pytest.skip(problem)


def run_in_vm(command: str, exchange: Path, *, timeout_s: int) -> str:
    """Run a shell command as root inside; what it says. `exchange` is the folder /mnt/exchange in there.

    Fails the test when the command fails.
    """
    environment = {**os.environ, "STREAMER_VM_EXCHANGE": str(exchange), "STREAMER_VM_TIMEOUT": str(timeout_s)}
    done = subprocess.run(
        [_SCRIPTS / "run", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s + 30,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"in the virtual machine, code {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
