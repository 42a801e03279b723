"""Dealing pictures into enrolled ones and queries, and which queries are answered rightly.

A query is one picture in one deal: of every person some pictures are drawn and enrolled, every other picture is asked
with, and that twenty times. The same deals are made for every effect and attack, so that query by query they compare.

The attacker has all pictures that are asked with. So the cosines of each person are normalised over them to the same
mean and deviation ("Z-norm", as in Auckenthaler, Carey, Lloyd-Thomas: "Score Normalization for Text-Independent
Speaker Verification Systems", Digital Signal Processing 10, 2000). Without it a few people whose template lies near the
middle of all hidden faces are named for nearly every picture, and a rate says more about these few than about the
effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.embedders import Vectors

__all__ = ["SPLITS", "Chosen", "Owners", "Verdicts", "by_cosine", "deals", "verdicts"]

SPLITS = 20
"""How often the pictures of each person are dealt anew."""
_SEED = 0
_LEAST_SPREAD = 1e-6
"""Smaller deviations of cosines are rounding."""

Owners = NDArray[np.int64]
"""(N,): the number of the person on each picture."""
Chosen = NDArray[np.bool_]
"""(N,): whether a picture is enrolled in this deal."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Query by query."""

    right: NDArray[np.float64]
    """(Q,): 1 where the best person is the right one; where several are best, the share of the right one among them."""
    person: Owners
    """(Q,): who was asked for."""
    picture: Owners
    """(Q,): the number of the picture that was asked with."""

    @property
    def share(self) -> float:
        """Rank-1, in [0, 1]."""
        return float(self.right.mean())

    @property
    def queries(self) -> int:
        """How many there are."""
        return len(self.right)


def deals(owner: Owners, enrol: int) -> Iterator[Chosen]:
    """Which pictures are enrolled: `enrol` of every person, drawn anew in every deal."""
    rng = np.random.default_rng(_SEED)
    names = np.unique(owner)
    for _ in range(SPLITS):
        chosen = np.zeros(len(owner), bool)
        for name in names:
            chosen[rng.permutation(np.flatnonzero(owner == name))[:enrol]] = True
        yield chosen


def verdicts(scores: Callable[[Chosen], NDArray[np.floating]], owner: Owners, enrol: int) -> Verdicts:
    """Ask with every picture that is not enrolled.

    scores: enrolled ones -> (queries, people), higher is more alike; people in the order of their numbers.
    ValueError where a score is not finite.
    """
    names = np.unique(owner)
    right, picture = [], []
    for chosen in deals(owner, enrol):
        table = scores(chosen)
        if not np.isfinite(table).all():
            raise ValueError("an attack gave scores that are not finite")
        best = table >= table.max(axis=1, keepdims=True)
        own = np.searchsorted(names, owner[~chosen])
        right.append(best[np.arange(len(own)), own] / best.sum(axis=1))
        picture.append(np.flatnonzero(~chosen))
    asked = np.concatenate(picture)
    return Verdicts(np.concatenate(right), owner[asked], asked)


def _normalised(table: NDArray[np.floating]) -> NDArray[np.floating]:
    """Every person's column with the same mean and deviation. A column without any tells nothing and stays so."""
    table = table - table.mean(axis=0)
    spread = table.std(axis=0)
    return np.where(spread > _LEAST_SPREAD, table / np.maximum(spread, _LEAST_SPREAD), 0)


def by_cosine(enrolled: Vectors, asked: Vectors, owner: Owners) -> Callable[[Chosen], NDArray[np.floating]]:
    """Scores of an embedder: a person's template is the mean of the enrolled vectors. Both (N, D), in one order."""
    names = np.unique(owner)

    def scores(chosen: Chosen) -> NDArray[np.floating]:
        templates = np.stack([enrolled[chosen & (owner == name)].mean(axis=0) for name in names])
        templates /= np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), 1e-9)
        return _normalised(np.asarray(asked[~chosen] @ templates.T))

    return scores
