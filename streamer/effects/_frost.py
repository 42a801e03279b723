"""A face filled from what can be seen around it: grey blocks, as through frosted glass.

Nothing here ever reads a face. What is painted is a function of the visible surroundings of this very frame and of the
mask's place and size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Plane
from streamer.effects import Cells, Patch
from streamer.effects._planes import lay

__all__ = ["TEXTURE", "Frost"]

TEXTURE = 10
_SIZES = tuple(sorted({size for power in range(2, 9) for size in (1 << power, 3 << (power - 1))}))
"""Sides of a cell in luma pixels: 4, 6, 8, 12, 16 ...: they shrink by halving, which is fast."""
_RING = 1
"""Cells around the mask whose luma is continued into it."""
_STAY = 1.4
"""A cell keeps its side until the ideal one is so many times as large or as small: no pumping at the border."""
_LEASH = 0.08
"""The grid stays until the face has moved by this share of its size, then follows at that distance. In the same way the
part around the face that is not looked at keeps its size. So a box that trembles does not make the blocks tremble."""
_LEAST_CELLS = 1.0
"""With less than so many visible cells in all, the fill is a flat grey."""
_SMOOTH = 4.0
"""Standard deviation of the kernel that continues the surroundings, in cells: more than half a face. With 0.9, and with
colours, an attacker who looks at nothing but the fill told people apart by their hair, collar and wall, which it
repeats: 2.5 points more often than by chance. Now it is 1."""
_NEUTRAL = 128
_CONTRAST = np.float32(0.7)
"""What is left of the luma's distance to the middle. The fill is never black: a hidden face is seen to be hidden."""
_PATTERN = (
    (41, 5, 34, 24, 7, 44, 19, 54),
    (36, 45, 39, 42, 26, 48, 30, 13),
    (51, 0, 14, 49, 17, 2, 61, 22),
    (27, 60, 59, 12, 43, 63, 3, 25),
    (10, 31, 8, 28, 18, 9, 56, 58),
    (35, 38, 23, 52, 37, 55, 15, 11),
    (50, 16, 57, 1, 46, 4, 53, 33),
    (6, 62, 32, 29, 47, 40, 21, 20),
)
"""How light the blocks are, the same for every face: each number once, arranged by chance: neither stripes nor a
checker appear."""
_FINEST = 8
"""Steps from the middle of one cell to the next."""
_FACES_KEPT = 1024


@dataclass(slots=True)
class _Grid:
    """Where one face's blocks lie, in luma pixels.

    x, y: a corner of the grid. reach: how far from there to the left, up, right and down the filled part goes.
    """

    cell_px: int
    x: float
    y: float
    reach: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)


