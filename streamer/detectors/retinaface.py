"""RetinaFace with a MobileNet of quarter width (Deng, Guo, Ververas, Kotsia, Zafeiriou: "RetinaFace: Single-shot
Multi-level Face Localisation in the Wild", CVPR 2020; this network after the widely used PyTorch implementation).
Two square priors per cell of strides 8, 16 and 32; centres, sizes and landmarks relative to the prior.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pydantic import Field

from streamer.core.options import Context
from streamer.detectors import CAREFUL, Detector, Scores
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, corners, loaded
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"
SCORES = Scores(sure=0.6, again=CAREFUL.again)
"""Measured, see docs/benchmarks/detector_scores.md; for `again` there was too little to measure."""
_PRIORS_PX = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
"""Stride -> sides of its priors."""
_VARIANCES = (0.1, 0.2)
"""Scales of the network's centres and landmarks, and of its sizes."""


class Options(OnnxOptions):
    """Settings of RetinaFace."""

    near: bool = Field(False, description="also examine a small copy; this detector finds near faces without it")

    @property
    def needed_px(self) -> int:
        """See `DetectorOptions.needed_px`: measured, see docs/detectors.md."""
        return 20


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    runtime = loaded(ctx.model("retinaface"), ctx, options)
    return in_views(OnnxDetector(runtime, RetinaFaceHead(), options, SCORES), options)


class RetinaFaceHead:
    """What is special about RetinaFace. See `Head`."""

    name = "RetinaFace"
    input = Input(mean=(104, 117, 123))
    outputs: tuple[str, ...] = ("loc", "conf", "iou")  # "iou" is what this graph calls its landmarks
    nms_iou = 0.4
    near_px = 256

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """Every output has a dimension for the batch."""
        return [[output[number] for output in outputs] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """See `Head.decode`."""
        locations, classes, landmarks = outputs
        scores = classes[:, 1]
        chosen = np.flatnonzero(~(scores < floor))  # keeps what is no number, which `>=` would drop
        priors = _priors(size)[chosen]
        at, side = priors[:, :2], priors[:, 2:]
        centers = at + locations[chosen, :2] * _VARIANCES[0] * side
        sides = side * np.exp(locations[chosen, 2:] * _VARIANCES[1])
        points = at[:, None] + landmarks[chosen].reshape(-1, 5, 2) * _VARIANCES[0] * side[:, None]
        return Faces(scores[chosen], corners(centers, sides), points)


@lru_cache(maxsize=16)
def _priors(size: tuple[int, int]) -> Array:
    """x, y of the centre and side of every prior, in pixels: (priors, 3)."""
    levels = []
    for stride, sides in _PRIORS_PX.items():
        centers = np.repeat((cells(size, stride) + 0.5) * stride, len(sides), axis=0)
        each = np.tile(np.asarray(sides, np.float32), len(centers) // len(sides))
        levels.append(np.concatenate([centers, each[:, None]], axis=1))
    return np.concatenate(levels)
