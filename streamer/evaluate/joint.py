"""The attacker who knows how blocks are made: face and noise estimated together from all frames of one face.

Every block of every frame is one number: the average of what it hides, plus an amount that is the same for this block
in all frames of the face, plus rounding. As the edges of the blocks slide over the face, the unknown amounts stay and
cancel, and what the edges passed over is measured anew. With a Gaussian prior of faces, principal components of other
people (Turk, Pentland: "Eigenfaces for Recognition", Journal of Cognitive Neuroscience 3, 1991), the most probable face
is the solution of one linear system; the same estimate from many shifted frames is known as super-resolution of faces
(Baker, Kanade: "Limits on Super-Resolution and How to Break Them", IEEE PAMI 24, 2002). How large noise and rounding
are, the attacker has measured on other people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluate.watch import FIELD_PX, WIDE_PX, BlockFrame, Face, Track

__all__ = ["FacePrior", "JointAttacker", "Noise", "measured_noise"]

_GRIDS = 52, 26, 26
"""Samples across the field per plane, as faces are estimated."""
_COMPONENTS = 700
_POINTS = 8
"""Points per block and direction over which a block's average is taken."""
_SHRINK_CELLS = 3
"""`effects._planes.averaged` halves a plane as long as a block keeps so many samples."""
_SURROUNDINGS_STD = 12.0
"""How well the visible surroundings of a face tell the components, in grey levels."""
_CHROMA_STEP = 3
"""Of the colours' blocks, every third frame is used."""
_ROUNDING = 1 / 12
"""Variance of what rounding to whole grey levels adds."""

Flat = NDArray[np.float32]
"""(D,): the samples of the three grids, one after the other."""


def flat(face: Face) -> Flat:
    """A face over the field at the size in which it is estimated."""
    small = [
        cv2.resize(np.asarray(plane, np.float32), (side, side), interpolation=cv2.INTER_AREA)
        for plane, side in zip(face, _GRIDS, strict=True)
    ]
    return np.concatenate([plane.reshape(-1) for plane in small])


def unflat(numbers: Flat) -> Face:
    """And back."""
    parts = np.split(numbers, np.cumsum([side * side for side in _GRIDS])[:-1])
    planes = [
        cv2.resize(part.reshape(side, side), (WIDE_PX, WIDE_PX), interpolation=cv2.INTER_CUBIC)
        for part, side in zip(parts, _GRIDS, strict=True)
    ]
    return np.asarray(planes, np.float32)


class FacePrior:
    """Mean, principal components and their deviations, of clean faces of other people and of their mirror images."""

    def __init__(self, faces: Sequence[Face], components: int = _COMPONENTS) -> None:
        rows = np.stack([flat(one) for face in faces for one in (face, np.ascontiguousarray(face[..., ::-1]))])
        self.mean = rows.mean(axis=0)
        rows -= self.mean
        # The small one of the two products of the rows with themselves has the same components.
        values, vectors = np.linalg.eigh(rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows)
        kept = min(components, len(rows) - 1)
        values, vectors = np.maximum(values[::-1][:kept], 1e-3), vectors[:, ::-1][:, :kept]
        self.deviations = np.sqrt(values / len(rows))
        basis = rows.T @ vectors / np.sqrt(values) if len(rows) < rows.shape[1] else vectors
        self.basis = np.asarray(basis, np.float32)
        """(D, K)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One block of one plane over the frames of one face: the same noise in all of them."""

    box: tuple[int, int, int, int]
    """The part of the plane's grid that it averages in any frame: x0, y0, x1, y1."""
    weights: NDArray[np.float32]
    """(R, rows, columns): how much of which sample in `box`, frame by frame."""
    values: NDArray[np.float32]
    """(R,)."""


def readings(frames: Sequence[BlockFrame], plane: int) -> list[Reading]:
    """What one film says of one plane."""
    points, values, noise = [], [], []
    # The edges of blocks say little about colours, which change slowly.
    for frame in frames[:: _CHROMA_STEP if plane else 1]:
        known = frame.known[plane]
        points.append(_points(frame, plane)[known])
        values.append(frame.values[plane][known])
        down, across = np.nonzero(known)
        noise.append((down + frame.noise_at[1]) * 1000 + across + frame.noise_at[0])
    at, said, blocks = (np.concatenate(parts) for parts in (points, values, noise))
    return [_reading(at[blocks == block], said[blocks == block], _GRIDS[plane]) for block in np.unique(blocks)]


def _reading(at: NDArray[np.float64], values: NDArray[np.float32], side: int) -> Reading:
    """at: (R, points, 2) x and y on the grid."""
    at = np.clip(at, 0, side - 1.001)
    corner = at.astype(np.intp)
    (x0, y0), (x1, y1) = corner.min(axis=(0, 1)), corner.max(axis=(0, 1)) + 2
    width, size = x1 - x0, (x1 - x0) * (y1 - y0)
    part = at - corner
    place = np.arange(len(at))[:, None] * size + (corner[..., 1] - y0) * width + corner[..., 0] - x0
    total = np.zeros(len(at) * size)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = np.abs(1 - dx - part[..., 0]) * np.abs(1 - dy - part[..., 1])
        total += np.bincount((place + dy * width + dx).ravel(), share.ravel(), len(total))
    weights = np.asarray(total.reshape(len(at), y1 - y0, width) / at.shape[1], np.float32)
    return Reading((int(x0), int(y0), int(x1), int(y1)), weights, values)


