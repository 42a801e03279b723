"""Large flat blocks, each the average of what it hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch, Reads
from streamer.effects._planes import averaged, blocks_of, each_read, lay, spread
from streamer.effects._strength import STRENGTH, Strength, between

_BLOCKS = 5.5, 3.0
"""Blocks across the face, from the weakest to the strongest. With 6, drawn faces could be read now and then; from 10
on people were recognised again."""
_MIN_BLOCK_PX = 8.0
"""Blocks never get smaller: with 4 px, one in ten drawn faces of 24 px could be read still."""


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"5.5 blocks across the face to 3: {STRENGTH}")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Pixelate(options)


class Pixelate(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._blocks = between(options.strength, *_BLOCKS)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            # Chroma is pixelated on the same grid, so its planes have the same number of blocks as luma.
            columns, rows = blocks_of(patch, max(_MIN_BLOCK_PX, patch.face_px / self._blocks))
            for face, samples, mask in each_read(patch):
                lay(spread(averaged(face, columns, rows), samples.shape), mask, samples)
