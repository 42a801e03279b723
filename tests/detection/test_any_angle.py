"""Pictures that stand alone: any angle, doubtful faces, pictures that are spoiled."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights

from streamer.config.schema import Config
from streamer.core.geometry import grown, iou, shifted, stack
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult, Frame
from streamer.core.view import View
from streamer.detection.condition import condition_of
from streamer.detectors import Detector, Scores
from streamer.detectors.yunet import SCORES
from streamer.effects import solid
from streamer.evaluate.contact_sheet import drawn, room
from streamer.evaluate.detectors import read_boxes
from streamer.evaluate.leak import covered_share
from streamer.evaluate.stills import CHANGES, turned, turned_box
from streamer.pipeline.assembly import detector_of
from streamer.pipeline.still import anonymized
from streamer.stages.detect import EVERYTHING, Scope, examine

SIZE = (640, 480)
PLACE: Box = (300.0, 200.0, 340.0, 250.0)
GROUPS = Path(__file__).parents[1] / "data" / "group_photos.csv"


def noise(size: tuple[int, int] = SIZE) -> Picture:
    """Large shapes, so that windows can be compared, and fine detail in every other square."""
    chance = np.random.default_rng(3)
    shapes = cv2.resize(chance.uniform(0, 255, (9, 12)), size, interpolation=cv2.INTER_CUBIC)[..., None]
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]] // 32
    detail = chance.normal(0, 15, (*shapes.shape[:2], 3)) * ((rows + columns) % 2)[..., None]
    bgr = np.clip(shapes + detail, 0, 220).astype(np.uint8)
    return Picture.from_bgr(bgr, format="bgrp").frozen()


def small(picture: Picture) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture.bgr(), (32, 32), interpolation=cv2.INTER_AREA), np.uint8)


class Oracle:
    """Knows the picture by its size: what it finds in the whole picture per orientation, and in enlarged windows.

    whole, near: orientation in quarters -> score of the face at PLACE.
    """

    def __init__(self, whole: dict[int, float], near: dict[int, float], scores: Scores | None = SCORES) -> None:
        self.scores = scores
        self._whole, self._near = whole, near
        self.image = noise()
        self._calls = 0
        self.looks = 0

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        if max(pictures[0].size) == SIZE[0]:
            turns = self._calls
            self._calls += 1
            score = self._whole.get(turns)
            box = View.of(self.image, turns=turns).square(PLACE)
            return [[] if score is None else [Detection(box, score)]]
        self.looks += len(pictures)
        return [self._in(picture) for picture in pictures]

    def _in(self, picture: Picture) -> list[Detection]:
        """The face is in the middle of every window. Its orientation is that of which the window looks most alike."""
        px = picture.size[0]
        half = 25 * (3.0 if px == 160 else 5.0)
        window = int(320 - half), int(225 - half), int(320 + half), int(225 + half)
        upright = View.of(self.image, window, longer_px=px, full_color=True)
        views = [
            (turns, upright.other_way(turns, mirrored=mirrored)) for turns in range(4) for mirrored in (False, True)
        ]
        unlike = [float(cv2.absdiff(small(view.image), small(picture)).mean()) for _, view in views]
        score = self._near.get(views[int(np.argmin(unlike))][0])
        low, high = px / 2 - 25 * px / (2 * half), px / 2 + 25 * px / (2 * half)
        return [] if score is None else [Detection((low, low, high, high), score)]

    def close(self) -> None:
        """Nothing to free."""


def found(detector: Detector, image: Picture, scope: Scope = EVERYTHING, *, verify: bool = True) -> list[Detection]:
    request = DetectionRequest(Frame(0, 0, 0.0, image), (), 0, verify=verify, still=True)
    result = examine(detector, request, scope)
    assert isinstance(result, DetectionResult), result
    return list(result.detections)


@pytest.mark.parametrize("turns", range(4))
def test_a_sure_face_at_any_angle_counts_at_once(turns: int) -> None:
    oracle = Oracle({turns: 0.9}, {})
    (face,) = found(oracle, oracle.image)
    assert iou(stack([face.box]), stack([PLACE]))[0, 0] > 0.7
    assert oracle.looks == 0


@pytest.mark.parametrize(
    ("whole", "near", "counts"),
    [
        ({0: 0.5}, {0: 0.8}, True),
        ({0: 0.5}, {0: 0.3}, False),
        ({0: 0.5}, {}, False),
        ({0: 0.7}, {0: 0.6, 2: 0.65}, True),  # what suffices upright is not undone by another orientation
        ({0: 0.7, 3: 0.7}, {}, True),  # at a slant
        ({0: 0.7, 3: 0.6}, {}, False),
        ({0: 0.3}, {0: 0.8}, True),  # weak in the whole picture, and beyond doubt near by
        ({0: 0.3}, {0: 0.6}, False),
        ({1: 0.5}, {1: 0.8}, True),
        ({1: 0.5}, {1: 0.6}, False),  # turned where nobody else is: more is asked
        ({3: 0.5}, {2: 0.8}, True),  # found in one orientation, is a face in another
    ],
)
def test_what_is_in_doubt_is_seen_again(whole: dict[int, float], near: dict[int, float], counts: bool) -> None:
    oracle = Oracle(whole, near)
    faces = found(oracle, oracle.image)
    assert len(faces) == counts
    assert oracle.looks >= 4
    assert all(face.score >= 0.5 for face in faces)


def test_without_verification_nothing_that_was_found_upright_is_left_out() -> None:
    assert len(found(Oracle({0: 0.5}, {}), noise(), verify=False)) == 1
    assert found(Oracle({1: 0.5}, {}), noise(), verify=False) == []


def test_a_detector_whose_scores_nobody_measured_is_believed() -> None:
    plain = replace(SCORES, still=None)
    assert len(found(Oracle({0: 0.3}, {}, plain), noise())) == 1
    assert len(found(Oracle({1: 0.6}, {}, plain), noise())) == 1
    assert found(Oracle({1: 0.4}, {}, plain), noise()) == []


def test_what_such_a_detector_tells_apart_is_two_faces() -> None:
    class Couple(Oracle):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            answers = super().detect(pictures)
            if pictures[0].size == SIZE and self._calls == 1:
                answers[0] = [Detection(PLACE, 0.7), Detection(shifted(PLACE, 18, 0), 0.6)]
            return answers

    assert len(found(Couple({}, {}, replace(SCORES, still=None)), noise())) == 2


def test_a_face_found_at_several_angles_is_one() -> None:
    oracle = Oracle({0: 0.6, 1: 0.7, 2: 0.5}, {0: 0.9})
    assert len(found(oracle, oracle.image)) == 1


def test_what_is_seen_of_a_face_counts_for_no_worse_candidate_alone() -> None:
    """A detector's box may lie beside the face. Something weak that lies better may be no face in the end."""

    class Beside(Oracle):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            answers = super().detect(pictures)
            if pictures[0].size == SIZE and self._calls == 1:
                answers[0].append(Detection((300, 172, 340, 222), 0.25))
            return answers

        def _in(self, picture: Picture) -> list[Detection]:
            up = 20 * (160 / 150 if picture.size[0] == 160 else 224 / 250)
            return [replace(one, box=shifted(one.box, 0, -up)) for one in super()._in(picture)]

    oracle = Beside({0: 0.72}, {0: 0.6})
    places = stack([one.box for one in found(oracle, oracle.image)])
    assert (iou(places, stack([PLACE])) > 0.7).any()


