"""The promise: whatever breaks, no sink ever gets a readable face. The real pipeline, with faults, judged by pixels."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fakes import MovingFace, Oracle, RecordingSink, readable

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.schema import Config
from streamer.core.errors import DetectorError, EffectError, StreamerError, StuckError
from streamer.core.options import Context
from streamer.core.report_schema import RunReport
from streamer.core.types import Detection, Frame, TrackBox, Verdict
from streamer.effects import Effect, Patch, solid
from streamer.identity.decide import Identity, hide_everyone
from streamer.pipeline import loops
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline, Report


class BrokenEffect(Effect):
    """Works until frame `after`, then raises."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._solid = solid.build(solid.Options(), Context())

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("the effect broke")
        self._solid.apply(patches, t)


@dataclass
class Scene:
    """One run: a live drawn scene, a record and a live sink, and one fault."""

    source: Callable[[], MovingFace] = lambda: MovingFace(frames=40, live=True)
    detector: Callable[[], Any] = Oracle
    effect: Callable[[str], Effect] = lambda kind: solid.build(solid.Options(), Context())
    identity: Identity = hide_everyone
    sink: RecordingSink = field(default_factory=RecordingSink)
    live_sink: RecordingSink = field(default_factory=lambda: RecordingSink(live=True))
    clock: Callable[[], float] = time.monotonic
    settings: dict[str, Any] = field(default_factory=dict)
    stop_after_s: float = 15.0
    ended_by_itself: bool = False

    def run(self) -> tuple[Report, StreamerError | None]:
        config = Config().updated({"run.stop_timeout_s": 1.0, **self.settings})
        sinks = [("record", lambda: self.sink), ("live", lambda: self.live_sink)]
        parts = Parts(self.source, self.detector, self.effect, sinks, self.identity)
        pipeline = Pipeline(config, parts, clock=self.clock)
        pipeline.start()
        deadline = time.monotonic() + self.stop_after_s
        while (status := pipeline.poll(0.05)).running and time.monotonic() < deadline:
            pass
        self.ended_by_itself = not status.running
        pipeline.stop()
        error: StreamerError | None = None
        try:
            pipeline.join()
        except StreamerError as raised:
            error = raised
        assert self.sink.closed
        assert self.live_sink.closed
        RunReport.model_validate(pipeline.report().summary)
        return pipeline.report(), error

    def leaks(self) -> list[int]:
        """Numbers of emitted frames, in any sink, in which the face can be read."""
        truth = MovingFace()
        frames: list[AnonymizedFrame] = [*self.sink.frames, *self.live_sink.frames]
        found = []
        for frame in frames:
            # A slate stands for no frame; then the face must be nowhere on its whole way.
            numbers = range(0, 60, 4) if frame.seq < 0 else [frame.seq]
            boxes = [box for n in numbers if (box := truth.box(n)) is not None]
            found += [frame.seq for box in boxes if readable(frame.image, box)]
        return found


def times(factor: float) -> Callable[[int], None]:
    """A detector that takes 15 ms times `factor`."""
    return lambda look: time.sleep(0.015 * factor)


def raising(which: Callable[[int], bool]) -> Callable[[int], None]:
    def before(look: int) -> None:
        if which(look):
            raise RuntimeError("the detector broke")

    return before


def blocks(until: threading.Event) -> None:
    until.wait(30)


def hanging(from_look: int) -> Callable[[int], None]:
    return lambda look: time.sleep(30 if look >= from_look else 0)


def test_the_oracle_reads_what_is_not_covered() -> None:
    source = MovingFace()
    for n in range(0, 60, 7):
        box = source.box(n)
        assert box is not None
        assert readable(source.picture(n), box)


@pytest.mark.parametrize("live", [False, True])
def test_healthy(live: bool) -> None:
    scene = Scene(source=lambda: MovingFace(frames=40, live=live))
    report, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    assert [frame.seq for frame in scene.sink.frames] == list(range(40))
    assert not any(frame.covered for frame in scene.sink.frames)
    assert report.summary["detector_passes"] < 20


