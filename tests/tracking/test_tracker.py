"""The tracker: cover from the first detection, keep covering after the last."""

from __future__ import annotations

import math

import pytest

from streamer.core.geometry import center, grown, side
from streamer.core.types import Box, Detection, DetectionResult, TrackBox
from streamer.tracking.associate import associate
from streamer.tracking.tracker import Tracker, TrackOptions

BOX: Box = (100, 100, 140, 150)


def seen(t: float, *boxes: Box, score: float = 0.9) -> DetectionResult:
    return DetectionResult(round(t * 25), 0, t, tuple(Detection(box, score) for box in boxes))


def moved(dx: float, dy: float = 0.0) -> Box:
    return BOX[0] + dx, BOX[1] + dy, BOX[2] + dx, BOX[3] + dy


def contains(track: TrackBox, box: Box) -> bool:
    outer = grown(track.box, track.spread_px + 1e-6)
    return outer[0] <= box[0] and outer[1] <= box[1] and outer[2] >= box[2] and outer[3] >= box[3]


def tracker(*results: DetectionResult, **options: object) -> Tracker:
    made = Tracker(TrackOptions.model_validate({"keep_s": 0.7, **options}), start_score=0.4)
    for one in results:
        made.observe(one)
    return made


def test_nothing_seen_nothing_covered() -> None:
    assert tracker(seen(0), seen(0.12)).boxes_at(0.06) == []


def test_face_counts_from_its_first_detection() -> None:
    (track,) = tracker(seen(0, BOX)).boxes_at(0)
    assert contains(track, BOX)


def test_straight_motion_between_passes_is_contained() -> None:
    made = tracker(seen(0, BOX), seen(0.12, moved(24)))
    for t in (0.04, 0.08):
        (track,) = made.boxes_at(t)
        assert contains(track, moved(24 * t / 0.12))


def test_motion_that_is_not_straight_is_contained() -> None:
    """The face waits, then jumps: half-way it is a quarter of the way off the line."""
    made = tracker(seen(0, BOX), seen(0.12, moved(24)))
    (track,) = made.boxes_at(0.06)
    assert contains(track, moved(12 - 6))
    assert contains(track, moved(12 + 6))


def test_a_head_that_nods_between_rare_looks_is_contained() -> None:
    """It is found at the same place twice, half a second apart: between, it was a quarter of its size away and back."""
    nod = 8 / 2 * 0.25**2 * side(BOX)
    (track,) = tracker(seen(0, BOX), seen(0.5, BOX)).boxes_at(0.25)
    assert contains(track, moved(0, nod))
    (track,) = tracker(seen(0, BOX), seen(0.1, BOX)).boxes_at(0.05)
    assert track.spread_px < 0.1 * side(BOX)


def test_who_came_and_who_went() -> None:
    made = tracker(seen(0, BOX), seen(0.12, BOX), seen(0.24, BOX, (300, 100, 340, 150)), seen(0.6))
    assert not made.changed_between(0, 0.12)
    assert made.changed_between(0.12, 0.24)
    assert made.changed_between(0.24, 0.6)


def test_who_was_missed_by_one_of_two_looks_came_or_went_between_them() -> None:
    """Also when it is the same face before and after."""
    made = tracker(seen(0, BOX), seen(0.3), seen(0.5, BOX))
    assert len(made.boxes_at(0.5)) == 1
    assert made.changed_between(0, 0.3)
    assert made.changed_between(0.3, 0.5)


def test_who_comes_when_somebody_else_goes_is_covered_where_they_came() -> None:
    """One turned away, another one near by turned to the camera: no face went from here to there."""
    other = moved(2.5 * side(BOX))
    for results in ([seen(0, BOX), seen(0.12, other)], [seen(0, BOX), seen(0.06), seen(0.12, other)]):
        made = tracker(*results)
        assert any(contains(track, other) for track in made.boxes_at(0.07))
        assert any(contains(track, BOX) for track in made.boxes_at(0.05))
    # The same where the detection before had missed them, when frames wait to look back.
    assert any(contains(track, other) for track in made.boxes_at(0.05, look_back_s=0.1))
    assert not any(contains(track, other) for track in made.boxes_at(0.05))


