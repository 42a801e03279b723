"""What lies behind a face, as it was learned while nobody was there: people lose their heads, or with `mask.coverage:
head` all of it. Where nothing is known yet, a flat colour.

A place counts as known when it looked the same, away from every mask, for `after_s` without a break. So nothing that
moves gets into the plate, and nothing under a mask ever does. A face that no look found while it kept still for that
long would get in; therefore the plate is compared with what it is about to cover: when the two resemble each other, it
holds that very face, is forgotten there, and the flat colour takes its place. Cuts, a moving camera and reconnections
begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.effects._color import PATTERN, Flat, bgr_of
from streamer.effects._planes import averaged, each_plane, lay
from streamer.effects._plate import Plate
from streamer.parts import Context, PartOptions
from streamer.picture import Picture, Plane
from streamer.types import Box

_STEP_S = 0.2
"""The plate is learned at most so often; frames in between change little and cost as much."""
_AROUND = 0.5
"""What lies this near to a mask, as a share of the mask's size, is not learned: hair, shadows, and the face itself
where the mask is a little late."""
_GRID = 12
"""Face and plate are compared by so many averages across and down."""
_ALIKE = 0.5
"""Correlation above which the plate holds the face."""
_FLAT = 10.0
"""Mean difference in grey levels below which plate and face are the same, also where nothing correlates."""


class Options(PartOptions):
    """Settings of the effect."""

    after_s: float = Field(
        3.0, ge=1.0, le=50, description="a place that looked the same for so long, with no face near, is background"
    )
    color: str = Field("#303030", pattern=PATTERN, description="shown where the background is not known, as #rrggbb")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Background(options)


class Background(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._flat = Flat(bgr_of(options.color))
        self._sightings = math.ceil(options.after_s / _STEP_S) + 1
        self._epoch: int | None = None
        self._plate: Plate | None = None
        self._learned_t = -math.inf

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch, self._plate, self._learned_t = epoch, None, -math.inf

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        plate = self._plate
        if plate is not None:
            # All are judged before the first is painted: where faces overlap, paint is no face.
            for patch in patches:
                if _holds(plate, patch):
                    plate.forget(patch.at, patch.samples[0].shape)
        for patch in patches:
            self._flat.fill(patch)
            if plate is not None:
                height, width = patch.samples[0].shape
                known = plate.known(patch.at, (height, width), patch.shifts)
                behind = plate.planes(patch.at, (height, width))
                for (samples, mask), here, new in zip(each_plane(patch), known, behind, strict=True):
                    lay(new, np.bitwise_and(mask, here), samples)

    def learn(self, image: Picture, faces: Iterable[Box], t: float) -> None:
        """See `Effect.learn`."""
        if 0 <= t - self._learned_t < _STEP_S:
            return
        if self._plate is None or not self._plate.fits(image) or t < self._learned_t:
            self._plate = Plate(image, self._sightings)
        self._learned_t = t
        near = []
        for x0, y0, x1, y1 in faces:
            by_px = max(8.0, _AROUND * max(x1 - x0, y1 - y0))
            near.append((x0 - by_px, y0 - by_px, x1 + by_px, y1 + by_px))
        self._plate.see(image, near)


def _holds(plate: Plate, patch: Patch) -> bool:
    """Whether the plate shows in the middle of a patch what is there now."""
    height, width = patch.samples[0].shape
    x, y = patch.middle
    reach = patch.face_px / 2
    rows = slice(max(0, round(y - reach)), max(0, min(height, round(y + reach))))
    columns = slice(max(0, round(x - reach)), max(0, min(width, round(x + reach))))
    now = patch.samples[0][rows, columns]
    if now.size == 0:
        return False
    known = plate.known(patch.at, (height, width), patch.shifts)[0][rows, columns]
    if not known.any():
        return False
    then = plate.planes(patch.at, (height, width))[0][rows, columns]
    grids = [_grid(plane) for plane in (now, then, known)]
    seen = grids[2] > 127
    if not seen.any():
        return False
    a, b = grids[0][seen], grids[1][seen]
    if float(np.mean(np.abs(a - b))) < _FLAT:
        return True
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum()) > _ALIKE * float(np.sqrt((a * a).sum() * (b * b).sum())) > 0


def _grid(plane: Plane) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return averaged(plane, _GRID, _GRID).astype(np.float64)
