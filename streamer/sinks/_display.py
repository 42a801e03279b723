"""Is there a screen? Asked before Qt is, which ends the whole program when it finds none."""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamer.core import install

__all__ = ["Watch", "display", "display_problem"]

_TIMEOUT_S = 3.0
_TRIES, _PAUSE_S = 5, 0.1
_REMEDY = "start it in a graphical session (over ssh: ssh -X), or choose an output that needs no screen: -o FILE.mp4"
_HEADLESS = (
    "opencv-python-headless is installed, which has no windows; "
    f"{install.without('opencv-python-headless')} && "
    f"{install.packages('--force-reinstall', '--no-deps', 'opencv-python')}"
)
_COOKIE = b"MIT-MAGIC-COOKIE-1"


def display_problem() -> str | None:
    """Why no window can be shown, with the remedy; None when one can."""
    with display() as problem:
        return problem


class Watch:
    """Notices that the X server has gone, before Qt does: Qt would end the whole program then, in the middle of a file.

    It holds a connection of its own, which breaks off in the same moment as Qt's.
    """

    def __init__(self) -> None:
        found = _knock(os.environ.get("DISPLAY", "")) if sys.platform.startswith("linux") else ""
        self._connection = None if isinstance(found, str) else found
        if self._connection is not None:
            self._connection.setblocking(False)

    def gone(self) -> bool:
        """Whether the screen that was there has gone."""
        if self._connection is None:
            return False
        try:
            while answer := self._connection.recv(4096):  # greetings of the server, which are of no interest
                del answer
            return True
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def display() -> Iterator[str | None]:
    """The same, and the screen stays ours inside.

    An X server may start anew when its last client leaves, and meanwhile it turns the next one away: so the one who
    asked holds on until the window is there.
    """
    import cv2

    if not cv2.currentUIFramework():
        yield _HEADLESS
    elif not sys.platform.startswith("linux"):
        yield None
    else:
        found = _knock(os.environ.get("DISPLAY", ""))
        if isinstance(found, str):
            yield found
        else:
            with found:
                yield None


def _knock(display: str) -> socket.socket | str:
    """A connection to the X server called `display`, or why it cannot be used."""
    if not display:
        if os.environ.get("WAYLAND_DISPLAY"):
            return "there is Wayland but no X display, which windows need; install xwayland and log in again"
        return f"there is no display for a window (DISPLAY is not set); {_REMEDY}"
    found = re.fullmatch(r"(?P<host>.*):(?P<number>\d+)(?:\.\d+)?", display)
    if found is None:
        return f"DISPLAY is {display!r}, which names no display; {_REMEDY}"
    refusal = ""
    for cookie in _cookies(found["number"]):
        answer = _patiently(found["host"], int(found["number"]), cookie)
        if isinstance(answer, socket.socket):
            return answer
        if answer is None:
            return f"no answer from display {display}; {_REMEDY}"
        refusal = answer
    return (
        f"display {display} refuses us ({refusal}); run as the user who owns the screen, or let this one in with: "
        "xhost +si:localuser:$USER"
    )


def _patiently(host: str, number: int, cookie: bytes) -> socket.socket | str | None:
    """A connection that lets us in, the server's reason why it does not, or None when there is no answer."""
    for _ in range(_TRIES):
        try:
            connection = _connected(host, number)
        except OSError:
            return None
        try:
            reason = _introduced(connection, cookie)
        except TimeoutError:
            connection.close()
            return None
        except OSError:  # it hung up: it may be starting anew
            connection.close()
            time.sleep(_PAUSE_S)
            continue
        if reason is None:
            return connection
        connection.close()
        return reason
    return None


def _connected(host: str, number: int) -> socket.socket:
    """A connection to an X server. Raises OSError."""
    if host not in ("", "unix"):
        return socket.create_connection((host, 6000 + number), timeout=_TIMEOUT_S)
    path = f"/tmp/.X11-unix/X{number}"
    last: OSError = ConnectionRefusedError()
    for address in (f"\0{path}", path):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


def _introduced(connection: socket.socket, cookie: bytes) -> str | None:
    """Say hello as every X program does. None when we are let in, else the server's reason. Raises OSError."""
    name = _COOKIE if cookie else b""
    hello = struct.pack("<BxHHHH2x", ord("l"), 11, 0, len(name), len(cookie))
    connection.sendall(hello + _padded(name) + _padded(cookie))
    with connection.makefile("rb") as answer:
        head = answer.read(8)
        if len(head) < 8:
            raise ConnectionResetError
        if head[0] == 1:
            return None
        reason = answer.read(head[1]) if head[0] == 0 else b"authentication needed"
    return reason.decode("latin-1").strip().rstrip(".")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _cookies(number: str) -> Iterator[bytes]:
    """The keys that may fit a display: those filed under its number, then none."""
    path = Path(os.environ.get("XAUTHORITY") or f"{os.environ.get('HOME', '')}/.Xauthority")
    data = b""
    with suppress(OSError):
        data = path.read_bytes()
    while len(data) >= 2:
        data = data[2:]  # the kind of address; the number says enough
        fields: list[bytes] = []
        for _ in range(4):  # address, number, name of the method, key
            length = int.from_bytes(data[:2], "big")
            fields.append(data[2 : 2 + length])
            data = data[2 + length :]
        if fields[2] == _COOKIE and fields[1] in (b"", number.encode()):
            yield fields[3]
    yield b""
