"""The window: a real one on a virtual screen, with real keys and screenshots; and what is said without a screen."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import show
from support.display import Screen, virtual_screen
from support.frames import number_of, numbered

from streamer.anonymize.frame import slate
from streamer.core.errors import UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.sinks import StreamFormat, _display, window

TITLE = "^streamer: test$"
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    with virtual_screen(arguments=["-noreset"]) as running:
        yield running


class Program:
    """The program with the window, and what it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ended(self) -> tuple[int, str]:
        """Exit code and everything on stderr."""
        _, errors = self._process.communicate(timeout=30)
        return self._process.returncode, errors


@contextmanager
def showing(environment: dict[str, str], folder: Path, size: tuple[int, int] = (320, 240)) -> Iterator[Program]:
    environment = {**environment, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "support.show", str(folder), str(size[0]), str(size[1])],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Program(process)
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(what: str, true: Callable[[], bool]) -> None:
    """Wait for a condition; fails the test after a generous time."""
    deadline = time.monotonic() + 40
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def see_picture(screen: Screen, opened: str, path: Path) -> None:
    """Wait until the window shows what is written to it."""
    tries = itertools.count(1)

    def seen() -> bool:
        if next(tries) % 30 == 0:
            screen.restore(opened)
        return luma_number(screen.screenshot(path, opened)) == show.NUMBER

    wait_until("the picture", seen)


def luma_number(bgr: object) -> int:
    return number_of(Picture.from_bgr(np.ascontiguousarray(bgr)))


def test_the_picture_is_on_the_screen_and_keys_arrive(screen: Screen, tmp_path: Path) -> None:
    with showing(screen.environment, tmp_path) as program:
        opened = screen.window(TITLE)
        see_picture(screen, opened, tmp_path / "shot.png")
        shot = screen.screenshot(tmp_path / "shot.png", opened)
        expected = numbered(show.NUMBER, 0.0).image.bgr()
        assert shot.shape == expected.shape
        below = slice(30, None)  # the rate is printed above
        assert np.abs(shot[below].astype(int) - expected[below]).max() <= 2
        for key, command in (("space", "toggle_cover"), ("e", "next_effect"), ("E", "next_effect")):
            screen.press(opened, key)
            assert program.line() == command
        screen.press(opened, "q")
        assert program.line() == "quit"
        assert program.line() == "end"
        assert program.ended() == (0, "")
    assert screen.windows(TITLE) == []


def test_help_and_snapshot(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "snapshot_0001.png").write_bytes(b"precious")
    with showing(screen.environment, tmp_path) as program:
        opened = screen.window(TITLE)
        corner = slice(0, 100), slice(0, 180)

        def brightness() -> float:
            return float(screen.screenshot(tmp_path / "shot.png", opened)[corner].mean())

        see_picture(screen, opened, tmp_path / "shot.png")
        before = brightness()
        screen.press(opened, "h")
        wait_until("the help", lambda: brightness() < before * 0.7)
        screen.press(opened, "s")
        wait_until("the snapshot", (tmp_path / "snapshot_0002.png").exists)
        screen.press(opened, "h", "Escape")
        assert program.line() == "quit"
        assert program.ended()[0] == 0
    assert (tmp_path / "snapshot_0001.png").read_bytes() == b"precious"
    saved = cv2.imread(str(tmp_path / "snapshot_0002.png"))
    assert saved is not None
    assert np.array_equal(saved, numbered(show.NUMBER, 0.0).image.bgr())  # without the help that lay over it


def test_closing_the_window_quits(screen: Screen, tmp_path: Path) -> None:
    with showing(screen.environment, tmp_path) as program:
        opened = screen.window(TITLE)
        see_picture(screen, opened, tmp_path / "shot.png")
        screen.ask_to_close(opened)
        assert program.line() == "quit"
        assert program.ended() == (0, "")


def test_large_pictures_are_shown_smaller(screen: Screen, tmp_path: Path) -> None:
    with showing(screen.environment, tmp_path, size=(1920, 1081)) as program:
        opened = screen.window(TITLE)
        see_picture(screen, opened, tmp_path / "shot.png")
        assert screen.screenshot(tmp_path / "shot.png", opened).shape == (360, 640, 3)
        screen.press(opened, "q")
        assert program.ended()[0] == 0


def test_a_wayland_setting_of_qt_does_no_harm(screen: Screen, tmp_path: Path) -> None:
    with showing({**screen.environment, "QT_QPA_PLATFORM": "wayland"}, tmp_path) as program:
        screen.press(screen.window(TITLE), "q")
        assert program.line() == "quit"
        assert program.ended() == (0, "")


def test_a_server_that_starts_anew_whenever_its_last_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with virtual_screen((800, 600)) as restless:
        monkeypatch.setenv("DISPLAY", restless.display)
        assert [_display.display_problem() for _ in range(10)] == [None] * 10
        with showing(restless.environment, tmp_path) as program:
            time.sleep(1)  # nobody else on this screen while the window comes up
            restless.press(restless.window(TITLE), "q")
            assert program.line() == "quit"
            assert program.ended() == (0, "")


# -- without a screen ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "there is no display for a window (DISPLAY is not set); "),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "there is Wayland but no X display"),
        ({"DISPLAY": "screen"}, "DISPLAY is 'screen', which names no display; "),
        ({"DISPLAY": ":7531"}, "no answer from display :7531; "),
        ({"DISPLAY": "localhost:7531.0"}, "no answer from display localhost:7531.0; "),
    ],
)
def test_no_screen_is_one_clear_line(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with showing({**environment, **changes}, tmp_path) as program:
        line = program.line()
        assert line.startswith(message)
        assert program.ended() == (UsageError.exit_code, "")


def test_a_screen_that_wants_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, cookie = tmp_path / "keys", bytes(range(16))
    with_key = [b"host", b"{}", b"MIT-MAGIC-COOKIE-1", cookie]

    def store(number: str) -> None:
        fields = [field.replace(b"{}", number.encode()) for field in with_key]
        keys.write_bytes(b"\1\0" + b"".join(len(field).to_bytes(2, "big") + field for field in fields))

    store("0")
    with virtual_screen((64, 64), arguments=["-auth", str(keys)]) as locked:
        monkeypatch.setenv("DISPLAY", locked.display)
        monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
        problem = _display.display_problem()
        assert problem is not None
        assert problem.startswith(f"display {locked.display} refuses us (Authorization required")
        store(locked.display[1:])
        monkeypatch.setenv("XAUTHORITY", str(keys))
        assert _display.display_problem() is None
        assert window.probe()[0].ok


def test_a_server_that_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(_display._TRIES):
                connection, _address = server.accept()
                connection.close()

        answering = threading.Thread(target=hang_up)
        answering.start()
        number = server.getsockname()[1] - 6000
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}")
        problem = _display.display_problem()
        answering.join()
    assert problem is not None
    assert problem.startswith("no answer from display")


def test_a_headless_opencv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    sink = window.build(window.Options(), Context())
    with pytest.raises(UsageError, match="opencv-python-headless is installed"):
        sink.open(StreamFormat(64, 48, 25.0, live=True, stills=False, title="test"))
    sink.write(slate(0, 0.0, (64, 48)))
    assert sink.poll() == []
    sink.close()
    (probe,) = window.probe()
    assert not probe.ok
    assert "pip uninstall" in probe.remedy
