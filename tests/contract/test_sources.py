"""One suite for every source: what `Source` promises, on drawn material.

Cameras need a device; `test_sources_camera.py` and the tests in a virtual machine hold them to it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.clips import make_clip
from support.rtsp import RtspServer

from streamer.config.parts import kinds, load
from streamer.core.errors import InputError, SourceLost, StreamerError
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.sources import Source

FRAMES = 12
_QUICK_S = 1.0
"""A read that waits for its time ends within this after `close()`."""
_READ_TIMEOUT_S = 1.5


@dataclass(frozen=True)
class Case:
    """A source with drawn material for it, and what may be asked of it."""

    name: str
    kind: str
    address: Callable[[Path, ExitStack], dict[str, Any]]
    missing: Callable[[Path], dict[str, Any]] | None = None
    """An address that leads nowhere; None where there is none."""
    ends: bool = True
    live: bool = False
    waits: bool = False
    """It plays at its own speed: a read waits until a picture is due."""

    def __str__(self) -> str:
        return self.name


def _clip(folder: Path, stack: ExitStack, **options: Any) -> dict[str, Any]:
    return {"path": make_clip(folder / "clip.mp4", frames=FRAMES, size=(160, 120)), **options}


def _pictures(folder: Path, stack: ExitStack) -> dict[str, Any]:
    (folder / "pictures").mkdir()
    for number in range(FRAMES):
        bgr = np.full((48, 64, 3), 20 * number, np.uint8)
        assert cv2.imwrite(str(folder / "pictures" / f"{number}.png"), bgr)
    return {"path": folder / "pictures"}


def _picture(folder: Path, stack: ExitStack) -> dict[str, Any]:
    return {"path": sorted(_pictures(folder, stack)["path"].iterdir())[0]}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is its result."""


def _recording(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """A video on a web server."""
    make_clip(folder / "clip.mp4", frames=FRAMES, size=(160, 120), container_options={"movflags": "faststart"})
    server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    return {"url": f"http://127.0.0.1:{server.server_port}/clip.mp4"}


def _stream(folder: Path, stack: ExitStack) -> dict[str, Any]:
    server = stack.enter_context(RtspServer(size="160x120"))
    return {"url": server.url(), "read_timeout_s": _READ_TIMEOUT_S}


def _demo(**options: Any) -> Callable[[Path, ExitStack], dict[str, Any]]:
    return lambda folder, stack: {"width": 160, "height": 120, "fps": 25.0, "faces": 1, **options}


def _nowhere(folder: Path) -> dict[str, Any]:
    return {"path": folder / "nowhere.mp4"}


def _no_server(folder: Path) -> dict[str, Any]:
    return {"url": "rtsp://ann:s3cret@127.0.0.1:9/x", "open_timeout_s": 1.0}


CASES = [
    Case("demo", "demo", _demo(duration_s=FRAMES / 25)),
    Case("demo-realtime", "demo", _demo(duration_s=FRAMES / 25, realtime=True), live=True, waits=True),
    Case("file", "file", _clip, _nowhere),
    Case("file-realtime", "file", partial(_clip, realtime=True), _nowhere, waits=True),
    Case("images-folder", "images", _pictures, _nowhere),
    Case("images-one", "images", _picture, _nowhere),
    Case("http-recording", "rtsp", _recording, _no_server),
    Case("rtsp-live", "rtsp", _stream, _no_server, ends=False, live=True, waits=True),
]
_ELSEWHERE = {"camera"}

every = pytest.mark.parametrize("case", CASES, ids=str)


def build(case: Case, address: dict[str, Any]) -> Source:
    module = load("sources", case.kind)
    made: Source = module.build(module.Options(**address), Context())
    return made


@pytest.fixture
def source(case: Case, tmp_path: Path) -> Iterator[Source]:
    with ExitStack() as stack:
        made = build(case, case.address(tmp_path, stack))
        stack.callback(made.close)
        yield made


def pictures(source: Source, most: int = FRAMES + 5) -> list[Captured]:
    """What it gives, up to its end or so many."""
    found: list[Captured] = []
    while len(found) < most and (item := source.read()) is not None:
        if isinstance(item, Captured):
            found.append(item)
    return found


def test_every_kind_is_held_to_it() -> None:
    assert {one.kind for one in CASES} | _ELSEWHERE == set(kinds("sources"))


@every
def test_it_says_what_it_is(case: Case, source: Source) -> None:
    info = source.info
    assert info.name
    assert "s3cret" not in info.name
    assert info.width > 0
    assert info.height > 0
    assert info.live == case.live or case.kind == "file"
    assert info.fps is None or math.isfinite(info.fps)
    assert info.stills == (case.kind == "images")
    assert source.warnings == []


@every
def test_pictures_are_of_the_size_that_was_said(case: Case, source: Source) -> None:
    for one in pictures(source):
        assert one.image.size == (source.info.width, source.info.height)
        assert (one.name is not None) == source.info.stills


@every
def test_times_rise(case: Case, source: Source) -> None:
    times = [one.t for one in pictures(source)]
    if source.info.stills:
        assert set(times) == {None}
        return
    known = [t for t in times if t is not None]
    assert len(known) == len(times) > 1
    assert all(map(math.isfinite, known))
    assert all(one < other for one, other in pairwise(known))


@every
def test_it_ends_once_and_for_all(case: Case, source: Source) -> None:
    found = pictures(source)
    if not case.ends:
        assert len(found) == FRAMES + 5
        return
    assert len(found) <= (1 if case.name == "images-one" else FRAMES)
    # What plays at its own speed leaves out what nobody fetched in time, and counts it.
    left_out = getattr(source, "skipped", 0) if case.waits else 0
    assert case.live or len(found) + left_out == (1 if case.name == "images-one" else FRAMES)
    assert source.read() is None
    assert source.read() is None
    assert source.info.frames in (None, FRAMES, len(found))


@every
def test_a_picture_is_the_callers(case: Case, source: Source) -> None:
    """Frozen and kept, it stays as it was while others are read, and after the end; no two share memory."""
    kept = [(one.image.frozen(), one.image.buffer.copy()) for one in pictures(source)]
    source.close()
    for image, before in kept:
        assert not image.buffer.flags.writeable
        assert np.array_equal(image.buffer, before)
    for (one, _), (other, _) in pairwise(kept):
        assert not np.shares_memory(one.buffer, other.buffer)


@every
def test_closing_twice_is_fine(case: Case, source: Source) -> None:
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None


@every
def test_closing_unread_is_fine(case: Case, source: Source) -> None:
    source.close()
    source.close()


@every
def test_another_thread_may_close_it_while_it_reads(case: Case, source: Source) -> None:
    """The read in progress ends in order: a picture, the end, or a typed error, within its time limit."""
    problems: list[BaseException] = []

    def read_on() -> None:
        try:
            while source.read() is not None:
                pass
        except SourceLost:
            pass
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=read_on)
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(_READ_TIMEOUT_S + 1)
    assert not thread.is_alive()
    assert problems == []


