"""Which of the faces found now are which of those known. Pure functions on boxes; distances count in face sizes.

A pair that is refused costs picture and never a face: both the old and the new place are covered then.
"""

from __future__ import annotations

import math

from streamer.core.geometry import center, side
from streamer.core.types import Box, Detection

__all__ = ["LEAP_SCORE", "MOTION_TRUST_S", "associate", "leaps"]

MOTION_TRUST_S = 0.25
"""A lost face is assumed to move on for this long; then only its spread grows."""
LEAP_SCORE = 0.6
"""Least scores before and after a leap: among doubtful faces, chance would make pairs all over a crowd."""

_DISTANCE = 0.75
"""Farthest centre distance of a match, in face sizes: beyond it the old face is kept beside a new one."""
_DISTANCE_PER_S = 1.5
"""The same, growing with the time since the track was last seen."""
_SCALE = 2.2
"""Largest ratio of the sizes of a match."""
_LEAP_DISTANCE = 3.0
"""Farthest leap of a face between two detections, in face sizes: somebody dashes past, or the camera is swung."""
_LEAP_SCALE = 1.5
"""Largest ratio of the sizes before and after a leap."""


def associate(tracks: list[Box], found: list[Detection], t: float, last_seen: list[float]) -> list[tuple[int, int]]:
    """Pair predicted boxes with detections, nearest first: (index of track, index of detection).

    The distance is that of the centres in face sizes plus half the logarithm of the ratio of sizes. Pairs beyond the
    gates are refused.

    t: now; last_seen: when each track was last seen. Both in seconds.
    """
    gates = [_DISTANCE + _DISTANCE_PER_S * max(0.0, t - seen_t - MOTION_TRUST_S) for seen_t in last_seen]
    return _nearest_first(tracks, found, gates, _SCALE)


def leaps(lost: list[Box], found: list[Detection]) -> dict[int, int]:
    """Index of a new face -> index of the lost one it may have been: the nearest of its size.

    The lost one stays covered beside it: perhaps it only turned away, and somebody else came.
    """
    sure = [index for index, one in enumerate(found) if one.score >= LEAP_SCORE]
    pairs = _nearest_first(lost, [found[index] for index in sure], [_LEAP_DISTANCE] * len(lost), _LEAP_SCALE)
    return {sure[j]: i for i, j in pairs}


def _nearest_first(
    tracks: list[Box], found: list[Detection], gates: list[float], largest_ratio: float
) -> list[tuple[int, int]]:
    candidates = []
    for i, (box, gate) in enumerate(zip(tracks, gates, strict=True)):
        for j, detection in enumerate(found):
            size, other = side(box), side(detection.box)
            (x0, y0), (x1, y1) = center(box), center(detection.box)
            distance = math.hypot(x1 - x0, y1 - y0) / ((size + other) / 2)
            ratio = max(size, other) / min(size, other)
            if distance <= gate and ratio <= largest_ratio:
                candidates.append((distance + math.log(ratio) / 2, i, j))
    pairs: list[tuple[int, int]] = []
    for _, i, j in sorted(candidates):
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs
