"""Large flat blocks, each the average of what it hides."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.parts import Context, PartOptions

_MIN_BLOCK_PX = 4.0
"""Blocks never get smaller than this: an 8 px face in six columns would keep its pixels."""


class Options(PartOptions):
    """Settings of the effect."""

    blocks: int = Field(
        6, ge=1, le=8, description="blocks across the face; from 10 on people were recognised again, so 8 is the most"
    )


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Pixelate(options)


class Pixelate:
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._blocks = options.blocks

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            block = max(_MIN_BLOCK_PX, patch.face_px / self._blocks)
            # Chroma is pixelated on the same grid, so its planes have the same number of blocks as luma.
            height, width = patch.samples[0].shape
            grid = max(1, round(width / block)), max(1, round(height / block))
            for samples, mask in zip(patch.samples, patch.masks, strict=True):
                rows, columns = samples.shape
                # INTER_AREA averages every sample of a block; picking one would keep true pixels.
                small = cv2.resize(samples, (min(grid[0], columns), min(grid[1], rows)), interpolation=cv2.INTER_AREA)
                blocks = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_NEAREST)
                cv2.copyTo(blocks, mask, samples)
