"""Pictures drawn by code, for effects that lay one over a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["figure", "smile"]

_SIDE = 512
_DRAWN_AT = 2
"""Drawn larger by this and shrunk, for smooth edges."""
_Bgr = tuple[int, int, int]


def smile() -> NDArray[np.uint8]:
    """A smiling disc: (512, 512, 4) BGRA, opaque in the circle that touches all sides."""
    size = _SIDE * _DRAWN_AT
    art = np.zeros((size, size, 4), np.uint8)
    middle = size // 2
    shaded, plain, dark = (38, 158, 226, 255), (64, 196, 250, 255), (30, 42, 62, 255)
    cv2.circle(art, (middle, middle), middle, shaded, cv2.FILLED)
    cv2.circle(art, (middle, middle), round(middle * 0.93), plain, cv2.FILLED)
    for side in (-1, 1):
        eye = middle + round(side * 0.34 * middle), round(middle * 0.74)
        cv2.ellipse(art, eye, (round(0.1 * middle), round(0.15 * middle)), 0, 0, 360, dark, cv2.FILLED)
    for edge in (35, 145):
        at = np.radians(edge)
        end = middle + round(0.52 * middle * np.cos(at)), middle + round(0.04 * middle + 0.52 * middle * np.sin(at))
        cv2.circle(art, end, round(0.045 * middle), dark, cv2.FILLED)
    mouth = (middle, middle + round(0.04 * middle)), (round(0.52 * middle), round(0.52 * middle))
    cv2.ellipse(art, *mouth, 0, 35, 145, dark, round(0.09 * middle))
    return _shrunk(art)


def figure(front: _Bgr, ground: _Bgr) -> NDArray[np.uint8]:
    """Head and shoulders as flat shapes: (512, 512, 3) BGR."""
    size = _SIDE * _DRAWN_AT
    art = np.full((size, size, 3), ground, np.uint8)
    middle = size // 2
    head, shoulders = (round(0.21 * size), round(0.25 * size)), (round(0.43 * size), round(0.3 * size))
    cv2.ellipse(art, (middle, round(0.4 * size)), head, 0, 0, 360, front, cv2.FILLED)
    cv2.ellipse(art, (middle, size), shoulders, 0, 180, 360, front, cv2.FILLED)
    return _shrunk(art)


def _shrunk(art: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(art, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
