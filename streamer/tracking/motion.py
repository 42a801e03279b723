"""How far the camera moved between two pictures: what follows faces should not mistake a swing for people who run.

Both pictures are reduced to a few samples, and the shift between them is read from their phases (Kuglin, Hines: "The
phase correlation image alignment method", 1975). It is believed only when it explains the change all over the picture:
somebody large who walks by moves much of it, and the camera not at all.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture

__all__ = ["CameraMotion", "Shift"]

Shift = tuple[float, float]
"""Pixels to the right and down."""

_SAMPLES = 160, 96
_EXPLAINED = 0.8
"""A quarter of the picture agrees when the shift takes away a fifth of its change."""
_QUARTERS_NEEDED = 3
_LEAST_CHANGE = 1.0
"""Mean change in luma steps below which a quarter says nothing: the camera stands still, or there is nothing to see."""
_LARGEST = 0.2
"""Share of the picture's size; the phases of what has little in common mean nothing."""


class CameraMotion:
    """Adds up the camera's motion over the pictures of one scene."""

    def __init__(self) -> None:
        self._window = cv2.createHanningWindow(_SAMPLES, cv2.CV_32F)
        self._last: NDArray[np.float32] | None = None
        self._sum: Shift = (0.0, 0.0)

    def shift(self, image: Picture, *, new_scene: bool) -> Shift:
        """How far things that stand still have moved in the picture since the scene began, in pixels."""
        luma = image.planes[0]
        step = max(1, min(luma.shape[0] // (2 * _SAMPLES[1]), luma.shape[1] // (2 * _SAMPLES[0])))
        samples = cv2.resize(luma[::step, ::step], _SAMPLES, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, samples
        if last is None or new_scene:
            self._sum = (0.0, 0.0)
            return self._sum
        dx, dy = self._between(last, samples)
        x, y = self._sum
        self._sum = x + dx * image.width / _SAMPLES[0], y + dy * image.height / _SAMPLES[1]
        return self._sum

    def _between(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> Shift:
        """In samples; (0, 0) when no shift explains the change."""
        still = _change(before, after)
        if int((still >= _LEAST_CHANGE).sum()) < _QUARTERS_NEEDED:
            return 0.0, 0.0
        # phaseCorrelate lays the window over its arguments themselves.
        (dx, dy), _ = cv2.phaseCorrelate(before.copy(), after.copy(), self._window)
        if not (math.isfinite(dx) and math.isfinite(dy)):
            return 0.0, 0.0
        if abs(dx) > _LARGEST * _SAMPLES[0] or abs(dy) > _LARGEST * _SAMPLES[1]:
            return 0.0, 0.0
        there = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        moved = cv2.warpAffine(before, there, _SAMPLES, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        agree = (_change(np.asarray(moved, np.float32), after) <= _EXPLAINED * still) & (still >= _LEAST_CHANGE)
        return (dx, dy) if int(agree.sum()) >= _QUARTERS_NEEDED else (0.0, 0.0)


def _change(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean difference of each quarter of the picture: (2, 2)."""
    columns, rows = _SAMPLES
    difference = np.abs(after - before).reshape(2, rows // 2, 2, columns // 2)
    return np.asarray(difference.mean(axis=(1, 3)), np.float32)
