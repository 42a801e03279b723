"""Grey frosted glass, as light as what is around the face. Nothing of the face is in it: the gate erased it before."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch
from streamer.effects._frost import TEXTURE, Frost
from streamer.effects._strength import STRENGTH, Strength, between

_CELLS = 7.5, 3.8
"""Blocks across the face, from the weakest to the strongest. All show as little of the face: nothing."""


class Options(PartOptions):
    """Settings of the effect. None of them lets anything of the face be seen."""

    strength: Strength = Field("medium", description=f"7.5 blocks across the face to 3.8: {STRENGTH}")
    smooth: bool = Field(False, description="soft transitions between the blocks")
    texture: int = Field(
        TEXTURE, ge=0, le=20, description="contrast of the blocks in grey levels; it tells people that a face is hidden"
    )


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Frosted(options)


class Frosted(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._frost = Frost(between(options.strength, *_CELLS), options.texture, smooth=options.smooth)
        self._epoch: int | None = None

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._frost.enter()

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        self._frost.lay(patches)