@pytest.mark.parametrize("enter_at", [10, 11, 12])
def test_face_is_covered_before_it_is_first_found(enter_at: int) -> None:
    """The face appears on a frame that no detection looks at; lookahead covers it backwards."""
    source, sink = MovingFace(frames=30, enter_at=enter_at), RecordingSink()
    effect = solid.build(solid.Options(), Context())
    pipeline = Pipeline(Config(), Parts(lambda: source, Oracle, lambda kind: effect, [("record", lambda: sink)]))
    pipeline.start()
    pipeline.join()
    shown = [f.seq for f in sink.frames if (box := source.box(f.seq)) is not None and readable(f.image, box)]
    assert shown == []
    assert not any(frame.covered for frame in sink.frames)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("which", "ends"),
    [(lambda look: True, True), (lambda look: look > 4, True), (lambda look: look % 2 == 0, False)],
    ids=["always", "from the fifth on", "every other"],
)
def test_detector_raises(live: bool, which: Callable[[int], bool], ends: bool) -> None:
    scene = Scene(source=lambda: MovingFace(frames=40, live=live), detector=lambda: Oracle(raising(which)))
    report, error = scene.run()
    assert scene.leaks() == []
    assert isinstance(error, DetectorError) == ends
    assert report.summary["other"]["DetectorError"] >= 5
    if not ends:
        assert any(frame.covered for frame in scene.sink.frames)
        assert len(scene.sink.frames) == 40


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_detector_returns_boxes_that_are_none(number: float) -> None:
    def nonsense(look: int) -> list[Detection]:
        return [Detection((number, 0.0, 20.0, 20.0), 0.9)]

    scene = Scene(detector=lambda: Oracle(nonsense))
    _, error = scene.run()
    assert isinstance(error, DetectorError)
    assert scene.leaks() == []


def test_detector_returns_something_else() -> None:
    class Wrong(Oracle):
        def detect(self, pictures: Sequence[Any]) -> Any:
            return super().detect(pictures) if self.looks < 3 else [["face"]]

    scene = Scene(detector=Wrong)
    _, error = scene.run()
    assert isinstance(error, DetectorError)
    assert scene.leaks() == []


def test_detector_box_far_too_large_covers() -> None:
    scene = Scene(detector=lambda: Oracle(lambda look: [Detection((-1e30, -1e30, 1e30, 1e30), 0.9)]))
    scene.run()
    assert scene.leaks() == []


@pytest.mark.parametrize("from_look", [1, 5])
def test_detector_hangs_for_ever(from_look: int) -> None:
    scene = Scene(detector=lambda: Oracle(hanging(from_look)), stop_after_s=2.5)
    report, error = scene.run()
    assert scene.leaks() == []
    assert isinstance(error, StuckError)
    assert "detector" in str(error)
    # The picture goes on, covered: a detector that hangs freezes nobody.
    assert scene.sink.frames[-1].seq > 25
    assert scene.sink.frames[-1].covered
    assert report.summary["covered"]["why"]["no pass in time"] > 10


def test_hanging_detector_ends_the_run() -> None:
    scene = Scene(
        source=lambda: MovingFace(frames=500, live=True),
        detector=lambda: Oracle(hanging(3)),
        settings={"detect.pass_timeout_s": 1.0},
    )
    _, error = scene.run()
    assert isinstance(error, StuckError)
    assert "did not answer" in str(error)
    assert scene.ended_by_itself
    assert scene.leaks() == []


def test_a_photograph_may_take_longer_than_the_detector_may_for_one_answer() -> None:
    def photograph() -> MovingFace:
        source = MovingFace(frames=1)
        source.info = replace(source.info, stills=True)
        return source

    def slowly(look: int) -> None:
        time.sleep(0.4)

    scene = Scene(
        source=photograph,
        detector=lambda: Oracle(slowly),
        settings={"detect.pass_timeout_s": 0.8},
    )
    _, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    assert not scene.sink.frames[0].covered


def test_a_stop_ends_the_run_although_a_sink_blocks_for_ever() -> None:
    release = threading.Event()
    sink = RecordingSink(before=lambda count: blocks(release) if count >= 5 else None)
    source = MovingFace(frames=500, live=True)
    effect = solid.build(solid.Options(), Context())
    parts = Parts(lambda: source, Oracle, lambda kind: effect, [("blocked", lambda: sink)])
    pipeline = Pipeline(Config().updated({"run.stop_timeout_s": 0.5}), parts)
    pipeline.start()
    while len(sink.frames) < 5:
        assert pipeline.poll(0.05).running
    pipeline.stop()
    deadline = time.monotonic() + 10
    while pipeline.poll(0.05).running:
        assert time.monotonic() < deadline, "it waits for ever for what is stuck"
    with pytest.raises(StuckError, match="blocked"):
        pipeline.join()
    release.set()


@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
@pytest.mark.parametrize("lookahead", [False, True], ids=["no lookahead", "lookahead"])
def test_detector_is_20_times_slower(live: bool, lookahead: bool) -> None:
    scene = Scene(
        source=lambda: MovingFace(frames=40, live=live),
        detector=lambda: Oracle(times(20)),
        settings={"detect.lookahead": lookahead},
    )
    _, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    assert len(scene.sink.frames) == 40


def test_effect_raises_at_once() -> None:
    scene = Scene(effect=lambda kind: BrokenEffect(after=0))
    _, error = scene.run()
    assert isinstance(error, EffectError)
    assert scene.leaks() == []


