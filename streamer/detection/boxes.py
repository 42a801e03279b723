"""Whether boxes are the same face, and the windows around them."""

from __future__ import annotations

import math

from streamer.core.geometry import center, side
from streamer.core.picture import Picture
from streamer.core.types import Box
from streamer.core.view import Window

__all__ = ["SMALL_FACE_PX", "alike", "is_face", "near", "window_around", "within"]

SMALL_FACE_PX = 64
"""Only smaller faces gain from being enlarged; around larger ones a detector starts to see faces in blurred leaves."""
_WINDOW_FACES = 3.0
"""Side of a window in faces: the face then has about 50 px, where detectors are at their best."""
_SMALLEST_WINDOW_PX = 40
_SAME_FACE = 0.6
"""Two boxes whose centres are nearer than this, in sizes of the larger one, can be the same face."""
_WOBBLE = 0.05
"""Share of a face's size by which its box varies from one detection to the next."""
_SAME_SIZE = 2.0
"""Largest ratio of the sizes of one face in two detections."""


def is_face(seen: Box, one: Box, others: list[Box]) -> bool:
    """Whether what is seen can be this face, and none of the others is nearer to it in place and size."""
    if not (near(seen, one) and alike(seen, one)):
        return False
    return all(_apart(seen, one) <= _apart(seen, other) for other in others)


def within(inner: Box, outer: Box) -> bool:
    """Whether a box lies in another, but for a detector's wobble. Of two people one behind the other, none does."""
    slack = _WOBBLE * side(inner)
    return all(outer[i] <= inner[i] + slack and inner[i + 2] <= outer[i + 2] + slack for i in (0, 1))


def _apart(a: Box, b: Box) -> float:
    """How little two boxes can be the same face: distance in faces, and logarithm of the ratio of sizes."""
    (ax, ay), (bx, by) = center(a), center(b)
    return math.hypot(ax - bx, ay - by) / max(side(a), side(b)) + abs(math.log(side(a) / side(b)))


def near(a: Box, b: Box) -> bool:
    """Whether two boxes can be the same face."""
    (ax, ay), (bx, by) = center(a), center(b)
    return math.hypot(ax - bx, ay - by) < _SAME_FACE * max(side(a), side(b))


def alike(a: Box, b: Box) -> bool:
    """Whether two boxes are of about the same size: a face may stand before what merely looks like a larger one."""
    return max(side(a), side(b)) < _SAME_SIZE * min(side(a), side(b))


def window_around(box: Box, image: Picture, faces: float = _WINDOW_FACES) -> Window | None:
    """The square around a face, `faces` wide; None when it lies outside the picture."""
    (x, y), half = center(box), max(faces * side(box), _SMALLEST_WINDOW_PX) / 2
    window = math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half)
    inside = window[0] < image.width and window[1] < image.height and window[2] > 0 and window[3] > 0
    return window if inside else None