@pytest.mark.parametrize("case", [case for case in CASES if case.waits and case.kind != "rtsp"], ids=str)
def test_a_waiting_read_ends_at_once(case: Case, tmp_path: Path) -> None:
    """Where pictures are waited for because they are not due yet, nothing waits after `close()`."""
    slow = {"fps": 0.05, "duration_s": 100} if case.kind == "demo" else {}
    with ExitStack() as stack:
        address = {**case.address(tmp_path, stack), **slow}
        if case.kind == "file":
            address["path"] = make_clip(tmp_path / "slow.mp4", frames=3, times=[0.0, 20.0, 40.0])
        source = build(case, address)
        source.read()
        ended = threading.Event()

        def read_one() -> None:
            source.read()
            ended.set()

        thread = threading.Thread(target=read_one)
        thread.start()
        time.sleep(0.3)
        asked = time.monotonic()
        source.close()
        thread.join(10)
        assert ended.is_set()
        assert time.monotonic() - asked < _QUICK_S


@pytest.mark.parametrize("case", [case for case in CASES if case.name == "rtsp-live"], ids=str)
def test_a_silent_server_is_lost_in_time(case: Case, tmp_path: Path) -> None:
    with RtspServer(size="160x120") as server:
        source = build(case, {"url": server.url(), "read_timeout_s": _READ_TIMEOUT_S})
        try:
            pictures(source, 3)
            server.freeze()
            began = time.monotonic()

            def read_on() -> None:
                nonlocal began
                while True:  # first what was on its way
                    began = time.monotonic()
                    source.read()

            with pytest.raises(SourceLost):
                read_on()
            assert time.monotonic() - began < _READ_TIMEOUT_S + _QUICK_S
        finally:
            server.thaw()
            source.close()


@pytest.mark.parametrize("case", [case for case in CASES if case.missing is not None], ids=str)
def test_what_is_not_there_is_named_in_one_line(case: Case, tmp_path: Path) -> None:
    assert case.missing is not None
    with pytest.raises(InputError) as caught:
        build(case, case.missing(tmp_path))
    message = str(caught.value)
    assert isinstance(caught.value, StreamerError)
    assert "\n" not in message
    assert "s3cret" not in message
    assert "nowhere" in message or "127.0.0.1" in message
