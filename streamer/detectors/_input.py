"""From a picture to the input of a detector, and the way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture

__all__ = ["fitted_size", "unscale"]


def fitted_size(picture: Picture, longer_px: int) -> tuple[int, int]:
    """Width and height at which a detector sees a picture whose longer side may have `longer_px` pixels.

    Never larger than the picture: enlarging adds no detail, and small pictures would cost as much as large ones.
    """
    scale = min(1.0, longer_px / max(picture.size))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def unscale(picture: Picture, size: tuple[int, int]) -> NDArray[np.float32]:
    """What x and y seen at `size` are multiplied with to be pixels of the picture."""
    return np.array([picture.width / size[0], picture.height / size[1]], np.float32)
