"""What every embedder does with what goes in and what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from streamer.core.errors import EmbedderError
from streamer.embedders import Crop, Vectors

__all__ = ["checked_crops", "model_name", "unit"]


def checked_crops(crops: Sequence[Crop], crop_px: int, model: str) -> None:
    """Raises EmbedderError unless every crop is (crop_px, crop_px, 3) uint8."""
    wanted = (crop_px, crop_px, 3)
    if any(crop.shape != wanted or crop.dtype != np.uint8 for crop in crops):
        raise EmbedderError(f"{model} takes crops of {wanted} bytes")


def unit(numbers: Vectors, model: str) -> Vectors:
    """Rows brought to length 1. Raises EmbedderError for rows that are not finite or have no length."""
    lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 1e-12)).all():
        raise EmbedderError(f"{model} returned a vector that is none")
    return np.asarray(numbers / lengths, np.float32)


def model_name(kind: str, weights: bytes, settings: str = "") -> str:
    """The name that vectors are kept under; see `Embedder.model`.

    settings: what else changes the vectors, when it is not the usual; it goes into the digits.
    """
    return f"{kind}-{hashlib.sha256(weights + settings.encode()).hexdigest()[:12]}"
