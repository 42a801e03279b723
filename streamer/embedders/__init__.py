"""Who tells faces apart: an aligned face -> a vector that is alike for the same person. One file per kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from streamer.core.errors import UsageError
from streamer.core.options import PartOptions
from streamer.core.types import Points5

__all__ = ["Bounds", "Crop", "Embedder", "EmbedderOptions", "Thresholds", "Vectors"]

Crop = NDArray[np.uint8]
"""An aligned face, (P, P, 3) BGR; see `streamer.core.align.aligned`."""
Vectors = NDArray[np.float32]
"""(N, D), each row of length 1; the product of two rows is their similarity, in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Similarities of one model, calibrated: those of another model mean something else."""

    accept: float
    """From here on, two pictures are taken for the same person; strict, because a false match shows a stranger."""
    reject: float
    """Below, a face is certainly not that person; between the two nobody knows."""
    margin: float = 0.05
    """By how much the best person must be ahead of the second best. It says nothing where one person is enrolled."""
    lift: float = 0.0
    """By how much more than `accept` it takes to decide that a face may be seen, with one person enrolled."""
    per_tenfold: float = 0.0
    """By how much more for every ten times as many people: a stranger has as many chances."""
    still_lift: float = 0.1
    """By how much more than `accept` a single picture takes at least: it has one view, which no other can correct."""
    alone: float = math.inf
    """From here on one view of a face decides in a video, where others need several; never below `accept`."""
    unlike: float = -math.inf
    """Below, one view decides that a face is somebody else's, where only the enrolled are hidden."""

    def accept_among(self, people: int, *, still: bool = False) -> float:
        """Similarity from which one view of a face speaks for a person, of so many who are enrolled.

        still: the face has no other view, in a picture that stands by itself.
        """
        one_of_several = self.accept + self.lift + self.per_tenfold * math.log10(max(1, people))
        return max(one_of_several, self.accept + self.still_lift) if still else one_of_several


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the thresholds of one model may be set."""

    accept: float
    """Least: here one in 10,000 pairs of two people is accepted."""
    margin: float
    """Least."""
    reject: float
    """Least: below, a crop that is like somebody else would not count against a person."""
    reject_known: float
    """Most, where only the enrolled are hidden: here 2 in 1,000 pairs of one person lie below, and would be shown."""


class EmbedderOptions(PartOptions):
    """What every embedder can be told; each adds its own, and what was measured of its model."""

    calibrated: ClassVar[Thresholds | None] = None
    """The default; None: the embedder names none."""
    bounds: ClassVar[Bounds | None] = None
    measured: ClassVar[bool] = True
    """False: thresholds and bounds are strict guesses."""

    accept: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="similarity from which two faces are taken for the same person; null: as calibrated for the model; "
        "deciding who may be seen takes more, and more still among many people",
    )
    reject: float | None = Field(
        None, ge=-1, le=1, description="similarity below which a face is certainly another's; null: as calibrated"
    )
    margin: float | None = Field(
        None, ge=0, le=1, description="how far the best person must be ahead of the next; null: as calibrated"
    )
    threads: int = Field(1, ge=1, le=64, description="CPU threads of one call")

    @field_validator("accept", "reject", "margin")
    @classmethod
    def _within_bounds(cls, value: float | None, info: ValidationInfo) -> float | None:
        """Raises ValueError, naming the bound and the remedy, for what would show strangers."""
        if value is None or cls.bounds is None or info.field_name is None:
            return value
        least: float = getattr(cls.bounds, info.field_name)
        if value < least:
            guess = "" if cls.measured else " (a strict guess, which no measurement of your own can lower)"
            raise ValueError(
                f"must be at least {least:g} for this model{guess}, got {value:g}: below, strangers are shown; set "
                f"{least:g} or more, or leave it out"
            )
        return value

    def thresholds(self, calibrated: Thresholds) -> Thresholds:
        """The calibrated thresholds, except what was set. Raises UsageError when reject is above accept."""
        accept = calibrated.accept if self.accept is None else self.accept
        reject = min(calibrated.reject, accept) if self.reject is None else self.reject
        if reject > accept:
            raise UsageError(f"embedder.reject ({reject}) must not be above embedder.accept ({accept})")
        margin = calibrated.margin if self.margin is None else self.margin
        unlike = min(calibrated.unlike, reject)
        return replace(
            calibrated,
            accept=accept,
            reject=reject,
            margin=margin,
            alone=max(calibrated.alone, accept),
            unlike=unlike,
        )


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
