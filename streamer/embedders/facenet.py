"""FaceNet (Schroff, Kalenichenko, Philbin: "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR
2015) as facenet-pytorch has it: InceptionResnetV1 of 512 numbers, trained on VGGFace2 or CASIA-WebFace, on torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from streamer.core.errors import EmbedderError, ModelError
from streamer.core.extras import load_extra, without_torchvision
from streamer.core.options import Context
from streamer.core.types import Points5
from streamer.embedders import Bounds, Crop, Embedder, EmbedderOptions, Thresholds, Vectors
from streamer.embedders._vectors import checked_crops, model_name, unit
from streamer.inference.devices import Runtime
from streamer.inference.providers import torch_device

RUNTIME: Runtime = "torch"
_CROP_PX = 160
_TEMPLATE: Points5 = ((52.0, 60.9), (108.0, 60.9), (80.0, 93.4), (56.7, 118.7), (103.3, 118.7))
_STRIP = slice(23, 137)
"""Columns of the crop that are stretched to its full width. The network was trained on the boxes that MTCNN gives,
stretched to squares; they are about 0.71 times as wide as high. Template and strip are the middle of 150 such boxes."""
_LARGEST_BATCH = 16
_FILES = {"vggface2": "20180402-114759-vggface2.pt", "casia-webface": "20180408-102900-casia-webface.pt"}
_UNCALIBRATED = Thresholds(accept=0.75, reject=0.35, margin=0.05, lift=0.02, per_tenfold=0.05)
"""Not measured: the weights could not be had where this was written. Strict on the side of accepting;
`streamer evaluate calibrate` computes thresholds for the file at hand."""
_BOUNDS = Bounds(accept=0.60, margin=0.03, reject=0.20, reject_known=0.35)
"""Guesses, too: no published threshold of this network lies below the first."""


class Options(EmbedderOptions):
    """Settings of FaceNet (scripts/extras facenet)."""

    calibrated = _UNCALIBRATED
    bounds = _BOUNDS
    measured = False

    weights: Literal["vggface2", "casia-webface"] = Field(
        "vggface2", description="what the network was trained on; facenet-pytorch fetches the file into torch's cache"
    )
    path: Path | None = Field(None, description="instead of `weights`: a file of weights of your own (.pt)")


def build(options: Options, ctx: Context) -> Embedder:
    """Load the network. Raises UsageError when a library is missing, ModelError when the weights are, DeviceError."""
    torch: Any = load_extra("torch", part="embedder 'facenet'", extra="facenet")
    device = torch_device(ctx.device)
    torch.set_num_threads(options.threads)
    with without_torchvision():
        package: Any = load_extra("facenet_pytorch", part="embedder 'facenet'", extra="facenet")
    path = options.path.expanduser() if options.path is not None else _fetch(package, options.weights)
    network = package.InceptionResnetV1(pretrained=None, classify=False)
    _load(network, torch, path)
    name = model_name("facenet", path.read_bytes())
    return Facenet(torch, network.eval().to(device), device, name, options.thresholds(_UNCALIBRATED))


def _fetch(package: Any, weights: str) -> Path:
    """The file of weights in torch's cache, where facenet-pytorch puts it. Raises ModelError when it cannot be had."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    path = Path(home).expanduser() / "checkpoints" / _FILES[weights]
    if not path.is_file():
        try:
            package.InceptionResnetV1(pretrained=weights)
        except Exception as error:  # the network's and torch's, of many kinds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(
                f"facenet-pytorch could not fetch {_FILES[weights]}: {reason}; put the file into {path.parent}, or "
                "name a file of your own with embedder.path"
            ) from None
    return path


def _load(network: Any, torch: Any, path: Path) -> None:
    """Weights into the network; only numbers are read from the file, nothing in it is executed. Raises ModelError."""
    try:
        state = torch.load(str(path), map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # pickle's, zipfile's and torch's own
        raise ModelError(f"{path} is no file of weights of torch") from error
    try:
        # The last layer tells the people it was trained on apart and is of no use here.
        missing, left = network.load_state_dict(
            {key: value for key, value in state.items() if not key.startswith("logits.")}, strict=False
        )
    except Exception as error:
        raise ModelError(f"{path} holds weights of another network") from error
    if missing or left:
        raise ModelError(f"{path} holds weights of another network")


def _as_trained(crop: Crop) -> Crop:
    """(P, P, 3) BGR -> (P, P, 3) RGB, the face as wide as MTCNN's boxes make it."""
    strip = cv2.resize(crop[:, _STRIP], (_CROP_PX, _CROP_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(strip, cv2.COLOR_BGR2RGB), np.uint8)


class Facenet:
    """The embedder. See `Embedder` for the contract."""

    dim = 512
    crop_px = _CROP_PX
    template = _TEMPLATE

    def __init__(self, torch: Any, network: Any, device: Any, model: str, thresholds: Thresholds) -> None:
        self._torch = torch
        self._network = network
        self._device = device
        self.model = model
        self.thresholds = thresholds

    def embed(self, crops: Sequence[Crop]) -> Vectors:
        """See `Embedder.embed`."""
        if self._network is None:
            raise EmbedderError(f"{self.model} is closed")
        checked_crops(crops, self.crop_px, self.model)
        rows = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(crops), _LARGEST_BATCH):
            rgb = np.stack([_as_trained(crop) for crop in crops[start : start + _LARGEST_BATCH]])
            samples = (rgb.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128.0  # as facenet-pytorch trains
            with self._torch.inference_mode():
                numbers = self._network(self._torch.from_numpy(samples).to(self._device))
            rows.append(numbers.cpu().numpy().astype(np.float32))
        return unit(np.concatenate(rows), self.model)

    def close(self) -> None:
        """Free the network."""
        self._network = None
