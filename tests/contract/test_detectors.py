"""One suite for every detector: what `Detector` promises, on blank, odd, drawn and real pictures."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.weights import weights

from streamer.config.parts import kinds, load
from streamer.core.errors import DeviceError
from streamer.core.geometry import iou, stack
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.types import Box
from streamer.detectors import Detector, DetectorOptions
from streamer.drawn.faces import draw_face


@dataclass(frozen=True)
class Case:
    """A detector with the options it is tested with, and what may be asked of it."""

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    package: str = ""
    """Library that has to be there; `scripts/test_detectors` makes an environment for each."""
    recall: float = 0.9
    """Least share of the annotated faces of group photographs that is found."""
    drawn: bool = True
    """Whether faces made of ellipses are faces to it."""

    def __str__(self) -> str:
        named = [str(value) for value in self.options.values() if isinstance(value, str)]
        switched = [key for key, value in self.options.items() if value is True and key != "accept_licence"]
        return "-".join([self.kind, *named, *switched])


CASES = [
    Case("yunet"),
    Case("yunet", {"tiles": "auto", "smallest_face_px": 10}),
    Case("yunet", {"careful": True}),
    Case("scrfd", {"model": "det_500m", "accept_licence": True}),
    Case("scrfd", {"model": "det_2.5g", "accept_licence": True}),
    Case("retinaface"),
    Case("centerface"),
    Case("mtcnn", package="facenet_pytorch"),
    Case("haar", recall=0.7, drawn=False),
    Case("hog", {"upsample": 2}, package="dlib", recall=0.7, drawn=False),
]

pytestmark = pytest.mark.parametrize("detector", CASES, ids=str, indirect=True, scope="module")


def build(case: Case, device: str = "cpu") -> Detector:
    """The detector; skips the test when its library is not installed."""
    if case.kind == "haar" and not hasattr(cv2, "CascadeClassifier"):
        pytest.skip(f"haar needs OpenCV 4, here is {cv2.__version__}; scripts/test_detectors runs it")
    if case.package and find_spec(case.package) is None:
        pytest.skip(f"{case.kind} needs {case.package}, which is not installed; scripts/test_detectors runs it")
    module = load("detectors", case.kind)
    made: Detector = module.build(module.Options(**case.options), Context(model=weights, device=device))
    return made


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """What the test's detector was made from."""
    param: Case = request.node.callspec.params["detector"]
    return param


@pytest.fixture(scope="module")
def detector(request: pytest.FixtureRequest) -> Iterator[Detector]:
    made = build(request.param)
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


def annotated(media: Path, start: str) -> dict[str, list[Box]]:
    """Annotated faces of at least 20 px per picture whose name begins so."""
    truth = defaultdict(list)
    with (media / "media/images_annotated/boxes.csv").open() as rows:
        for row in csv.DictReader(rows):
            x, y, w, h = (float(row[key]) for key in "xywh")
            if row["file"].startswith(start) and w >= 20:
                truth[row["file"]].append((x, y, x + w, y + h))
    return truth


def picture_of(media: Path, name: str) -> Picture:
    """One of the annotated pictures."""
    return Picture.from_bgr(np.asarray(cv2.imread(str(media / "media/images_annotated" / name)), np.uint8))


def group(media: Path) -> Picture:
    """A photograph of several people."""
    return picture_of(media, "dlib_2007_007763.jpg")


def test_options_are_a_detectors_options(case: Case, detector: Detector) -> None:
    assert issubclass(load("detectors", case.kind).Options, DetectorOptions)
    assert {one.kind for one in CASES} == set(kinds("detectors")), "every detector goes through this suite"


