"""Play-out of live sinks, and records of live sources."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import RecordingSink
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.anonymize.gate import Freshness, MaskOptions, seal
from streamer.core.errors import SinkError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.reasons import CoverReason, DropReason, SinkState, SinkTrouble
from streamer.core.run import RunContext
from streamer.core.types import DetectionResult, Frame, Plan, Reveal, TrackBox
from streamer.effects import solid
from streamer.sinks import StreamFormat
from streamer.sinks._play_out import PlayOut, Shown, Words
from streamer.stages.output import OutputOptions, Permission, SinkHealth, SinkRunner

IMAGE = slate(-1, 0, (64, 48)).image


def frame(seq: int, t: float) -> AnonymizedFrame:
    return derive(slate(seq, t, (64, 48), "x"))


def play_out(delay_s: float | None = None) -> PlayOut:
    return PlayOut(size=(64, 48), period_s=0.04, delay_s=delay_s, stale_s=0.5)


def show(out: PlayOut, now: float) -> tuple[Shown | None, int]:
    """What is shown, and how many frames were given up."""
    shown = out.show(now)
    return shown, sum(number for _, number in out.take_dropped())


def test_bursts_play_evenly() -> None:
    """Three frames arrive at once, as they do when a pass comes back: each is shown at its own time."""
    out, shown = play_out(), []
    now = 10.0
    arrivals = {10.10: [(0, 10.0), (1, 10.04), (2, 10.08)], 10.22: [(3, 10.12), (4, 10.16), (5, 10.20)]}
    while now < 10.4:
        for when in [moment for moment in arrivals if moment <= now]:
            for seq, t in arrivals.pop(when):
                out.offer(frame(seq, t), now)
        what, skipped = show(out, now)
        assert skipped == 0
        if what is not None and what.frame.seq >= 0 and what.kind != "repeat":
            shown.append((what.frame.seq, round(now - what.frame.t, 3)))
        now = round(now + 0.005, 3)
    assert [seq for seq, _ in shown] == [0, 1, 2, 3, 4, 5]
    delays = [delay for _, delay in shown]
    assert max(delays) - min(delays) <= 0.011
    assert max(delays) <= 0.12


def test_a_delay_that_is_over_is_caught_up_without_skipping() -> None:
    """A moment's lateness lengthens the delay for a while; when it shrinks again, no frame pays for it."""
    out, arriving = play_out(), {n: n * 0.04 + (0.4 if n == 25 else 0.1) for n in range(250)}
    shown: list[tuple[int, float]] = []
    for now in (step * 0.002 for step in range(5100)):
        for n in [n for n, at in arriving.items() if at <= now and n <= min(arriving)]:
            del arriving[n]
            out.offer(frame(n, n * 0.04), now)
        what, skipped = show(out, now)
        assert skipped == 0 or now < 2
        if what is not None and what.kind in ("frame", "covered") and what.frame.seq >= 0:
            shown.append((what.frame.seq, now - what.frame.t))
    assert max(delay for _, delay in shown) > 0.4
    assert shown[-1][1] < 0.12
    assert [n for n, _ in shown if n > 50] == list(range(51, shown[-1][0] + 1))


def test_slate_before_the_first_frame_and_after_the_last() -> None:
    out = play_out(delay_s=0.1)
    what, _ = show(out, 0.0)
    assert what is not None
    assert what.kind == "slate"
    assert what.frame.covered
    out.offer(frame(0, 1.0), 1.05)
    what, _ = show(out, 1.1)
    assert what is not None
    assert what.kind in ("frame", "covered")
    what, _ = show(out, 1.2)
    assert what is not None
    assert what.kind == "repeat"
    what, _ = show(out, 1.0 + 0.1 + 0.5 + 0.01)
    assert what is not None
    assert what.kind == "slate"
    assert what.frame.image.size == (64, 48)


def test_frames_that_are_due_together_show_the_newest() -> None:
    out = play_out(delay_s=0.05)
    for n in range(4):
        out.offer(frame(n, n * 0.04), 0.2)
    what, skipped = show(out, 0.2)
    assert what is not None
    assert (what.frame.seq, skipped) == (3, 3)


