"""The camera's motion: told from people's, added up over a scene, and taken out of what is followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
import pytest

from streamer.core.picture import Picture
from streamer.core.types import Captured, Detection, DetectionResult, Points5
from streamer.sources.demo import Options, scene
from streamer.stages.capture import Framer
from streamer.tracking.motion import CameraMotion
from streamer.tracking.tracker import Tracker, TrackOptions

STREET = scene(Options(seed=5, width=1280, height=720, faces=0)).picture(0)
SIZE = 640, 360


def view(x: float, y: float, zoom: float = 1.0) -> Picture:
    """The street through a camera whose window begins at (x, y)."""
    there = np.array([[zoom, 0, -x * zoom], [0, zoom, -y * zoom]], np.float32)
    return Picture.from_bgr(np.asarray(cv2.warpAffine(STREET.bgr(), there, SIZE, flags=cv2.INTER_LINEAR), np.uint8))


def shifts(pictures: list[Picture]) -> list[tuple[float, float]]:
    camera = CameraMotion()
    return [camera.shift(picture, new_scene=False) for picture in pictures]


@pytest.mark.parametrize("step", [(12.0, 0.0), (-9.0, 5.0), (0.0, -14.0), (25.0, 10.0), (-40.0, 0.0)])
def test_a_swing_is_measured(step: tuple[float, float]) -> None:
    """What stands still moves against the camera."""
    got = shifts([view(300 + n * step[0], 180 + n * step[1]) for n in range(5)])
    for n, (dx, dy) in enumerate(got):
        assert dx == pytest.approx(-n * step[0], abs=1 + n)
        assert dy == pytest.approx(-n * step[1], abs=1 + n)


def test_a_shaking_hand_comes_back() -> None:
    path = [(0, 0), (14, 6), (-8, 11), (6, -12), (0, 0)]
    assert shifts([view(300 + x, 180 + y) for x, y in path])[-1] == pytest.approx((0, 0), abs=3)


def passing(n: int) -> Picture:
    """Somebody large walks by before a camera that stands still."""
    canvas = view(300, 180).canvas()
    texture = np.random.default_rng(1).integers(40, 220, (30, 20), dtype=np.uint8)
    canvas.planes[0][60:360, 40 + 25 * n : 240 + 25 * n] = cv2.resize(texture, (200, 300))
    return canvas.frozen()


def noisy(n: int) -> Picture:
    canvas = view(300, 180).canvas()
    noise = np.random.default_rng(n).normal(0, 6, canvas.planes[0].shape)
    canvas.planes[0][:] = np.clip(canvas.planes[0] + noise, 0, 255)
    return canvas.frozen()


@pytest.mark.parametrize(
    "picture",
    [
        lambda n: view(300, 180),
        noisy,
        passing,
        lambda n: Picture.blank(*SIZE, luma=16 + n).frozen(),  # a fade
        lambda n: Picture.blank(*SIZE).frozen(),
        lambda n: view(200 * (n % 2), 150 * (n % 3)),  # no two have enough in common
    ],
    ids=["still", "noise", "passer-by", "fade", "black", "unlike"],
)
def test_nothing_is_made_up(picture: Callable[[int], Picture]) -> None:
    for dx, dy in shifts([picture(n) for n in range(6)]):
        assert (dx, dy) == (0, 0)


def test_a_scene_begins_anew() -> None:
    framer = Framer(live=False, stills=False, fps=25, target_fps=None)
    other = Picture.from_bgr(np.ascontiguousarray(255 - view(300, 180).bgr()[::-1]))
    pictures = [view(300, 180), view(312, 180), other, view(300, 180), view(300, 171)]
    frames = [framer.frame(Captured(n / 25, picture), 0.0) for n, picture in enumerate(pictures)]
    assert [frame.epoch for frame in frames if frame is not None] == [0, 0, 1, 2, 2]
    got = [frame.shift for frame in frames if frame is not None]
    assert got[1] == pytest.approx((-12, 0), abs=1.5)
    assert got[2] == got[3] == (0, 0)
    assert got[4] == pytest.approx((0, 9), abs=1.5)


def test_stills_have_no_motion() -> None:
    framer = Framer(live=False, stills=True, fps=None, target_fps=None)
    frames = [framer.frame(Captured(None, view(300 + 12 * n, 180)), 0.0) for n in range(3)]
    assert [frame.shift for frame in frames if frame is not None] == [(0, 0)] * 3


def test_a_face_is_followed_through_a_swing() -> None:
    """It moves three times its size between two detections, there and half the way back: every place is known."""
    tracker = Tracker(TrackOptions(), 0.4)
    path = {0.0: 0.0, 0.04: 60.0, 0.08: 120.0, 0.12: 60.0}
    marks = ((10.0, 10.0), (20.0, 10.0), (15.0, 15.0), (11.0, 20.0), (19.0, 20.0))
    for t in (0.0, 0.12):
        x = path[t]
        points = cast(Points5, tuple((px + x, py) for px, py in marks))
        found = Detection((x, 0.0, x + 30, 30.0), 0.9, points)
        went = tracker.observe(DetectionResult(0, 0, t, (found,)), shift=(x, 0.0))
        assert went == {1: found}
    for t, x in path.items():
        (track,) = tracker.boxes_at(t, shift=(x, 0.0))
        assert track.box == pytest.approx((x, 0, x + 30, 30))
        assert track.uncertainty_px < 4
        assert track.landmarks is not None
        assert track.landmarks[0] == pytest.approx((10 + x, 10))


SIDE, ELSEWHERE = 30.0, {0.0: 0.0, 0.04: 60.0, 0.08: 120.0, 0.12: 60.0}
"""Width of a face, and by time a shift that goes there and half the way back, between two detections."""


@pytest.mark.parametrize("score", [0.5, 0.9], ids=["doubtful", "sure"])
@pytest.mark.parametrize("stands", [True, False], ids=["a train passes behind the face", "the camera moves"])
def test_both_are_covered_where_the_shift_has_it_and_where_the_looks_have_it(stands: bool, score: float) -> None:
    """Of a train that fills the picture, and of a camera, the pictures tell the same: whoever stands before the train
    must not be uncovered, neither between two detections nor after the last one."""
    tracker = Tracker(TrackOptions(), 0.4)
    for t in (0.0, 0.12):
        x = 0.0 if stands else ELSEWHERE[t]
        tracker.observe(
            DetectionResult(0, 0, t, (Detection((x, 0.0, x + SIDE, SIDE), score),)), shift=(ELSEWHERE[t], 0.0)
        )
    for t, shift in {**ELSEWHERE, 0.16: 0.0, 0.2: 90.0}.items():
        x = 0.0 if stands else shift
        boxes = [track.box for track in tracker.boxes_at(t, shift=(shift, 0.0))]
        assert any(x0 <= x + 1e-6 and x + SIDE <= x1 + 1e-6 for x0, _, x1, _ in boxes), t


def test_a_picture_that_moves_as_a_whole_and_one_that_does_not_are_looked_at_where_faces_should_be() -> None:
    """The places for re-detection are those of the measured motion, as large as the faces were."""
    tracker = Tracker(TrackOptions(), 0.4)
    tracker.observe(DetectionResult(0, 0, 0.0, (Detection((0.0, 0.0, SIDE, SIDE), 0.9),)))
    tracker.observe(DetectionResult(3, 0, 0.04, (Detection((0.0, 0.0, SIDE, SIDE), 0.9),)))
    assert tracker.expected_at(0.08, (100.0, 0.0)) == [pytest.approx((100, 0, 100 + SIDE, SIDE))]
