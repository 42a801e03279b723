"""What can be seen of a picture around the faces that are hidden: the only pixels that a replacement is made from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.masks import Window
from streamer.anonymize.zones import ZoneOptions, kept_places
from streamer.core.picture import Picture, Plane

__all__ = ["Visible"]

Stack = NDArray[np.uint8]


class Visible:
    """Implements `effects.Surroundings` for one frame. Judged in places of two by two luma samples.

    canvas: with its masked samples and zones erased. hidden: windows, at even pixels, of everything that counts as a
    face: masks with their soft edges, and people who are shown.
    """

    def __init__(self, canvas: Picture, hidden: Sequence[Window], zones: ZoneOptions) -> None:
        self._colors = canvas.planes[:1] if any(canvas.shifts) else canvas.planes
        """Luma; or blue, green and red, which make it."""
        # A last odd row or column fills no place, so nothing is taken from it.
        self._places = canvas.width // 2, canvas.height // 2
        self._hidden = [(x0 // 2, y0 // 2, x1 // 2, y1 // 2) for x0, y0, x1, y1 in hidden]
        self._picture = canvas
        self._zones = zones

    @cached_property
    def _kept(self) -> Plane | None:
        """Per place, 255 where neither zone nor transparency hides it; None: nowhere."""
        return kept_places(self._picture, self._zones)

    def cells(self, at: tuple[int, int], columns: int, rows: int, cell_px: int, *, without: Window) -> Stack:
        """See `Surroundings.cells`."""
        if cell_px < 2 or (at[0] | at[1] | cell_px) & 1:
            raise ValueError(f"a grid of cells of {cell_px} px at {at} does not lie on even pixels")
        half = cell_px // 2
        x0, y0 = at[0] // 2, at[1] // 2
        seen = self._seen(x0, y0, columns * half, rows * half)
        a, b, c, d = (edge // 2 for edge in without)
        seen[:, max(0, b - y0) : max(0, d - y0), max(0, a - x0) : max(0, c - x0)] = 0
        # One plane below the other, so that both are shrunk at once: cells never cross from one to the next.
        flat = _shrunk(seen.reshape(-1, seen.shape[2]), half)
        return flat.reshape(2, rows, columns)

    def _seen(self, x0: int, y0: int, width: int, height: int) -> Stack:
        """(2, height, width): luma of a window by places, 0 where hidden or outside; and 255 where it is neither."""
        left, top = max(0, -x0), max(0, -y0)
        right, bottom = min(width, self._places[0] - x0), min(height, self._places[1] - y0)
        whole = (left, top, right, bottom) == (0, 0, width, height)
        seen = (np.empty if whole else np.zeros)((2, height, width), np.uint8)
        if right <= left or bottom <= top:
            return seen
        seen[0, top:bottom, left:right] = self._luma(x0 + left, y0 + top, right - left, bottom - top)
        seen[1, top:bottom, left:right] = 255
        if self._kept is not None:
            seen[:, top:bottom, left:right] &= self._kept[y0 + top : y0 + bottom, x0 + left : x0 + right]
        for a, b, c, d in self._hidden:
            if a < x0 + width and c > x0 and b < y0 + height and d > y0:
                seen[:, max(0, b - y0) : d - y0, max(0, a - x0) : c - x0] = 0
        return seen

    def _luma(self, x0: int, y0: int, width: int, height: int) -> Plane:
        """Averages over the places of a window."""
        rows, columns = slice(2 * y0, 2 * (y0 + height)), slice(2 * x0, 2 * (x0 + width))
        small = [cv2.resize(p[rows, columns], (width, height), interpolation=cv2.INTER_AREA) for p in self._colors]
        if len(small) == 1:
            return np.asarray(small[0], np.uint8)
        return np.asarray(cv2.cvtColor(cv2.merge(small), cv2.COLOR_BGR2GRAY), np.uint8)


def _shrunk(plane: Plane, factor: int) -> Plane:
    """Averages over squares of `factor` samples. Halving is fast, so it comes first."""
    while factor > 1:
        step = 2 if factor % 2 == 0 else factor
        size = plane.shape[1] // step, plane.shape[0] // step
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
        factor //= step
    return plane