def test_next_due_is_the_frames_time() -> None:
    out = play_out(delay_s=0.1)
    show(out, 0.0)
    assert out.next_due() == pytest.approx(0.5)  # a slate is shown again
    out.offer(frame(0, 0.0), 0.0)
    assert out.next_due() == pytest.approx(0.1)
    show(out, 0.1)
    out.offer(frame(1, 0.2), 0.1)
    assert out.next_due() == pytest.approx(0.16)  # a repeat comes first


def picture(seq: int, t: float) -> AnonymizedFrame:
    """One that is not covered."""
    plan = Plan(seq, 0, (DetectionResult(seq, 0, t, ()),), ())
    image = Picture.blank(320, 240, luma=99).frozen()
    effect = solid.build(solid.Options(), Context())
    return seal(Frame(seq, 0, t, image), plan, effect=effect, mask=MaskOptions(), rules=Freshness(0.25))


def unexamined(seq: int, t: float) -> AnonymizedFrame:
    return slate(seq, t, (320, 240), why=CoverReason.NO_PASS_IN_TIME)


class Viewer:
    """What is seen of a source of 25 pictures a second. examined: whether a picture is, by its number."""

    def __init__(self, examined: Callable[[int], bool], length_s: float, *, late_s: float = 0.9) -> None:
        self.out = PlayOut(
            size=(320, 240),
            period_s=0.04,
            delay_s=None,
            stale_s=0.5,
            hold_s=2.0,
            signal_at=lambda: self.now,
            words=Words("yard", lambda t: f"{t:.0f} o'clock"),
        )
        self.shown: list[tuple[float, Shown]] = []
        n, self.now = 0, 0.0
        while self.now < length_s:
            while n * 0.04 + late_s <= self.now:
                self.out.offer((picture if examined(n) else unexamined)(n, n * 0.04), self.now)
                n += 1
            if (what := self.out.show(self.now)) is not None:
                self.shown.append((self.now, what))
            self.now += 0.02

    def changes(self) -> list[float]:
        """When a picture was followed by a slate, or a slate by a picture."""
        kinds = [(at, what.frame.covered) for at, what in self.shown if at > 1.0]
        return [at for (_, before), (at, after) in itertools.pairwise(kinds) if before != after]


def most_changes(moments: list[float]) -> int:
    """In any ten seconds."""
    return max((sum(at <= other < at + 10 for other in moments) for at in moments), default=0)


def marked(what: Shown) -> bool:
    return not what.frame.covered and bool((what.frame.image.planes[0][:8, -8:] != 99).any())


def test_examined_pictures_are_held_where_they_are_rare() -> None:
    viewer = Viewer(lambda n: n % 20 == 0, 20)
    assert viewer.changes() == []
    later = [what for at, what in viewer.shown if at > 1.0]
    assert {what.frame.seq % 20 for what in later} == {0}
    assert all(marked(what) for what in later)


def test_one_long_slate_where_nothing_is_examined_and_back_again() -> None:
    viewer = Viewer(lambda n: not 50 <= n < 250, 20)
    down, up = viewer.changes()
    assert down == pytest.approx(2 + 0.9 + 2.0, abs=0.2)
    assert up < 10 + 0.9 + 0.2
    last = [what.frame.seq for at, what in viewer.shown if at > 15]
    assert last == list(range(last[0], last[0] + 125))
    assert not any(marked(what) for at, what in viewer.shown if at > 14 or at < 2)
    slates = [what for at, what in viewer.shown if down <= at < up]
    assert len(slates) < 2 * (up - down) + 2
    assert all(what.kind == "slate" for what in slates)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 4)), min_size=5, max_size=20))
def test_pictures_and_slates_never_follow_each_other_quickly(stretches: list[tuple[bool, float]]) -> None:
    ends = list(itertools.accumulate(length for _, length in stretches))

    def examined(n: int) -> bool:
        which = bisect.bisect(ends, n * 0.04)
        return which >= len(stretches) or stretches[which][0]

    viewer = Viewer(examined, ends[-1] + 8)
    assert most_changes(viewer.changes()) <= 4
    assert not viewer.shown[-1][1].frame.covered


def test_an_old_picture_does_not_flash_between_slates() -> None:
    out = play_out()
    for n in range(100):
        now = n * 0.04
        if n % 10 == 0:
            out.offer(picture(n, now - 4.0), now)
        what, _ = show(out, now)
        assert what is None or what.kind == "slate"


