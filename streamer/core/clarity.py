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

__all__ = [
    "CLOSEST",
    "Appearance",
    "InnerFace",
    "Shape",
    "alike",
    "appearance_of",
    "gap",
    "inner_alike",
    "inner_face_of",
    "jumped",
    "moved_on",
    "onto_crop",
    "reshaped",
    "room",
    "shape_of",
]

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
_INNER_MIDDLE, _INNER_SIDE = (56.0, 70.0), 62.0
"""Eyes, nose and mouth, and neither hair nor chin, in the aligned crop of 112 x 112 pixels: what a change of the face
alone changes."""
_INNER_PX, _SEARCH_PX = 24, 5
"""Samples along a side, and how far it is searched for beyond: landmarks between two results are only about right."""

Appearance = NDArray[np.float32]
"""A face with its hair, neck and shoulders, roughly: (144,), mean 0 and length 1."""
InnerFace = NDArray[np.float32]
"""Eyes, nose and mouth and a little around them, smoothed: (34, 34) of luma."""
Shape = NDArray[np.float64]
"""The landmarks of a face, (5, 2) pixels of the aligned crop of 112 x 112."""
Onto = NDArray[np.float64]
"""The similarity that brings a face onto the aligned crop of 112 x 112, (2, 3)."""


def gap(box: Box, others: Iterable[Box]) -> float:
    """How much room there is between a face and the nearest other, in sizes of the larger of the two.

    It is the distance of their middles less one size; 0 when the boxes overlap. Upwards counts double: heads walk
    sideways. A face of quite another size counts `_OTHER_SIZE` times as far away: taking its place would count as
    `jumped`.
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


def onto_crop(landmarks: Points5) -> Onto | None:
    """How a face is brought onto the aligned crop; None when its landmarks are in one point."""
    try:
        return similarity(landmarks, ARCFACE_112)
    except ValueError:
        return None


def appearance_of(picture: Picture, to_crop: Onto) -> Appearance | None:
    """The appearance, upright and at one size; None where the picture gives nothing to compare."""
    wide = _square(picture, to_crop, 112 / _ZOOM, (56.0, 56.0), _WARP_PX)
    seen = cv2.resize(wide, (_APPEARANCE_PX, _APPEARANCE_PX), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    seen -= seen.mean()
    length = float(np.linalg.norm(seen))
    return None if length < 1e-3 else np.asarray(seen / length, np.float32)


def inner_face_of(picture: Picture, to_crop: Onto) -> InnerFace | None:
    """The same of eyes, nose and mouth alone."""
    px = _INNER_PX + 2 * _SEARCH_PX
    seen = _square(picture, to_crop, _INNER_SIDE * px / _INNER_PX, _INNER_MIDDLE, 2 * px)
    small = cv2.resize(cv2.blur(seen, (4, 4)), (px, px), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small, np.float32) if float(_middle(small).std()) > 1.0 else None


def inner_alike(a: InnerFace, b: InnerFace) -> float:
    """Correlation of the inner face of a with the best place in b, -1 to 1."""
    found = cv2.matchTemplate(b, np.ascontiguousarray(_middle(a)), cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(found, nan=-1.0).max())


def shape_of(landmarks: Points5, to_crop: Onto) -> Shape:
    """The landmarks of a face, aligned."""
    return np.asarray(landmarks, np.float64) @ to_crop[:, :2].T + to_crop[:, 2]


def reshaped(a: Shape, b: Shape) -> float:
    """How far the landmarks of two faces lie apart when both are aligned: root mean square, in pixels of 112."""
    return float(np.sqrt(((a - b) ** 2).sum(axis=1).mean()))


def moved_on(a: Points5, b: Points5, share: float) -> Points5:
    """The landmarks on the way from a (share 0) to b (share 1)."""
    eye, other, nose, mouth, end = (
        (x + (u - x) * share, y + (v - y) * share) for (x, y), (u, v) in zip(a, b, strict=True)
    )
    return eye, other, nose, mouth, end


def alike(a: Appearance, b: Appearance) -> float:
    """Correlation of two appearances, -1 to 1."""
    return float(a @ b)


def _middle(face: InnerFace) -> InnerFace:
    return face[_SEARCH_PX:-_SEARCH_PX, _SEARCH_PX:-_SEARCH_PX]


def _square(picture: Picture, to_crop: Onto, side_px: float, middle: tuple[float, float], px: int) -> NDArray[np.uint8]:
    """The luma of a square of the aligned crop, with its middle there, (px, px)."""
    # x_new = (x - middle) * scale + px / 2.
    scale = px / side_px
    to_square = to_crop * scale
    to_square[:, 2] += px / 2 - np.asarray(middle) * scale
    luma = picture.planes[0]
    seen = cv2.warpAffine(luma, to_square, (px, px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def _gap(a: Box, b: Box) -> float:
    if overlap(a, b):
        return 0.0
    (ax, ay), (bx, by) = center(a), center(b)
    larger, smaller = max(side(a), side(b)), min(side(a), side(b))
    apart = math.hypot(ax - bx, _UPWARDS * (ay - by)) / larger - 1
    return max(0.0, apart) * (_OTHER_SIZE if larger > _JUMP_SCALE * smaller else 1.0)
