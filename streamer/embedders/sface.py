"""SFace (Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
IEEE Transactions on Image Processing 2021): a MobileFaceNet of 128 numbers; weights of OpenCV's model zoo, Apache-2.0.
"""

from __future__ import annotations

from streamer.core.options import Context
from streamer.embedders import Embedder, EmbedderOptions, Thresholds
from streamer.embedders._onnx import Input, opened
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"

_CALIBRATED = Thresholds(accept=0.45, reject=0.20, margin=0.10)
"""`streamer evaluate calibrate` on 844 people of LFW: a false-accept rate of 1e-4 takes 0.435, the upper end of its
interval; 0.45 gives 3e-5. With all of them enrolled, a margin of 0.10 instead of 0.05 lets in 1 % of the strangers
instead of 5 %, and loses 1 % of the others. See docs/recognition.md."""


class Options(EmbedderOptions):
    """Settings of SFace."""


def build(options: Options, ctx: Context) -> Embedder:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    return opened(ctx.model("sface"), "sface", Input(), _CALIBRATED, options, ctx)
