"""The small virtual machine of scripts/vm: a kernel with a virtual camera and a webcam, for tests as root on Debian.

What it does for them takes minutes of which most tests need nothing, so it begins with the first test of a session and
the tests that look at its results come last.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.sources import demo
from support.vm_cameras import SCENE_FRAMES
from support.weights import weights

__all__ = ["SCENE", "SCENE_START", "Errand", "sent"]

SWITCH = "STREAMER_VM"
"""Environment variable: 0 leaves the tests that need the machine out."""
SCENE = demo.Options(seed=4, width=480, height=270, fps=10, faces=2)
SCENE_START = 20
"""From here on both drawn people are wholly visible and at least 26 pixels wide in the face."""

_ROOT = Path(__file__).parents[2]
_SETUP_TIMEOUT_S, _TIMEOUT_S = 300, 600
_NOT_MADE = 77
_STEPS = f"timeout --foreground {_SETUP_TIMEOUT_S} scripts/vm/setup || exit {_NOT_MADE}; exec scripts/vm/run"


@dataclass
class Errand:
    """What the machine was sent to do: every part of `support.vm_cameras`, with its results in `folder`."""

    folder: Path
    _process: subprocess.Popen[str] | None = None
    _problem: str = ""

    def begin(self) -> None:
        """Make the machine where there is none yet, and start it. Returns at once."""
        if os.environ.get(SWITCH) == "0":
            self._problem = f"virtual machine: left out, {SWITCH} is 0"
            return
        try:
            model = weights("yunet")
        except pytest.skip.Exception as skipped:
            self._problem = str(skipped)
            return
        write_scene(self.folder / "scene.mp4")
        paths = os.pathsep.join(map(str, (_ROOT, _ROOT / "tests")))
        command = f"PYTHONPATH={shlex.quote(paths)} STREAMER_MODELS={shlex.quote(str(model.parent))} "
        command += f"{shlex.quote(sys.executable)} -m support.vm_cameras sink program without"
        places = {"STREAMER_VM_EXCHANGE": str(self.folder), "STREAMER_VM_TIMEOUT": str(_TIMEOUT_S)}
        self._process = subprocess.Popen(
            ["bash", "-c", f"{_STEPS} {shlex.quote(command)}"],
            cwd=_ROOT,
            env={**os.environ, **places},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that `end` reaches the machine itself
        )

    def done(self) -> str:
        """Wait for the machine; what it said. Skips the test where it cannot be had, fails it if the errand failed."""
        if self._process is None:
            pytest.skip(self._problem)
        output, errors = self._process.communicate(timeout=_SETUP_TIMEOUT_S + _TIMEOUT_S + 30)
        code = self._process.returncode
        if code == _NOT_MADE:
            pytest.skip((errors.strip().splitlines() or [f"virtual machine: not made within {_SETUP_TIMEOUT_S} s"])[-1])
        assert code == 0, f"in the virtual machine, code {code}:\n{output}\n{errors}"
        return output

    def end(self) -> None:
        """Switch the machine off if it still runs: nobody waited for it."""
        if self._process is None:
            return
        with self._process:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)


@contextmanager
def sent(folder: Path) -> Iterator[Errand]:
    """The machine at work, with its results in `folder` when it is done."""
    errand = Errand(folder)
    try:
        errand.begin()
        yield errand
    finally:
        errand.end()


def write_scene(path: Path) -> None:
    """Some of the drawn scene as a video."""
    drawn = demo.scene(SCENE)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = drawn.width, drawn.height, "yuv420p"
        for number in range(SCENE_START, SCENE_START + SCENE_FRAMES):
            frame = drawn.picture(number).to_av()
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
