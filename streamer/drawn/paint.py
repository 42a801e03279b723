"""A canvas for drawn people, and the curves that are painted on it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Painting", "Points", "Rgb", "Turn", "mirror", "mix", "oval", "path", "smooth", "times"]

Points = NDArray[np.float64]
"""(N, 2): x and y in units."""
Rgb = tuple[float, float, float]
"""Red, green, blue in 0..255."""
_HEAD_RADIUS = 0.52
"""Radius of the round thing on which the features lie when the head turns."""


class Painting:
    """A transparent canvas, addressed in units: planes of blue, green, red, each times alpha, and alpha, all in 0..1.

    frame: x0, y0, x1, y1 in units; scale: pixels per unit.
    """

    def __init__(self, frame: tuple[float, float, float, float], scale: float) -> None:
        self.frame = frame
        self.scale = scale
        width, height = round((frame[2] - frame[0]) * scale), round((frame[3] - frame[1]) * scale)
        self.planes = np.zeros((4, max(1, height), max(1, width)), np.float32)
        self.size = self.planes.shape[2], self.planes.shape[1]

    def to_pixels(self, points: Points) -> Points:
        """Units -> pixels of this canvas."""
        return np.asarray((points - np.array(self.frame[:2])) * self.scale, np.float64)

    def mask(
        self, points: Points, soft: float = 0.0, line: float | None = None
    ) -> tuple[slice, slice, NDArray[np.float32]]:
        """Where a polygon (or a line of that thickness) lies: rows, columns and coverage. soft: blur in units."""
        at = self.to_pixels(points)
        sigma = soft * self.scale
        pad = 2 + 3 * sigma + (line or 0.0) * self.scale
        width, height = self.size
        x0, y0 = (max(0, int(v)) for v in (at.min(axis=0) - pad))
        x1, y1 = (int(v) for v in (at.max(axis=0) + pad + 1))
        x1, y1 = min(width, x1), min(height, y1)
        if x1 <= x0 or y1 <= y0:
            return slice(0, 0), slice(0, 0), np.zeros((0, 0), np.float32)
        cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.round((at - (x0, y0)) * 16).astype(np.int32)
        if line is None:
            cv2.fillPoly(cover, [fixed], (255,), cv2.LINE_AA, 4)
        else:
            cv2.polylines(cover, [fixed], False, (255,), max(1, round(line * self.scale)), cv2.LINE_AA, 4)
        share: NDArray[np.float32] = np.asarray(cover, np.float32) / np.float32(255)
        if sigma > 0.3:
            share = np.asarray(cv2.GaussianBlur(share, (0, 0), sigma), np.float32)
        return slice(y0, y1), slice(x0, x1), share

    def full_mask(self, points: Points, soft: float = 0.0) -> NDArray[np.float32]:
        """Coverage by a polygon as a mask of the whole canvas."""
        whole = np.zeros(self.planes.shape[1:], np.float32)
        rows, columns, share = self.mask(points, soft)
        whole[rows, columns] = share
        return whole

    def paint(
        self, points: Points, color: Rgb, opacity: float = 1.0, *, soft: float = 0.0, line: float | None = None,
        inside: bool = False, clip: NDArray[np.float32] | None = None,
    ) -> None:  # fmt: skip
        """Lay colour over the canvas. inside: only where something is already; clip: only there, a full-size mask."""
        rows, columns, share = self.mask(points, soft, line)
        if share.size == 0:
            return
        share *= np.float32(opacity)
        if clip is not None:
            share *= clip[rows, columns]
        part = self.planes[:, rows, columns]
        if inside:  # keeps the alpha: colour is laid on what is there
            part[:3] += share * (_ink(color)[:3] * part[3] - part[:3])
        else:
            part += share * (_ink(color) - part)

    def lay(self, color: Rgb, share: NDArray[np.float32]) -> None:
        """Lay colour on what is there already, by a full-size mask of 0..1."""
        self.planes[:3] += share * (_ink(color)[:3] * self.planes[3] - self.planes[:3])

    def shade(self, factor: NDArray[np.float32]) -> None:
        """Multiply the colours, pixel by pixel."""
        self.planes[:3] *= factor
        np.minimum(self.planes[:3], self.planes[3], out=self.planes[:3])

    def grid(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """x and y in units of every pixel's middle."""
        width, height = self.size
        x = (np.arange(width, dtype=np.float32) + 0.5) / self.scale + self.frame[0]
        y = (np.arange(height, dtype=np.float32) + 0.5) / self.scale + self.frame[1]
        return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def _ink(color: Rgb) -> NDArray[np.float32]:
    """Blue, green, red and alpha of an opaque colour, ready to meet planes."""
    return (np.array([*color[::-1], 255], np.float32) / np.float32(255))[:, None, None]


def oval(x: float, y: float, rx: float, ry: float) -> Points:
    """Points on an ellipse."""
    angle = np.radians(np.linspace(0, 360, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def mirror(points: Points) -> Points:
    """The other side."""
    return points * (-1.0, 1.0)


def path(text: str) -> Points:
    """Points written as `x y, x y, ...`."""
    return np.array([[float(number) for number in point.split()] for point in text.split(",")])


def smooth(points: str | Points, closed: bool = True) -> Points:
    """A soft curve through the given points (Catmull-Rom)."""
    p = path(points) if isinstance(points, str) else points
    before, after = (p[-1:], p[:2]) if closed else (2 * p[:1] - p[1:2], 2 * p[-1:] - p[-2:-1])
    p = np.concatenate([before, p, after])
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 8, endpoint=False)[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    points = curve.reshape(-1, 2)
    return points if closed else np.concatenate([points, p[-2:-1]])


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """The colour on the way from a (share 0) to b (share 1)."""
    red, green, blue = (p + (q - p) * share for p, q in zip(a, b, strict=True))
    return red, green, blue


def times(color: Rgb, factor: float) -> Rgb:
    """The colour made lighter or darker."""
    red, green, blue = (min(255.0, c * factor) for c in color)
    return red, green, blue


class Turn:
    """Puts points of the front view where they are seen when the head turns. yaw in degrees, positive to the right."""

    def __init__(self, yaw: float) -> None:
        self.sin = float(np.sin(np.radians(yaw)))
        self._yaw = np.radians(yaw)

    def __call__(self, points: Points, out: float = 0.0) -> Points:
        """out: how far the points stand out of the face."""
        angle = np.arcsin(np.clip(points[:, 0] / _HEAD_RADIUS, -1, 1)) + self._yaw
        x = (_HEAD_RADIUS + out) * np.sin(np.clip(angle, -np.pi / 2, np.pi / 2))
        return np.stack([x, points[:, 1]], axis=1)
