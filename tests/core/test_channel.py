"""Channels and workers: bounded, woken, never forgotten."""

from __future__ import annotations

import threading
import time

import pytest

from streamer.core.channel import Channel, Closed, Full
from streamer.core.errors import StuckError
from streamer.core.workers import Workers


def test_first_in_first_out() -> None:
    channel: Channel[int] = Channel(3, Full.BLOCK)
    for n in range(3):
        channel.put(n)
    assert [channel.get(), channel.get(), channel.get()] == [0, 1, 2]
    assert channel.get(0) is None


def test_drop_oldest_tells_what_it_dropped() -> None:
    dropped: list[int] = []
    channel: Channel[int] = Channel(2, Full.DROP_OLDEST, on_drop=dropped.append)
    for n in range(5):
        channel.put(n)
    assert dropped == [0, 1, 2]
    assert [channel.get(), channel.get()] == [3, 4]


def test_close_lets_the_rest_out() -> None:
    channel: Channel[int] = Channel(2, Full.BLOCK)
    channel.put(1)
    channel.close()
    with pytest.raises(Closed):
        channel.put(2)
    assert not channel.drained
    assert channel.get() == 1
    assert channel.drained
    with pytest.raises(Closed):
        channel.get()


@pytest.mark.parametrize("end", ["close", "abort"])
def test_blocked_put_and_get_are_woken(end: str) -> None:
    full: Channel[int] = Channel(1, Full.BLOCK)
    full.put(1)
    empty: Channel[int] = Channel(1, Full.BLOCK)
    woken: list[str] = []

    def put() -> None:
        try:
            full.put(2)
        except Closed:
            woken.append("put")

    def get() -> None:
        try:
            empty.get()
        except Closed:
            woken.append("get")

    threads = [threading.Thread(target=put), threading.Thread(target=get)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    for channel in (full, empty):
        getattr(channel, end)()
    for thread in threads:
        thread.join(5)
    assert sorted(woken) == ["get", "put"]


def test_abort_throws_away() -> None:
    channel: Channel[int] = Channel(2, Full.BLOCK)
    channel.put(1)
    channel.abort()
    with pytest.raises(Closed):
        channel.get(0)


def test_one_condition_for_two_channels() -> None:
    changed = threading.Condition()
    a: Channel[int] = Channel(1, Full.BLOCK, changed=changed)
    b: Channel[int] = Channel(1, Full.BLOCK, changed=changed)
    thread = threading.Timer(0.05, b.put, [7])
    thread.start()
    with changed:
        assert changed.wait_for(lambda: len(a) or len(b), timeout=5)
    assert b.get(0) == 7
    thread.join()


def test_first_failure_wakes_the_others_and_reaches_join() -> None:
    channel: Channel[int] = Channel(1, Full.BLOCK)
    workers = Workers(on_failure=lambda error: channel.abort())

    def waits() -> None:
        with pytest.raises(Closed):
            channel.get()

    def breaks() -> None:
        raise ValueError("this one")

    workers.spawn("waits", waits)
    workers.spawn("breaks", breaks)
    with pytest.raises(ValueError, match="this one"):
        workers.join(5)
    assert workers.alive() == []


def test_stuck_thread_is_named() -> None:
    release = threading.Event()
    workers = Workers(on_failure=lambda error: None)

    def slow() -> None:
        release.wait(10)

    workers.spawn("the slow one", slow)
    with pytest.raises(StuckError, match="the slow one"):
        workers.join(0.05)
    release.set()
    workers.join(5)
