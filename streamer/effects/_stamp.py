"""A picture laid over a face: scaled to its mask, turned with it, opaque everywhere."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture, Plane
from streamer.effects import Patch
from streamer.effects._color import Flat
from streamer.effects._planes import each_plane, lay

__all__ = ["Stamp"]

_LEVELS = 6
"""The picture is kept at its size, half of it, and so on: shrinking far in one step would leave jagged edges."""


class Stamp:
    """Lays one opaque picture over faces.

    bgr: (side, side, 3), stretched over the box around the mask; ground: what lies around it.
    """

    def __init__(self, bgr: NDArray[np.uint8], ground: tuple[int, int, int]) -> None:
        self._flat = Flat(ground)
        self._levels: list[dict[bool, tuple[Plane, ...]]] = []
        for _ in range(_LEVELS):
            full = Picture.from_bgr(bgr, format="bgrp").planes
            self._levels.append({False: full, True: Picture.from_bgr(bgr).planes})
            if min(bgr.shape[:2]) < 16:
                break
            bgr = np.asarray(cv2.pyrDown(bgr), np.uint8)

    def lay(self, patch: Patch) -> None:
        """Replace what is masked."""
        longest = 2 * max(patch.half)
        fitting = [level for level in self._levels if level[False][0].shape[0] >= longest] or self._levels[:1]
        planes = fitting[-1][any(patch.shifts)]
        for (samples, mask), shift, plane, ground in zip(
            each_plane(patch), patch.shifts, planes, self._flat.values(patch), strict=True
        ):
            matrix = _matrix(patch.middle, patch.half, patch.tilt, shift, plane.shape[0])
            size = samples.shape[1], samples.shape[0]
            laid = cv2.warpAffine(
                plane, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(ground,)
            )
            lay(np.asarray(laid, np.uint8).reshape(samples.shape), mask, samples)


@lru_cache(maxsize=256)
def _matrix(
    middle: tuple[float, float], half: tuple[float, float], tilt: float, shift: int, side: int
) -> NDArray[np.float64]:
    """From samples of the stamp's plane to samples of a patch's plane; the middle of the first one is 0, 0."""
    cos, sin = math.cos(tilt), math.sin(tilt)
    wide, high = 2 * half[0] / side / (1 << shift), 2 * half[1] / side / (1 << shift)
    turn = np.array([[cos * wide, -sin * high], [sin * wide, cos * high]])
    at = np.array(middle) / (1 << shift) - 0.5 - turn @ np.array([(side - 1) / 2, (side - 1) / 2])
    return np.column_stack([turn, at])