def test_who_comes_where_a_walker_was_expected_is_covered_there() -> None:
    """They are taken for one; so far apart, both places are covered."""
    step = 1.4 * side(BOX)
    made = tracker(seen(0, BOX), seen(0.1, moved(step / 2)), seen(0.2, moved(step)), seen(0.4, moved(2.5 * step)))
    assert len({track.track_id for track in made.boxes_at(0.4)}) == 1
    for t in (0.24, 0.36):
        assert any(contains(track, moved(2.5 * step)) for track in made.boxes_at(t))
        assert any(contains(track, moved(step)) for track in made.boxes_at(t))


def test_who_runs_in_between_looks_that_are_rare_is_covered() -> None:
    """2.8 m/s, and half a face beyond the cover is the mask's margin."""
    run = 12 * side(BOX)
    made = tracker(seen(0), seen(0.24, moved(0.24 * run)))
    (track,) = made.boxes_at(0.04)
    assert contains(track, moved(0.04 * run + side(BOX) / 2))
    # And who is doubtful, and walks.
    made = tracker(seen(0), seen(0.24, moved(0.12 * run), score=0.5))
    (track,) = made.boxes_at(0.04)
    assert contains(track, moved(0.02 * run + side(BOX) / 2))


def test_new_face_covers_the_frames_since_the_last_pass_only() -> None:
    made = tracker(seen(0), seen(0.12, BOX))
    assert made.boxes_at(0) == []
    (near,), (far,) = made.boxes_at(0.10), made.boxes_at(0.02)
    assert contains(near, BOX)
    assert far.box[0] < near.box[0] < BOX[0] < BOX[2] < near.box[2] < far.box[2]


def test_looking_back_covers_frames_whose_look_missed_the_face() -> None:
    made = tracker(seen(0), seen(0.12), seen(0.24, BOX))
    assert made.boxes_at(0.12) == []
    assert made.boxes_at(0.0, look_back_s=0.2) == []
    (track,) = made.boxes_at(0.08, look_back_s=0.2)
    assert contains(track, BOX)
    assert contains(track, moved(10))


def test_lost_face_stays_covered_moves_on_and_grows() -> None:
    made = tracker(seen(0, BOX), seen(0.12, moved(12)), seen(0.24))
    first, later = made.boxes_at(0.2)[0], made.boxes_at(0.6)[0]
    assert contains(first, moved(12))
    assert contains(first, moved(12 + 8))
    assert later.spread_px > first.spread_px
    assert made.boxes_at(0.12 + 0.7) != []
    assert made.boxes_at(0.12 + 0.72) == []


def test_weak_detection_goes_on_with_a_track_but_starts_none() -> None:
    made = tracker(seen(0, score=0.3), seen(0.12, BOX, score=0.3))
    assert made.boxes_at(0.12) == []
    made = tracker(seen(0, BOX), seen(0.6, BOX, score=0.3), seen(1.2, BOX, score=0.3))
    assert len(made.boxes_at(1.8)) == 1
    made = tracker(seen(0, BOX), seen(0.6, BOX, score=0.2))
    assert made.boxes_at(0.8) == []


def test_doubtful_track_is_kept_for_a_shorter_time() -> None:
    made = tracker(seen(0, BOX, score=0.5), keep_s=1.0)
    assert made.boxes_at(0.5) != []
    assert made.boxes_at(0.7) == []


def test_no_face_is_forgotten_while_its_pass_vouches_for_frames() -> None:
    made = Tracker(TrackOptions(keep_s=0.1), start_score=0.4, vouched_s=0.3)
    made.observe(seen(0, BOX))
    assert made.boxes_at(0.29) != []
    assert made.boxes_at(0.31) == []


def test_face_seen_once_may_have_walked_either_way() -> None:
    """Seen once and then hidden: at 6 face sizes per second it is covered on both sides, without knowing which."""
    made = tracker(seen(0, BOX), seen(0.12))
    (track,) = made.boxes_at(0.1)
    assert contains(track, moved(30))
    assert contains(track, moved(-30))