def test_effect_raises_later_and_recovers() -> None:
    class Now(BrokenEffect):
        def apply(self, patches: Sequence[Patch], t: float) -> None:
            self._left = -1 if int(t * 25) % 3 == 0 else 99
            super().apply(patches, t)

    scene = Scene(source=lambda: MovingFace(frames=40), effect=lambda kind: Now(0))
    report, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    assert len(scene.sink.frames) == 40
    assert report.summary["covered"]["why"]["effect failed"] >= 10


def test_scheduler_is_late() -> None:
    class Slow:
        waiting = False
        observe, next_request = staticmethod(hide_everyone.observe), staticmethod(hide_everyone.next_request)
        identified = staticmethod(hide_everyone.identified)

        def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
            time.sleep(0.2 if frame.seq % 10 == 0 else 0)
            return hide_everyone.decide(frame, tracks)

    scene = Scene(identity=Slow())
    _, error = scene.run()
    assert error is None
    assert scene.leaks() == []


def test_source_reconnects() -> None:
    source = MovingFace(frames=60, live=True, lose_at=(15, 30))
    scene = Scene(source=lambda: source)
    report, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    assert report.summary["other"]["reconnected"] == 2


def test_source_hangs() -> None:
    scene = Scene(source=lambda: MovingFace(frames=60, live=True, hang_at=20), stop_after_s=3.5)
    report, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    emitted = report.summary["emitted"]
    assert emitted["live"]["slate"] >= 3  # two a second
    assert scene.live_sink.frames[-1].seq == -1
    assert emitted["record"]["slate"] >= 1
    assert scene.sink.frames[-1].seq == -1
    assert scene.sink.frames[-1].t - scene.sink.frames[0].t > 2.5


def test_sink_raises() -> None:
    def broken(count: int) -> None:
        if count == 10:
            raise RuntimeError("disk on fire")

    scene = Scene(sink=RecordingSink(before=broken))
    with pytest.raises(RuntimeError, match="disk on fire"):
        scene.run()
    assert scene.leaks() == []


@pytest.mark.parametrize("live", [False, True])
def test_sink_is_slow(live: bool) -> None:
    scene = Scene(
        source=lambda: MovingFace(frames=40, live=live),
        sink=RecordingSink(before=lambda count: time.sleep(0.12 if live else 0.06)),
        settings={"output.buffer_s": 0.2},
    )
    report, error = scene.run()
    assert error is None
    assert scene.leaks() == []
    numbers = [frame.seq for frame in scene.sink.frames]
    assert numbers == sorted(set(numbers))
    assert (len(numbers) < 40) == live
    if live:
        # The other sink did not suffer: it has many more, also where a busy machine costs it some.
        assert report.summary["emitted"]["live"]["frame"] > len(numbers) + 5


def test_sink_blocks_for_ever() -> None:
    scene = Scene(
        sink=RecordingSink(before=lambda count: time.sleep(30 if count == 10 else 0)),
        settings={"output.buffer_s": 0.2},
        stop_after_s=2.5,
    )
    scene.sink.closed = True  # its thread is stuck, nobody else may close it
    _, error = scene.run()
    assert isinstance(error, StuckError)
    assert "record" in str(error)
    assert scene.leaks() == []
    assert len(scene.live_sink.frames) > 30


@pytest.mark.parametrize("jump_s", [-30.0, 30.0, 0.4])
def test_clock_jumps(jump_s: float) -> None:
    started = time.monotonic()

    def clock() -> float:
        now = time.monotonic()
        return now + (jump_s if now - started > 0.7 else 0.0)

    scene = Scene(clock=clock)
    scene.run()
    assert scene.leaks() == []


def test_everything_at_once() -> None:
    scene = Scene(
        source=lambda: MovingFace(frames=60, live=True, lose_at=(20,)),
        detector=lambda: Oracle(lambda look: times(12)(look) or raising(lambda n: n % 3 == 0)(look)),
        sink=RecordingSink(before=lambda count: time.sleep(0.05)),
        settings={"output.buffer_s": 0.2},
    )
    scene.run()
    assert scene.leaks() == []


def test_cover_all_takes_effect_on_what_is_already_under_way() -> None:
    scene = Scene(settings={"run.cover_all": True})
    scene.run()
    assert all(frame.covered for frame in [*scene.sink.frames, *scene.live_sink.frames])


def test_a_broken_gate_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the proof: with a gate that shows what it should cover, the oracle finds faces."""

    def broken_seal(frame: Frame, plan: object, **rest: object) -> AnonymizedFrame:
        return AnonymizedFrame(frame.seq, frame.t, frame.image, covered=False)

    monkeypatch.setattr(loops, "seal", broken_seal)
    scene = Scene(detector=lambda: Oracle(hanging(5)), stop_after_s=2.0)
    scene.run()
    assert len(scene.leaks()) > 20
