"""What is wrong with a picture, and how it is examined once more because of that.

Detectors know photographs as they should be. In one that is overexposed, in coloured light or blurred, they score faces
lower, or not at all. So such a picture is also examined as it would be without the fault, as far as that can be
mended, and of what is found there less is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture, Plane

__all__ = ["Condition", "condition_of"]

_WHITE, _OVEREXPOSED_SHARE = 250, 0.25
_TINT = 1.5
"""Ratio of the strongest to the weakest mean of blue, green and red from which on the light has a colour."""
_CLIP, _GRID = 3.0, (8, 8)
"""Contrast-limited adaptive histogram equalization (Zuiderveld, Graphics Gems IV, 1994)."""
_SCALES = (2 / 3, 1 / 2, 1 / 3, 1 / 4)
_BLOCK_PX = 16
_LOST_SHARE = 0.09
"""A picture is reduced while no block of it loses more than this share of the picture's deviation. Photographs as
taken lose 0.14 and more at 2/3; the same enlarged to 2400 and 4000 pixels 0.08 and less at 1/2."""
_NOISE, _LEAST_DETAIL = 5.0, 20
"""Grey levels, and the percentile of blocks. 129 pictures had 4.7 at most, and with noise of 15 levels added 5.7 and
more."""
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MOVED_SCALE = 1 / 2
"""Reduction along one side alone that a picture blurred by motion stands."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a picture is to be examined."""

    passes: tuple[tuple[Picture, float], ...]
    """Pictures of the same size, the picture itself first, and by how much each is reduced."""
    overexposed: bool = False
    moved: bool = False
    """Blurred by motion."""
    noisy: bool = False
    """In each of these cases, faces score lower than in other pictures, above all in enlarged views."""


def condition_of(image: Picture) -> Condition:
    """Judge a picture."""
    luma = np.asarray(cv2.cvtColor(image.bgr(), cv2.COLOR_BGR2GRAY), np.uint8)
    scale = _finest(luma, both=True)
    passes = [(image, scale)]
    overexposed = float((luma >= _WHITE).mean()) > _OVEREXPOSED_SHARE
    if overexposed:
        passes.append((_equalized(image), scale))
    if (balanced := _balanced(image)) is not None:
        passes.append((balanced, scale))
    moved = (
        scale > _MOVED_SCALE
        and min(_finest(luma, both=False), _finest(np.ascontiguousarray(luma.T), both=False)) <= _MOVED_SCALE
    )
    if moved:
        passes.append((image, scale / 2))
    return Condition(tuple(passes), overexposed, moved, _noise(luma) > _NOISE)


def _noise(luma: Plane) -> float:
    """Deviation of the noise in grey levels, from what a Laplacian of second order leaves (Immerkaer: "Fast Noise
    Variance Estimation", Computer Vision and Image Understanding 64, 1996), where the picture has least detail.
    """
    left = np.abs(cv2.filter2D(luma, cv2.CV_32F, _LAPLACIAN)) * (math.sqrt(math.pi / 2) / 6)
    blocks = max(1, luma.shape[1] // _BLOCK_PX), max(1, luma.shape[0] // _BLOCK_PX)
    return float(np.percentile(cv2.resize(left, blocks, interpolation=cv2.INTER_AREA), _LEAST_DETAIL))


def _finest(luma: Plane, *, both: bool) -> float:
    """By how much a picture can be reduced without losing detail; 1 when not at all. both: or only its width.

    In an enlarged photograph nothing more is to be found than in the original, but the more parts it is examined in,
    the more pass for faces.
    """
    height, width = luma.shape
    deviation = float(luma.std())
    finest = 1.0
    for scale in _SCALES:
        size = round(width * scale), round(height * scale) if both else height
        if min(size) < _BLOCK_PX:
            break
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        back = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        lost = cv2.absdiff(luma, np.asarray(back, np.uint8)).astype(np.float32) ** 2
        blocks = width // _BLOCK_PX, height // _BLOCK_PX
        worst = float(cv2.resize(lost, blocks, interpolation=cv2.INTER_AREA).max()) ** 0.5
        if worst > _LOST_SHARE * deviation:
            break
        finest = scale
    return finest


def _equalized(image: Picture) -> Picture:
    """With local contrast."""
    lab = cv2.cvtColor(image.bgr(), cv2.COLOR_BGR2YCrCb)
    lab[..., 0] = cv2.createCLAHE(_CLIP, _GRID).apply(np.ascontiguousarray(lab[..., 0]))
    return _like(image, cv2.cvtColor(lab, cv2.COLOR_YCrCb2BGR))


def _balanced(image: Picture) -> Picture | None:
    """In white light, as far as a scene is grey on average (Buchsbaum, 1980); None when it is already."""
    bgr = image.bgr()
    means = np.maximum(cv2.mean(bgr)[:3], 1.0)
    if means.max() < _TINT * means.min():
        return None
    # One colour after the other, in bytes: as floating-point numbers, a large photograph would take gigabytes.
    for color, gain in enumerate(means.mean() / means):
        bgr[..., color] = np.minimum(np.arange(256) * gain, 255).astype(np.uint8)[bgr[..., color]]
    return _like(image, bgr)


def _like(image: Picture, bgr: NDArray[np.generic]) -> Picture:
    return Picture.from_bgr(np.asarray(bgr, np.uint8), format=image.format).frozen()
