"""What holds for every stream of events the scheduler can meet: jitter, drops, jumps of time, failures, slowness.

A run is simulated on one clock: frames arrive, detections take their time, held frames expire. People walk on lines of
their own, so that where each of them is at any moment is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from streamer.core.geometry import grown, lerp, shifted
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult, Frame, Planned
from streamer.identity.decide import hide_everyone
from streamer.stages.scheduler import Scheduler, SchedulerOptions
from streamer.tracking.tracker import Tracker, TrackOptions

IMAGE = Picture.blank(64, 48).frozen()
SLACK_S = 1e-5
FACE_PX = 40.0
LANE_PX = 400.0
"""People walk so far apart that nobody is taken for another."""
SEEN_AGAIN_S = 0.4
"""Between two sightings no further apart than this, somebody's way is known."""


@dataclass(frozen=True)
class Step:
    """What happens with one captured frame."""

    after_s: float
    """Since the frame before; now and then a jump."""
    late_s: float
    """From its capture to its arrival at the scheduler."""
    dropped: bool
    """Lost before the scheduler: its number is missing."""
    new_epoch: bool
    look_s: float
    """If it is looked at, how long that takes."""
    fails: bool
    misses: frozenset[int]
    """People whom that detection does not find."""
    swing: tuple[float, float]
    """How far the camera moved the picture since the frame before."""


@dataclass(frozen=True)
class Walker:
    """Somebody who walks on a straight line; pixels and pixels per second."""

    lane: int
    x: float
    speed: float

    def box(self, t: float) -> Box:
        x0, y0 = self.x + self.speed * t, self.lane * LANE_PX
        return x0, y0, x0 + FACE_PX, y0 + 1.2 * FACE_PX


steps = st.builds(
    Step,
    after_s=st.one_of(st.floats(0.01, 0.08), st.floats(0.01, 0.08), st.floats(0.01, 0.08), st.floats(0.1, 3.0)),
    late_s=st.one_of(st.just(0.0), st.floats(0.0, 0.3)),
    dropped=st.sampled_from([False, False, False, False, True]),
    new_epoch=st.sampled_from([False] * 14 + [True]),
    look_s=st.one_of(st.floats(0.001, 0.05), st.floats(0.001, 0.05), st.floats(0.05, 2.0)),
    fails=st.sampled_from([False] * 7 + [True]),
    misses=st.frozensets(st.integers(0, 2), max_size=2),
    swing=st.one_of(st.just((0.0, 0.0)), st.tuples(st.floats(-90, 90), st.floats(-50, 50))),
)
streams = st.lists(steps, min_size=1, max_size=60)
long_streams = st.lists(steps, min_size=12, max_size=60)
walkers = st.lists(
    st.builds(Walker, st.just(0), st.floats(0, 500), st.floats(-FACE_PX, FACE_PX)), min_size=0, max_size=3
).map(lambda people: [Walker(lane, one.x, one.speed) for lane, one in enumerate(people)])
option_sets = st.fixed_dictionaries(
    {
        "every": st.integers(1, 8),
        "lookahead": st.booleans(),
        "max_gap_s": st.sampled_from([0.001, 0.1, 0.25, 0.5]),
        "max_hold_s": st.sampled_from([0.05, 0.3, 1.0]),
        "look_back_s": st.sampled_from([None, 0.0, 0.1, 0.5]),
        "cover_first_s": st.sampled_from([0.0, 0.0, 0.2]),
    }
)


