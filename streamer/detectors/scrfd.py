"""SCRFD, InsightFace's detector (Guo, Deng, Lattas, Zafeiriou: "Sample and Computation Redistribution for Efficient
Face Detection", ICLR 2022). Anchor points on a grid per stride, distances from the point to the four sides in strides,
optionally five landmarks.

The weights of InsightFace's packs are for non-commercial research only, which has to be accepted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from streamer.detectors import Detector
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, loaded
from streamer.errors import ModelError
from streamer.parts import Context

_LAYOUTS = {6: (3, 2), 9: (3, 2), 10: (5, 1), 15: (5, 1)}
"""Number of outputs -> number of strides (8, 16, 32, 64, 128), anchors per cell; a multiple of three has landmarks."""


class Options(OnnxOptions):
    """Settings of SCRFD."""

    model: Literal["det_500m", "det_2.5g", "det_10g"] = Field(
        "det_500m", description="InsightFace's detector of the packs buffalo_s and _sc, buffalo_m, buffalo_l"
    )
    accept_licence: bool = Field(
        False, description="true: the use is non-commercial research, the only one InsightFace's weights are free for"
    )
    path: Path | None = Field(None, description="an SCRFD graph of your own (.onnx) instead of `model`")


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had or is not licensed, DeviceError without the device."""
    if options.path is None and not options.accept_licence:
        raise ModelError(
            f"InsightFace's model {options.model} is for non-commercial research only; if that is your use, set "
            "detector.accept_licence=true, otherwise take another detector or name weights of your own in detector.path"
        )
    path = ctx.model(options.model) if options.path is None else options.path.expanduser()
    runtime = loaded(path, ctx, options)
    names = tuple(output.name for output in runtime.get_outputs())
    if len(names) not in _LAYOUTS:
        raise ModelError(f"{path} is no SCRFD graph: it has {len(names)} outputs")
    return OnnxDetector(runtime, ScrfdHead(names), options)


class ScrfdHead:
    """What is special about SCRFD. See `Head`."""

    name = "SCRFD"
    nms_iou = 0.4
    needed_px = 18
    near_px = 256

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self.outputs = outputs
        levels, self._anchors = _LAYOUTS[len(outputs)]
        self._strides = [8 << level for level in range(levels)]
        # InsightFace pads with black before it scales.
        mean, scale = 127.5, 1 / 128
        self.input = Input(True, (mean, mean, mean), scale, -mean * scale, self._strides[-1])

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """Most graphs lay all pictures of a batch side by side into every cell; some keep a dimension for them."""
        each = [
            output
            if output.ndim == 3
            else output.reshape(-1, batch, self._anchors, output.shape[-1])
            .swapaxes(0, 1)
            .reshape(batch, -1, output.shape[-1])
            for output in outputs
        ]
        return [[output[number] for output in each] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """See `Head.decode`."""
        found: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
        for level, stride in enumerate(self._strides):
            classes, distances, *points = outputs[level :: len(self._strides)]
            chosen = np.flatnonzero(~(classes[:, 0] < floor))  # keeps what is no number, which `>=` would drop
            anchor = cells(size, stride)[chosen // self._anchors] * stride
            distance = distances[chosen] * stride
            found[0].append(classes[chosen, 0])
            found[1].append(np.concatenate([anchor - distance[:, :2], anchor + distance[:, 2:]], axis=1))
            found[2].extend(anchor[:, None] + each[chosen].reshape(-1, 5, 2) * stride for each in points)
        scores, boxes = np.concatenate(found[0]), np.concatenate(found[1])
        return Faces(scores, boxes, np.concatenate(found[2]) if found[2] else None)
