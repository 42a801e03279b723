"""Painted things, ready to be put many times, turned and scaled, onto the planes of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.picture import Plane
from streamer.sources._paint import Painting

__all__ = ["Matrix", "Sprite", "Window", "blit", "coverage", "placement"]

Matrix = NDArray[np.float64]
"""(2, 3): units of a painting -> pixels of the picture."""
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
    luma: NDArray[np.uint8]
    """(H, W, 2): Y and alpha."""
    chroma: NDArray[np.uint8]
    """(H / 2, W / 2, 3): U, V and alpha."""


class Sprite:
    """A painting in planes, at several sizes, so that shrinking it costs little and looks smooth."""

    def __init__(self, painting: Painting) -> None:
        pixels = painting.pixels
        pad = [(0, -side % _BLOCK) for side in pixels.shape[:2]]
        pixels = np.pad(pixels, [*pad, (0, 0)])
        height, width = pixels.shape[:2]
        x0, y0 = painting.frame[:2]
        self.frame = (x0, y0, x0 + width / painting.scale, y0 + height / painting.scale)
        self.levels: list[_Level] = []
        for level in range(_LEVELS):
            full = _shrunk(pixels, 2**level) @ _weights((0,))
            half = _shrunk(pixels, 2 ** (level + 1)) @ _weights((1, 2))
            self.levels.append(_Level(painting.scale / 2**level, _bytes(full), _bytes(half)))

    def level(self, scale: float) -> _Level:
        """The smallest copy that is not smaller than needed. scale: pixels per unit."""
        return next((level for level in reversed(self.levels) if level.scale >= scale), self.levels[0])


def _shrunk(pixels: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    size = pixels.shape[1] // by, pixels.shape[0] // by
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)


def _weights(rows: tuple[int, ...]) -> NDArray[np.float32]:
    """BGR and alpha -> these of Y, U, V, and alpha in 0..255."""
    alpha = np.array([[0, 0, 0, 255]], np.float32)
    return np.concatenate([_TO_YUV[list(rows)], alpha]).T


def _bytes(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.clip(np.round(samples), 0, 255).astype(np.uint8))


def placement(x: float, y: float, scale: float, *, degrees: float = 0.0, narrow: float = 1.0) -> Matrix:
    """Origin at pixel (x, y), `scale` pixels per unit, turned clockwise, its width multiplied by `narrow`."""
    cos, sin = np.cos(np.radians(degrees)) * scale, np.sin(np.radians(degrees)) * scale
    return np.array([[cos * narrow, -sin, x], [sin * narrow, cos, y]])


def _window(sprite: Sprite, matrix: Matrix, inside: Window) -> Window | None:
    """The part of `inside` that the sprite may touch; None when there is none."""
    x0, y0, x1, y1 = sprite.frame
    corners = matrix @ np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1, 1, 1, 1]])
    left, top = np.floor(corners.min(axis=1)).astype(int) & ~1
    right, bottom = (np.ceil(corners.max(axis=1)).astype(int) + 1) & ~1
    left, top = max(int(left), inside[0]), max(int(top), inside[1])
    right, bottom = min(int(right), inside[2]), min(int(bottom), inside[3])
    return (left, top, right, bottom) if right > left and bottom > top else None


def _warped(
    samples: NDArray[np.uint8], sprite: Sprite, scale: float, matrix: Matrix, window: Window, by: int
) -> NDArray[np.uint8]:
    """One copy of the sprite as it lies in the window. by: 1 for luma, 2 for chroma."""
    # Sample i covers i .. i + 1: its middle is half a sample further.
    to_units = np.array([[by / scale, 0, sprite.frame[0]], [0, by / scale, sprite.frame[1]], [0, 0, 1]])
    middle = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    full = np.vstack([matrix, [0, 0, 1]])
    to_window = np.array([[1 / by, 0, -window[0] / by - 0.5], [0, 1 / by, -window[1] / by - 0.5]])
    transform = to_window @ full @ to_units @ middle
    size = (window[2] - window[0]) // by, (window[3] - window[1]) // by
    return np.asarray(cv2.warpAffine(samples, transform, size, flags=cv2.INTER_LINEAR), np.uint8)


def blit(planes: tuple[Plane, Plane, Plane], sprite: Sprite, matrix: Matrix) -> None:
    """Put the sprite onto the planes of an i420 picture."""
    height, width = planes[0].shape
    window = _window(sprite, matrix, (0, 0, width, height))
    if window is None:
        return
    level = sprite.level(_scale(matrix))
    x0, y0, x1, y1 = window
    luma, alpha = cv2.split(_warped(level.luma, sprite, level.scale, matrix, window, 1))
    _blend(planes[0][y0:y1, x0:x1], luma, cv2.bitwise_not(alpha))
    u, v, alpha = cv2.split(_warped(level.chroma, sprite, level.scale, matrix, window, 2))
    rest = cv2.bitwise_not(alpha)
    _blend(planes[1][y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], u, rest)
    _blend(planes[2][y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], v, rest)


def _blend(target: Plane, samples: cv2.typing.MatLike, rest: cv2.typing.MatLike) -> None:
    cv2.multiply(target, rest, dst=target, scale=1 / 255)
    cv2.add(target, samples, dst=target)


def _scale(matrix: Matrix) -> float:
    return float(np.hypot(matrix[0, 1], matrix[1, 1]))


def coverage(sprite: Sprite, matrix: Matrix, inside: Window) -> tuple[Window, NDArray[np.uint8]] | None:
    """The sprite's alpha (0..255) in its part of a window; None when it does not touch it."""
    window = _window(sprite, matrix, inside)
    if window is None:
        return None
    level = sprite.level(_scale(matrix))
    return window, np.ascontiguousarray(_warped(level.luma, sprite, level.scale, matrix, window, 1)[..., 1])
