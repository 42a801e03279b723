"""CenterFace (Xu, Yan, Yang, Wang: "CenterFace: Joint Face Detection and Alignment Using Face as Point", Scientific
Programming 2020). A heat map of face centres at stride 4, and per cell the logarithm of the size, the offset of the
centre, and five landmarks relative to the box.
"""

from __future__ import annotations

import numpy as np

from streamer.core.options import Context
from streamer.detectors import Detector, Scores
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, corners, loaded
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"
SCORES = Scores(sure=0.4, again=0.2)
"""Measured, see docs/benchmarks/detector_scores.md."""
_STRIDE = 4


class Options(OnnxOptions):
    """Settings of CenterFace."""

    @property
    def needed_px(self) -> int:
        """See `DetectorOptions.needed_px`: measured, see docs/detectors.md."""
        return 15


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    runtime = loaded(ctx.model("centerface"), ctx, options)
    return in_views(OnnxDetector(runtime, CenterFaceHead(), options, SCORES), options)


class CenterFaceHead:
    """What is special about CenterFace. See `Head`."""

    name = "CenterFace"
    input = Input(rgb=True)
    outputs: tuple[str, ...] = ("537", "538", "539", "540")
    nms_iou = 0.3
    near_px = 256

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """Maps (channels, height, width) -> one row per cell."""
        return [[output[number].reshape(output.shape[1], -1).T for output in outputs] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """See `Head.decode`. The network gives y before x."""
        heat, scales, offsets, landmarks = outputs
        chosen = np.flatnonzero(~(heat[:, 0] < floor))  # keeps what is no number, which `>=` would drop
        sides = np.exp(scales[chosen, ::-1]) * _STRIDE
        boxes = corners((cells(size, _STRIDE)[chosen] + offsets[chosen, ::-1] + 0.5) * _STRIDE, sides)
        points = boxes[:, None, :2] + landmarks[chosen].reshape(-1, 5, 2)[..., ::-1] * sides[:, None]
        return Faces(heat[chosen, 0], boxes, points)
