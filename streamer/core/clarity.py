"""Whether a track is beyond doubt still the same face: pure functions on faces of two looks. No state, no clock.

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

__all__ = ["CLOSEST", "Look", "alike", "gap", "inner_look_of", "jumped", "look_of", "moved_on", "reshaped", "room"]

WALK_PER_S = 6.0
"""Face sizes per second of somebody who walks by: 1.4 m/s, and a face of 23 cm."""
CLOSEST = 0.15
"""The least gap, when what is seen around both faces says that none took the other's place."""
_LEAST_ROOM = 0.5
_JUMP = 0.35
"""Face sizes by which a face may be elsewhere beyond its walk: nods, and the wobble of a detector's box."""
_JUMP_MAX = 1.2
_JUMP_SCALE = 1.5
"""Largest ratio of the sizes in two looks."""
_UPWARDS = 2.0
_OTHER_SIZE = 1.5
_LOOK_PX = 12
_LOOK_ZOOM = 0.6
"""A look takes in hair, neck and shoulders: they tell people apart more surely than so few samples of a face do."""
_INNER_ZOOM = 1.8
"""An inner look takes in eyes, nose and mouth, and neither hair nor chin: what a change of the face alone changes."""
_LOOK_MIDDLE, _INNER_MIDDLE = (56.0, 56.0), (56.0, 70.0)
"""In the aligned crop of 112 x 112 pixels."""
_WARP_PX = 48

Look = NDArray[np.float32]
"""What is seen around a face's landmarks, or between them, roughly: (144,), mean 0 and length 1."""


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


def look_of(picture: Picture, landmarks: Points5) -> Look | None:
    """What is seen around a face, upright and at one size; None where landmarks or picture give nothing to compare."""
    return _seen(picture, landmarks, _LOOK_ZOOM, _LOOK_MIDDLE)


def inner_look_of(picture: Picture, landmarks: Points5) -> Look | None:
    """The same of eyes, nose and mouth alone."""
    return _seen(picture, landmarks, _INNER_ZOOM, _INNER_MIDDLE)


def reshaped(a: Points5, b: Points5) -> float:
    """How far the landmarks of two faces lie apart when both are aligned: root mean square, in pixels of 112.

    Raises ValueError when all landmarks of a face are in one point.
    """
    aligned = [np.column_stack([np.asarray(one), np.ones(5)]) @ similarity(one, ARCFACE_112).T for one in (a, b)]
    return float(np.sqrt(((aligned[0] - aligned[1]) ** 2).sum(axis=1).mean()))


def moved_on(a: Points5, b: Points5, share: float) -> Points5:
    """The landmarks on the way from a (share 0) to b (share 1)."""
    eye, other, nose, mouth, end = (
        (x + (u - x) * share, y + (v - y) * share) for (x, y), (u, v) in zip(a, b, strict=True)
    )
    return eye, other, nose, mouth, end


def alike(a: Look, b: Look) -> float:
    """Correlation of two looks, -1 to 1."""
    return float(a @ b)


def _seen(picture: Picture, landmarks: Points5, zoom: float, middle: tuple[float, float]) -> Look | None:
    """A square about a point of the aligned crop; zoom: 1 for one as large as the crop, more for a smaller one."""
    try:
        to_crop = similarity(landmarks, ARCFACE_112)
    except ValueError:
        return None
    # x_new = (x - middle) * scale + px / 2.
    scale = zoom * _WARP_PX / 112
    to_look = to_crop * scale
    to_look[:, 2] += _WARP_PX / 2 - np.asarray(middle) * scale
    luma = picture.planes[0]
    wide = cv2.warpAffine(luma, to_look, (_WARP_PX, _WARP_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    look = cv2.resize(wide, (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    look -= look.mean()
    length = float(np.linalg.norm(look))
    return None if length < 1e-3 else np.asarray(look / length, np.float32)


def _gap(a: Box, b: Box) -> float:
    if overlap(a, b):
        return 0.0
    (ax, ay), (bx, by) = center(a), center(b)
    larger, smaller = max(side(a), side(b)), min(side(a), side(b))
    apart = math.hypot(ax - bx, _UPWARDS * (ay - by)) / larger - 1
    return max(0.0, apart) * (_OTHER_SIZE if larger > _JUMP_SCALE * smaller else 1.0)
