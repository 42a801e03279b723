"""The program in a process of its own, with bounds: files that take memory or time without end must not reach ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamer as package

__all__ = ["Told", "streamer"]

Told = subprocess.CompletedProcess[str]


def streamer(*arguments: str | Path, folder: Path, seconds: float = 90.0, memory: int = 3 << 30) -> Told:
    """Run `streamer` with these arguments in `folder`, which also is its home.

    memory: address space in bytes; the libraries alone take one gigabyte. Raises TimeoutExpired.
    """

    resource = pytest.importorskip("resource", reason="bounds on memory are not Windows'")

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    source = str(Path(package.__file__).parents[1])  # the tree that is tested, whatever is installed
    home = {
        "PYTHONPATH": source,
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "streamer", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        preexec_fn=confine,
    )
