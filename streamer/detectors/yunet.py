"""YuNet: a small face detector with five landmarks (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector",
Machine Intelligence Research 20, 2023). Decoding after the paper's anchor-free head: strides 8, 16 and 32, one prior
per cell, score = sqrt(class * objectness), centre and size relative to the cell and the stride.

Runs through ONNX Runtime: measured at half of the time of OpenCV's own `FaceDetectorYN` on one thread.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from streamer.core.options import Context
from streamer.detectors import Detector, Scores, StillScores, Verification
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, corners, loaded
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"
SCORES = Scores(
    sure=0.5,
    again=0.3,
    verification=Verification(doubtful=0.65, upright=0.3, turned=0.6, beside=0.5),
    still=StillScores(
        sure=0.85,
        least=0.4,
        kept=0.55,
        lifted=0.65,
        turned=0.7,
        overexposed=0.2,
        moved=0.3,
        noisy=0.5,
    ),
)
"""Faces had 0.36 and more in upright views, or 0.77 and more turned when they lie on their side; bottles and hands that
passed for faces had 0.2 at most, and 0.52 turned. With hair and shoulders, one passed for a larger one with 0.34.
Stills: 410 faces had a mean of 0.71 and more in enlarged views; in 11 pictures without any, what scored 0.4 in the
whole picture had 0.48 at most."""
_STRIDES = (8, 16, 32)


class Options(OnnxOptions):
    """Settings of YuNet."""

    confirm: bool = Field(
        True,
        description="verify a large, doubtful, new face: it counts if found again enlarged, mirrored or turned",
    )

    brighten: bool = Field(True, description="examine nearly black pictures again, brightened")

    @property
    def needed_px(self) -> int:
        """See `DetectorOptions.needed_px`: measured, see docs/detectors.md."""
        return 16


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    head = YuNetHead(brightened=options.brighten)
    return in_views(OnnxDetector(loaded(ctx.model("yunet"), ctx, options), head, options, SCORES), options)


class YuNetHead:
    """What is special about YuNet. See `Head`."""

    name = "YuNet"
    outputs: tuple[str, ...] = tuple(
        f"{head}_{stride}" for head in ("cls", "obj", "bbox", "kps") for stride in _STRIDES
    )
    nms_iou = 0.3  # as OpenCV's FaceDetectorYN
    near_px = 160

    def __init__(self, *, brightened: bool = False) -> None:
        self.input = Input(brightened=brightened)

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """The graph lays the pictures of a batch one after the other into one list of cells."""
        each = [output.reshape(batch, -1, output.shape[-1]) for output in outputs]
        return [[output[number] for output in each] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """See `Head.decode`."""
        found: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
        for level, stride in enumerate(_STRIDES):
            classes, objects, boxes, points = outputs[level :: len(_STRIDES)]
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            chosen = np.flatnonzero(~(scores < floor))  # keeps what is no number, which `>=` would drop
            cell = cells(size, stride)[chosen]
            found[0].append(scores[chosen])
            found[1].append(corners((cell + boxes[chosen, :2]) * stride, np.exp(boxes[chosen, 2:]) * stride))
            found[2].append((points[chosen].reshape(-1, 5, 2) + cell[:, None]) * stride)
        scores, boxes, points = (np.concatenate(arrays) for arrays in found)
        return Faces(scores, boxes, points)
