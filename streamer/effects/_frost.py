"""A face filled from what can be seen around it: pale blocks, as through frosted glass.

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

TEXTURE = 5
_SIZES = tuple(sorted({size for power in range(2, 9) for size in (1 << power, 3 << (power - 1))}))
"""Sides of a cell in luma pixels: 4, 6, 8, 12, 16 ...: they shrink by halving, which is fast."""
_RING = 1
"""Cells around the mask whose colours are continued into it."""
_STAY = 1.4
"""A cell keeps its side until the ideal one is so many times as large or as small: no pumping at the border."""
_LEASH = 0.08
"""The grid stays until the face has moved by this share of its size, then follows at that distance. In the same way the
part around the face that is not looked at keeps its size. So a box that trembles does not make the blocks tremble."""
_LEAST_CELLS = 1.0
"""With less than so many visible cells in all, the fill is a flat grey."""
_NEAR, _FAR, _FAR_WEIGHT = 0.9, 0.4, 1e-3
"""Standard deviations of the two kernels that continue the surroundings: the near one in cells, the far one as a share
of the grid's side; and the far one's weight, which counts only where the near one finds nothing."""
_NEUTRAL = 128.0
_SATURATION = np.float32(0.3)
"""What is left of the colours around. With all of it, skin and hair around the mask tinted the fill so much
that an attacker who hides his pictures alike recognised 4 to 5 % of people; so it is 2.7 %, as behind a grey fill."""
_LUMA_OF_BGR = np.array([0.114, 0.587, 0.299], np.float32)
"""ITU-R BT.601."""
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

    cells: how many lie across a face. texture: half the contrast of the checker between neighbouring cells, in grey
    levels; it tells people that somebody is hidden. smooth: soft transitions between the cells.
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
            filled = self._fill(patch, self._grid((patch.track_id, place), patch))
            for new, mask, samples in zip(filled, patch.masks, patch.samples, strict=True):
                lay(new, mask, samples)

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

    def _fill(self, patch: Patch, grid: _Grid) -> list[Plane]:
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
        chroma = any(patch.shifts)
        soft = _muted(_continued(cells), chroma)
        checker = _checker(rows, columns, (low[0] + low[1]) & 1, self._texture)
        if chroma:
            soft[0] += checker
        else:
            soft += checker
        fine, step = self._soft(np.clip(soft, 0, 255).astype(np.uint8), side // 2)
        x, y = patch.at[0] - at[0], patch.at[1] - at[1]
        return [
            _enlarged(plane, step << 1 >> shift, x >> shift, y >> shift, samples.shape)
            for plane, samples, shift in zip(fine, patch.samples, patch.shifts, strict=True)
        ]

    def _soft(self, cells: Cells, half: int) -> tuple[Cells, int]:
        """Cells in finer ones with soft transitions, and the side of a finer one in chroma samples.

        half: side of a cell in chroma samples. Steps that nobody sees are enough: that is much faster than a transition
        from sample to sample.
        """
        parts = next(count for count in range(_FINEST, 0, -1) if half % count == 0) if self._smooth else 1
        planes, rows, columns = cells.shape
        if parts > 1:
            # One plane below the other: the borders between them lie in the ring, outside of every mask.
            size = columns * parts, planes * rows * parts
            cells = np.asarray(cv2.resize(cells.reshape(planes * rows, columns), size, interpolation=cv2.INTER_LINEAR))
        return cells.reshape(planes, rows * parts, columns * parts), half // parts


def _nearest(ideal: float) -> int:
    return min(_SIZES, key=lambda size: abs(math.log(size / max(ideal, 1.0))))


def _continued(cells: Cells) -> NDArray[np.float32]:
    """Colours for all cells, from what is visible of them: normalized convolution with two Gaussian kernels.

    After Knutsson and Westin, "Normalized and differential convolution", CVPR 1993. cells: see `Surroundings.cells`.
    Returns (planes, rows, columns), rounded by adding a half.
    """
    planes, rows, columns = cells.shape
    if int(cells[-1].sum()) < _LEAST_CELLS * 255:
        return np.full((planes - 1, rows, columns), _NEUTRAL, np.float32)
    seen = cells.astype(np.float32)
    total = _kernel(rows, _NEAR) @ seen @ _kernel(columns, _NEAR)
    total += _kernel(rows, _FAR * rows, _FAR_WEIGHT) @ seen @ _kernel(columns, _FAR * columns)
    total[:-1] *= 255 / total[-1]
    return np.asarray(total[:-1] + np.float32(0.5), np.float32)


def _muted(colors: NDArray[np.float32], chroma: bool) -> NDArray[np.float32]:
    """Colours with less saturation, in place. chroma: whether they are luma and chroma; else blue, green and red."""
    if chroma:
        colors[1:] = _NEUTRAL + 0.5 + (colors[1:] - _NEUTRAL - 0.5) * _SATURATION
    else:
        grey = np.tensordot(_LUMA_OF_BGR, colors, axes=1)
        colors[:] = grey + (colors - grey) * _SATURATION
    return colors


@lru_cache(maxsize=1024)
def _kernel(length: int, sigma: float, scale: float = 1.0) -> NDArray[np.float32]:
    """(length, length), symmetric: weight of cell j in the colour of cell i."""
    apart = np.arange(length)[:, None] - np.arange(length)[None]
    return (scale * np.exp(-(apart**2) / (2 * sigma**2))).astype(np.float32)


@lru_cache(maxsize=1024)
def _checker(rows: int, columns: int, parity: int, height: float) -> NDArray[np.float32]:
    """`-height` and `height` in turn."""
    dark = (np.arange(rows)[:, None] + np.arange(columns)[None] + parity) & 1
    return (height * (2 * dark - 1)).astype(np.float32)


def _enlarged(cells: Plane, side: int, x: int, y: int, shape: tuple[int, ...]) -> Plane:
    """Cells as squares of `side` samples: the window of this shape that begins at x, y."""
    height, width = shape
    part = cells[y // side : -(-(y + height) // side), x // side : -(-(x + width) // side)]
    large = part.repeat(side, axis=1).repeat(side, axis=0) if side > 1 else part
    return large[y % side : y % side + height, x % side : x % side + width]
