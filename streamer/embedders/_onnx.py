"""What the embedders on ONNX Runtime share: the input's samples, batches, unit length, the model's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamer.core.align import ARCFACE_112
from streamer.core.errors import EmbedderError, ModelError
from streamer.core.options import Context
from streamer.core.types import Points5
from streamer.embedders import Crop, EmbedderOptions, Thresholds, Vectors
from streamer.embedders._vectors import checked_crops, model_name, unit
from streamer.inference.onnx_graph import plain_graph
from streamer.inference.providers import session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Input", "OnnxEmbedder", "opened"]

_LARGEST_BATCH = 16
"""Crops per run: bounds the memory, and beyond it nothing gets faster."""


@dataclass(frozen=True, slots=True)
class Input:
    """How a network wants its crops: (sample - mean) * scale."""

    rgb: bool = True
    """True: red first; False: blue first."""
    mean: float = 0.0
    scale: float = 1.0
    crop_px: int = 112
    template: Points5 = ARCFACE_112
    unusual: str = ""
    """Settings that are not the kind's usual ones: they make other vectors of the same weights."""


class OnnxEmbedder:
    """An embedder. See `Embedder` for the contract."""

    def __init__(
        self, runtime: onnxruntime.InferenceSession, model: str, wanted: Input, thresholds: Thresholds
    ) -> None:
        self._session: onnxruntime.InferenceSession | None = runtime
        self._input_name = runtime.get_inputs()[0].name
        self._output_name = runtime.get_outputs()[0].name
        self._input = wanted
        self.model = model
        self.crop_px = wanted.crop_px
        self.template = wanted.template
        self.thresholds = thresholds
        self._batch = 1
        noise = np.random.default_rng(0).integers(0, 256, (2, wanted.crop_px, wanted.crop_px, 3), dtype=np.uint8)
        alone = np.concatenate([self._run([crop]) for crop in noise])
        if alone.ndim != 2 or alone.shape[0] != 2:
            raise ModelError(f"{model} is no embedder: its output for one face has the shape {alone[:1].shape}")
        self.dim = int(alone.shape[1])
        self._batch = _LARGEST_BATCH if self._batches(noise, alone) else 1

    def embed(self, crops: Sequence[Crop]) -> Vectors:
        """See `Embedder.embed`."""
        if not crops:
            return np.empty((0, self.dim), np.float32)
        checked_crops(crops, self.crop_px, self.model)
        starts = range(0, len(crops), self._batch)
        return unit(np.concatenate([self._run(crops[start : start + self._batch]) for start in starts]), self.model)

    def close(self) -> None:
        """Free the network."""
        self._session = None

    def _run(self, crops: Sequence[Crop]) -> Vectors:
        """One run of the network; its numbers as they are."""
        if self._session is None:
            raise EmbedderError(f"{self.model} is closed")
        samples = np.empty((len(crops), 3, self.crop_px, self.crop_px), np.float32)
        for target, crop in zip(samples, crops, strict=True):
            planes = cv2.split(crop)
            for channel, plane in enumerate(planes[::-1] if self._input.rgb else planes):
                target[channel] = plane
        if self._input.mean:
            samples -= self._input.mean
        if self._input.scale != 1:
            samples *= self._input.scale
        try:
            (numbers,) = self._session.run([self._output_name], {self._input_name: samples})
        except Exception as error:  # onnxruntime's own, which have no public base
            raise EmbedderError(f"{self.model} failed: {str(error).splitlines()[0]}") from error
        return np.asarray(numbers, np.float32)

    def _batches(self, noise: Crop, alone: Vectors) -> bool:
        """Whether several crops in one run give what each gives alone: some graphs are made for one."""
        try:
            together = self._run(list(noise))
        except EmbedderError:
            return False
        return together.shape == alone.shape and np.allclose(together, alone, rtol=1e-2, atol=1e-2)


def opened(
    path: Path, kind: str, wanted: Input, calibrated: Thresholds, options: EmbedderOptions, ctx: Context
) -> OnnxEmbedder:
    """An embedder out of an ONNX file. Raises ModelError when it is none, DeviceError without the device."""
    graph = plain_graph(path, split_prelu=ctx.device == "cpu")
    name = model_name(kind, path.read_bytes(), wanted.unusual)
    try:
        return OnnxEmbedder(
            session(graph, ctx.device, threads=options.threads), name, wanted, options.thresholds(calibrated)
        )
    except EmbedderError as error:
        raise ModelError(f"{path} does not take faces of {wanted.crop_px} pixels: {error}") from error