def test_two_faces_side_by_side_stay_two_although_their_boxes_grow() -> None:
    class Couple(Oracle):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            answers = super().detect(pictures)
            if pictures[0].size == SIZE and self._calls == 1:
                answers[0] = [Detection(PLACE, 0.7), Detection(shifted(PLACE, 26, 0), 0.7)]
            return answers

        def _in(self, picture: Picture) -> list[Detection]:
            by_px = 5 * (160 / 150 if picture.size[0] == 160 else 224 / 250)
            return [replace(one, box=grown(one.box, by_px)) for one in super()._in(picture)]

    oracle = Couple({}, {0: 0.8})
    assert len(found(oracle, oracle.image)) == 2


def test_any_angle_can_be_switched_off() -> None:
    assert found(Oracle({1: 0.9}, {}), noise(), Scope(any_angle=False)) == []


def test_a_detector_that_fails_at_one_angle_has_not_examined_the_picture() -> None:
    class Breaks(Oracle):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            if self._calls == 3:
                raise RuntimeError("no")
            return super().detect(pictures)

    request = DetectionRequest(Frame(0, 0, 0.0, noise()), (), 0, still=True)
    assert not isinstance(examine(Breaks({0: 0.9}, {}), request), DetectionResult)


# -- what is wrong with a picture -----------------------------------------------------------------------------------


