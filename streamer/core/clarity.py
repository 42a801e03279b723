"""Whether a track is beyond doubt still the same face: pure functions on the faces of two results. No state, no clock.

Distances are in sizes of the larger face concerned, because people move by their own measure, near or far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.align import ARCFACE_112, similarity
from streamer.core.geometry import center, overlap, side
from streamer.core.picture import Picture
from streamer.core.types import Box, Points5

__all__ = ["CLOSEST", "Appearance", "alike", "appearance_of", "gap", "jumped", "moved_on", "room"]

WALK_PER_S = 6.0
"""Face sizes per second of somebody who walks by: 1.4 m/s, and a face of 23 cm."""
CLOSEST = 0.15
"""The least gap, when the appearances say that neither face took the other's place."""
_LEAST_ROOM = 0.5
_JUMP = 0.35
"""Face sizes by which a face may be elsewhere beyond its walk: nods, and the wobble of a detector's box."""
_JUMP_MAX = 1.2
_JUMP_SCALE = 1.5
"""Largest ratio of the sizes in two results."""
_UPWARDS = 2.0
_OTHER_SIZE = 1.5
_APPEARANCE_PX = 12
_ZOOM = 0.6
"""The appearance takes in hair, neck and shoulders: they tell people apart better than so few samples of a face do."""
_WARP_PX = 48

Appearance = NDArray[np.float32]
"""A face with its hair, neck and shoulders, roughly: (144,), mean 0 and length 1."""


def gap(box: Box, others: Iterable[Box]) -> float:
    """How much room there is between a face and the nearest other, in sizes of the larger of the two.

    It is the distance of their middles less one size; 0 when the boxes overlap. Upwards counts double: heads walk
    sideways. A face of quite another size counts `_OTHER_SIZE` times as far away: whoever took its place would be seen
    to have `jumped`.
    """
    return min((_gap(box, other) for other in others), default=math.inf)


def room(elapsed_s: float) -> float:
    """The gap from which on two faces cannot have changed places within `elapsed_s`: each would have to go all the way.

    Nearer than that, a tracker that pairs by nearness could take one for the other.
    """
    return max(_LEAST_ROOM, WALK_PER_S * elapsed_s)


def jumped(before: Box, now: Box, elapsed_s: float) -> bool:
    """Whether place or size changed more than those of a face of somebody who walks."""
    (x0, y0), (x1, y1) = center(before), center(now)
    larger, smaller = max(side(before), side(now)), min(side(before), side(now))
    limit = min(_JUMP_MAX, _JUMP + WALK_PER_S * elapsed_s)
    return math.hypot(x1 - x0, y1 - y0) > limit * larger or larger > _JUMP_SCALE * smaller


def appearance_of(picture: Picture, landmarks: Points5) -> Appearance | None:
    """The appearance, upright and at one size; None where landmarks or picture give nothing to compare."""
    try:
        to_crop = similarity(landmarks, ARCFACE_112)
    except ValueError:
        return None
    # The face in the middle of a wider square: x_new = ((x - 56) * zoom + 56) * px / 112.
    scale = _ZOOM * _WARP_PX / 112
    to_wide = to_crop * scale
    to_wide[:, 2] += 56 * (1 - _ZOOM) * _WARP_PX / 112
    luma = picture.planes[0]
    wide = cv2.warpAffine(luma, to_wide, (_WARP_PX, _WARP_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.resize(wide, (_APPEARANCE_PX, _APPEARANCE_PX), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    seen -= seen.mean()
    length = float(np.linalg.norm(seen))
    return None if length < 1e-3 else np.asarray(seen / length, np.float32)


def moved_on(a: Points5, b: Points5, share: float) -> Points5:
    """The landmarks on the way from a (share 0) to b (share 1)."""
    eye, other, nose, mouth, end = (
        (x + (u - x) * share, y + (v - y) * share) for (x, y), (u, v) in zip(a, b, strict=True)
    )
    return eye, other, nose, mouth, end


def alike(a: Appearance, b: Appearance) -> float:
    """Correlation of two appearances, -1 to 1."""
    return float(a @ b)


def _gap(a: Box, b: Box) -> float:
    if overlap(a, b):
        return 0.0
    (ax, ay), (bx, by) = center(a), center(b)
    larger, smaller = max(side(a), side(b)), min(side(a), side(b))
    apart = math.hypot(ax - bx, _UPWARDS * (ay - by)) / larger - 1
    return max(0.0, apart) * (_OTHER_SIZE if larger > _JUMP_SCALE * smaller else 1.0)
