"""Detectors whose libraries are optional: what they say without them, and that they leave nothing behind."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from streamer.config.parts import build, load
from streamer.core.errors import DetectorError, DeviceError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [("mtcnn", "torch", "facenet"), ("mtcnn", "facenet_pytorch", "facenet"), ("hog", "dlib", "dlib")],
)
def test_a_missing_library_is_one_line_with_the_remedy(
    kind: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if module == "facenet_pytorch":
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=lambda number: None))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"^detector '{kind}' needs {module}, .*run: scripts/extras {extra}$"):
        build("detectors", kind, {}, Context())


def test_haar_on_opencv_5_names_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(DeviceError, match=r"needs OpenCV 4.*pip install 'opencv-python<5'"):
        build("detectors", "haar", {}, Context())


def test_hog_asks_dlib_and_scales_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dlib: what is asked of it, and what becomes of its answer."""
    seen: list[tuple[tuple[int, ...], int, float]] = []

    class Filters:
        def run(self, rgb: Any, upsample: int, margin: float) -> Any:
            seen.append((rgb.shape, upsample, margin))
            box = SimpleNamespace(left=lambda: 10, top=lambda: 20, right=lambda: 50, bottom=lambda: 60)
            return [box], [0.0], [0]

    monkeypatch.setitem(sys.modules, "dlib", SimpleNamespace(get_frontal_face_detector=Filters))
    hog = build("detectors", "hog", {"input_px": 640, "threshold": 0.5, "floor": 0.5, "upsample": 2}, Context())
    ((one,),) = hog.detect([Picture.blank(1280, 720).frozen()])
    assert seen == [((360, 640, 3), 2, 0.0)]
    assert one.box == (20, 40, 100, 120)
    assert one.score == 0.5
    with pytest.raises(DeviceError, match="CPU only"):
        build("detectors", "hog", {}, Context(device="cuda"))


def test_haar_scores_grow_with_the_weight() -> None:
    score = load("detectors", "haar")._score
    assert [round(score(weight), 2) for weight in (0, 4, 10)] == [0.5, 0.73, 0.92]
    with pytest.raises(DetectorError, match="not finite"):
        score(float("nan"))


def test_mtcnns_stand_in_is_gone_after_the_import() -> None:
    if find_spec("torch") is None or find_spec("facenet_pytorch") is None:
        pytest.skip("mtcnn needs facenet_pytorch, which is not installed; scripts/test_detectors runs it")
    build("detectors", "mtcnn", {}, Context())
    assert not [name for name in sys.modules if name.split(".")[0] == "torchvision"]


def test_mtcnns_suppression_keeps_the_best_of_each_group() -> None:
    if find_spec("torch") is None:
        pytest.skip("mtcnn needs torch, which is not installed; scripts/test_detectors runs it")
    torch: Any = importlib.import_module("torch")
    nms = load("detectors", "mtcnn")._batched_nms
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [0, 0, 10, 10], [30, 30, 40, 40]])
    scores, groups = torch.tensor([0.7, 0.9, 0.8, 0.95]), torch.tensor([0, 0, 1, 0])
    assert nms(boxes, scores, groups, 0.5).tolist() == [3, 1, 2]
    assert nms(boxes[:0], scores[:0], groups[:0], 0.5).tolist() == []


def test_mtcnns_answers_become_detections() -> None:
    decode = load("detectors", "mtcnn")._detections
    points = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    (one,) = decode([[1, 2, 5, 9]], [0.9], points, np.array([2, 3], np.float32))
    assert one.box == (2, 6, 10, 27)
    assert one.landmarks[1] == (4, 9)
    with pytest.raises(DetectorError, match="not finite"):
        decode([[1, 2, float("nan"), 9]], [0.9], points, np.array([1, 1], np.float32))
