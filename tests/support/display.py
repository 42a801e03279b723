"""A screen that nobody sees: a real X server, with keys from xdotool and screenshots from ImageMagick."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

__all__ = ["Screen", "missing_tools", "virtual_screen"]

_TOOLS = {"Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick"}
_TIMEOUT_S = 20

# xdotool learned this later than some systems have it, so libX11, which it is made of, is asked itself.
_ASK_TO_CLOSE = """
import ctypes, sys

class ClientMessage(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong), ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5), ("room", ctypes.c_long * 24),
    ]

x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
x11.XInternAtom.restype = ctypes.c_ulong
x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
x11.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
display, window = x11.XOpenDisplay(None), int(sys.argv[1])
delete = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
message = ClientMessage(type=33, window=window, message_type=x11.XInternAtom(display, b"WM_PROTOCOLS", 0), format=32)
message.data[0] = delete
x11.XSendEvent(display, window, 0, 0, ctypes.byref(message))
x11.XCloseDisplay(display)
"""


def missing_tools() -> str | None:
    """What has to be installed for a virtual screen; None when all is there."""
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    return f"a virtual screen needs: apt-get install {' '.join(missing)}" if missing else None


@dataclass(frozen=True)
class Screen:
    """A running X server."""

    display: str
    """For the environment variable DISPLAY."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program that is to appear on this screen."""
        return {**os.environ, "DISPLAY": self.display}

    def run(self, *command: str) -> str:
        """Run an X program to its end; returns what it printed."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
        ).stdout.strip()

    def window(self, title: str) -> str:
        """The id of the window with this title, waiting for it to appear."""
        return self.run("xdotool", "search", "--sync", "--onlyvisible", "--name", title).splitlines()[0]

    def windows(self, title: str) -> list[str]:
        """The ids of the visible windows with this title, now."""
        command = ["xdotool", "search", "--onlyvisible", "--name", title]
        found = subprocess.run(
            command, env=self.environment, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
        return found.stdout.split()

    def press(self, window: str, *keys: str) -> None:
        """Press keys (X names: q, space, Escape) in a window."""
        self.run("xdotool", "windowfocus", "--sync", window)
        for key in keys:
            self.run("xdotool", "key", key)

    def restore(self, window: str) -> None:
        """Minimize a window and bring it back.

        On a busy machine the Qt in OpenCV's wheel now and then loses the first events of the X server. It then takes
        its window for hidden, and paints nothing until it appears anew.
        """
        self.run("xdotool", "windowunmap", "--sync", window)
        self.run("xdotool", "windowmap", "--sync", window)

    def ask_to_close(self, window: str) -> None:
        """What a window manager does when the user clicks on the cross of a window."""
        self.run(sys.executable, "-c", _ASK_TO_CLOSE, window)

    def screenshot(self, path: Path, window: str = "root") -> Any:
        """What a window shows, as BGR pixels."""
        self.run("import", "-window", window, str(path))
        picture = cv2.imread(str(path))
        assert picture is not None
        return picture


@contextmanager
def virtual_screen(size: tuple[int, int] = (1600, 1000), *, arguments: Sequence[str] = ()) -> Iterator[Screen]:
    """A screen of `size` pixels; skips the test, with the reason, where there are no tools for one."""
    if reason := missing_tools():
        pytest.skip(reason)
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp", *arguments],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield Screen(f":{number}")
    finally:
        server.terminate()
        server.wait(timeout=_TIMEOUT_S)
