"""One suite for every detector: what `Detector` promises, on blank, odd, drawn and real pictures."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.weights import weights

from streamer.detectors import Detector, DetectorOptions
from streamer.errors import DeviceError
from streamer.geometry import iou, stack
from streamer.parts import Context, kinds, load
from streamer.picture import Format, Picture
from streamer.sources._faces import draw_face

pytestmark = pytest.mark.parametrize("detector", kinds("detectors"), indirect=True, scope="module")


@pytest.fixture(scope="module")
def detector(request: pytest.FixtureRequest) -> Iterator[Detector]:
    module = load("detectors", request.param)
    made: Detector = module.build(module.Options(), Context(model=weights))
    yield made
    made.close()


def with_face(size_px: int, *, width: int = 960, height: int = 960) -> Picture:
    """A drawn face of so many pixels in the middle of a plain wall."""
    bgr = np.full((height, width, 3), (150, 160, 165), np.uint8)
    patch, alpha = draw_face(size_px, seed=3)
    y, x = (height - patch.shape[0]) // 2, (width - patch.shape[1]) // 2
    part = bgr[y : y + patch.shape[0], x : x + patch.shape[1]]
    part[:] = (patch * alpha[..., None] + part * (1.0 - alpha[..., None])).astype(np.uint8)
    return Picture.from_bgr(bgr)


def test_options_are_a_detectors_options(detector: Detector) -> None:
    for kind in kinds("detectors"):
        assert issubclass(load("detectors", kind).Options, DetectorOptions)


def test_no_picture_no_list(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("size", [(640, 480), (427, 239), (8, 8), (1, 1), (3000, 8), (8, 3000)])
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_blank_pictures_of_any_size_have_no_face(detector: Detector, size: tuple[int, int], format: Format) -> None:
    assert detector.detect([Picture.blank(*size, luma=90, format=format).frozen()]) == [[]]


@pytest.mark.parametrize("size_px", [80, 160, 300])
def test_drawn_face_is_found_where_it_is(detector: Detector, size_px: int) -> None:
    (found,) = detector.detect([with_face(size_px)])
    best = max(found, key=lambda one: one.score)
    assert best.score >= 0.6
    assert abs((best.box[0] + best.box[2]) / 2 - 480) < 0.3 * size_px
    assert abs((best.box[1] + best.box[3]) / 2 - 480) < 0.5 * size_px
    if best.landmarks is not None:
        right_eye, left_eye, nose, right_mouth, left_mouth = best.landmarks
        assert right_eye[0] < nose[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_a_batch_gives_what_single_pictures_give(detector: Detector) -> None:
    pictures = [with_face(90), Picture.blank(320, 240, luma=90).frozen(), with_face(120, width=1000, height=800)]
    together = detector.detect(pictures)
    assert together == [detector.detect([picture])[0] for picture in pictures]
    assert [bool(found) for found in together] == [True, False, True]


def test_pictures_are_not_touched(detector: Detector) -> None:
    picture = with_face(80)
    before = picture.buffer.copy()
    detector.detect([picture])
    assert np.array_equal(before, picture.buffer)


def test_everything_is_finite_and_in_range(detector: Detector) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for picture in (Picture.from_bgr(noise), with_face(200)):
        for one in detector.detect([picture])[0]:
            assert all(map(math.isfinite, one.box))
            assert 0 <= one.score <= 1
            assert one.box[0] < one.box[2]
            assert one.box[1] < one.box[3]


def test_real_faces_are_found(detector: Detector, media: Path) -> None:
    """At least 9 of 10 annotated faces of 20 px and more, in the group photographs with complete annotations."""
    truth = defaultdict(list)
    with (media / "media/images_annotated/boxes.csv").open() as rows:
        for row in csv.DictReader(rows):
            x, y, w, h = (float(row[key]) for key in "xywh")
            if row["file"].startswith("dlib_") and w >= 20:
                truth[row["file"]].append((x, y, x + w, y + h))
    wanted = found = 0
    for name, boxes in truth.items():
        picture = Picture.from_bgr(np.asarray(cv2.imread(str(media / "media/images_annotated" / name)), np.uint8))
        (detections,) = detector.detect([picture])
        overlaps = iou(stack(boxes), stack([one.box for one in detections]))
        wanted += len(boxes)
        found += int((overlaps > 0.3).any(axis=1).sum()) if detections else 0
    assert wanted >= 15
    assert found >= 0.9 * wanted


def test_cuda_is_had_or_refused(detector: Detector, request: pytest.FixtureRequest) -> None:
    """Asked for and not obtained is an error, never the CPU in silence."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's ONNX Runtime offers CUDA")
    module = load("detectors", kinds("detectors")[0])
    with pytest.raises(DeviceError, match="CUDAExecutionProvider"):
        module.build(module.Options(), Context(model=weights, device="cuda"))
