"""The scheduler, driven event by event: no threads, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.picture import Picture
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult, Frame, Planned
from streamer.identity.decide import hide_everyone
from streamer.stages.scheduler import Scheduler, SchedulerOptions
from streamer.tracking.tracker import Tracker, TrackOptions

IMAGE = Picture.blank(64, 48).frozen()


def frame(seq: int, t: float | None = None, epoch: int = 0) -> Frame:
    return Frame(seq, epoch, seq / 25 if t is None else t, IMAGE)


def scheduler(*, live: bool = False, most_held: int = 1000, **options: object) -> Scheduler:
    options = {"look_back_s": 0.0, **options}
    return Scheduler(
        SchedulerOptions.model_validate(options),
        lambda: Tracker(TrackOptions(), 0.4),
        hide_everyone,
        live=live,
        most_held=most_held,
    )


def seen(request: DetectionRequest, boxes: Sequence[Box] = ()) -> DetectionResult:
    f = request.frame
    return DetectionResult(f.seq, f.epoch, f.t, tuple(Detection(box, 0.9) for box in boxes))


def drive(machine: Scheduler, frames: Sequence[Frame]) -> tuple[list[Planned], list[int]]:
    """Every wish for a detection is fulfilled at once. Returns what left, and which frames were looked at."""
    left, looked = [], []
    for f in frames:
        left += machine.offer(f, f.t)
        while (request := machine.next_request()) is not None:
            looked.append(request.frame.seq)
            left += machine.detected(seen(request), f.t)
    left += machine.finish(frames[-1].t)
    while (request := machine.next_request()) is not None:
        looked.append(request.frame.seq)
        left += machine.detected(seen(request), frames[-1].t)
    return left, looked


def test_looks_at_every_third_frame_and_at_the_last() -> None:
    left, looked = drive(scheduler(), [frame(n) for n in range(11)])
    assert looked == [0, 3, 6, 9, 10]
    assert [planned.frame.seq for planned in left] == list(range(11))
    assert all(planned.plan is not None for planned in left)


def test_holds_frames_between_passes() -> None:
    machine = scheduler()
    machine.offer(frame(0), 0)
    request = machine.next_request()
    assert request is not None
    assert [p.frame.seq for p in machine.detected(seen(request), 0)] == [0]
    assert machine.offer(frame(1), 0.04) == []
    assert machine.offer(frame(2), 0.08) == []
    assert machine.offer(frame(3), 0.12) == []
    request = machine.next_request()
    assert request is not None
    assert request.frame.seq == 3
    assert [p.frame.seq for p in machine.detected(seen(request), 0.12)] == [1, 2, 3]


def test_frames_between_passes_rest_on_both() -> None:
    left, _ = drive(scheduler(), [frame(n) for n in range(4)])
    plan = left[1].plan
    assert plan is not None
    assert [result.seq for result in plan.results] == [0, 3]
    exact = left[3].plan
    assert exact is not None
    assert [result.seq for result in exact.results] == [3]


@pytest.mark.parametrize(("fps", "expected"), [(30, 3), (25, 3), (10, 2), (5, 1), (2, 1)])
def test_slow_cameras_get_more_passes(fps: int, expected: int) -> None:
    """No two detections lie further apart than max_gap_s, whatever `every` says."""
    _, looked = drive(scheduler(), [frame(n, n / fps) for n in range(13)])
    assert looked[1] - looked[0] == expected


@pytest.mark.parametrize(
    ("at_first", "later", "expected"),
    [
        ([(20.0, 10.0, 40.0, 36.0)], [(22.0, 10.0, 42.0, 36.0)], True),  # somebody who hardly moves
        ([], [], True),
        ([], [(20.0, 10.0, 40.0, 36.0)], False),  # came
        ([(20.0, 10.0, 40.0, 36.0)], [], False),  # went
        ([(20.0, 10.0, 40.0, 36.0)], [(120.0, 10.0, 140.0, 36.0)], False),  # the same one, or another: nobody knows
    ],
)
def test_who_came_or_went_between_rare_looks_may_be_anywhere(
    at_first: list[Box], later: list[Box], expected: bool
) -> None:
    """Looks at 0 and 0.36 s: every frame between them is near enough to one of them, but nobody looked for long."""
    machine = scheduler(live=True, max_gap_s=0.25)
    left = machine.offer(frame(0), 0.0)
    request = machine.next_request()
    assert request is not None
    left += machine.detected(seen(request, at_first), 0.0)
    for n in range(1, 10):  # the detector is busy
        left += machine.offer(frame(n), n / 25)
    request = machine.next_request()
    assert request is not None
    left += machine.detected(seen(request, later), 0.5)
    assert [p.frame.seq for p in left] == list(range(10))
    assert [p.plan is not None for p in left] == [True, *[expected] * 8, True]
    if not expected:
        assert {p.why for p in left[1:9]} == {"a face came or went between rare detections"}


@pytest.mark.parametrize("live", [False, True])
def test_files_wait_longer_to_cover_a_face_before_it_was_found(live: bool) -> None:
    """Looks at frames 0 to 9 miss it, the one at frame 12 finds it: the fifth of a second before is covered."""
    machine = scheduler(live=live, look_back_s=None)
    left: list[Planned] = []

    def serve(now: float) -> None:
        while (request := machine.next_request()) is not None:
            found = [(20.0, 10.0, 40.0, 36.0)] if request.frame.seq >= 12 else []
            left.extend(machine.detected(seen(request, found), now))

    for n in range(25):
        left += machine.offer(frame(n), n / 25)
        serve(n / 25)
    left += machine.finish(1.0)
    serve(1.0)
    assert [p.frame.seq for p in left] == list(range(25))
    first_covered = min(p.frame.seq for p in left if p.plan is not None and p.plan.tracks)
    assert first_covered == (10 if live else 7)
    assert all(p.plan is not None for p in left)


def test_what_stands_still_before_a_pause_of_a_file_is_examined() -> None:
    """Screen recorders write no frame while nothing moves; the last one before is looked at for seconds."""
    times = (0.0, 0.04, 0.08, 9.0, 9.04, 20.0)
    left, looked = drive(scheduler(), [frame(seq, t) for seq, t in enumerate(times)])
    assert looked == [0, 2, 3, 4, 5]
    assert all(planned.plan is not None for planned in left)
    assert all(min(abs(one.t - times[p.frame.seq]) for one in p.plan.results) <= 0.04 for p in left if p.plan)


@pytest.mark.parametrize("live", [False, True])
def test_where_a_face_went_over_a_pause_is_not_known(live: bool) -> None:
    """A live source cannot wait for the frame before it; where a file's cannot be examined, it is covered, too."""
    machine = scheduler(look_back_s=0.21, live=live)
    left: list[Planned] = []
    for seq, t in enumerate((0.0, 0.04, 9.0)):
        left += machine.offer(frame(seq, t), t)
        while (request := machine.next_request()) is not None:
            if request.frame.seq == 1:
                left += machine.failed(request, t)
            else:
                faces = [(20.0, 10.0, 40.0, 36.0)] if request.frame.seq == 0 else []
                left += machine.detected(seen(request, faces), t)
    left += machine.finish(9.0)
    assert [p.frame.seq for p in left] == [0, 1, 2]
    first, between, last = (p.plan for p in left)
    assert between is None
    assert last is not None
    assert not last.tracks
    assert live or (first is not None and len(first.tracks) == 1), "forgotten before the frame left"


