"""Boxes as pure functions on float32 arrays of shape (N, 4): x0, y0, x1, y1 in pixels. No state, no clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.types import Box

__all__ = ["Boxes", "center", "grown", "hull", "iou", "lerp", "overlap", "shifted", "side", "stack"]

Boxes = NDArray[np.float32]


def stack(boxes: list[Box]) -> Boxes:
    """A list of boxes as an array, (N, 4); an empty list gives (0, 4)."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of every pair: (N, 4), (M, 4) -> (N, M); element (i, j) belongs to a[i] and b[j]."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area_a = np.prod(a[:, 2:] - a[:, :2], axis=1)
    area_b = np.prod(b[:, 2:] - b[:, :2], axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9), np.float32)


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes have a point in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def center(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def side(box: Box) -> float:
    """The longer side of a box in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def grown(box: Box, by_px: float) -> Box:
    """The box with every side moved outwards by `by_px`."""
    return box[0] - by_px, box[1] - by_px, box[2] + by_px, box[3] + by_px


def shifted(box: Box, dx: float, dy: float) -> Box:
    """The box moved by (dx, dy)."""
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def hull(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def lerp(a: Box, b: Box, share: float) -> Box:
    """The box on the way from a (share 0) to b (share 1)."""
    x0, y0, x1, y1 = (p + (q - p) * share for p, q in zip(a, b, strict=True))
    return x0, y0, x1, y1