class Frost:
    """Fills patches. One instance per stream.

    cells: how many lie across a face. texture: by how many grey levels the lightest and the darkest blocks differ from
    the fill; it tells people that somebody is hidden. smooth: soft transitions between the cells.
    """

    def __init__(self, cells: float = 6, texture: float = TEXTURE, *, smooth: bool = False) -> None:
        self._smooth = smooth
        self._cells = cells
        self._texture = texture
        self._grids: dict[tuple[int, int], _Grid] = {}

    def enter(self) -> None:
        """A new epoch began: the grids of the last one are forgotten."""
        self._grids.clear()

    def lay(self, patches: Sequence[Patch]) -> None:
        """Replace what is masked."""
        seen: dict[int, int] = {}
        for patch in patches:
            # A face that may be in one of several places has several patches.
            place = seen[patch.track_id] = seen.get(patch.track_id, -1) + 1
            luma = self._luma(patch, self._grid((patch.track_id, place), patch))
            for mask, samples, shift in zip(patch.masks, patch.samples, patch.shifts, strict=True):
                lay(np.full_like(samples, _NEUTRAL) if shift else luma, mask, samples)

    def _grid(self, key: tuple[int, int], patch: Patch) -> _Grid:
        """The grid of a face, moved along with it. A function of where the face is, and was, alone."""
        ideal = patch.face_px / self._cells
        x, y = patch.at[0] + patch.middle[0], patch.at[1] + patch.middle[1]
        grid = self._grids.pop(key, None)
        if grid is None or not 1 / _STAY <= ideal / grid.cell_px <= _STAY:
            grid = _Grid(_nearest(ideal), x, y)
        leash = _LEASH * patch.face_px
        grid.x = min(max(grid.x, x - leash), x + leash)
        grid.y = min(max(grid.y, y - leash), y + leash)
        height, width = patch.samples[0].shape
        left, top = patch.at
        sides = grid.x - left, grid.y - top, left + width - grid.x, top + height - grid.y
        grid.reach = tuple(max(now, min(kept, now + leash)) for now, kept in zip(sides, grid.reach, strict=True))
        self._grids[key] = grid
        if len(self._grids) > _FACES_KEPT:
            del self._grids[next(iter(self._grids))]
        return grid

    def _luma(self, patch: Patch, grid: _Grid) -> Plane:
        """What replaces luma, or blue, green and red alike."""
        side = grid.cell_px
        x, y = (2 * round(place / 2) for place in (grid.x, grid.y))
        left, up, right, down = grid.reach
        inside = [2 * math.floor(edge / 2) for edge in (grid.x - left, grid.y - up)]
        inside += [2 * math.ceil(edge / 2) for edge in (grid.x + right, grid.y + down)]
        # First and last cell, counted from the grid's corner.
        low = [(inside[0] - x) // side - _RING, (inside[1] - y) // side - _RING]
        high = [-((x - inside[2]) // side) + _RING, -((y - inside[3]) // side) + _RING]
        columns, rows = high[0] - low[0], high[1] - low[1]
        at = x + low[0] * side, y + low[1] * side
        cells = patch.around.cells(at, columns, rows, side, without=(inside[0], inside[1], inside[2], inside[3]))
        luma = _continued(cells) + _textured(rows, columns, low[1] % 8, low[0] % 8, self._texture)
        fine, step = self._soft(np.clip(luma, 0, 255).astype(np.uint8), side)
        return _enlarged(fine, step, patch.at[0] - at[0], patch.at[1] - at[1], patch.samples[0].shape)

    def _soft(self, cells: Plane, side: int) -> tuple[Plane, int]:
        """Cells of `side` samples in finer ones with soft transitions, and the side of a finer one.

        Steps that nobody sees are enough: that is much faster than a transition from sample to sample.
        """
        parts = next(count for count in range(_FINEST, 0, -1) if side % count == 0) if self._smooth else 1
        if parts > 1:
            size = cells.shape[1] * parts, cells.shape[0] * parts
            cells = np.asarray(cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return cells, side // parts


def _nearest(ideal: float) -> int:
    return min(_SIZES, key=lambda size: abs(math.log(size / max(ideal, 1.0))))


def _continued(cells: Cells) -> NDArray[np.float32]:
    """Luma of all cells, from what is visible of them, with less contrast and rounded by adding a half.

    Normalized convolution with a Gaussian kernel, after Knutsson and Westin, "Normalized and differential convolution",
    CVPR 1993. cells: see `Surroundings.cells`. Returns (rows, columns).
    """
    _, rows, columns = cells.shape
    if int(cells[1].sum()) < _LEAST_CELLS * 255:
        return np.full((rows, columns), _NEUTRAL, np.float32)
    luma, seen = _kernel(rows) @ cells.astype(np.float32) @ _kernel(columns)
    flat = np.float32(_NEUTRAL * (1 - _CONTRAST) + 0.5)
    return np.asarray(luma * (255 * _CONTRAST) / seen + flat, np.float32)


@lru_cache(maxsize=128)
def _kernel(length: int) -> NDArray[np.float32]:
    """(length, length), symmetric: weight of cell j in the luma of cell i."""
    apart = np.arange(length)[:, None] - np.arange(length)[None]
    # The limit is for faces that fill the picture, so that no cell is without any weight.
    sigma = max(_SMOOTH, length / _SMOOTH)
    return np.exp(-(apart**2) / (2 * sigma**2)).astype(np.float32)


@lru_cache(maxsize=128)
def _textured(rows: int, columns: int, row: int, column: int, height: float) -> NDArray[np.float32]:
    """The pattern from this place on, between `-height` and `height`."""
    pattern = np.asarray(_PATTERN, np.float32) * (2 * height / 63) - height
    return pattern[np.ix_((np.arange(rows) + row) % 8, (np.arange(columns) + column) % 8)]


def _enlarged(cells: Plane, side: int, x: int, y: int, shape: tuple[int, ...]) -> Plane:
    """Cells as squares of `side` samples: the window of this shape that begins at x, y."""
    height, width = shape
    part = cells[y // side : -(-(y + height) // side), x // side : -(-(x + width) // side)]
    large = part.repeat(side, axis=1).repeat(side, axis=0) if side > 1 else part
    return large[y % side : y % side + height, x % side : x % side + width]
