"""Numbers, times and epochs; reconnecting."""

from __future__ import annotations

import itertools
import threading
import time

import cv2
import numpy as np
import pytest
from fakes import MovingFace

from streamer.core.channel import Channel, Full
from streamer.core.errors import InputError, SourceLost
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.run import RunContext
from streamer.core.stats import Stats
from streamer.core.types import Captured, Frame, SourceInfo
from streamer.stages.capture import Capture, CaptureOptions, Framer

SMALL, LARGE = Picture.blank(64, 48).frozen(), Picture.blank(96, 64).frozen()


def framer(
    *, live: bool = False, stills: bool = False, fps: float | None = 25, target_fps: float | None = None
) -> Framer:
    return Framer(live=live, stills=stills, fps=fps, target_fps=target_fps)


def frames(machine: Framer, *given: tuple[float | None, float]) -> list[Frame | None]:
    return [machine.frame(Captured(t, SMALL), now) for t, now in given]


def kept(made: list[Frame | None]) -> list[Frame]:
    return [frame for frame in made if frame is not None]


def test_files_keep_their_own_times() -> None:
    made = kept(frames(framer(), (5.0, 0), (5.04, 9), (5.2, 10)))
    assert [(f.seq, f.epoch, f.t) for f in made] == [(0, 0, 5.0), (1, 0, 5.04), (2, 0, 5.2)]


def test_files_without_times_get_regular_ones() -> None:
    made = kept(frames(framer(fps=10), (None, 0), (None, 0), (None, 0)))
    assert [f.t for f in made] == pytest.approx([0, 0.1, 0.2])


def test_time_that_runs_backwards_begins_a_new_epoch_and_moves_on() -> None:
    made = kept(frames(framer(), (5.0, 0), (5.04, 0), (1.0, 0), (1.04, 0), (1.08, 0)))
    assert [f.epoch for f in made] == [0, 0, 1, 1, 1]
    times = [f.t for f in made]
    assert all(b > a for a, b in itertools.pairwise(times))
    assert times[-1] - times[-2] == pytest.approx(0.04)


def test_live_times_follow_arrival_smoothed_by_the_sources_clock() -> None:
    # The second frame is 30 ms late on the network: its time is not.
    made = kept(frames(framer(live=True), (7.0, 100.0), (7.04, 100.07), (7.08, 100.08)))
    assert [f.t for f in made] == pytest.approx([100.0, 100.04, 100.08])


def test_live_frames_are_never_newer_than_their_arrival() -> None:
    made = kept(frames(framer(live=True), (7.0, 100.0), (7.04, 100.01), (7.08, 100.05)))
    assert all(f.t <= now for f, now in zip(made, (100.0, 100.01, 100.05), strict=True))
    assert made[2].t > made[1].t


def test_a_live_clock_that_stands_still_does_not_slow_time_down() -> None:
    """A camera in the dark gives fewer frames than it says; looks must not seem nearer to each other than they are."""
    arrived = [100 + n / 5 for n in range(40)]
    made = kept(frames(framer(live=True, fps=30), *((7.0, now) for now in arrived)))
    assert [f.t for f in made] == pytest.approx(arrived)
    assert {f.epoch for f in made} == {0}


def test_late_frames_keep_the_steps_of_their_source() -> None:
    """A busy machine reads late, then catches up: time must not be bent against what the pictures show."""
    machine = framer(live=True)
    late = [0.0, 0.0, 0.8, 0.9, 0.7, 0.6, 0.3, 0.0, 0.0]
    made = kept([machine.frame(Captured(n / 25, SMALL), 100 + n / 25 + by) for n, by in enumerate(late)])
    assert [f.t for f in made] == pytest.approx([100 + n / 25 for n in range(len(late))])
    assert {f.epoch for f in made} == {0}


def test_lateness_that_stays_is_followed_in_a_new_epoch() -> None:
    machine = framer(live=True)
    made = kept([machine.frame(Captured(n / 25, SMALL), 100 + n / 25 + (2 if n > 5 else 0)) for n in range(200)])
    assert made[-1].t == pytest.approx(100 + 199 / 25 + 2)
    assert made[-1].epoch == 1
    assert all(b.t > a.t for a, b in itertools.pairwise(made))


