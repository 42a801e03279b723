"""The attacker who knows how pictures of one person differ: Gaussian scatter within and between other people.

A clean face is v = h + w: h what a person looks like, w what differs from picture to picture, both Gaussian (the two-
covariance model: Bruemmer, de Villiers: "The Speaker Partitioning Problem", Odyssey 2010; for faces Prince, Elder:
"Probabilistic Linear Discriminant Analysis", ICCV 2007). An effect makes u = R v + e of it; R and the covariance of e
are learned on other people, too. Which person is on a picture is told by the logarithm of the likelihood ratio of u:
with the h that the enrolled pictures suggest, against anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Plane
from streamer.evaluate.deals import Chosen, Owners
from streamer.evaluate.watch import FIELD_PX, WIDE_PX, Face

__all__ = ["CHANNELS", "TwoCovariance", "features", "inner_mask"]

Rows = NDArray[np.float64]

CHANNELS = {"luma": (0,), "chroma": (1, 2), "joint": (0, 1, 2), "field": (0, 1, 2)}
"""Name -> planes. All but the last look at the inside of the mask alone; `field` looks at everything around it, too."""
_GRID = 16
_EDGE = 20 / FIELD_PX
"""What is left out on every side of the field: there is no face."""
_EDGE_BLEED = 2
"""Samples of the field into which alignment draws what is beside them."""
_COMPONENTS = 60
_PEOPLE_PER_COMPONENT = 4
_RIDGE = 0.02
_MOST_SHARED = 0.99
"""No direction is the same in all pictures of a person."""
_LEAST_NOISE = 1e-3
_OFF_DIAGONAL = 0.5
"""How much is believed of covariances between different directions: there are few people with several pictures."""


def inner_mask(hidden: Sequence[Plane]) -> NDArray[np.bool_]:
    """(_GRID, _GRID): which cells of the grid lie in the mask in nearly every picture."""
    return np.asarray(np.mean([_unseen(one) for one in hidden], axis=0) >= 0.95)


def _unseen(hidden: Plane) -> NDArray[np.bool_]:
    """(_GRID, _GRID): cells in which nothing is visible, not even what alignment drew over the mask's edge."""
    deep = cv2.erode(hidden, np.ones((2 * _EDGE_BLEED + 1,) * 2, np.uint8))
    return _cells(deep.astype(np.float32)) >= 254.999


def features(
    faces: Sequence[Face], hidden: Sequence[Plane], inside: NDArray[np.bool_] | None, planes: Sequence[int]
) -> Rows:
    """(N, D): averages over the cells inside the mask, where a visible one counts as unknown; None: over all cells."""
    if inside is None:
        return np.asarray(
            [np.concatenate([_cells(np.asarray(face[p], np.float32)).ravel() for p in planes]) for face in faces],
            np.float64,
        )
    rows = []
    for face, mask in zip(faces, hidden, strict=True):
        unseen = _unseen(mask)[inside]
        cells = [_cells(np.asarray(face[plane], np.float32))[inside] for plane in planes]
        rows.append(np.concatenate([np.where(unseen, cell, np.nan) for cell in cells]))
    table = np.asarray(rows, np.float64)
    return np.where(np.isnan(table), np.nan_to_num(np.nanmean(table, axis=0)), table)


