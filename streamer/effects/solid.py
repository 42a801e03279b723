"""One flat colour. Nothing of the face is left but its place and size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.effects._planes import each_plane, lay
from streamer.parts import Context, PartOptions
from streamer.picture import Picture


class Options(PartOptions):
    """Settings of the effect."""

    color: str = Field("#303030", pattern=r"^#[0-9a-fA-F]{6}$", description="the colour, as #rrggbb")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Solid(options)


class Solid(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        red, green, blue = (int(options.color[i : i + 2], 16) for i in (1, 3, 5))
        dot = np.full((2, 2, 3), (blue, green, red), np.uint8)
        self._yuv = tuple(int(plane[0, 0]) for plane in Picture.from_bgr(dot).planes)
        self._bgr = blue, green, red

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            values = self._yuv if any(patch.shifts) else self._bgr
            for (samples, mask), value in zip(each_plane(patch), values, strict=True):
                lay(np.full_like(samples, value), mask, samples)
