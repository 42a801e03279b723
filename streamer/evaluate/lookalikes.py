"""How many strangers one still of theirs shows, and how many own pictures are accepted, among so many enrolled people.

Galleries are drawn from a folder of people, each person enrolled from so many stills. A *stranger* is every picture of
everybody who is not enrolled; *shown* when the most similar person is at least the threshold and the margin ahead.
*Own* is a picture of somebody enrolled who has another one, which is in the gallery. What a stream demands beyond that,
other views of the face, is not counted: a still has one.

People are a sample. The upper bound of strangers is the number of enrolled stills times the upper end of the 95 %
interval of the share of pairs of two people at that threshold, with the people of the folder drawn anew: a stranger has
as many chances. The interval of own pictures counts each of them once, however often it was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import InputError
from streamer.embedders import Thresholds, Vectors
from streamer.evaluate.pairs import LIKE_NOBODY, AllPairs
from streamer.evaluate.scores import Scores, wilson

__all__ = ["GALLERIES", "STILLS", "Curve", "Point", "lookalikes"]

GALLERIES = (1, 5, 20, 100)
STILLS = (1, 3)
"""How many of each person's pictures are enrolled, where there are so many."""
_DRAWN = {1: 3000, 5: 2000, 20: 800, 100: 300}
_STEPS = (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.10, 0.15)
"""Thresholds tried, from `Thresholds.accept` on, as shares of the room above it."""
_UNIT = 0.55


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold. Shares in [0, 1]."""

    threshold: float
    strangers: float
    strangers_most: float
    """The upper bound."""
    own: float
    own_low: float
    own_high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One size of gallery, with so many stills of each person."""

    people: int
    stills: int
    points: list[Point]
    chosen: Point
    """At what the embedder comes with for so many people: each view of a video."""
    still: Point
    """At what it takes of a picture that stands by itself."""


def lookalikes(
    vectors: Vectors, there: NDArray[np.bool_], owner: NDArray[np.int64], thresholds: Thresholds
) -> list[Curve]:
    """The curves of N pictures of people. Raises InputError where there are too few people for any."""
    pairs = AllPairs(vectors, there, owner)
    folder = _Folder(pairs)
    curves = []
    for stills in STILLS:
        for people in (size for size in GALLERIES if size < folder.people):
            view, still = (round(thresholds.accept_among(people, still=still), 4) for still in (False, True))
            tried = sorted({*_tried(thresholds.accept), view, still})
            points = {p.threshold: p for p in _points(folder, pairs, people, stills, tried, thresholds.margin)}
            curves.append(Curve(people, stills, list(points.values()), points[view], points[still]))
    if not curves or not len(pairs.genuine):
        raise InputError("it takes two people, and somebody with two pictures")
    return curves


def _tried(accept: float) -> list[float]:
    room = (1 - accept) / _UNIT
    return [round(accept + step * room, 4) for step in _STEPS]


class _Folder:
    """Who has which pictures, as rows of the pairs."""

    def __init__(self, pairs: AllPairs) -> None:
        self.alike, self.owner = pairs.alike, pairs.owner
        self.of = [np.flatnonzero(self.owner == person) for person in range(int(self.owner.max()) + 1)]
        self.people = len(self.of)


def _points(
    folder: _Folder, pairs: AllPairs, people: int, stills: int, tried: list[float], margin: float
) -> list[Point]:
    rng = np.random.default_rng(0)
    shown, asked = np.zeros(len(tried)), 0
    own: list[tuple[float, float]] = []
    pictures_asked: set[int] = set()
    for _ in range(_DRAWN[people]):
        who = rng.choice(folder.people, people, replace=False)
        mixed = [rng.permutation(folder.of[person]) for person in who]
        scores = _scores(folder.alike, [pictures[:stills] for pictures in mixed])
        best, ahead = _best(scores[~np.isin(folder.owner, who)])
        asked += len(best)
        shown += [((best >= threshold) & (ahead >= margin)).sum() for threshold in tried]
        several = [(index, pictures) for index, pictures in enumerate(mixed) if len(pictures) > 1]
        own += [_left_out(folder.alike, scores, index, pictures, stills) for index, pictures in several]
        pictures_asked |= {int(pictures[0]) for _, pictures in several}
    answers = np.array(own, np.float32).reshape(-1, 2)
    points = []
    for threshold, hits in zip(tried, shown, strict=True):
        share = float(((answers[:, 0] >= threshold) & (answers[:, 1] >= margin)).mean())
        # The same picture, drawn once more, says little new.
        low, high = wilson(share * len(pictures_asked), len(pictures_asked))
        most = min(1.0, people * stills * pairs.far(threshold).high)
        points.append(Point(threshold, float(hits) / max(1, asked), most, share, low, high))
    return points


def _scores(alike: Scores, enrolled: list[NDArray[np.int64]]) -> Scores:
    """Every picture against every person enrolled: (N, people)."""
    starts = np.cumsum([0, *(len(rows) for rows in enrolled)])[:-1]
    return np.asarray(np.maximum.reduceat(alike[:, np.concatenate(enrolled)], starts, axis=1), np.float32)


def _best(scores: Scores) -> tuple[Scores, Scores]:
    """The best score of each picture, and how far it is ahead of the second."""
    if scores.shape[1] == 1:
        return scores[:, 0], scores[:, 0] - LIKE_NOBODY
    top = np.partition(scores, -2, axis=1)[:, -2:]
    return top[:, 1], top[:, 1] - top[:, 0]


def _left_out(
    alike: Scores, scores: Scores, person: int, pictures: NDArray[np.int64], stills: int
) -> tuple[float, float]:
    """A picture of somebody enrolled, asked against the others of the same person: the score, and its lead."""
    asked, kept = pictures[0], pictures[1 : stills + 1]
    own = float(alike[asked, kept].max())
    others = np.delete(scores[asked], person)
    return own, own - (float(others.max()) if len(others) else LIKE_NOBODY)
