"""SFace (Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
IEEE Transactions on Image Processing 2021): a MobileFaceNet of 128 numbers; weights of OpenCV's model zoo, Apache-2.0.
"""

from __future__ import annotations

from streamer.core.options import Context
from streamer.embedders import Bounds, Embedder, EmbedderOptions, Thresholds
from streamer.embedders._onnx import Input, open_embedder
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"

_CALIBRATED = Thresholds(
    accept=0.45, reject=0.20, margin=0.10, lift=0.015, per_tenfold=0.045, still_lift=0.10, alone=0.65, unlike=0.10
)
"""`streamer evaluate calibrate` on 844 people of LFW: a false-accept rate of 1e-4 takes 0.435, the upper end of its
interval; 0.45 gives 3e-5. With all of them enrolled, a margin of 0.10 instead of 0.05 lets in 1 % of the strangers
instead of 5 %, and loses 1 % of the others. `streamer evaluate lookalikes` on the same: among 1, 5, 20 and 100 people,
one stranger in 10,000 takes 0.434, 0.484 and 0.520, the upper ends; for 100 there is none. Of all pairs of two people
sisters are the most alike, at 0.641. See docs/recognition.md."""
_BOUNDS = Bounds(accept=0.42, margin=0.05, reject=0.10, reject_known=0.25)


class Options(EmbedderOptions):
    """Settings of SFace."""

    calibrated = _CALIBRATED
    bounds = _BOUNDS


def build(options: Options, ctx: Context) -> Embedder:
    """Load the model. Raises ModelError when it cannot be had, DeviceError when the device cannot."""
    return open_embedder(ctx.model("sface"), "sface", Input(), _CALIBRATED, options, ctx)
