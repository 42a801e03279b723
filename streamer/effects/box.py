"""Box blur: every sample becomes the average of a large square around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch, Reads
from streamer.effects._planes import each_read, lay, stretched, worked
from streamer.effects._strength import STRENGTH, Strength, between

_SHARE = 1.5, 3.0
"""Side of the square as a share of the face, from the weakest to the strongest. Its standard deviation is its side over
the root of 12: a square of 1.5 spreads as much as a Gaussian of sigma 0.43. At 0.6 people were recognised again by
an attacker who knows the method (docs/privacy.md)."""
_MIN_PX = 7.0
_WORK_SIDE = 7
"""The average is taken at a size where the square has so many samples on a side."""


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"square of 1.5 of the face to 3: {STRENGTH}")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Box(options)


class Box(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._share = between(options.strength, *_SHARE)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            cell_px = max(_MIN_PX, self._share * patch.face_px) / _WORK_SIDE
            for (face, samples, mask), shift in zip(each_read(patch), patch.shifts, strict=True):
                small = worked(face, cell_px / (1 << shift))
                # A small face's chroma has fewer samples than that to begin with.
                side = int(_WORK_SIDE * min(1.0, cell_px / (1 << shift))) | 1
                soft = cv2.blur(small, (side, side), borderType=cv2.BORDER_REPLICATE)
                lay(stretched(np.asarray(soft, np.uint8), samples.shape), mask, samples)
