"""A flat colour in the samples of every kind of picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.effects import Patch
from streamer.effects._planes import each_plane, lay

__all__ = ["PATTERN", "Flat", "bgr_of"]

PATTERN = r"^#[0-9a-fA-F]{6}$"


def bgr_of(color: str) -> tuple[int, int, int]:
    """#rrggbb -> blue, green, red."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red


class Flat:
    """Fills masks with one colour."""

    def __init__(self, bgr: tuple[int, int, int]) -> None:
        dot: NDArray[np.uint8] = np.full((2, 2, 3), bgr, np.uint8)
        self._yuv = tuple(int(plane[0, 0]) for plane in Picture.from_bgr(dot).planes)
        self._bgr = bgr

    def values(self, patch: Patch) -> tuple[int, ...]:
        """The colour's sample in every plane of a patch."""
        return self._yuv if any(patch.shifts) else self._bgr

    def fill(self, patch: Patch) -> None:
        """Replace what is masked by the colour."""
        for (samples, mask), value in zip(each_plane(patch), self.values(patch), strict=True):
            lay(np.full_like(samples, value), mask, samples)
