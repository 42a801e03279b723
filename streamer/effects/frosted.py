"""Frosted glass made of what is around the face. Nothing of the face is in it: the gate erased it before."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.effects._frost import CELLS, TEXTURE, Frost
from streamer.parts import Context, PartOptions


class Options(PartOptions):
    """Settings of the effect."""

    cells: int = Field(
        CELLS, ge=2, le=12, description="blocks across the face; they show the surroundings, never the face"
    )
    texture: int = Field(
        TEXTURE, ge=0, le=20, description="contrast of the blocks in grey levels, so that one sees them"
    )


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Frosted(options)


class Frosted(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._frost = Frost(options.cells, options.texture)
        self._epoch: int | None = None

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._frost.enter()

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        self._frost.lay(patches)
