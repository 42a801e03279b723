"""What lies behind a face, as it was learned while nobody was there: people lose their heads, or with `mask.coverage:
head` all of it. Where nothing is known yet, frosted glass made of what is around.

A place counts as known when it looked the same, away from every mask, for `after_s` without a break. So nothing that
moves gets into the plate, and nothing under a mask ever does. A face that no detection found while it kept still for
that long would get in. Therefore the plate is forgotten around the place where a face is first found, and wherever it
resembles what it is about to cover. Cuts, a moving camera and reconnections begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.core.picture import Picture, Plane
from streamer.core.types import Box
from streamer.effects import Effect, Patch, Reads
from streamer.effects._color import PATTERN, Flat, bgr_of
from streamer.effects._frost import Frost
from streamer.effects._planes import averaged, each_plane, lay
from streamer.effects._plate import Plate

_STEP_S = 0.2
"""The plate is learned at most so often; frames in between change little and cost as much."""
_AROUND = 0.5
"""What lies this near to a mask, as a share of the mask's size, is not learned: hair, shadows, and the face itself
where the mask is a little late."""
_GRID = 12
"""Face and plate are compared by so many averages across and down."""
_ALIKE = 0.6
"""Correlation of their detail above which the plate holds the face. Drawn faces before 480 places of drawn walls came
to 0.5 at most; the same face moved by a twentieth of its size to 0.79 at least."""
_MET = 4096
"""So many faces are remembered as known; after that all count as new."""
_FLAT = 10.0
"""Mean difference in grey levels below which plate and face are the same, also where nothing correlates."""


class Options(PartOptions):
    """Settings of the effect."""

    after_s: float = Field(
        3.0, ge=1.0, le=50, description="a place that looked the same for so long, with no face near, is background"
    )
    color: str | None = Field(
        None,
        pattern=PATTERN,
        description="shown where the background is not known, as #rrggbb; null: frosted glass made of what is around",
    )


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return Background(options)


class Background(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "video"
    """A face is compared with the plate, so that it is not shown from there. Still pictures have no plate."""

    def __init__(self, options: Options) -> None:
        self._flat = None if options.color is None else Flat(bgr_of(options.color))
        self._frost = Frost()
        self._sightings = math.ceil(options.after_s / _STEP_S) + 1
        self._epoch: int | None = None
        self._plate: Plate | None = None
        self._learned_t = -math.inf
        self._met: set[int] = set()

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._met.clear()
            self._frost.enter()
            self.forget()

    def forget(self) -> None:
        """See `Effect.forget`."""
        self._plate, self._learned_t = None, -math.inf

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        plate = self._plate
        if plate is not None:
            for patch in patches:
                if patch.track_id not in self._met:  # it may have been there for long, and in the plate
                    plate.forget(patch.at, patch.samples[0].shape, round(patch.face_px))
                elif _holds(plate, patch):
                    plate.forget(patch.at, patch.samples[0].shape, 0)
        if len(self._met) > _MET:
            self._met.clear()
        self._met.update(patch.track_id for patch in patches)
        self._fill(patches)
        for patch in patches:
            if plate is not None:
                height, width = patch.samples[0].shape
                known = plate.known(patch.at, (height, width), patch.shifts)
                behind = plate.planes(patch.at, (height, width))
                for (samples, mask), here, new in zip(each_plane(patch), known, behind, strict=True):
                    lay(new, np.bitwise_and(mask, here), samples)

    def _fill(self, patches: Sequence[Patch]) -> None:
        if self._flat is None:
            self._frost.lay(patches)
        else:
            for patch in patches:
                self._flat.fill(patch)

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
    plane = 0 if any(patch.shifts) else 1  # luma, or green
    assert patch.original is not None
    now = patch.original[plane][rows, columns]
    if now.size == 0:
        return False
    known = plate.known(patch.at, (height, width), patch.shifts)[0][rows, columns]
    if not known.any():
        return False
    then = plate.planes(patch.at, (height, width))[plane][rows, columns]
    now, then, seen = (averaged(plane, _GRID, _GRID) for plane in (now, then, known))
    held = seen > 127
    if not held.any():
        return False
    if float(cv2.absdiff(now, then)[held].mean()) < _FLAT:
        return True
    a, b = (_detail(plane)[held] for plane in (now, then))
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum()) > _ALIKE * float(np.sqrt((a * a).sum() * (b * b).sum())) > 0


def _detail(plane: Plane) -> NDArray[np.float32]:
    """Without slow shading, in which a head and a wall may be alike by chance."""
    fine = plane.astype(np.float32)
    return fine - cv2.GaussianBlur(fine, (0, 0), _GRID / 4)