def test_live_frames_that_cannot_wait_to_look_back_are_covered() -> None:
    """A slow detector: a frame held so long leaves before the detection that would find whom the last one missed."""
    machine = scheduler(live=True, look_back_s=0.2, max_hold_s=0.5, every=1)
    machine.offer(frame(0), 0)
    request = machine.next_request()
    assert request is not None
    machine.offer(frame(5), 0.2)
    assert machine.detected(seen(request), 0.4) == []
    assert [(p.frame.seq, p.plan) for p in machine.expire(0.5)] == [(0, None)]
    # In time, it is shown.
    machine.offer(frame(10), 0.4)
    request = machine.next_request()
    assert request is not None
    assert [(p.frame.seq, p.plan is not None) for p in machine.detected(seen(request), 0.6)] == [(5, True)]


def test_looking_back_ends_where_the_scene_does() -> None:
    machine = scheduler(look_back_s=0.25)
    frames = [frame(n, epoch=n // 9) for n in range(18)]
    left, _ = drive(machine, frames)
    assert [p.frame.seq for p in left] == list(range(18))
    assert all(p.plan is not None for p in left)


def test_without_lookahead_only_frames_that_wait_for_their_own_pass_are_held() -> None:
    machine = scheduler(lookahead=False)
    assert machine.offer(frame(0), 0) == []
    request = machine.next_request()
    assert request is not None
    assert len(machine.detected(seen(request), 0)) == 1
    assert [p.frame.seq for p in machine.offer(frame(1), 0.04)] == [1]
    assert [p.frame.seq for p in machine.offer(frame(2), 0.08)] == [2]
    assert machine.offer(frame(3), 0.12) == []


def test_live_frames_do_not_wait_longer_than_max_hold() -> None:
    machine = scheduler(live=True, max_hold_s=0.2)
    machine.offer(frame(0), 0)
    assert machine.next_request() is not None
    machine.offer(frame(1), 0.04)
    assert machine.next_expiry() == 0.2
    assert machine.expire(0.19) == []
    assert [(p.frame.seq, p.plan) for p in machine.expire(0.2)] == [(0, None)]
    assert [(p.frame.seq, p.plan) for p in machine.expire(0.25)] == [(1, None)]


@pytest.mark.parametrize("lookahead", [False, True])
def test_frame_whose_hold_expires(lookahead: bool) -> None:
    """With lookahead it leaves without a plan: who came in since the last one is not known. Else by what is known."""
    machine = scheduler(live=True, max_hold_s=0.2, max_gap_s=0.1, lookahead=lookahead)
    left = machine.offer(frame(0), 0)
    request = machine.next_request()
    assert request is not None
    left = machine.detected(seen(request, [(0, 0, 9, 9)]), 0)
    for n in range(1, 5):
        left += machine.offer(frame(n), n / 25)
    left += machine.expire(1.0)
    assert [p.frame.seq for p in left] == [0, 1, 2, 3, 4]
    assert [p.plan is not None for p in left[1:]] == ([False] * 4 if lookahead else [True, True, False, False])


def test_live_newest_wish_wins() -> None:
    machine = scheduler(live=True)
    for n in range(7):
        machine.offer(frame(n), n / 25)
        if n == 0:
            assert machine.next_request() is not None
    request = machine.detected(DetectionResult(0, 0, 0.0, ()), 0.3) and machine.next_request()
    assert isinstance(request, DetectionRequest)
    assert request.frame.seq == 6


def test_file_stops_reading_instead_of_skipping_passes() -> None:
    machine = scheduler()
    count = 0
    while not machine.full:
        machine.offer(frame(count), 0)
        count += 1
    assert count == 4  # the first and the fourth frame wait for the detector


def test_failed_pass_covers_its_frame() -> None:
    machine = scheduler()
    for n in range(4):
        machine.offer(frame(n), 0)
    request = machine.next_request()
    assert request is not None
    machine.failed(request, 0)
    request = machine.next_request()
    assert request is not None
    left = machine.detected(seen(request), 0)
    assert [p.plan is None for p in left] == [True, False, False, False]
    assert left[0].why == "detector failed"


def test_nothing_stays_inside_when_the_last_pass_fails() -> None:
    machine = scheduler()
    for n in range(2):
        machine.offer(frame(n), 0)
    left = machine.finish(0)
    while (request := machine.next_request()) is not None:
        left += machine.failed(request, 0)
    assert [p.frame.seq for p in left] == [0, 1]
    assert all(p.plan is None for p in left)


def test_nothing_is_carried_into_another_epoch() -> None:
    machine = scheduler()
    frames = [frame(n, epoch=n // 5) for n in range(10)]
    left = []
    for f in frames:
        left += machine.offer(f, f.t)
        while (request := machine.next_request()) is not None:
            box = [(0.0, 0.0, 20.0, 20.0)] if request.frame.epoch == 0 else []
            left += machine.detected(seen(request, box), f.t)
    left += machine.finish(1)
    while (request := machine.next_request()) is not None:
        left += machine.detected(seen(request), 1)
    assert [p.frame.seq for p in left] == list(range(10))
    for planned in left:
        assert planned.plan is not None
        assert {result.epoch for result in planned.plan.results} == {planned.frame.epoch}
        assert bool(planned.plan.tracks) == (planned.frame.epoch == 0)


def test_a_scene_that_just_began_is_covered_whole() -> None:
    frames = [frame(n, epoch=n // 8) for n in range(16)]
    left, looked = drive(scheduler(cover_first_s=0.12, every=1), frames)
    assert [p.frame.seq for p in left if p.plan is None] == [0, 1, 2, 8, 9, 10]
    assert {p.why for p in left if p.plan is None} == {"scene just began"}
    assert looked == list(range(16))


def test_no_scene_begins_with_a_still() -> None:
    options = SchedulerOptions(cover_first_s=0.12)
    machine = Scheduler(options, lambda: Tracker(TrackOptions(), 0.4), hide_everyone, live=False, stills=True)
    left, _ = drive(machine, [frame(n, epoch=n) for n in range(3)])
    assert all(p.plan is not None for p in left)


def test_every_shown_frame_was_looked_at_itself_where_no_gap_is_allowed() -> None:
    machine = scheduler(live=True, every=1, max_gap_s=0.001)
    left: list[Planned] = []
    for n in range(9):
        left += machine.offer(frame(n), n / 25)
        if n % 4 == 0 and (request := machine.next_request()) is not None:  # the detector cannot keep up
            left += machine.detected(seen(request), n / 25)
    assert [p.frame.seq for p in left if p.plan is not None] == [0, 4, 8]
    assert [p.frame.seq for p in left] == list(range(9))


def test_stills_are_all_examined() -> None:
    left, looked = drive(scheduler(), [frame(n, epoch=n) for n in range(5)])
    assert looked == [0, 1, 2, 3, 4]
    assert len(left) == 5


@settings(max_examples=150, deadline=None)
@given(
    live=st.booleans(),
    lookahead=st.booleans(),
    back_s=st.sampled_from([0.0, 0.1, 0.5]),
    every=st.integers(1, 8),
    steps=st.lists(st.floats(0.001, 0.6), min_size=1, max_size=40),
    epochs=st.lists(st.booleans(), min_size=40, max_size=40),
    answers=st.lists(st.sampled_from(["now", "later", "fail"]), min_size=200, max_size=200),
)
def test_any_order_of_events(
    live: bool, lookahead: bool, back_s: float, every: int, steps: list[float], epochs: list[bool], answers: list[str]
) -> None:
    """Order and number of frames are kept; plans rest on full, near passes of their own epoch; nobody waits long."""
    machine = scheduler(live=live, lookahead=lookahead, look_back_s=back_s, every=every)
    options = SchedulerOptions()
    now, epoch, pending = 0.0, 0, None
    left: list[tuple[Planned, float]] = []
    offered: list[Frame] = []
    arrived: dict[int, float] = {}
    answer = iter(answers)

    def serve(always: bool) -> None:
        nonlocal pending
        while True:
            pending = pending or machine.next_request()
            if pending is None:
                return
            what = next(answer, "now")
            if what == "later" and not always:
                return
            request, pending = pending, None
            if what == "fail":
                left.extend((p, now) for p in machine.failed(request, now))
            else:
                left.extend((p, now) for p in machine.detected(seen(request, [(4, 4, 20, 24)]), now))

    for n, step in enumerate(steps):
        now += step
        epoch += epochs[n] and step > 0.3
        left.extend((p, now) for p in machine.expire(now))
        serve(always=machine.full)
        f = Frame(n, epoch, now, IMAGE)
        offered.append(f)
        arrived[n] = now
        left.extend((p, now) for p in machine.offer(f, now))
        serve(always=False)
    left.extend((p, now) for p in machine.finish(now))
    serve(always=True)
    if live:
        now += options.max_hold_s
        left.extend((p, now) for p in machine.expire(now))

    assert [p.frame for p, _ in left] == offered
    assert machine.held == 0
    for planned, when in left:
        f = planned.frame
        if planned.plan is None:
            continue
        assert planned.plan.results
        assert (planned.plan.seq, planned.plan.epoch) == (f.seq, f.epoch)
        for result in planned.plan.results:
            assert result.full
            assert result.epoch == f.epoch
            assert abs(result.t - f.t) <= options.max_gap_s + 1e-5
        # The face is in every detection, so it is in every plan.
        assert planned.plan.tracks
        if live:
            assert when <= arrived[f.seq] + options.max_hold_s + max(steps) + 1e-6


def test_of_large_pictures_few_wait() -> None:
    """While the detector is busy: from half of them on every second frame is left out, then all. A file waits."""
    machine = scheduler(live=True, most_held=8)
    taken, requests = [], []
    for n in range(40):
        if not machine.too_many(frame(n)):
            machine.offer(frame(n), 0.0)
            taken.append(n)
            requests.append(machine.next_request())
    assert taken == [0, 1, 2, 3, 4, 6, 8, 10]
    assert machine.held == 8
    assert requests[0] is not None
    machine.detected(seen(requests[0]), 0.1)
    assert machine.held == 7
    last = machine.next_request()
    assert last is not None
    machine.detected(seen(last), 0.2)
    assert not machine.too_many(frame(41))
    assert not any(scheduler(most_held=0).too_many(frame(n)) for n in range(3))
