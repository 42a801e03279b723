"""A small chart, drawn with OpenCV: lines of labelled points over two axes that begin at zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.files import write_whole

__all__ = ["Point", "draw", "matrix", "write"]

Point = tuple[float, float, str]
"""x, y, label."""

_SIZE = 1000, 620
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 30, 50, 70
_COLORS = ((180, 90, 20), (40, 60, 210), (30, 140, 40), (150, 30, 140), (20, 140, 200), (130, 130, 20), (90, 90, 90))
_INK, _GRID = (40, 40, 40), (225, 225, 225)


def draw(series: Mapping[str, Sequence[Point]], *, title: str, x_name: str, y_name: str) -> NDArray[np.uint8]:
    """The chart as a BGR picture. Every series has a colour and a name in the legend."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), 255, np.uint8)
    points = [point for line in series.values() for point in line]
    x_step, x_end = _scale(max((x for x, _, _ in points), default=1.0))
    y_step, y_end = _scale(max((y for _, y, _ in points), default=1.0))

    def place(x: float, y: float) -> tuple[int, int]:
        across, up = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
        return round(_LEFT + across * x / x_end), round(_SIZE[1] - _BOTTOM - up * y / y_end)

    for index in range(round(x_end / x_step) + 1):
        at = place(index * x_step, 0)
        cv2.line(canvas, at, (at[0], _TOP), _GRID, 1)
        _text(canvas, f"{index * x_step:g}", (at[0] - 10, at[1] + 20))
    for index in range(round(y_end / y_step) + 1):
        at = place(0, index * y_step)
        cv2.line(canvas, at, (_SIZE[0] - _RIGHT, at[1]), _GRID, 1)
        _text(canvas, f"{index * y_step:g}", (at[0] - 50, at[1] + 5))
    _text(canvas, title, (_LEFT, 28), scale=0.6)
    _text(canvas, x_name, (_LEFT, _SIZE[1] - 20))
    _text(canvas, y_name, (10, _TOP - 8))
    for number, (name, line) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        places = [place(x, y) for x, y, _ in line]
        cv2.polylines(canvas, [np.array(places, np.int32).reshape(-1, 1, 2)], False, color, 1, cv2.LINE_AA)
        for at, (_, _, label) in zip(places, line, strict=True):
            cv2.circle(canvas, at, 4 if label else 2, color, cv2.FILLED, cv2.LINE_AA)
            _text(canvas, label, (at[0] + 6, at[1] - 6), color, 0.38)
        _text(canvas, name, (_SIZE[0] - 220, _TOP + 20 + 22 * number), color)
    return canvas


def matrix(counts: NDArray[np.float64], *, title: str, x_name: str, y_name: str) -> NDArray[np.uint8]:
    """Shares of each row as a BGR picture, (N, N): white is none, dark is all of the row. Rows downwards."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = math.ceil(560 / len(shares)) * len(shares)
    ink = 255 - np.asarray(np.sqrt(shares) * 255, np.uint8)  # the root, so that a rare confusion can be seen, too
    area = cv2.resize(ink, (side, side), interpolation=cv2.INTER_NEAREST)
    canvas = np.full((side + _TOP + _BOTTOM, side + _LEFT + _RIGHT + 200, 3), 255, np.uint8)
    canvas[_TOP : _TOP + side, _LEFT : _LEFT + side] = area[..., None]
    cv2.rectangle(canvas, (_LEFT - 1, _TOP - 1), (_LEFT + side, _TOP + side), _INK, 1)
    _text(canvas, title, (_LEFT, 28), scale=0.6)
    _text(canvas, x_name, (_LEFT, _TOP + side + 30))
    _text(canvas, y_name, (10, _TOP - 8))
    return canvas


def write(path: Path, chart: NDArray[np.uint8], quality: int | None = None) -> bool:
    """Save as what the name's ending says; False when that failed. quality: of a JPEG."""
    settings = (
        [] if quality is None or path.suffix.lower() not in (".jpg", ".jpeg") else [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    try:
        done, data = cv2.imencode(path.suffix, chart, settings)
        if done:
            write_whole(path, data.tobytes())
    except (cv2.error, OSError):  # no picture has such an ending
        return False
    return bool(done)


def _scale(largest: float) -> tuple[float, float]:
    """Step and end of an axis from zero that holds `largest`."""
    rough = max(largest, 1e-3) / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return step, step * math.ceil(max(largest, 1e-3) / step + 0.05)


def _text(
    canvas: NDArray[np.uint8],
    words: str,
    at: tuple[int, int],
    color: tuple[int, int, int] = _INK,
    scale: float = 0.45,
) -> None:
    cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)
