"""Can a face still be read? The judge of every leak test, on pixels alone.

A face is readable in an emitted frame when, inside the ellipse inscribed in its box, enough of its texture still
follows the original. The face is scaled to 64 x 64 luma samples, its slow shading is taken away (minus a Gaussian of
sigma 5), and it is cut into 8 x 8 cells. A cell has texture when its standard deviation in the original is above 2. It
follows the original when the two correlate above 0.6 and it keeps at least 0.35 of the deviation. With 35 % of the
textured cells following, the face counts as readable.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Plane
from streamer.core.types import Box

__all__ = ["is_readable"]

_FACE = 64
_CELLS = 8
_SHADING_SIGMA = 5.0
_TEXTURE_STD = 2.0
_CORRELATION = 0.6
_KEPT_STD = 0.35
_SHARE_OF_CELLS = 0.35


def is_readable(original: Plane, emitted: Plane, box: Box) -> bool:
    """Whether the face in `box` (x0, y0, x1, y1 in pixels) of `original` can be read in `emitted`.

    Both are luma of the same size. Cells outside the picture do not count; a face without texture is never readable.
    """
    before, after = _cells(original, box), _cells(emitted, box)
    std_before, std_after = before.std(axis=1), after.std(axis=1)
    textured = _inside(box, original.shape) & (std_before > _TEXTURE_STD)
    if not textured.any():
        return False
    products = ((before - before.mean(axis=1, keepdims=True)) * (after - after.mean(axis=1, keepdims=True))).mean(
        axis=1
    )
    correlation = products / np.maximum(std_before * std_after, 1e-9)
    follows = (correlation > _CORRELATION) & (std_after >= _KEPT_STD * std_before)
    return bool(follows[textured].mean() >= _SHARE_OF_CELLS)


def _cells(luma: Plane, box: Box) -> NDArray[np.float32]:
    """(64 cells, 64 samples) of the face's fast detail."""
    x0, y0, x1, y1 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    height, width = luma.shape
    rows, columns = np.clip(np.arange(y0, y1), 0, height - 1), np.clip(np.arange(x0, x1), 0, width - 1)
    face = luma[np.ix_(rows, columns)]
    shrinks = min(face.shape) > _FACE
    scaled = cv2.resize(face, (_FACE, _FACE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    detail = scaled.astype(np.float32)
    detail -= cv2.GaussianBlur(detail, (0, 0), _SHADING_SIGMA)
    side = _FACE // _CELLS
    cells = detail.reshape(_CELLS, side, _CELLS, side).swapaxes(1, 2)
    return np.asarray(cells.reshape(_CELLS * _CELLS, side * side), np.float32)


def _inside(box: Box, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Per cell, whether its middle lies in the ellipse and in the picture."""
    middles = (np.arange(_CELLS) + 0.5) / _CELLS
    u, v = np.meshgrid(middles, middles)
    x, y = box[0] + u * (box[2] - box[0]), box[1] + v * (box[3] - box[1])
    in_ellipse = (2 * u - 1) ** 2 + (2 * v - 1) ** 2 <= 1
    in_picture = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    return np.asarray(in_ellipse & in_picture).reshape(-1)
