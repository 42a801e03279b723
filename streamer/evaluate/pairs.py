"""Every picture of a folder of people against every other: rates, intervals and thresholds over all pairs.

Pairs that share a person are not independent of each other, so intervals come from drawing *people* anew (bootstrap
over clusters; Poh, Martin, Bengio: "Performance generalization in biometric authentication", IEEE PAMI 29, 2007). A
picture without a face is like nobody, itself included: its pairs score -1, the lowest similarity there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.embedders import Vectors
from streamer.evaluate.scores import Scores, threshold_at_far

__all__ = ["LIKE_NOBODY", "AllPairs", "Estimate"]

LIKE_NOBODY = -1.0
_DRAWS = 400
_TAIL = 30
"""For a threshold's interval, so many times the accepted impostor pairs are looked at: draws move it no farther."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class AllPairs:
    """All pairs of N pictures. Memory: about 12 bytes per pair.

    vectors: (N, D), rows of length 1; there: (N,) whether the picture has a face; owner: (N,) person of each picture,
    numbers from 0.
    """

    def __init__(self, vectors: Vectors, there: NDArray[np.bool_], owner: NDArray[np.int64]) -> None:
        alike = np.asarray(vectors @ vectors.T, np.float32)
        alike[~there] = LIKE_NOBODY
        alike[:, ~there] = LIKE_NOBODY
        self._take(alike, owner)

    def half(self, mine: NDArray[np.bool_]) -> AllPairs:
        """Only these pictures."""
        part = AllPairs.__new__(AllPairs)
        part._take(self.alike[np.ix_(mine, mine)], np.unique(self.owner[mine], return_inverse=True)[1])
        return part

    def _take(self, alike: Scores, owner: NDArray[np.int64]) -> None:
        self.alike, self.owner = alike, owner
        self._people = int(owner.max()) + 1
        self._order = np.argsort(owner, kind="stable")
        self._starts = np.flatnonzero(np.diff(owner[self._order], prepend=-1))
        rows, columns = np.triu_indices(len(owner), 1)
        scores, same = alike[rows, columns], owner[rows] == owner[columns]
        self.genuine: Scores = scores[same]
        self.impostor: Scores = scores[~same]
        self._genuine_of = owner[rows[same]]
        self._impostor_of = owner[rows[~same]], owner[columns[~same]]

    def tar(self, threshold: float) -> Estimate:
        """Share of pairs of one person that are accepted."""
        accepted = np.bincount(self._genuine_of, self.genuine >= threshold, minlength=self._people)
        all_ = np.bincount(self._genuine_of, minlength=self._people)
        return _estimate(lambda drawn: float(drawn @ accepted) / max(float(drawn @ all_), 1.0), self._people)

    def far(self, threshold: float) -> Estimate:
        """Share of pairs of two people that are accepted."""
        first, second = self._impostor_of
        hits = np.flatnonzero(self.impostor >= threshold)
        pictures = np.bincount(self.owner, minlength=self._people).astype(float)

        def share(drawn: NDArray[np.float64]) -> float:
            accepted = float((drawn[first[hits]] * drawn[second[hits]]).sum())
            return accepted / max(_impostor_pairs(drawn, pictures), 1.0)

        return _estimate(share, self._people)

    def threshold_at_far(self, wanted: float) -> Estimate:
        """The smallest threshold that accepts at most that share of pairs of two people."""
        first, second = self._impostor_of
        top = min(len(self.impostor), int(_TAIL * wanted * len(self.impostor)) + 1000)
        tail = np.argpartition(self.impostor, len(self.impostor) - top)[len(self.impostor) - top :]
        tail = tail[np.argsort(-self.impostor[tail])]
        pictures = np.bincount(self.owner, minlength=self._people).astype(float)

        def threshold(drawn: NDArray[np.float64]) -> float:
            weights = np.cumsum(drawn[first[tail]] * drawn[second[tail]])
            at = int(np.searchsorted(weights, wanted * _impostor_pairs(drawn, pictures), side="right"))
            return float(self.impostor[tail[min(at, top - 1)]])

        estimate = _estimate(threshold, self._people)
        return Estimate(threshold_at_far(self.impostor, wanted), estimate.low, estimate.high)

    def lowest_genuine(self, share: float) -> Estimate:
        """The similarity below which at most that share of pairs of one person lies."""
        order = np.argsort(self.genuine)
        of = self._genuine_of[order]

        def quantile(drawn: NDArray[np.float64]) -> float:
            weights = np.cumsum(drawn[of])
            at = int(np.searchsorted(weights, share * weights[-1], side="right"))
            return float(self.genuine[order[min(at, len(order) - 1)]])

        return _estimate(quantile, self._people)

    def leave_one_out(self) -> Iterator[tuple[int, int, float, float]]:
        """Each picture against all others: its person, the best person, that score, and its lead over the second.

        The best person is -1 where the picture has no face. A person's score is the best of the person's pictures.
        """
        for row, person in enumerate(self.owner):
            scores = self.alike[row].copy()
            scores[row] = LIKE_NOBODY
            best, score, lead = self._best(scores)
            yield int(person), best, score, lead

    def strangers(self) -> Iterator[tuple[float, float]]:
        """Each picture against everybody but its own person: the best score, and its lead over the second person."""
        for row, person in enumerate(self.owner):
            _, score, lead = self._best(np.where(self.owner == person, np.float32(LIKE_NOBODY), self.alike[row]))
            yield score, lead

    def _best(self, scores: Scores) -> tuple[int, float, float]:
        by_person = np.maximum.reduceat(scores[self._order], self._starts)
        second, best = np.argsort(by_person)[-2:]
        found = int(best) if by_person[best] > LIKE_NOBODY else -1
        return found, float(by_person[best]), float(by_person[best] - by_person[second])


def _impostor_pairs(drawn: NDArray[np.float64], pictures: NDArray[np.float64]) -> float:
    """How many pairs of two people there are when people are drawn so many times."""
    weight = drawn * pictures
    return float(weight.sum() ** 2 - (weight**2).sum()) / 2


def _estimate(measure: Callable[[NDArray[np.float64]], float], people: int) -> Estimate:
    """A measure of how often each person counts: once each, and with the people drawn anew."""
    rng = np.random.default_rng(0)
    values = [
        measure(np.bincount(rng.integers(0, people, people), minlength=people).astype(float)) for _ in range(_DRAWS)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(measure(np.ones(people)), float(low), float(high))
