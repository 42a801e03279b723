"""Gaussian blur as wide as the face demands. Weaker than pixelate or solid against a trained attacker."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.parts import Context, PartOptions

_WORK_SIGMA_PX = 3.0
"""The blur is done at a size where its sigma is about this: wider kernels cost more and look the same."""


class Options(PartOptions):
    """Settings of the effect."""

    sigma: float = Field(0.25, ge=0.2, le=2.0, description="standard deviation of the blur as a share of the face")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Blur(options)


class Blur:
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._sigma = options.sigma

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            for samples, mask, shift in zip(patch.samples, patch.masks, patch.shifts, strict=True):
                sigma = max(2.0, self._sigma * patch.face_px) / (1 << shift)
                shrink = max(1.0, sigma / _WORK_SIGMA_PX)
                rows, columns = samples.shape
                size = max(1, round(columns / shrink)), max(1, round(rows / shrink))
                small = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
                small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
                cv2.copyTo(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), mask, samples)
