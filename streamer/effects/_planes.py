"""What effects do with one plane of a face: shrink it fast, fill it with blocks, lay it over the original."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Plane
from streamer.effects import Patch

__all__ = ["averaged", "blocks_of", "each_plane", "each_read", "lay", "spread", "stretched", "worked"]

_SAMPLES_PER_CELL = 3
"""The last step of shrinking starts from at least so many samples per cell and direction."""


def each_plane(patch: Patch) -> Iterator[tuple[Plane, Plane]]:
    """Samples to paint and mask of every plane."""
    return zip(patch.samples, patch.masks, strict=True)


def each_read(patch: Patch) -> Iterator[tuple[Plane, Plane, Plane]]:
    """Original, samples to paint and mask of every plane. Raises ValueError when the effect does not read faces."""
    if patch.original is None:
        raise ValueError("an effect has to declare `reads_face` to be handed a face")
    return zip(patch.original, patch.samples, patch.masks, strict=True)


def averaged(samples: Plane, columns: int, rows: int) -> Plane:
    """A plane shrunk to at most (rows, columns) cells, each the average of what it covers.

    Halving is fast and exact, averaging over areas that are no whole number of samples is slow: so it is halved as
    often as the cells stay fine enough, and the areas are taken of what is left. What does not go into the halves, at
    most a third of a cell, stays out of the averages of the last row and column.
    """
    height, width = samples.shape
    columns, rows = max(1, min(columns, width)), max(1, min(rows, height))
    factor = 1
    while 2 * factor * _SAMPLES_PER_CELL * max(columns / width, rows / height) <= 1:
        factor *= 2
    part = samples[: height // factor * factor, : width // factor * factor]
    while factor > 1:
        part = _resized(part, part.shape[1] // 2, part.shape[0] // 2, cv2.INTER_AREA)
        factor //= 2
    return _resized(part, columns, rows, cv2.INTER_AREA)


def worked(samples: Plane, cell_px: float) -> Plane:
    """A plane at a size where `cell_px` of its samples are one; never enlarged."""
    shrink = max(1.0, cell_px)
    return averaged(samples, round(samples.shape[1] / shrink), round(samples.shape[0] / shrink))


def blocks_of(patch: Patch, block_px: float) -> tuple[int, int]:
    """Columns and rows of blocks that fill a patch, each at least `block_px` luma pixels wide and high, if it is."""
    height, width = patch.samples[0].shape
    return max(1, int(width / block_px)), max(1, int(height / block_px))


def spread(cells: Plane, shape: tuple[int, int]) -> Plane:
    """Every cell as a flat block: (rows, columns) -> `shape`."""
    # Several times as fast as cv2.resize with INTER_NEAREST.
    wide = np.take(cells, _indices(cells.shape[1], shape[1]), axis=1)
    return np.take(wide, _indices(cells.shape[0], shape[0]), axis=0)


def stretched(cells: Plane, shape: tuple[int, int]) -> Plane:
    """Cells with soft transitions: (rows, columns) -> `shape`."""
    return _resized(cells, shape[1], shape[0], cv2.INTER_LINEAR)


def lay(new: Plane, mask: Plane, samples: Plane) -> None:
    """Replace the samples where the mask says so."""
    cv2.copyTo(new, mask, samples)


def _resized(plane: Plane, columns: int, rows: int, how: int) -> Plane:
    return np.asarray(cv2.resize(plane, (columns, rows), interpolation=how), np.uint8)


@lru_cache(maxsize=512)
def _indices(cells: int, length: int) -> NDArray[np.intp]:
    return (np.arange(length) * cells) // length
