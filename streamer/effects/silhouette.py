"""A flat figure, head and shoulders, turned with the face. Nothing of the face is left but its place, size and tilt."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch
from streamer.effects._color import PATTERN, bgr_of
from streamer.effects._drawings import figure
from streamer.effects._stamp import Stamp


class Options(PartOptions):
    """Settings of the effect."""

    color: str = Field("#b4b4b4", pattern=PATTERN, description="the figure, as #rrggbb")
    ground: str = Field("#404040", pattern=PATTERN, description="what lies behind it, as #rrggbb")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Silhouette(options)


class Silhouette(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        ground = bgr_of(options.ground)
        self._stamp = Stamp(figure(bgr_of(options.color), ground), ground)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            self._stamp.lay(patch)
