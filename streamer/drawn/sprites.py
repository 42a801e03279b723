"""Painted things, ready to be put many times, turned and scaled, onto the planes of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Plane
from streamer.drawn.paint import Painting

__all__ = ["Matrix", "Sprite", "Window", "blit", "coverage", "placement"]

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: units (x, y) of a painting -> pixels (a x + b y + c, d x + e y + f) of the picture."""
Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, even."""

_LEVELS = 4
_BLOCK = 2**_LEVELS
# BT.601, limited range: the rows give Y, U, V from blue, green, red and alpha of premultiplied samples in 0..1.
_TO_YUV = np.array(
    [[24.966, 128.553, 65.481, 16.0], [112.0, -74.203, -37.797, 128.0], [-18.214, -93.786, 112.0, 128.0]], np.float32
)


@dataclass(frozen=True, slots=True)
class _Level:
    """The sprite at one size: samples multiplied by their alpha, 0..255."""

    scale: float
    luma: tuple[NDArray[np.uint8], ...]
    """Y and alpha, (H, W) each: OpenCV warps two planes in half of the time of one picture with two channels."""
    chroma: tuple[NDArray[np.uint8], ...]
    """U, V and alpha, (H / 2, W / 2) each."""


class Sprite:
    """A painting in planes, at several sizes, so that shrinking it costs little and looks smooth."""

    def __init__(self, painting: Painting) -> None:
        planes, (left, top) = _cropped(painting.planes)
        height, width = planes.shape[1:]
        x0, y0 = painting.frame[0] + left / painting.scale, painting.frame[1] + top / painting.scale
        self.frame = (x0, y0, x0 + width / painting.scale, y0 + height / painting.scale)
        self.levels: list[_Level] = []
        luma, u, v = np.tensordot(_TO_YUV, planes, axes=1)
        alpha = planes[3] * np.float32(255)
        for level in range(_LEVELS):
            full, half = 2**level, 2 ** (level + 1)
            self.levels.append(
                _Level(painting.scale / full, _shrunk((luma, alpha), full), _shrunk((u, v, alpha), half))
            )

    def level(self, scale: float) -> _Level:
        """The smallest copy that is not smaller than needed. scale: pixels per unit."""
        return next((level for level in reversed(self.levels) if level.scale >= scale), self.levels[0])


def _cropped(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Without empty edges, padded to whole blocks; and how much went away on the left and at the top."""
    alpha = planes[3] > 0
    columns, rows = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    if not len(columns):
        return np.zeros((4, _BLOCK, _BLOCK), np.float32), (0, 0)
    left, top = int(columns[0]), int(rows[0])
    planes = planes[:, top : rows[-1] + 1, left : columns[-1] + 1]
    pad = [(0, -side % _BLOCK) for side in planes.shape[1:]]
    return np.pad(planes, [(0, 0), *pad]), (left, top)


def _shrunk(planes: tuple[NDArray[np.float32], ...], by: int) -> tuple[NDArray[np.uint8], ...]:
    """Averages over squares, rounded."""
    size = planes[0].shape[1] // by, planes[0].shape[0] // by
    small = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes)
    return tuple(np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in small)


def placement(x: float, y: float, scale: float, *, degrees: float = 0.0, narrow: float = 1.0) -> Matrix:
    """Origin at pixel (x, y), `scale` pixels per unit, turned clockwise, its width multiplied by `narrow`."""
    cos, sin = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    return cos * narrow, -sin, x, sin * narrow, cos, y


def _window(sprite: Sprite, matrix: Matrix, inside: Window) -> Window | None:
    """The part of `inside` that the sprite may touch; None when there is none."""
    a, b, c, d, e, f = matrix
    x0, y0, x1, y1 = sprite.frame
    left = c + min(a * x0, a * x1) + min(b * y0, b * y1)
    right = c + max(a * x0, a * x1) + max(b * y0, b * y1)
    top = f + min(d * x0, d * x1) + min(e * y0, e * y1)
    bottom = f + max(d * x0, d * x1) + max(e * y0, e * y1)
    window = (
        max(math.floor(left) & ~1, inside[0]),
        max(math.floor(top) & ~1, inside[1]),
        min((math.ceil(right) + 1) & ~1, inside[2]),
        min((math.ceil(bottom) + 1) & ~1, inside[3]),
    )
    return window if window[2] > window[0] and window[3] > window[1] else None


def _transform(sprite: Sprite, level: _Level, matrix: Matrix, window: Window, by: int) -> NDArray[np.float64]:
    """Samples of the sprite -> samples of the window. by: 1 for luma, 2 for chroma."""
    a, b, c, d, e, f = matrix
    # Sample i covers i .. i + 1: its middle is half a sample further, on both sides.
    step = by / level.scale
    x, y = sprite.frame[0] + step / 2, sprite.frame[1] + step / 2
    per = step / by
    dx, dy = (a * x + b * y + c - window[0]) / by - 0.5, (d * x + e * y + f - window[1]) / by - 0.5
    return np.array([[a * per, b * per, dx], [d * per, e * per, dy]])


def _warped(plane: NDArray[np.uint8], transform: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.warpAffine(plane, transform, size, flags=cv2.INTER_LINEAR), np.uint8)


def blit(planes: tuple[Plane, Plane, Plane], sprite: Sprite, matrix: Matrix) -> None:
    """Put the sprite onto the planes of an i420 picture."""
    height, width = planes[0].shape
    window = _window(sprite, matrix, (0, 0, width, height))
    if window is None:
        return
    level = sprite.level(_scale(matrix))
    for by, samples, targets in ((1, level.luma, planes[:1]), (2, level.chroma, planes[1:])):
        x0, y0, x1, y1 = (side // by for side in window)
        transform = _transform(sprite, level, matrix, window, by)
        *colors, alpha = (_warped(plane, transform, (x1 - x0, y1 - y0)) for plane in samples)
        rest = cv2.bitwise_not(alpha)
        for target, color in zip(targets, colors, strict=True):
            part = target[y0:y1, x0:x1]
            cv2.multiply(part, rest, dst=part, scale=1 / 255)
            cv2.add(part, color, dst=part)


def _scale(matrix: Matrix) -> float:
    return math.hypot(matrix[1], matrix[4])


def coverage(sprite: Sprite, matrix: Matrix, inside: Window) -> tuple[Window, NDArray[np.uint8]] | None:
    """The sprite's alpha (0..255) in its part of a window; None when it does not touch it."""
    window = _window(sprite, matrix, inside)
    if window is None:
        return None
    level = sprite.level(_scale(matrix))
    transform = _transform(sprite, level, matrix, window, 1)
    return window, _warped(level.luma[-1], transform, (window[2] - window[0], window[3] - window[1]))
