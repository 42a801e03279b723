"""A crash of the program leaves no picture of its memory; a program that embeds it decides for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")

_TELL = """
import ctypes, resource
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
_PROGRAM = """
import sys
sys.argv = ["streamer", "--version"]
from streamer.__main__ import main
try:
    main()
except SystemExit:
    pass
"""
_EMBEDDED = """
import streamer, streamer.api, streamer.__main__
"""


def told(code: str) -> str:
    # A program that does not want to be looked into is not the parent's business, but its limits are: ours come first.
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import resource\nresource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))\n{code}{_TELL}",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(streamer.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.skipif(
    sys.platform == "linux" and __import__("resource").getrlimit(4)[1] == 0, reason="no dumps here at all"
)
def test_the_program_switches_dumps_off_and_nobody_else_does() -> None:
    assert told(_EMBEDDED) == "(4096, 4096) 1"
    assert told(_PROGRAM) == "(0, 0) 0"
