"""The attacker who learns to undo an effect: a linear map from anonymized to clean faces, learned on other people.

Ridge regression in its dual form (Saunders, Gammerman, Vovk: "Ridge Regression Learning Algorithm in Dual Variables",
ICML 1998), because there are fewer pictures than samples in each. It is the simplest inverse there is: a trained
network finds more, so what it recovers is a lower bound of what an effect gives away.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.embedders import Crop

__all__ = ["LEAST_PICTURES", "Restorer"]

_IN_PX, _OUT_PX = 28, 56
"""Sides of the face as it is read and as it is restored: finer ones only cost time under effects this coarse."""
_RIDGE = 0.1
"""Regularisation in mean squared lengths of the inputs; between 0.03 and 0.3 the results hardly change."""
LEAST_PICTURES = 50
"""From fewer pairs nothing worth the name is learned."""


class Restorer:
    """Learned once from pairs of aligned crops, (P, P, 3) BGR, in the same order."""

    def __init__(self, anonymized: Sequence[Crop], clean: Sequence[Crop]) -> None:
        seen, truth = _rows(anonymized, _IN_PX), _rows(clean, _OUT_PX)
        self._seen_mean, self._truth_mean = seen.mean(axis=0), truth.mean(axis=0)
        seen -= self._seen_mean
        truth -= self._truth_mean
        gram = seen @ seen.T
        gram[np.diag_indices_from(gram)] += _RIDGE * max(float(np.trace(gram)) / len(gram), 1e-6)
        # Kept as three factors: their product would cost more than all the faces that are ever restored with it.
        self._seen, self._weights, self._truth = seen, np.linalg.inv(gram), truth

    def restore(self, crops: Sequence[Crop]) -> list[Crop]:
        """The attacker's guesses at the clean faces, of the same size."""
        alike = (_rows(crops, _IN_PX) - self._seen_mean) @ self._seen.T
        faces = (alike @ self._weights) @ self._truth + self._truth_mean
        whole = np.clip(faces.reshape(-1, _OUT_PX, _OUT_PX, 3) * 255, 0, 255).astype(np.uint8)
        return [
            np.asarray(cv2.resize(face, crop.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
            for face, crop in zip(whole, crops, strict=True)
        ]


def _rows(crops: Sequence[Crop], side: int) -> NDArray[np.float32]:
    small = [cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA).reshape(-1) for crop in crops]
    return np.asarray(np.asarray(small, np.float32) / np.float32(255), np.float32)