def _points(frame: BlockFrame, plane: int) -> NDArray[np.float64]:
    """(rows, columns, points, 2): where a block's samples lie on the plane's grid over the field."""
    x0, y0, x1, y1 = frame.window
    shift = int(plane > 0)
    axes = [
        start + _inside_cells((end - start) >> shift, cells) * (1 << shift) - 0.5
        for start, end, cells in zip((x0, y0), (x1, y1), frame.cells, strict=True)
    ]
    x, y = np.broadcast_arrays(axes[0][None, :, None, :], axes[1][:, None, :, None])
    placed = np.stack([x, y], axis=-1) @ frame.to_field[:, :2].T + frame.to_field[:, 2]
    scale = _GRIDS[plane] / FIELD_PX
    return (placed.reshape(*placed.shape[:2], -1, 2) + 0.5) * scale - 0.5


def _inside_cells(length: int, cells: int) -> NDArray[np.float64]:
    """(cells, points): places in samples of the plane over which the average of each cell is taken."""
    factor = 1
    while 2 * factor * _SHRINK_CELLS * cells <= length:
        factor *= 2
    covered = length // factor * factor
    return (np.arange(cells)[:, None] + (np.arange(_POINTS) + 0.5) / _POINTS) * covered / cells


@dataclass(frozen=True, slots=True)
class Noise:
    """Variances in one plane: of the amounts that are added to blocks, and of what differs from frame to frame."""

    fixed: float
    changing: float


def measured_noise(known: Sequence[tuple[Track, Face]], frames: int) -> list[Noise]:
    """From films of people whose clean faces the attacker has, plane by plane."""
    found = []
    for plane, side in enumerate(_GRIDS):
        fixed, changing = [], []
        for track, truth in known:
            small = cv2.resize(np.asarray(truth[plane], np.float32), (side, side), interpolation=cv2.INTER_AREA)
            for one in readings(track.blocks[:frames], plane):
                x0, y0, x1, y1 = one.box
                left = one.values - np.tensordot(one.weights, small[y0:y1, x0:x1], 2)
                fixed.append(float(left.mean()) ** 2)
                changing.append((left - left.mean()) ** 2)
        # The variance of a normal distribution from the median of its squares, which a few bad frames do not move.
        found.append(Noise(float(np.mean(fixed)), max(_ROUNDING, float(np.median(np.concatenate(changing))) / 0.455)))
    return found


class JointAttacker:
    """Has learned the prior and the noise; restores one film after the other."""

    def __init__(self, prior: FacePrior, noise: Sequence[Noise]) -> None:
        self._prior = prior
        self._noise = noise
        ends = np.cumsum([0, *(side * side for side in _GRIDS)])
        self._grids = [
            (slice(a, b), prior.basis[a:b].reshape(side, side, -1), prior.mean[a:b].reshape(side, side))
            for a, b, side in zip(ends[:-1], ends[1:], _GRIDS, strict=True)
        ]

    def restore(self, track: Track, frames: int) -> Face:
        """The most probable face behind the first `frames` frames; without blocks, what its surroundings suggest."""
        seen = flat(track.faces[frames])
        hidden = flat(np.stack([track.hidden.astype(np.float32)] * 3)) > 0
        precision, target = self._surroundings(seen, hidden)
        for plane in range(3 if track.blocks else 0):
            self._add(readings(track.blocks[:frames], plane), plane, seen, hidden, precision, target)
        weights = np.linalg.solve(precision, target)
        face = self._prior.mean + self._prior.basis @ np.asarray(weights, np.float32)
        return unflat(np.where(hidden, face, seen))

    def _surroundings(self, seen: Flat, hidden: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Precision (K, K) and right side (K,) of the linear system that prior and visible samples make."""
        precision = np.diag(1 / self._prior.deviations**2)
        basis = self._prior.basis[~hidden][::4]
        apart = (seen - self._prior.mean)[~hidden][::4]
        weight = np.float32(1 / _SURROUNDINGS_STD**2)
        return precision + weight * (basis.T @ basis), weight * (basis.T @ apart)

    def _add(
        self,
        film: Sequence[Reading],
        plane: int,
        seen: Flat,
        hidden: NDArray[np.bool_],
        precision: NDArray[np.float32],
        target: NDArray[np.float32],
    ) -> None:
        """Put one plane's blocks into the linear system. The noise is integrated out: means of blocks count little."""
        place, basis, mean = self._grids[plane]
        inside = hidden[place].reshape(mean.shape)
        given = np.where(inside, mean, seen[place].reshape(mean.shape))
        noise, rows = self._noise[plane], []
        for one in film:
            x0, y0, x1, y1 = one.box
            weights = one.weights.reshape(len(one.values), -1)
            told = one.values - weights @ given[y0:y1, x0:x1].ravel()
            own = (weights * inside[y0:y1, x0:x1].ravel()) @ basis[y0:y1, x0:x1].reshape(weights.shape[1], -1)
            both = np.column_stack([own, told])
            middle = both.mean(axis=0)
            rows.append((both - middle) / np.sqrt(noise.changing))
            rows.append(middle[None] / np.sqrt(noise.fixed + noise.changing / len(both)))
        table = np.concatenate(rows).astype(np.float32)
        precision += table[:, :-1].T @ table[:, :-1]
        target += table[:, :-1].T @ table[:, -1]