def scene(people: int = 3) -> NDArray[np.uint8]:
    bgr = room(960, 540)
    for number in range(people):
        drawn(bgr, (200 + 280 * number, 260), 110, number)
    chance = np.random.default_rng(1).normal(0, 4, bgr.shape)
    return np.asarray(np.clip(bgr + chance, 0, 255), np.uint8)


def test_a_picture_as_taken_is_examined_once_and_whole() -> None:
    condition = condition_of(Picture.from_bgr(scene(), format="bgrp"))
    assert [scale for _, scale in condition.passes] == [1.0]
    assert not condition.overexposed
    assert not condition.moved


@pytest.mark.parametrize("times", [3.5, 5])
def test_an_enlarged_picture_is_reduced_again(times: float) -> None:
    large = cv2.resize(scene(), None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    condition = condition_of(Picture.from_bgr(np.asarray(large, np.uint8), format="bgrp"))
    ((_, scale),) = condition.passes
    assert 1 / times <= scale <= 2 / 3


@pytest.mark.parametrize(("state", "passes"), [("overexposed", 2), ("blurred by motion", 2), ("in green light", 2)])
def test_spoiled_pictures_are_examined_once_more(state: str, passes: int) -> None:
    condition = condition_of(Picture.from_bgr(CHANGES[state](scene()), format="bgrp"))
    assert len(condition.passes) >= passes
    assert condition.overexposed == (state == "overexposed")
    assert condition.moved == (state == "blurred by motion")


@pytest.mark.parametrize("format", ["bgrp", "i420"])
def test_a_large_photograph_is_judged_in_bytes(format: Format) -> None:
    green = np.asarray(cv2.resize(CHANGES["in green light"](scene()), (2000, 1500)), np.uint8)
    picture = Picture.from_bgr(green, format=format)
    tracemalloc.start()
    passes = condition_of(picture).passes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(passes) == 2
    assert peak < 20 * 2000 * 1500


def test_a_noisy_picture_is_told_from_one_with_fine_detail() -> None:
    chance = np.random.default_rng(2)
    plain = scene()
    noisy = np.clip(plain + chance.normal(0, 20, plain.shape), 0, 255).astype(np.uint8)
    assert not condition_of(Picture.from_bgr(plain, format="bgrp")).noisy
    assert condition_of(Picture.from_bgr(noisy, format="bgrp")).noisy


@pytest.mark.parametrize(("noise_levels", "counts"), [(0, False), (25, True)])
def test_in_noise_what_is_found_upright_is_believed(noise_levels: int, counts: bool) -> None:
    """Enlarged views show the noise above all."""
    smooth = np.asarray(cv2.GaussianBlur(noise().bgr(), (0, 0), 3), np.float64)
    grain = np.random.default_rng(4).normal(0, noise_levels, smooth.shape)
    image = Picture.from_bgr(np.clip(smooth + grain, 0, 255).astype(np.uint8), format="bgrp").frozen()
    oracle = Oracle({0: 0.6}, {})
    oracle.image = image
    assert len(found(oracle, image)) == counts


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (16, 16), (17, 40), (700, 2)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_of_any_size_have_a_condition(size: tuple[int, int], value: int) -> None:
    bgr = np.full((size[1], size[0], 3), value, np.uint8)
    assert condition_of(Picture.from_bgr(bgr, format="bgrp")).passes


# -- with the detector ----------------------------------------------------------------------------------------------


def hidden(bgr: NDArray[np.uint8], detector: Detector, config: Config) -> NDArray[np.bool_]:
    picture = Picture.from_bgr(bgr, format="bgrp").frozen()
    sealed = anonymized(picture, detector, solid.build(solid.Options(), Context()), config)
    return np.asarray(np.any([a != b for a, b in zip(picture.planes, sealed.image.planes, strict=True)], axis=0))


@pytest.fixture(scope="module")
def yunet() -> Detector:
    return detector_of(Config(), Context(model=weights), stills=True)


@pytest.mark.parametrize("quarters", range(4))
def test_drawn_people_are_hidden_however_the_picture_is_turned(yunet: Detector, quarters: int) -> None:
    bgr = room(960, 540)
    boxes = [drawn(bgr, (200 + 280 * number, 260), 110, number).box for number in range(3)]
    covered = hidden(turned(bgr, quarters), yunet, Config())
    for box in boxes:
        assert covered_share(covered, turned_box(box, (960, 540), quarters)) > 0.65


def test_people_at_two_angles_in_one_picture_are_hidden(yunet: Detector) -> None:
    bgr = room(960, 540)
    box = drawn(bgr, (200, 260), 110, 1).box
    other = room(960, 540)
    lying = drawn(other, (700, 260), 110, 2).box
    part = slice(100, 420), slice(540, 860)
    bgr[part] = np.rot90(other[part])
    covered = hidden(bgr, yunet, Config())
    x, y = (lying[0] + lying[2]) / 2 - 540, (lying[1] + lying[3]) / 2 - 100
    half = (lying[3] - lying[1]) / 2, (lying[2] - lying[0]) / 2
    middle = 540 + y, 100 + 320 - x
    assert covered_share(covered, box) > 0.65
    assert (
        covered_share(covered, (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]))
        > 0.65
    )


