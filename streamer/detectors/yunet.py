"""YuNet: a small face detector with five landmarks (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector",
Machine Intelligence Research 20, 2023). Decoding after the paper's anchor-free head: strides 8, 16 and 32, one prior
per cell, score = sqrt(class * objectness), centre and size relative to the cell and the stride.

Runs through ONNX Runtime: measured at half of the time of OpenCV's own `FaceDetectorYN` on one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.detectors import Detector, DetectorOptions
from streamer.detectors._onnx import plain_graph
from streamer.errors import DetectorError
from streamer.parts import Context
from streamer.picture import Picture
from streamer.providers import session
from streamer.types import Detection, Points5

if TYPE_CHECKING:
    import onnxruntime

_STRIDES = (8, 16, 32)
_NMS_IOU = 0.3
"""Overlap above which two boxes are one face; the value of OpenCV's FaceDetectorYN."""


class Options(DetectorOptions):
    """Settings of YuNet."""

    input_px: int = Field(
        960,
        ge=160,
        le=4096,
        description="longer side of the detector's input; larger finds smaller faces and costs more",
    )
    threads: int = Field(1, ge=1, le=64, description="CPU threads of one pass")


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    return YuNet(session(plain_graph(ctx.model("yunet")), ctx.device, threads=options.threads), options)


class YuNet:
    """The detector. See `Detector` for the contract."""

    def __init__(self, runtime: onnxruntime.InferenceSession, options: Options) -> None:
        self._session = runtime
        self._options = options
        self._outputs = [f"{head}_{stride}" for head in ("cls", "obj", "bbox", "kps") for stride in _STRIDES]
        self._grids: dict[tuple[int, int], list[NDArray[np.float32]]] = {}

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        return [self._detect(picture) for picture in pictures]

    def close(self) -> None:
        """Nothing to free: the session goes with the object."""

    def _detect(self, picture: Picture) -> list[Detection]:
        # Never enlarged: small pictures gain nothing, and a fixed size would blow them up.
        scale = min(1.0, self._options.input_px / max(picture.size))
        width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        bgr = picture.bgr(size=(width, height))
        # The network halves its input five times: pad to a multiple of 32, which cuts nothing off.
        padded_w, padded_h = -(-width // 32) * 32, -(-height // 32) * 32
        blob = np.zeros((1, 3, padded_h, padded_w), np.float32)
        for channel, plane in enumerate(cv2.split(bgr)):
            blob[0, channel, :height, :width] = plane
        heads = self._session.run(self._outputs, {"input": blob})
        scores, boxes, points = self._decode(heads, padded_w, padded_h)
        if not (np.isfinite(scores).all() and np.isfinite(boxes).all() and np.isfinite(points).all()):
            raise DetectorError("YuNet returned numbers that are not finite")
        unscale = np.array([picture.width / width, picture.height / height], np.float32)
        boxes = boxes.reshape(-1, 2, 2) * unscale
        points = points * unscale
        return [
            _detection(box, float(score), face)
            for score, box, face in zip(scores, boxes, points, strict=True)
            if (box[1] > box[0]).all()
        ]

    def _decode(self, heads: list[Any], width: int, height: int) -> tuple[NDArray[np.float32], ...]:
        """Network heads -> (N,) scores, (N, 4) xyxy boxes, (N, 5, 2) landmarks in input pixels, overlaps suppressed."""
        levels = len(_STRIDES)
        found_scores, found_boxes, found_points = [], [], []
        for level, stride in enumerate(_STRIDES):
            classes, objects, boxes, points = (heads[head * levels + level][0] for head in range(4))
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            # `not below` instead of `above`: a score that is no number stays in, and is refused by the caller.
            chosen = np.flatnonzero(~(scores < self._options.floor))
            cells = self._grid(width, height)[level][chosen]
            centers = (cells + boxes[chosen, :2]) * stride
            halves = np.exp(boxes[chosen, 2:]) * stride / 2
            found_scores.append(scores[chosen])
            found_boxes.append(np.concatenate([centers - halves, centers + halves], axis=1))
            found_points.append((points[chosen].reshape(-1, 5, 2) + cells[:, None]) * stride)
        scores, boxes = np.concatenate(found_scores), np.concatenate(found_boxes)
        points = np.concatenate(found_points)
        if not len(scores) or not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
            return scores, boxes, points
        as_xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(as_xywh.tolist(), scores.tolist(), 0.0, _NMS_IOU), int).reshape(-1)
        return scores[kept], boxes[kept], points[kept]

    def _grid(self, width: int, height: int) -> list[NDArray[np.float32]]:
        """Per stride, the (x, y) of every cell, row by row: (cells, 2)."""
        if (width, height) not in self._grids:
            self._grids[width, height] = [
                np.stack(np.meshgrid(np.arange(width // stride), np.arange(height // stride)), axis=-1)
                .reshape(-1, 2)
                .astype(np.float32)
                for stride in _STRIDES
            ]
        return self._grids[width, height]


def _detection(box: NDArray[np.float32], score: float, points: NDArray[np.float32]) -> Detection:
    (x0, y0), (x1, y1) = box.tolist()
    right_eye, left_eye, nose, right_mouth, left_mouth = ((float(x), float(y)) for x, y in points)
    landmarks: Points5 = (right_eye, left_eye, nose, right_mouth, left_mouth)
    return Detection((x0, y0, x1, y1), min(1.0, score), landmarks)
