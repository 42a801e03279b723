"""Starts, kills, stops and restarts the RTSP server of the tests, always on the same loopback port."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from functools import cache
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import pytest

__all__ = ["RtspServer", "free_port"]

_SYSTEM_PYTHON = "/usr/bin/python3"
_PROGRAM = Path(__file__).with_name("rtsp_server.py")
_NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer;"
    "Gst.init(None);"
    "missing = [e for e in 'x264enc rtph264pay h264parse qtdemux appsrc'.split() if not Gst.ElementFactory.find(e)];"
    "assert not missing, missing"
)
_READY_WITHIN_S = 20.0


@cache
def _problem() -> str:
    """Why there is no RTSP server on this machine; empty when there is one."""
    try:
        tried = subprocess.run([_SYSTEM_PYTHON, "-c", _NEEDED], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else ""


def free_port() -> int:
    """A TCP port of the loopback interface on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class RtspServer:
    """A real server in a process of its own; use it as a context manager. Skips the test where there can be none.

    size, fps: of the mount `/test`. file: served in a loop under `/file`. user: asks for this login, digest or basic.
    """

    def __init__(
        self,
        *,
        size: str = "640x360",
        fps: int = 25,
        file: Path | None = None,
        user: str | None = None,
        password: str = "",
        basic: bool = False,
    ) -> None:
        if problem := _problem():
            pytest.skip(f"no RTSP server: GStreamer's RTSP server with its Python bindings is needed ({problem})")
        self.port = free_port()
        self._user, self._password = user, password
        self._command = [_SYSTEM_PYTHON, str(_PROGRAM), "--port", str(self.port), "--size", size, "--fps", str(fps)]
        if file is not None:
            self._command += ["--file", str(file)]
        if user is not None:
            self._command += ["--user", user, "--password", password, *(["--basic"] if basic else [])]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, mount: str = "/test", *, user: str | None = None, password: str | None = None) -> str:
        """The address of a mount, with the server's own login unless another is given."""
        user = self._user if user is None else user
        password = self._password if password is None else password
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}{mount}"

    def start(self) -> float:
        """Start it; returns the monotonic time at which it accepted connections."""
        assert self._process is None
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        self._process = process
        assert process.stdout is not None
        deadline = time.monotonic() + _READY_WITHIN_S
        while not select.select([process.stdout], [], [], 0.1)[0] and time.monotonic() < deadline:
            pass
        if not select.select([process.stdout], [], [], 0)[0] or not process.stdout.readline().startswith(b"READY"):
            self.kill()
            raise AssertionError("the RTSP server did not start")
        return time.monotonic()

    def kill(self) -> float:
        """End it as a crash would; returns the monotonic time."""
        process, self._process = self._process, None
        now = time.monotonic()
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        return now

    def freeze(self) -> None:
        """Its connections stay open, but nothing comes any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