def test_faces_of_group_photos_are_hidden_at_any_angle(media: Path, yunet: Detector) -> None:
    """Every face of at least 20 px; a list of boxes, most of them found by two detectors."""
    boxes = read_boxes(GROUPS, min_face_px=20)
    assert sum(map(len, boxes.values())) == 33
    for name in sorted(boxes)[1::3]:
        bgr = np.asarray(cv2.imread(str(media / "media" / name)), np.uint8)
        for quarters in (0, 1, 2, 3):
            covered = hidden(turned(bgr, quarters), yunet, Config())
            size = bgr.shape[1], bgr.shape[0]
            missed = [b for b in boxes[name] if covered_share(covered, turned_box(b, size, quarters)) < 0.65]
            assert not missed, (name, quarters)


def test_things_and_animals_are_not_hidden(media: Path, yunet: Detector) -> None:
    """But for one part on a circuit board that looks like a face when the picture is enlarged."""
    shares: dict[str, float] = {}
    for path in sorted((media / "media" / "images_noface").iterdir()):
        bgr = np.asarray(cv2.imread(str(path)), np.uint8)
        large = np.asarray(cv2.resize(bgr, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC), np.uint8)
        shares |= {
            path.name: hidden(bgr, yunet, Config()).mean(),
            f"{path.name}, large": hidden(large, yunet, Config()).mean(),
        }
    some = {name: share for name, share in shares.items() if share}
    assert len(shares) == 22
    assert some.keys() <= {"board.jpg, large"}
    assert sum(some.values()) < 0.01
