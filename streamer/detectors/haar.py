"""Haar cascade of OpenCV 4 (Viola, Jones: "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR
2001): upright frontal faces only, many false alarms, no landmarks. For comparison and for very old machines.

OpenCV 5 no longer has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from pydantic import Field

from streamer.core import install
from streamer.core.errors import DetectorError, DeviceError, ModelError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import Detector, DetectorOptions
from streamer.detectors._input import fitted_size, unscale
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "cpu"
_CASCADE = "haarcascade_frontalface_default.xml"
_WEIGHT_SCALE = 4.0
"""The last stage's sum at which a score is half way from 0.5 to 1 (times ln 3): sums of clear faces are 5 to 10."""


class Options(DetectorOptions):
    """Settings of the Haar cascade (OpenCV 4 only)."""

    smallest_face_px: int = Field(20, ge=20, le=1000, description="width of the smallest face to find")
    scale_factor: float = Field(1.1, ge=1.01, le=2, description="ratio of two neighbouring face sizes in the search")
    min_neighbours: int = Field(3, ge=0, le=20, description="hits around a place that make a face there")


def build(options: Options, ctx: Context) -> Detector:
    """Load OpenCV's cascade. Raises DeviceError when OpenCV has none or another device than the CPU is asked for."""
    kind: Any = getattr(cv2, "CascadeClassifier", None)
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    if kind is None or not (Path(folder) / _CASCADE).is_file():
        raise DeviceError(
            f"detector 'haar' needs OpenCV 4, and OpenCV {cv2.__version__} is installed; take another detector, or "
            f"run: {install.packages('opencv-python<5')}"
        )
    if ctx.device != "cpu":
        raise DeviceError(f"detector 'haar' runs on the CPU only, not on {ctx.device!r}; run with --device cpu")
    cascade = kind(str(Path(folder) / _CASCADE))
    if cascade.empty():
        raise ModelError(f"{Path(folder) / _CASCADE} is no cascade; reinstall opencv-python")
    return in_views(Haar(cascade, options), options)


class Haar:
    """The detector. See `Detector` for the contract."""

    def __init__(self, cascade: Any, options: Options) -> None:
        self._cascade = cascade
        self._options = options

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        return [self._detect(picture) for picture in pictures]

    def close(self) -> None:
        """Nothing to free: the cascade goes with the object."""

    def _detect(self, picture: Picture) -> list[Detection]:
        options = self._options
        size = fitted_size(picture, options.longer_px(picture.size))
        grey = cv2.equalizeHist(cv2.cvtColor(picture.bgr(size=size), cv2.COLOR_BGR2GRAY))
        x_scale, y_scale = unscale(picture, size).tolist()
        smallest = max(20, round(options.smallest_face_px / x_scale))
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey, options.scale_factor, options.min_neighbours, 0, (smallest, smallest), outputRejectLevels=True
        )
        found = []
        for (x, y, width, height), weight in zip(boxes, weights, strict=True):
            score = _score(float(weight))
            if score >= options.floor:
                x0, y0 = float(x * x_scale), float(y * y_scale)
                found.append(Detection((x0, y0, x0 + width * x_scale, y0 + height * y_scale), score))
        return sorted(found, key=lambda one: one.box)  # OpenCV's threads give them in any order


def _score(weight: float) -> float:
    """The last stage's sum (any number, positive for all that it lets through) -> (0, 1). Raises DetectorError."""
    if not math.isfinite(weight):
        raise DetectorError("the Haar cascade returned a number that is not finite")
    return 0.5 + 0.5 * math.tanh(weight / (2 * _WEIGHT_SCALE))