def test_no_picture_no_list(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("size", [(640, 480), (427, 239), (8, 8), (1, 1), (3000, 8), (8, 3000)])
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_blank_pictures_of_any_size_have_no_face(detector: Detector, size: tuple[int, int], format: Format) -> None:
    assert detector.detect([Picture.blank(*size, luma=90, format=format).frozen()]) == [[]]


@pytest.mark.parametrize("size_px", [80, 160, 300])
def test_drawn_face_is_found_where_it_is(case: Case, detector: Detector, size_px: int) -> None:
    if not case.drawn:
        pytest.skip(f"{case.kind} does not take drawn faces for faces")
    (found,) = detector.detect([with_face(size_px)])
    best = max(found, key=lambda one: one.score)
    assert best.score >= 0.5
    assert abs((best.box[0] + best.box[2]) / 2 - 480) < 0.3 * size_px
    assert abs((best.box[1] + best.box[3]) / 2 - 480) < 0.5 * size_px
    if best.landmarks is not None:
        right_eye, left_eye, nose, right_mouth, left_mouth = best.landmarks
        assert right_eye[0] < nose[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_a_batch_gives_what_single_pictures_give(case: Case, detector: Detector, media: Path) -> None:
    """Pictures of equal size, which may share a run, and of others between them."""
    face, blank = group(media), Picture.blank(320, 240, luma=90).frozen()
    flipped = Picture.from_bgr(np.ascontiguousarray(face.bgr()[:, ::-1]))
    pictures = [face, blank, flipped, face.scaled(300, 220), blank, face]
    together = detector.detect(pictures)
    assert [bool(found) for found in together] == [True, False, True, bool(together[3]), False, True]
    for found, picture in zip(together, pictures, strict=True):
        (alone,) = detector.detect([picture])
        assert len(found) == len(alone)
        for a, b in zip(found, alone, strict=True):
            assert a.box == pytest.approx(b.box, abs=0.1)
            assert a.score == pytest.approx(b.score, abs=1e-3)
            assert np.allclose(a.landmarks or 0, b.landmarks or 0, atol=0.1)


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


def test_real_faces_are_found(case: Case, detector: Detector, media: Path) -> None:
    """The annotated faces of 20 px and more, in the group photographs with complete annotations."""
    wanted = found = 0
    for name, boxes in annotated(media, "dlib_").items():
        (detections,) = detector.detect([picture_of(media, name)])
        overlaps = iou(stack(boxes), stack([one.box for one in detections]))
        wanted += len(boxes)
        found += int((overlaps > 0.3).any(axis=1).sum()) if detections else 0
    assert wanted >= 15
    assert found >= case.recall * wanted


@pytest.mark.parametrize("share", [0.7, 0.9, 1.1])
def test_a_face_that_fills_the_picture_is_found(case: Case, detector: Detector, media: Path, share: float) -> None:
    """One whose height is this share of a 1280x720 frame: somebody close to a webcam."""
    if not case.drawn:
        pytest.skip(f"{case.kind} makes no such claim")
    name = "mask_442.jpg"  # the best resolved face of a single person
    ((x0, y0, x1, y1),) = annotated(media, name)[name]
    enlarge = 720 * share / (y1 - y0)
    to_frame = np.array(
        [[enlarge, 0, 640 - enlarge * (x0 + x1) / 2], [0, enlarge, 360 - enlarge * (y0 + y1) / 2]], np.float32
    )
    bgr = cv2.warpAffine(picture_of(media, name).bgr(), to_frame, (1280, 720), borderMode=cv2.BORDER_REPLICATE)
    (found,) = detector.detect([Picture.from_bgr(np.asarray(bgr, np.uint8))])
    half = enlarge * (x1 - x0) / 2
    face = stack([(640 - half, 360 * (1 - share), 640 + half, 360 * (1 + share))])
    assert any(one.score >= 0.4 and iou(face, stack([one.box]))[0, 0] > 0.5 for one in found)


def test_cuda_is_had_or_refused(case: Case, detector: Detector) -> None:
    """Asked for and not obtained is an error, never the CPU in silence."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's ONNX Runtime offers CUDA")
    with pytest.raises(DeviceError, match=r"cuda.*--device cpu"):
        build(case, "cuda")
