"""Play-out of live sinks, and records of live sources."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from fakes import RecordingSink

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.anonymize.gate import Freshness, MaskOptions, seal
from streamer.core.errors import SinkError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.reasons import SinkState, SinkTrouble
from streamer.core.run import RunContext
from streamer.core.types import DetectionResult, Frame, Plan, Reveal, TrackBox
from streamer.effects import solid
from streamer.sinks import StreamFormat
from streamer.stages.output import OutputOptions, Permission, PlayOut, SinkHealth, SinkRunner

IMAGE = slate(-1, 0, (64, 48)).image


def frame(seq: int, t: float) -> AnonymizedFrame:
    return derive(slate(seq, t, (64, 48), "x"))


def play_out(delay_s: float | None = None) -> PlayOut:
    return PlayOut(size=(64, 48), period_s=0.04, delay_s=delay_s, stale_s=0.5)


def test_bursts_play_evenly() -> None:
    """Three frames arrive at once, as they do when a pass comes back: each is shown at its own time."""
    out, shown = play_out(), []
    now = 10.0
    arrivals = {10.10: [(0, 10.0), (1, 10.04), (2, 10.08)], 10.22: [(3, 10.12), (4, 10.16), (5, 10.20)]}
    while now < 10.4:
        for when in [moment for moment in arrivals if moment <= now]:
            for seq, t in arrivals.pop(when):
                out.offer(frame(seq, t), now)
        what, skipped = out.show(now)
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
        what, skipped = out.show(now)
        assert skipped == 0 or now < 2
        if what is not None and what.kind in ("frame", "covered") and what.frame.seq >= 0:
            shown.append((what.frame.seq, now - what.frame.t))
    assert max(delay for _, delay in shown) > 0.4
    assert shown[-1][1] < 0.12
    assert [n for n, _ in shown if n > 50] == list(range(51, shown[-1][0] + 1))


def test_slate_before_the_first_frame_and_after_the_last() -> None:
    out = play_out(delay_s=0.1)
    what, _ = out.show(0.0)
    assert what is not None
    assert what.kind == "slate"
    assert what.frame.covered
    out.offer(frame(0, 1.0), 1.05)
    what, _ = out.show(1.1)
    assert what is not None
    assert what.kind in ("frame", "covered")
    what, _ = out.show(1.2)
    assert what is not None
    assert what.kind == "repeat"
    what, _ = out.show(1.0 + 0.1 + 0.5 + 0.01)
    assert what is not None
    assert what.kind == "slate"
    assert what.frame.image.size == (64, 48)


def test_frames_that_are_due_together_show_the_newest() -> None:
    out = play_out(delay_s=0.05)
    for n in range(4):
        out.offer(frame(n, n * 0.04), 1.0)
    what, skipped = out.show(1.0)
    assert what is not None
    assert (what.frame.seq, skipped) == (3, 3)


def test_next_due_is_the_frames_time() -> None:
    out = play_out(delay_s=0.1)
    out.show(0.0)
    out.offer(frame(0, 0.0), 0.0)
    assert out.next_due() == pytest.approx(0.06)  # a repeat comes first
    out.show(0.06)
    assert out.next_due() == pytest.approx(0.1)


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
    assert max(steps) < 0.09
    assert times[-1] == 105.0
    assert all(f.covered for f in sink.frames if f.seq < 0)
    assert sum(f.seq < 0 for f in sink.frames) > 100


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
