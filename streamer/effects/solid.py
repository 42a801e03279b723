"""One flat colour. Nothing of the face is left but its place and size."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch
from streamer.effects._color import PATTERN, Flat, bgr_of


class Options(PartOptions):
    """Settings of the effect."""

    color: str = Field("#303030", pattern=PATTERN, description="the colour, as #rrggbb")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Solid(options)


class Solid(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._flat = Flat(bgr_of(options.color))

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            self._flat.fill(patch)
