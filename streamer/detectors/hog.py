"""dlib's face detector: histograms of oriented gradients and five linear filters (King: "Max-Margin Object Detection",
2015). Fairly upright, frontal faces of 80 pixels and more in its input; no landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pydantic import Field

from streamer.core.errors import DetectorError, DeviceError
from streamer.core.extras import load_extra
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import Detector, DetectorOptions, InputPx
from streamer.detectors._input import fitted_size, unscale
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "cpu"
_STEEPNESS = 4.0
"""How fast a score rises with the filter's margin; at a margin of 0, where dlib draws the line, it is 0.5."""
_SMALLEST_PX = 80
"""dlib cannot examine pictures smaller than its filter."""


class Options(DetectorOptions):
    """Settings of dlib's HOG detector (scripts/extras dlib)."""

    input_px: InputPx = Field(
        1280,
        ge=160,
        le=4096,
        description="longer side of the detector's input, before upsampling; larger finds smaller faces, costs more; "
        "auto (or null): as large as smallest_face_px needs",
    )
    upsample: int = Field(
        1,
        ge=0,
        le=3,
        description="how often the input is doubled first: 80 px faces with 0, 40 px with 1, 20 px with 2",
    )

    @property
    def needed_px(self) -> int:
        """See `DetectorOptions.needed_px`: the size of dlib's filter."""
        return 80 >> self.upsample


def build(options: Options, ctx: Context) -> Detector:
    """Make dlib's detector. Raises UsageError when dlib is missing, DeviceError for a device other than the CPU."""
    dlib: Any = load_extra("dlib", part="detector 'hog'", extra="dlib")
    if ctx.device != "cpu":
        raise DeviceError(f"detector 'hog' runs on the CPU only, not on {ctx.device!r}; run with --device cpu")
    return in_views(Hog(dlib.get_frontal_face_detector(), options), options)


class Hog:
    """The detector. See `Detector` for the contract."""

    def __init__(self, detector: Any, options: Options) -> None:
        self._detector = detector
        self._options = options

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        return [self._detect(picture) for picture in pictures]

    def close(self) -> None:
        """Nothing to free: the filters go with the object."""

    def _detect(self, picture: Picture) -> list[Detection]:
        size = fitted_size(picture, self._options.longer_px(picture.size))
        bgr = picture.bgr(size=size)
        missing = [max(0, _SMALLEST_PX - side) for side in bgr.shape[:2]]
        if any(missing):
            bgr = np.pad(bgr, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        rgb = np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        floor = self._options.floor
        margin = math.log(floor / (1 - floor)) / _STEEPNESS
        boxes, margins, _ = self._detector.run(rgb, self._options.upsample, margin)
        x_scale, y_scale = unscale(picture, size).tolist()
        found = []
        for box, above in zip(boxes, margins, strict=True):
            if not math.isfinite(above):
                raise DetectorError("dlib returned a number that is not finite")
            corners = box.left() * x_scale, box.top() * y_scale, box.right() * x_scale, box.bottom() * y_scale
            found.append(Detection(corners, 1 / (1 + math.exp(-_STEEPNESS * above))))
        return found