def test_a_short_delay_is_back_soon_after_a_stall() -> None:
    """Half a second's lateness once; a few seconds later pictures are as soon as before."""
    out = play_out()
    for n in range(250):
        late = 0.6 if n == 50 else 0.1
        out.offer(picture(n, n * 0.04), n * 0.04 + late)
    assert out.delay_s < 0.12
    out = play_out()
    for n in range(25 * 11):
        out.offer(picture(n, n * 0.04), max(n * 0.04 + 0.1, 4.0 if n >= 50 else 0.0))
    assert out.delay_s < 0.3


def test_frames_that_wait_are_thinned_evenly_where_they_are_too_many() -> None:
    out = PlayOut(size=(64, 48), period_s=0.02, delay_s=0.5, stale_s=0.5, most=8)
    for n in range(20):
        out.offer(picture(n, n * 0.02), n * 0.02)
    shown = [what.frame.seq for n in range(60) if (what := out.show(n * 0.02)) and what.kind == "frame"]
    assert 8 <= len(shown) <= 9
    assert max(b - a for a, b in itertools.pairwise(shown)) <= 4
    assert {DropReason.TOO_MANY} <= {why for why, _ in out.take_dropped()}


@pytest.mark.parametrize(
    ("sent_at", "text"), [(None, "no signal"), (7.2, "no signal since 7 o'clock"), (9.9, "too slow")]
)
def test_a_slate_says_why(sent_at: float | None, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []

    def noted(seq: int, t: float, size: tuple[int, int], text: str = "", *, below: str = "") -> AnonymizedFrame:
        told.append((text, below))
        return slate(seq, t, size, text, below=below)

    monkeypatch.setattr("streamer.sinks._play_out.slate", noted)
    words = Words.of("rtsp://10.0.0.7/yard", lambda t: f"{t:.0f} o'clock")
    out = PlayOut(size=(64, 48), period_s=0.04, delay_s=None, stale_s=0.5, signal_at=lambda: sent_at, words=words)
    assert out.show(10.0) is not None
    assert told == [(text, "yard  10 o'clock")]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def runner(sink: RecordingSink, clock: Clock, *, live_source: bool, cover: bool = False) -> SinkRunner:
    made = SinkRunner(
        "sink",
        sink,
        StreamFormat(64, 48, 25, live_source, False, "test"),
        OutputOptions(),
        RunContext(clock=clock),
        Permission(lambda: cover),
        lambda command: None,
    )
    made.open()
    return made


def test_record_of_a_live_source_fills_the_gap_with_slates() -> None:
    sink, clock = RecordingSink(), Clock()
    feed = runner(sink, clock, live_source=True)
    for seq, t in ((0, 100.0), (1, 100.04)):
        feed.channel.put(frame(seq, t))
        feed.step(0)
    clock.now = 105.0
    feed.step(0)
    feed.channel.put(frame(2, 105.0))
    feed.step(0)
    times = [f.t for f in sink.frames]
    assert times == sorted(times)
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert steps[1] == pytest.approx(0.04)  # or the picture would stand there
    assert max(steps) < 1.01
    assert times[-1] == 105.0
    assert all(f.covered for f in sink.frames if f.seq < 0)
    assert sum(f.seq < 0 for f in sink.frames) == 5


def test_record_lasts_as_long_as_the_run_when_the_source_stays_away() -> None:
    sink, clock = RecordingSink(), Clock()
    feed = runner(sink, clock, live_source=True)
    feed.channel.put(frame(0, 100.0))
    feed.step(0)
    clock.now = 110.0
    feed.channel.close()
    assert not feed.step(0)
    assert sink.frames[-1].t == pytest.approx(110.0, abs=0.05)


def test_frame_after_its_time_was_filled_is_dropped() -> None:
    sink, clock = RecordingSink(), Clock()
    feed = runner(sink, clock, live_source=True)
    feed.channel.put(frame(0, 100.0))
    feed.step(0)
    clock.now = 110.0
    feed.step(0)
    feed.channel.put(frame(1, 100.04))
    feed.step(0)
    assert sum(f.seq >= 0 for f in sink.frames) == 1


def test_a_file_is_not_filled() -> None:
    sink, clock = RecordingSink(), Clock()
    feed = runner(sink, clock, live_source=False)
    feed.channel.put(frame(0, 0.0))
    feed.channel.put(frame(1, 9.0))
    feed.step(0)
    feed.step(0)
    assert [f.seq for f in sink.frames] == [0, 1]


@pytest.mark.parametrize("live", [False, True])
def test_cover_all_is_looked_at_before_every_write(live: bool) -> None:
    sink, clock = RecordingSink(live=live), Clock()
    feed = runner(sink, clock, live_source=live, cover=True)
    image = Picture.blank(64, 48, luma=99).frozen()
    result = DetectionResult(0, 0, 100.0, ())
    effect = solid.build(solid.Options(), Context())
    shown = seal(
        Frame(0, 0, 100.0, image),
        Plan(0, 0, (result,), ()),
        effect=effect,
        mask=MaskOptions(),
        rules=Freshness(0.25),
    )
    assert not shown.covered
    feed.channel.put(shown)
    feed.step(0)
    clock.now = 100.2
    feed.step(0)
    assert sink.frames
    assert all((f.image.planes[0] == 99).mean() < 0.5 for f in sink.frames)


def test_who_was_removed_is_not_repeated_either() -> None:
    """A live output shows its last frame again; not when somebody in it may no longer be seen."""
    sink, clock, version = RecordingSink(live=True), Clock(), [7]
    feed = SinkRunner(
        "sink",
        sink,
        StreamFormat(64, 48, 25, True, False, "test"),
        OutputOptions(delay_s=0.0),
        RunContext(clock=clock),
        Permission(lambda: False, lambda: version[0]),
        lambda command: None,
    )
    feed.open()
    picture = Picture.blank(64, 48, luma=99).frozen()
    track = TrackBox(1, (8, 8, 24, 24), None)
    shown = seal(
        Frame(0, 0, 100.0, picture),
        Plan(0, 0, (DetectionResult(0, 0, 100.0, ()),), ((track, Reveal("Ada", 99.0, 101.0, 7)),)),
        effect=solid.build(solid.Options(), Context()),
        mask=MaskOptions(),
        rules=Freshness(0.25, 7),
    )
    feed.channel.put(shown)
    for n in range(4):
        version[0] += n == 2
        feed.step(0)
        clock.now += 0.1
    assert [frame.covered for frame in sink.frames] == [False, False, True, True]
    assert all((frame.image.planes[0] == 99).mean() < 0.5 for frame in sink.frames[2:])


def failing(count: int) -> None:
    if count == 1:
        raise SinkError("rtsp://ann:s3cret@10.0.0.7/out broke off")


def test_a_runner_knows_how_its_sink_is_doing() -> None:
    sink, clock = RecordingSink(before=failing), Clock()
    feed = runner(sink, clock, live_source=False)
    assert feed.health == SinkHealth(SinkState.OPEN, 100.0)
    feed.channel.put(frame(0, 0.0))
    feed.step(0)
    assert feed.health.state is SinkState.OPEN
    clock.now = 101.0
    feed.channel.put(frame(1, 0.04))
    with pytest.raises(SinkError):
        feed.step(0)
    broken = SinkHealth(SinkState.FAILING, 101.0, SinkTrouble.WRITING, "rtsp://***@10.0.0.7/out broke off")
    assert feed.health == broken
    clock.now = 102.0
    feed.close()
    clock.now = 103.0
    feed.close()
    assert feed.health == replace(broken, state=SinkState.STOPPED, since=102.0)


def test_a_sink_that_does_not_open_or_close(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise SinkError("no room")

    sink = RecordingSink()
    feed = runner(sink, Clock(), live_source=False)
    monkeypatch.setattr(sink, "close", broken)
    with pytest.raises(SinkError):
        feed.close()
    assert (feed.health.state, feed.health.trouble) == (SinkState.STOPPED, SinkTrouble.FINISHING)
    monkeypatch.setattr(RecordingSink, "open", broken)
    unopened = SinkRunner(
        "sink",
        RecordingSink(),
        StreamFormat(64, 48, 25, False, False, "test"),
        OutputOptions(),
        RunContext(),
        Permission(lambda: False),
        lambda command: None,
    )
    assert unopened.health.state is SinkState.STOPPED
    with pytest.raises(SinkError):
        unopened.open()
    assert (unopened.health.state, unopened.health.trouble) == (SinkState.FAILING, SinkTrouble.OPENING)
