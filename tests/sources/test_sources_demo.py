"""The demo: the same picture for the same number, and a truth that a detector agrees with."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from support.weights import weights

from streamer.config.parts import build
from streamer.core.geometry import iou, stack
from streamer.core.options import Context
from streamer.detectors import Detector
from streamer.drawn.faces import FACE_HEIGHT, draw_face, face_box
from streamer.drawn.scene import Actor, Bar, Pose, Scene, Stage, Waypoint
from streamer.sources.demo import DemoSource, Options, scene


@pytest.fixture(scope="module")
def detector() -> Detector:
    made: Detector = build("detectors", "yunet", {}, Context(model=weights))
    return made


def standing(person: int, x: float, y: float, face_px: float, *, yaw: float = 0.0, until: float = 10.0) -> Actor:
    return Actor(person, (Waypoint(0, x, y, face_px, yaw), Waypoint(until, x, y, face_px, yaw)))


# -- the scene ------------------------------------------------------------------------------------------------------


def test_a_frame_is_a_function_of_its_number() -> None:
    options = Options(width=320, height=180, faces=3)
    one, other = scene(options), scene(options)
    forwards = {n: one.picture(n).buffer for n in range(0, 200, 40)}
    for n in (160, 0, 120, 40, 80):
        assert np.array_equal(other.picture(n).buffer, forwards[n])
        assert other.truth(n) == one.truth(n)
    assert not np.array_equal(forwards[0], forwards[40])


def test_another_seed_is_another_scene() -> None:
    one, other = (scene(Options(seed=seed, width=320, height=180)) for seed in (1, 2))
    assert not np.array_equal(one.picture(0).buffer, other.picture(0).buffer)
    assert {face.person for face in one.truth(0)}.isdisjoint(face.person for face in other.truth(0))


@pytest.mark.parametrize("seed", [1, 5])
def test_the_detector_agrees_with_the_truth(detector: Detector, seed: int) -> None:
    drawn = scene(Options(seed=seed))
    asked = found_of_asked = 0
    for n in range(0, 400, 40):
        picture, truths = drawn.picture(n), drawn.truth(n)
        (found,) = detector.detect([picture])
        boxes = stack([one.box for one in found])
        overlap = iou(stack([truth.box for truth in truths]), boxes)
        for truth, row in zip(truths, overlap, strict=True):
            if truth.visible > 0.95 and truth.box[3] - truth.box[1] >= 30:
                asked += 1
                found_of_asked += any(one.score >= 0.75 and share > 0.6 for one, share in zip(found, row, strict=True))
        if len(truths):  # nothing in the street looks like a face
            strong = np.array([one.score >= 0.6 for one in found], bool)
            assert (overlap.max(axis=0)[strong] > 0.2).all()
    assert asked >= 20
    assert found_of_asked >= 0.97 * asked


@pytest.mark.parametrize("face_px", [30, 60, 120, 220])
def test_faces_of_every_size_are_found(detector: Detector, face_px: int) -> None:
    for person in range(5):
        stage = Stage(960, 540, seed=person)
        poses = [Pose(person, 480, 260, face_px)]
        (found,) = detector.detect([stage.draw(poses)])
        (truth,) = stage.truth(poses)
        best = max(found, key=lambda one: one.score)
        assert best.score >= 0.88
        assert iou(stack([best.box]), stack([truth.box]))[0, 0] > 0.7


@pytest.mark.parametrize("yaw", [-35, -15, 15, 35])
def test_turned_faces_are_found(detector: Detector, yaw: int) -> None:
    for person in range(5):
        stage = Stage(640, 360, seed=person)
        poses = [Pose(person, 320, 180, 90, yaw)]
        (found,) = detector.detect([stage.draw(poses)])
        (truth,) = stage.truth(poses)
        best = max(found, key=lambda one: one.score)
        assert best.score >= 0.8
        assert iou(stack([best.box]), stack([truth.box]))[0, 0] > 0.7


def test_the_empty_street_holds_no_face(detector: Detector) -> None:
    for seed in range(4):
        drawn = scene(Options(seed=seed, faces=0))
        assert drawn.truth(0) == []
        (found,) = detector.detect([drawn.picture(0)])
        assert [one for one in found if one.score >= 0.5] == []


@pytest.mark.parametrize("size", [(427, 239), (64, 64), (1920, 1080)])
def test_sizes(size: tuple[int, int]) -> None:
    drawn = scene(Options(width=size[0], height=size[1]))
    picture = drawn.picture(7)
    assert picture.size == size
    assert picture.format == "i420"
    with pytest.raises(ValueError, match="read-only"):
        picture.buffer[0] = 1


# -- scripts ----------------------------------------------------------------------------------------------------------


def test_an_actor_walks_evenly_from_point_to_point() -> None:
    walker = Actor(1, (Waypoint(0.4, 50, 100, 40), Waypoint(1.4, 250, 120, 60)))
    drawn = Scene([walker], width=320, height=240)
    assert [n for n in range(60) if drawn.truth(n)] == list(range(10, 36))
    (middle,) = drawn.truth(22)
    x0, y0, x1, y1 = middle.box
    assert ((x0 + x1) / 2, (y0 + y1) / 2, y1 - y0) == pytest.approx((146, 109.6, 49.6))


def test_who_is_behind_is_not_visible() -> None:
    bar = Bar(100, 160)
    hidden, beside = standing(1, 130, 100, 40), standing(2, 250, 100, 40)
    assert [face.visible for face in Scene([hidden, beside], width=320, height=240, bars=[bar]).truth(0)] == [0.0, 1.0]
    near, far = standing(3, 160, 110, 120), standing(4, 160, 100, 30)
    faces = {face.person: face.visible for face in Scene([near, far], width=320, height=240).truth(0)}
    assert faces[3] == 1.0
    assert faces[4] < 0.02


def test_half_outside_is_half_visible() -> None:
    (face,) = Scene([standing(1, 0, 100, 60)], width=320, height=240).truth(0)
    assert face.visible == pytest.approx(0.5, abs=0.05)
    assert face.box[0] < 0
    assert Scene([standing(1, -100, 100, 60)], width=320, height=240).truth(0) == []


def test_what_is_hidden_by_the_bar_is_not_drawn_over_it() -> None:
    bar = Bar(100, 160)
    empty = Scene(width=320, height=240, bars=[bar]).picture(0).planes[0]
    drawn = Scene([standing(1, 130, 100, 40)], width=320, height=240, bars=[bar]).picture(0).planes[0]
    assert np.array_equal(empty[:, 100:160], drawn[:, 100:160])
    assert not np.array_equal(empty, drawn)


def test_a_cut_changes_the_street_at_once() -> None:
    drawn = Scene(width=320, height=180, cuts=[0.4, 0.8])
    shown = [drawn.picture(n).buffer for n in (0, 9, 10, 19, 20)]
    assert np.array_equal(shown[0], shown[1])
    assert np.array_equal(shown[2], shown[3])
    assert np.abs(shown[1].astype(int) - shown[2]).mean() > 5
    assert np.abs(shown[3].astype(int) - shown[4]).mean() > 5


def test_a_face_by_itself() -> None:
    bgr, alpha = draw_face(100, seed=4, yaw=10)
    assert bgr.shape[:2] == alpha.shape
    assert bgr.dtype == alpha.dtype == np.uint8
    assert alpha[0].max() == 0
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255
    top, bottom = face_box(0.0)[1], face_box(0.0)[3]
    assert bottom - top == pytest.approx(FACE_HEIGHT)
    assert np.array_equal(bgr, draw_face(100, seed=4, yaw=10)[0])
    assert not np.array_equal(bgr, draw_face(100, seed=5, yaw=10)[0])


# -- the source -------------------------------------------------------------------------------------------------------


def made(**options: object) -> DemoSource:
    source = build("sources", "demo", {"width": 160, "height": 90, **options}, Context())
    assert isinstance(source, DemoSource)
    return source


def test_it_ends_after_its_duration() -> None:
    source = made(duration_s=0.4)
    times = []
    while (captured := source.read()) is not None:
        times.append(captured.t)
    assert times == pytest.approx([n / 25 for n in range(10)])
    assert (source.info.frames, source.info.fps, source.info.live) == (10, 25.0, False)
    assert source.info.duration_s == pytest.approx(0.4)
    source.close()
    source.close()


def test_it_is_endless_otherwise() -> None:
    source = made()
    assert (source.info.frames, source.info.duration_s) == (None, None)
    assert all(source.read() is not None for _ in range(60))
    source.close()
    assert source.read() is None


def test_the_source_shows_the_scene_and_knows_its_truth() -> None:
    source, drawn = made(seed=3), scene(Options(seed=3, width=160, height=90))
    for n in range(5):
        captured = source.read()
        assert captured is not None
        assert np.array_equal(captured.image.buffer, drawn.picture(n).buffer)
        assert source.truth(n) == drawn.truth(n)


def test_real_time_keeps_to_the_clock() -> None:
    source = made(realtime=True)
    assert source.info.live
    start = time.monotonic()
    times = []
    for n in range(8):
        captured = source.read()
        assert captured is not None
        assert time.monotonic() - start >= (captured.t or 0.0) - 0.005
        times.append(captured.t or 0.0)
        if n == 4:
            time.sleep(0.5)  # nobody fetches: these frames are gone
    assert (np.diff(times) > 0.03).all()
    assert times[5] - times[4] >= 0.44
    source.close()


def test_close_ends_a_waiting_read() -> None:
    source = made(realtime=True, fps=0.01)
    assert source.read() is not None
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(source.read()))
    thread.start()
    time.sleep(0.2)
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    assert got == [None]