def test_live_clock_that_runs_backwards_begins_a_new_epoch() -> None:
    made = kept(frames(framer(live=True), (7.0, 100.0), (7.04, 100.04), (1.0, 100.08), (1.04, 100.12)))
    assert [f.t for f in made] == pytest.approx([100.0, 100.04, 100.08, 100.12])
    assert [f.epoch for f in made] == [0, 0, 1, 1]


def test_live_clock_jump_is_followed() -> None:
    made = kept(frames(framer(live=True), (7.0, 100.0), (900.0, 100.04), (900.04, 100.08)))
    assert [f.t for f in made] == pytest.approx([100.0, 100.04, 100.08])
    assert made[-1].epoch == 0


def test_another_size_and_a_reconnection_begin_new_epochs() -> None:
    machine = framer(live=True)
    made = [machine.frame(Captured(None, SMALL), 1.0), machine.frame(Captured(None, LARGE), 1.04)]
    machine.reconnected()
    made.append(machine.frame(Captured(None, LARGE), 1.5))
    assert [f.epoch for f in kept(made)] == [0, 1, 2]
    assert [f.seq for f in kept(made)] == [0, 1, 2]


def test_a_cut_begins_a_new_epoch_and_motion_does_not() -> None:
    rng = np.random.default_rng(3)
    room, street = (
        cv2.resize(rng.integers(0, 256, (9, 16), dtype=np.uint8), (400, 240), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    )
    machine, epochs = framer(), []
    for n in range(12):
        view = (room if n < 6 else street)[:, 4 * n : 4 * n + 320]  # the camera pans
        picture = Picture.from_bgr(
            np.stack([np.clip(view.astype(int) + (40 if n > 8 else 0), 0, 255)] * 3, -1).astype(np.uint8)
        )
        made = machine.frame(Captured(n / 25, picture), 0.0)
        assert made is not None
        epochs.append(made.epoch)
    assert epochs == [0] * 6 + [1] * 6


def test_every_still_is_its_own_epoch() -> None:
    assert [f.epoch for f in kept(frames(framer(stills=True), (0, 0), (1, 0), (2, 0)))] == [0, 1, 2]


@pytest.mark.parametrize(("fps", "target", "expected"), [(50, 25, 25), (30, 20, 20), (25, 60, 25), (30, 15, 15)])
def test_target_rate_is_held_evenly(fps: int, target: int, expected: int) -> None:
    made = kept(frames(framer(target_fps=target), *((n / fps, 0.0) for n in range(fps * 4))))
    assert len(made) == pytest.approx(expected * 4, abs=1)
    steps = [b.t - a.t for a, b in itertools.pairwise(made)]
    assert max(steps) <= 2 / min(fps, target)


def test_old_frames_are_left_out_but_for_one_in_so_long() -> None:
    """After a stall of 3 s everything comes at once; and a machine that is always late still shows something."""
    machine = Framer(live=True, stills=False, fps=25, target_fps=None, max_age_s=0.5)
    made, left_out = [], set()
    for n in range(150):
        late = 3.0 if n > 100 else max(0.0, 3.0 - n / 25 + 1) if n > 25 else 0.0
        frame = machine.frame(Captured(n / 25, SMALL, waited_s=0.0), 100 + n / 25 + late)
        if frame is None:
            left_out.add(machine.left_out)
        else:
            made.append((n, machine.behind_s))
    assert left_out == {DropReason.TOO_OLD}
    assert [n for n, _ in made[:26]] == list(range(26))
    assert all(behind <= 0.5 for n, behind in made if 88 < n <= 100)
    assert [n for n, _ in made if 88 <= n <= 100] == list(range(88, 101))
    assert 2 <= sum(n > 100 for n, _ in made) <= 6  # 49 pictures, all of them 3 s late


@pytest.mark.parametrize("says", [10, 12, 20, 40, 60, 0])
def test_a_clock_that_is_wrong_loses_no_picture(says: int) -> None:
    """25 pictures a second that say they are more, or fewer, or all of the same moment; then they come 2 s later."""
    machine = Framer(live=True, stills=False, fps=25, target_fps=None, max_age_s=0.5)
    for n in range(200):
        now = 100 + n / 25 + (2.0 if n > 100 else 0.0)
        assert machine.frame(Captured(n / says if says else 7.0, SMALL, waited_s=0.03 if n != 101 else 2.0), now)
        assert machine.behind_s == 0


class Lossy:
    """Opens a source that breaks off at its tenth frame; the next two openings fail."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self) -> MovingFace:
        self.opened += 1
        if self.opened in (2, 3):
            raise InputError("server is away")
        return MovingFace(frames=20, live=True, fps=200, lose_at=(10,) if self.opened == 1 else ())


def capture(opener: Lossy, raw: Channel[Frame], stats: Stats, stop: threading.Event, **options: object) -> Capture:
    source = opener()
    machine = framer(live=True)
    settings = CaptureOptions.model_validate({"retry_first_s": 0.01, "retry_max_s": 0.02, **options})
    return Capture(source, opener, machine, raw, settings, RunContext(stats, wait=stop.wait))


def test_lost_source_is_opened_again_in_a_new_epoch() -> None:
    raw: Channel[Frame] = Channel(100, Full.BLOCK)
    stats, opener = Stats(), Lossy()
    capture(opener, raw, stats, threading.Event()).work()
    got = []
    while not raw.drained:
        got.append(raw.get())
    assert [f.epoch for f in got if f] == [0] * 10 + [1] * 20
    assert opener.opened == 4
    assert stats.counts().reconnected == 1


def test_gives_up_after_retry_for_s() -> None:
    raw: Channel[Frame] = Channel(100, Full.BLOCK)
    opener = Lossy()
    machine = capture(opener, raw, Stats(), threading.Event(), retry_for_s=0.001)
    with pytest.raises(SourceLost, match="server is away"):
        machine.work()
    assert raw.get(0) is not None


def test_stop_ends_the_waiting() -> None:
    raw: Channel[Frame] = Channel(100, Full.BLOCK)
    stop = threading.Event()
    machine = capture(Lossy(), raw, Stats(), stop, retry_first_s=30.0, retry_max_s=30.0)
    thread = threading.Thread(target=machine.work)
    thread.start()
    time.sleep(0.3)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_file_that_breaks_off_is_an_error() -> None:
    raw: Channel[Frame] = Channel(100, Full.BLOCK)
    source = MovingFace(frames=20, lose_at=(5,))
    machine = Capture(source, lambda: source, framer(), raw, CaptureOptions(), RunContext())
    with pytest.raises(SourceLost):
        machine.work()
    assert len(raw) == 5


@pytest.mark.parametrize(("duration_s", "expected"), [(0.4, 10), (2.0, 20)])
def test_duration(duration_s: float, expected: int) -> None:
    raw: Channel[Frame] = Channel(100, Full.BLOCK)
    source = MovingFace(frames=20)
    Capture(source, lambda: source, framer(), raw, CaptureOptions(), RunContext(duration_s=duration_s)).work()
    assert len(raw) == expected


class Frozen:
    """A camera that shows the same picture from its tenth on; opened again, it still does."""

    def __init__(self) -> None:
        self.info = SourceInfo("yard", 64, 48, live=True, fps=25)
        self.warnings: list[str] = []
        self.n = 0

    def read(self) -> Captured:
        self.n += 1
        return Captured(None, Picture.blank(64, 48, luma=50 + min(self.n, 10)).frozen())

    def close(self) -> None:
        return


def test_a_frozen_picture_is_told_of_and_its_source_opened_again_once() -> None:
    now, opened = [100.0], [0]

    def reopen() -> Frozen:
        opened[0] += 1
        again = Frozen()
        again.n = 9
        return again

    def wait(seconds: float) -> bool:
        now[0] += max(seconds, 0.04)
        return now[0] > 200

    run = RunContext(Stats(), clock=lambda: now[0], wait=wait)
    frames: Channel[Frame] = Channel(1, Full.DROP_OLDEST)
    capture = Capture(Frozen(), reopen, framer(), frames, CaptureOptions(freeze_s=5), run)
    capture.work()
    assert opened == [1]
    notes = [note.text for note in run.stats.notes()]
    assert notes == [
        "yard: the picture has been the same for 5 s",
        "lost: yard shows one and the same picture",
    ]
    assert run.signal.frozen
