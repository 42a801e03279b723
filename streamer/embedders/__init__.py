"""Who tells faces apart: an aligned face -> a vector that is alike for the same person. One file per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.errors import UsageError
from streamer.core.options import PartOptions
from streamer.core.types import Points5

__all__ = ["Crop", "Embedder", "EmbedderOptions", "Thresholds", "Vectors"]

Crop = NDArray[np.uint8]
"""An aligned face, (P, P, 3) BGR; see `streamer.core.align.aligned`."""
Vectors = NDArray[np.float32]
"""(N, D), each row of length 1; the product of two rows is their similarity, in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Similarities of one model, calibrated: those of another model mean something else."""

    accept: float
    """From here on, two faces are taken for the same person; strict, because a false match shows a stranger."""
    reject: float
    """Below, a face is certainly not that person; between the two nobody knows."""
    margin: float = 0.05
    """By how much the best person must be ahead of the second best."""


class EmbedderOptions(PartOptions):
    """What every embedder can be told; each adds its own."""

    accept: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="similarity from which two faces are taken for the same person; null: as calibrated for the model",
    )
    reject: float | None = Field(
        None, ge=-1, le=1, description="similarity below which a face is certainly another's; null: as calibrated"
    )
    margin: float | None = Field(
        None, ge=0, le=1, description="how far the best person must be ahead of the next; null: as calibrated"
    )
    threads: int = Field(1, ge=1, le=64, description="CPU threads of one call")

    def thresholds(self, calibrated: Thresholds) -> Thresholds:
        """The calibrated thresholds, except what was set. Raises UsageError when reject is above accept."""
        accept = calibrated.accept if self.accept is None else self.accept
        reject = min(calibrated.reject, accept) if self.reject is None else self.reject
        if reject > accept:
            raise UsageError(f"embedder.reject ({reject}) must not be above embedder.accept ({accept})")
        return Thresholds(accept, reject, calibrated.margin if self.margin is None else self.margin)


class Embedder(Protocol):
    """Turns aligned faces into vectors. Used by one thread at a time."""

    @property
    def model(self) -> str:
        """Kind and weights: `sface-fb143eea0783`, the first twelve hex digits of the weights' SHA-256.

        Whatever else changes the vectors changes the digits. Vectors compare only with vectors of the same model.
        """
        ...

    @property
    def dim(self) -> int:
        """Numbers in one vector."""
        ...

    @property
    def crop_px(self) -> int:
        """Side of the crops it takes."""
        ...

    @property
    def template(self) -> Points5:
        """Where the landmarks lie in such a crop, in its pixels."""
        ...

    @property
    def thresholds(self) -> Thresholds:
        """What its similarities mean."""
        ...

    def embed(self, crops: Sequence[Crop]) -> Vectors:
        """(N, dim) float32, each row of length 1; N = 0 gives (0, dim).

        crops: (crop_px, crop_px, 3) uint8 BGR each, aligned to `template`; not kept, not changed.
        Raises EmbedderError, or any other exception, when it fails; a vector that is not finite is a failure.
        """
        ...

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        ...