def test_two_faces_keep_two_tracks() -> None:
    made = tracker(seen(0, BOX, moved(200)), seen(0.12, moved(210), moved(10)))
    boxes = made.boxes_at(0.06)
    assert len(boxes) == 2
    assert {round(center(track.box)[0]) for track in boxes} == {125, 325}


def test_a_dash_is_covered_all_along_the_way() -> None:
    """Two faces further from look to look: nobody walks so fast, but somebody may run past, or the camera be swung."""
    made = tracker(seen(0, BOX), seen(0.12, moved(90)), seen(0.24, moved(180)))
    for t in (0.03, 0.06, 0.09, 0.15, 0.21):
        assert any(contains(track, moved(750 * t)) for track in made.boxes_at(t)), t
    assert any(contains(track, moved(210)) for track in made.boxes_at(0.28))


@pytest.mark.parametrize(("other", "score"), [(moved(400), 0.9), (grown(moved(150), 30), 0.9), (moved(90), 0.5)])
def test_no_dash_is_made_of_what_is_too_far_of_another_size_or_doubtful(other: Box, score: float) -> None:
    made = tracker(seen(0, BOX), seen(0.12, other, score=score))
    assert not any(contains(track, moved(45)) for track in made.boxes_at(0.06))


def test_who_dashed_away_is_soon_forgotten_where_it_was_and_who_did_not_is_not() -> None:
    gone = tracker(seen(0, BOX), seen(0.12, moved(90)), seen(0.24, moved(180)), seen(0.36, moved(270)))
    assert not any(contains(track, BOX) for track in gone.boxes_at(0.5))
    stays = tracker(seen(0, BOX), seen(0.12, moved(90)), seen(0.24), seen(0.36))
    assert any(contains(track, BOX) for track in stays.boxes_at(0.5))


def test_far_jump_covers_old_and_new_place() -> None:
    made = tracker(seen(0, BOX), seen(0.12, moved(90)))
    boxes = made.boxes_at(0.12)
    assert len(boxes) == 2
    assert any(contains(track, BOX) for track in boxes)
    assert any(contains(track, moved(90)) for track in boxes)


def test_crossing_faces_are_both_covered_all_the_time() -> None:
    made, at = tracker(), [0.12 * n for n in range(12)]
    for t in at:
        left, right = moved(-60 + 100 * t), moved(60 - 100 * t)
        made.observe(seen(t, left, right) if abs(t - 0.6) > 0.07 else seen(t, left))
        for back in (0.0, 0.04, 0.08):
            when = t - back
            if when < 0:
                continue
            boxes = made.boxes_at(when)
            for sign in (1, -1):
                truth = moved(sign * (-60 + 100 * when))
                assert any(contains(track, grown(truth, -0.1 * side(truth))) for track in boxes), when


def test_asking_changes_nothing() -> None:
    made = tracker(seen(0, BOX), seen(0.12, moved(12)))
    assert made.boxes_at(0.5) == made.boxes_at(0.5)
    assert made.boxes_at(0.06) == made.boxes_at(0.06)


@pytest.mark.parametrize("t", [0.0, 0.06, 0.12, 0.5])
def test_boxes_are_finite(t: float) -> None:
    made = tracker(seen(0, BOX), seen(0.12, moved(1000, -500)))
    for track in made.boxes_at(t):
        assert all(map(math.isfinite, (*track.box, track.spread_px)))


def test_associate_takes_the_nearest_first_and_each_once() -> None:
    found = [Detection(moved(5), 0.9), Detection(moved(1), 0.9)]
    assert associate([BOX], found, 0.1, [0.0]) == [(0, 1)]
    assert associate([BOX, moved(6)], found, 0.1, [0.0, 0.0]) == [(0, 1), (1, 0)] or associate(
        [BOX, moved(6)], found, 0.1, [0.0, 0.0]
    ) == [(1, 0), (0, 1)]
    assert associate([], found, 0.1, []) == []
    assert associate([BOX], [], 0.1, [0.0]) == []


def test_associate_refuses_other_sizes() -> None:
    assert associate([BOX], [Detection((60, 60, 180, 200), 0.9)], 0.1, [0.0]) == []