@dataclass
class Run:
    """One simulated stream. `left` is what came out, and when."""

    options: SchedulerOptions
    people: Sequence[Walker]
    live: bool
    now: float = 0.0
    offered: list[Frame] = field(default_factory=list)
    arrived: dict[int, float] = field(default_factory=dict)
    first_t: dict[int, float] = field(default_factory=dict)
    left: list[tuple[Planned, float]] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    """For each of them how many detections had been made by then."""
    results: list[DetectionResult] = field(default_factory=list)
    failed: dict[int, float] = field(default_factory=dict)
    """Frames that could not be looked at, and since when that is known."""
    in_flight: tuple[float, DetectionRequest] | None = None
    plans: dict[int, Step] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = Scheduler(
            self.options,
            lambda: Tracker(TrackOptions(), 0.4, vouched_s=self.options.max_gap_s),
            hide_everyone,
            live=self.live,
        )

    def simulate(self, stream: Sequence[Step]) -> None:
        t, epoch, shift = 0.0, 0, (0.0, 0.0)
        for seq, step in enumerate(stream):
            t += step.after_s
            epoch += step.new_epoch
            shift = (0.0, 0.0) if step.new_epoch else (shift[0] + step.swing[0], shift[1] + step.swing[1])
            self.plans[seq] = step
            if step.dropped:
                continue
            self._until(max(self.now, t + step.late_s))
            while self.machine.full:
                self._wait_for_the_result()
            frame = Frame(seq, epoch, t, IMAGE, shift=shift)
            self.offered.append(frame)
            self.arrived[seq] = self.now
            self.first_t.setdefault(epoch, t)
            self._out(self.machine.offer(frame, self.now))
            self._ask()
        self._out(self.machine.finish(self.now))
        self._ask()
        while self.machine.held or self.in_flight:
            expiry = self.machine.next_expiry()
            if self.in_flight is not None and (expiry is None or self.in_flight[0] <= expiry):
                self._wait_for_the_result()
            else:
                assert expiry is not None, "frames are held that nothing will ever release"
                self._until(expiry)

    def _until(self, then: float) -> None:
        """Let time pass, and everything happen that is due, in its order."""
        while True:
            done = self.in_flight[0] if self.in_flight is not None else math.inf
            expiry = self.machine.next_expiry()
            due = min(done, math.inf if expiry is None else expiry)
            if due > then:
                break
            self.now = max(self.now, due)
            if done <= due:
                self._answer()
            else:
                before = self.machine.held
                self._out(self.machine.expire(self.now))
                assert self.machine.held < before, "what has to leave does not"
        self.now = max(self.now, then)

    def _wait_for_the_result(self) -> None:
        assert self.in_flight is not None, "the scheduler waits for a result that it never asked for"
        self._until(self.in_flight[0])

    def _ask(self) -> None:
        if self.in_flight is None and (request := self.machine.next_request()) is not None:
            self.in_flight = (self.now + self.plans[request.frame.seq].look_s, request)

    def _answer(self) -> None:
        assert self.in_flight is not None
        (_, request), self.in_flight = self.in_flight, None
        frame, step = request.frame, self.plans[request.frame.seq]
        if step.fails:
            self.failed[frame.seq] = self.now
            self._out(self.machine.failed(request, self.now))
        else:
            result = DetectionResult(frame.seq, frame.epoch, frame.t, tuple(self._found(frame, step)))
            self.results.append(result)
            self._out(self.machine.detected(result, self.now))
        self._ask()

    def _found(self, frame: Frame, step: Step) -> list[Detection]:
        boxes = {one.lane: shifted(one.box(frame.t), *frame.shift) for one in self.people}
        return [Detection(box, 0.9) for lane, box in boxes.items() if lane not in step.misses]

    def _out(self, planned: Sequence[Planned]) -> None:
        self.left += [(one, self.now) for one in planned]
        self.known += [len(self.results)] * len(planned)


def contains(plan_boxes: Sequence[Box], box: Box) -> bool:
    return any(
        outer[0] <= box[0] and outer[1] <= box[1] and outer[2] >= box[2] and outer[3] >= box[3] for outer in plan_boxes
    )


def together(plan_boxes: Sequence[Box], box: Box) -> bool:
    """Whether boxes, each a guess where somebody may be, leave nothing of a face: asked of a grid of points."""
    steps = [step / 16 for step in range(17)]
    x0, y0, x1, y1 = box
    points = [(x0 + a * (x1 - x0), y0 + b * (y1 - y0)) for a in steps for b in steps]
    return all(any(o[0] <= x <= o[2] and o[1] <= y <= o[3] for o in plan_boxes) for x, y in points)


@settings(max_examples=250, deadline=None)
@given(stream=streams, people=walkers, chosen=option_sets, live=st.booleans())
def test_what_always_holds(stream: list[Step], people: list[Walker], chosen: dict[str, object], live: bool) -> None:
    options = SchedulerOptions.model_validate(chosen)
    run = Run(options, people, live)
    run.simulate(stream)

    # Every frame leaves, once, in order.
    assert [planned.frame for planned, _ in run.left] == run.offered
    assert run.machine.held == 0
    shown = 0
    for planned, when in run.left:
        frame = planned.frame
        # Nobody waits longer than allowed.
        if live:
            assert when <= run.arrived[frame.seq] + options.max_hold_s + SLACK_S
        if planned.plan is None:
            assert planned.why
            continue
        shown += 1
        plan = planned.plan
        assert (plan.seq, plan.epoch) == (frame.seq, frame.epoch)
        assert run.failed.get(frame.seq, math.inf) > when
        assert frame.t - run.first_t[frame.epoch] >= options.cover_first_s - SLACK_S
        # It rests on detections that were really made, whole ones, of its own epoch, near it.
        assert plan.results
        for result in plan.results:
            assert any(result is made for made in run.results)
            assert result.full
            assert result.epoch == frame.epoch
            assert abs(result.t - frame.t) <= options.max_gap_s + SLACK_S
        # With lookahead, somebody who came in since the last detection is known.
        if options.lookahead:
            known = [result for result in run.results if result.epoch == frame.epoch and result.t >= frame.t]
            assert known
        for box, _ in plan.tracks:
            assert all(map(math.isfinite, (*box.box, box.spread_px)))
            assert box.spread_px >= 0
    event(f"{'all' if shown == len(run.left) else 'some' if shown else 'none'} shown")


