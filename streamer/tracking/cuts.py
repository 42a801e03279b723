"""Where one scene ends and another begins."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture

__all__ = ["Cuts"]

_CUT_SAMPLES = 32, 18
_CUT_DIFFERENCE = 18.0
"""Mean difference of samples, in luma steps, below which it is the same scene."""
_CUT_CORRELATION = 0.5
"""Correlation of samples from which it is the same scene."""


class Cuts:
    """Notices when one picture has nothing to do with the one before it: both are reduced to a few blurred samples.

    A cut that is missed makes the tracker connect faces of two scenes; one that is imagined costs two more detections.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_cut(self, image: Picture) -> bool:
        """Whether a new scene begins with this picture."""
        luma = image.planes[0]
        step = max(1, min(luma.shape) // (4 * _CUT_SAMPLES[1]))
        samples = cv2.resize(luma[::step, ::step], _CUT_SAMPLES, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, samples
        if last is None or float(np.abs(samples - last).mean()) < _CUT_DIFFERENCE:
            return False
        # A light that is switched on changes every sample and keeps the picture's pattern.
        a, b = samples - samples.mean(), last - last.mean()
        return float((a * b).mean()) < _CUT_CORRELATION * float(a.std() * b.std())
