"""Gaussian blur as wide as the face demands. Weaker than pixelate or solid against a trained attacker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch, Reads
from streamer.effects._planes import each_read, lay, stretched, worked
from streamer.effects._strength import STRENGTH, Strength, between

_SIGMA = 0.6, 1.2
"""Standard deviation as a share of the face, from the weakest to the strongest. At 0.29 people were recognised again
more often than behind a flat grey, at 0.6 not (docs/privacy.md)."""
_MIN_SIGMA_PX = 2.0
_WORK_SIGMA = 2.0
"""The blur is done at a size where its sigma is about so many samples: wider kernels cost more and look the same."""


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"sigma 0.6 of the face to 1.2: {STRENGTH}")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Blur(options)


class Blur(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._sigma = between(options.strength, *_SIGMA)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            sigma = max(_MIN_SIGMA_PX, self._sigma * patch.face_px)
            for (face, samples, mask), shift in zip(each_read(patch), patch.shifts, strict=True):
                small = worked(face, sigma / (1 << shift) / _WORK_SIGMA)
                # What shrinking really came to, which for few samples is not what was asked for.
                across, down = (_kernel(sigma / (1 << shift) * small.shape[i] / face.shape[i]) for i in (1, 0))
                soft = cv2.sepFilter2D(small, -1, across, down, borderType=cv2.BORDER_REPLICATE)
                lay(stretched(np.asarray(soft, np.uint8), samples.shape), mask, samples)


def _kernel(sigma: float) -> NDArray[np.float32]:
    # Three sigmas on each side; half the sigma of nothing keeps a single row or column as it is.
    return np.asarray(cv2.getGaussianKernel(2 * max(1, round(3 * sigma)) + 1, max(0.1, sigma), cv2.CV_32F), np.float32)
