"""Median of a large neighbourhood of an already coarse face: flat patches with soft edges, like a poster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch, Reads
from streamer.effects._planes import averaged, blocks_of, each_read, lay, stretched
from streamer.effects._strength import STRENGTH, Strength, between

_CELLS = 4.0, 2.0
"""Cells across the face before the median, from the weakest to the strongest. At 6 people were recognised again by
an attacker who knows the method (docs/privacy.md)."""
_SIDE = 5
"""The median is taken over so many cells squared: more than the face."""
_MIN_CELL_PX = 3.0


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"4 cells across the face to 2: {STRENGTH}")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Median(options)


class Median(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._cells = between(options.strength, *_CELLS)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            columns, rows = blocks_of(patch, max(_MIN_CELL_PX, patch.face_px / self._cells))
            for face, samples, mask in each_read(patch):
                flat = cv2.medianBlur(averaged(face, columns, rows), _SIDE)
                lay(stretched(np.asarray(flat, np.uint8), samples.shape), mask, samples)
