"""Bilateral filter of an already coarse face: soft areas, of which only the strongest edges are left.

A bilateral filter by itself keeps the edges by which faces are recognised. So the face is shrunk first, to fewer
cells than pixelate leaves, and the filter works on those.
"""

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

_CELLS = 3.0, 2.0
"""Cells across the face that are left, from the weakest to the strongest. At 5.5 people were recognised again by
an attacker who knows the method (docs/privacy.md)."""
_MIN_CELL_PX = 4.0
_DIAMETER, _SIGMA_COLOR, _SIGMA_SPACE = 5, 40.0, 1.5
"""Of the filter; diameter and space in cells, colour in grey levels."""


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"3 cells across the face to 2: {STRENGTH}")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Bilateral(options)


class Bilateral(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._cells = between(options.strength, *_CELLS)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            columns, rows = blocks_of(patch, max(_MIN_CELL_PX, patch.face_px / self._cells))
            for face, samples, mask in each_read(patch):
                small = averaged(face, columns, rows)
                soft = cv2.bilateralFilter(
                    small, _DIAMETER, _SIGMA_COLOR, _SIGMA_SPACE, borderType=cv2.BORDER_REPLICATE
                )
                lay(stretched(np.asarray(soft, np.uint8), samples.shape), mask, samples)