def _cells(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    edge = round(_EDGE * WIDE_PX)
    inner = plane[edge:-edge, edge:-edge]
    return np.asarray(cv2.resize(inner, (_GRID, _GRID), interpolation=cv2.INTER_AREA), np.float32)


@dataclass(frozen=True, slots=True)
class _Whitened:
    """Principal components with unit variance, of numbers that all have unit variance first."""

    mean: Rows
    axes: Rows
    """(D, K)."""

    def __call__(self, rows: Rows) -> Rows:
        return (rows - self.mean) @ self.axes


def _whitened(rows: Rows, most: int) -> _Whitened:
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.maximum(spread, 1e-6 + 1e-3 * spread.max())  # what never changes says nothing
    _, values, vectors = np.linalg.svd((rows - mean) / spread, full_matrices=False)
    deviations = values / np.sqrt(len(rows))
    kept = int(min(most, (deviations > 0.02 * max(deviations[0], 1e-9)).sum()))
    return _Whitened(mean, vectors[:kept].T / spread[:, None] / np.maximum(deviations[:kept], 1e-6))


class TwoCovariance:
    """Learned on other people: clean rows (N, D), the same pictures hidden (N, E), and the person on each (N,)."""

    def __init__(self, clean: Rows, hidden: Rows, person: Owners) -> None:
        _, who, counts = np.unique(person, return_inverse=True, return_counts=True)
        several = int((counts > 1).sum())
        most = max(2, min(_COMPONENTS, several // _PEOPLE_PER_COMPONENT))
        self._clean, self._hidden = _whitened(clean, most), _whitened(hidden, most)
        v, u = self._clean(clean), self._hidden(hidden)
        self._between = _between(v, who, counts)
        gram = v.T @ v
        self._map = np.linalg.solve(gram + _RIDGE * len(v) * np.eye(len(gram)), v.T @ u).T.astype(np.float64)
        """R, (K of hidden, K of clean)."""
        left = u - v @ self._map.T
        self._noise = left.T @ left / len(left) + _LEAST_NOISE * np.eye(u.shape[1])

    def scores(self, clean: Rows, hidden: Rows, owner: Owners) -> Callable[[Chosen], NDArray[np.floating]]:
        """Enrolled from clean pictures, asked with hidden ones."""
        between = self._between
        return _scored(
            self._clean(clean), self._hidden(hidden), owner, between, np.eye(len(between)), self._map, self._noise
        )

    def scores_alike(self, hidden: Rows, owner: Owners) -> Callable[[Chosen], NDArray[np.floating]]:
        """Enrolled and asked with pictures hidden alike."""
        u = self._hidden(hidden)
        between = self._map @ self._between @ self._map.T
        total = self._map @ self._map.T + self._noise
        same = np.eye(len(total))
        return _scored(u, u, owner, between, total, same, np.zeros_like(total))


def _between(v: Rows, who: NDArray[np.intp], counts: NDArray[np.intp]) -> Rows:
    """Covariance between different pictures of the same person, of rows with unit covariance."""
    sums = np.zeros((len(counts), v.shape[1]))
    np.add.at(sums, who, v)
    several = counts > 1
    # Each person counts by the number of pictures, not of pairs.
    weight = np.where(several, 1 / np.maximum(counts - 1, 1), 0)
    products = (sums * weight[:, None]).T @ sums - (v * weight[who][:, None]).T @ v
    between = products / max(1, counts[several].sum())
    between = np.where(np.eye(len(between), dtype=bool), between, _OFF_DIAGONAL * between)
    values, vectors = np.linalg.eigh((between + between.T) / 2)
    return np.asarray((vectors * np.clip(values, 0, _MOST_SHARED)) @ vectors.T)


def _scored(
    enrolled: Rows, asked: Rows, owner: Owners, between: Rows, total: Rows, effect: Rows, noise: Rows
) -> Callable[[Chosen], NDArray[np.floating]]:
    """Log-likelihoods of u = effect v + e for every person, up to what is the same for all people.

    between, total: covariances of v between pictures of a person, and of all. noise: covariance of e.
    """
    names = np.unique(owner)

    def scores(chosen: Chosen) -> NDArray[np.floating]:
        columns = []
        for name in names:
            own = enrolled[chosen & (owner == name)]
            gain = np.linalg.solve(between + (total - between) / len(own) + 1e-9 * np.eye(len(total)), between).T
            spread = effect @ (total - gain @ between) @ effect.T + noise + 1e-9 * np.eye(len(noise))
            apart = asked[~chosen] - effect @ gain @ own.mean(axis=0)
            columns.append(
                -0.5 * (apart @ np.linalg.inv(spread) * apart).sum(axis=1) - np.linalg.slogdet(spread)[1] / 2
            )
        return np.stack(columns, axis=1)

    return scores