@settings(max_examples=250, deadline=None)
@given(stream=long_streams, people=walkers.filter(bool), chosen=option_sets, live=st.booleans())
def test_cover_contains_everybody_between_two_sightings(
    stream: list[Step], people: list[Walker], chosen: dict[str, object], live: bool
) -> None:
    """Also over detections that missed somebody; at a detection, and before the first one as far as nobody looked."""
    run = Run(SchedulerOptions.model_validate(chosen), people, live)
    run.simulate(stream)
    judged = 0
    for (planned, _), known in zip(run.left, run.known, strict=True):
        if planned.plan is None:
            continue
        frame = planned.frame
        # As if the camera stood still, as people's boxes are.
        away = -frame.shift[0], -frame.shift[1]
        cover = [shifted(grown(track.box, track.spread_px + 1e-6), *away) for track, _ in planned.plan.tracks]
        # What the scheduler knew when it let this frame go.
        results = [result for result in run.results[:known] if result.epoch == frame.epoch]
        for person in people:
            found = [result.t for result in results if person.lane not in run.plans[result.seq].misses]
            before = max((t for t in found if t <= frame.t), default=None)
            after = min((t for t in found if t >= frame.t), default=None)
            if before is not None and after is not None and after - before <= SEEN_AGAIN_S:
                share = 0.0 if after == before else (frame.t - before) / (after - before)
                assert contains(cover, lerp(person.box(before), person.box(after), share))
                judged += 1
            elif after is not None and before is None:
                # Not seen before: covered as far back as nobody had looked.
                looked = max((result.t for result in results if result.t < after), default=-math.inf)
                if frame.t > looked:
                    assert contains(cover, person.box(after))
                    judged += 1
            elif before is not None and frame.t - before <= 0.2:
                # Seen a moment ago: covered where it was.
                assert contains(cover, person.box(before))
                judged += 1
    event(f"{'many' if judged > 9 else 'some' if judged else 'no'} face-frames judged")


def check_never_uncovered(options: SchedulerOptions, runner: Walker, stream: Sequence[Step], live: bool) -> None:
    """Every detection finds somebody who runs before a camera that stands still: whatever is shown covers them."""
    run = Run(options, [runner], live)
    run.simulate([replace(step, misses=frozenset(), swing=(0.0, 0.0)) for step in stream])
    for planned, _ in run.left:
        if planned.plan is not None:
            cover = [grown(track.box, track.spread_px + 1e-6) for track, _ in planned.plan.tracks]
            assert together(cover, runner.box(planned.frame.t))


runners = st.builds(Walker, st.just(0), st.floats(0, 500), st.floats(-9 * FACE_PX, 9 * FACE_PX))


@settings(max_examples=250, deadline=None)
@given(stream=long_streams, runner=runners, chosen=option_sets, live=st.booleans())
def test_a_runner_whom_every_look_finds_is_never_uncovered(
    stream: list[Step], runner: Walker, chosen: dict[str, object], live: bool
) -> None:
    """However rare the detections: where nobody can say which way somebody ran, the whole frame is covered."""
    check_never_uncovered(SchedulerOptions.model_validate({**chosen, "lookahead": True}), runner, stream, live)


sprinters = st.builds(Walker, st.just(0), st.floats(0, 500), st.floats(-20 * FACE_PX, 20 * FACE_PX))


@settings(max_examples=150, deadline=None)
@given(stream=long_streams, runner=sprinters, chosen=option_sets, live=st.booleans())
def test_between_rare_looks_nobody_is_uncovered_however_fast(
    stream: list[Step], runner: Walker, chosen: dict[str, object], live: bool
) -> None:
    """Between frequent ones somebody so fast is found within a leap."""
    options = SchedulerOptions.model_validate({**chosen, "lookahead": True, "max_gap_s": 0.1})
    check_never_uncovered(options, runner, stream, live)
