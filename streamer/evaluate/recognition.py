"""How well an embedder tells people apart: on given pairs, and on all pairs of a folder of people.

Thresholds are not tested on the people they were chosen on. On a folder, the people are split in two halves at random;
the threshold for a wanted false-accept rate is chosen on one half and tested on the other, both ways round. On pairs,
the threshold with the most right decisions is chosen and tested alike; pairs with one person in each half are used in
neither.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import InputError
from streamer.embedders import Vectors
from streamer.evaluate.pairs import LIKE_NOBODY, AllPairs, Estimate
from streamer.evaluate.scores import Scores, best_threshold, equal_error, far, split_people, tar, threshold_at_far

__all__ = [
    "FARS",
    "Decisions",
    "FolderResult",
    "Named",
    "Operating",
    "PairsResult",
    "decisions",
    "judge_folder",
    "judge_pairs",
    "read_pairs",
]

FARS = (1e-2, 1e-3, 1e-4)
"""False-accept rates at which the true-accept rate is told."""
_CURVE = np.round(np.arange(-0.2, 1.0001, 0.01), 2)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a threshold does to pairs. Shares in [0, 1]."""

    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    false_accept: float
    false_reject: float


@dataclass(frozen=True, slots=True)
class PairsResult:
    """An embedder on given pairs."""

    same: int
    different: int
    without_face: int
    """Pairs with a picture in which no face was found: never accepted, so wrong when they are of one person."""
    eer: float
    calibrated: Decisions
    """At the threshold the embedder comes with."""
    cross_validated_accuracy: float
    """The threshold chosen on one half of the people and tested on the other, both ways, counted together."""
    cross_validated_pairs: int
    tar_at_far: Mapping[str, float]
    """Wanted rate -> TAR, threshold chosen on the same pairs: few pairs say little of small rates."""


@dataclass(frozen=True, slots=True)
class Operating:
    """A false-accept rate that was wanted, and what came of it on people the threshold was not chosen on."""

    wanted_far: float
    threshold: float
    far: Estimate
    tar: Estimate


@dataclass(frozen=True, slots=True)
class Named:
    """One person among all others, each picture asked against all the other ones."""

    name: str
    pictures: int
    right: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class FolderResult:
    """An embedder on all pairs of a folder."""

    same: int
    different: int
    eer: float
    eer_threshold: float
    whole: list[Operating]
    """Thresholds chosen and tested on everybody: as the literature tells it."""
    halves: list[Operating]
    """Thresholds chosen on one half of the people, tested on the other; two rows for each wanted rate."""
    calibrated: Operating
    """At the threshold the embedder comes with; `wanted_far` is what it does here."""
    closed_set_accuracy: float
    people: list[Named]
    confusions: list[tuple[str, str, int]]
    """Who was taken for whom, how often; an empty name: no face was found."""
    curve: dict[str, list[float]] = field(default_factory=dict)
    """threshold, false_accept, false_reject."""


def decisions(genuine: Scores, impostor: Scores, threshold: float) -> Decisions:
    """What this threshold does to these pairs. A quotient of nothing is 0."""
    accepted, falsely = int((genuine >= threshold).sum()), int((impostor >= threshold).sum())
    precision = accepted / max(1, accepted + falsely)
    recall = accepted / max(1, len(genuine))
    right = accepted + len(impostor) - falsely
    return Decisions(
        threshold=threshold,
        accuracy=right / max(1, len(genuine) + len(impostor)),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(precision + recall, 1e-12),
        false_accept=far(impostor, threshold),
        false_reject=1 - tar(genuine, threshold),
    )


def read_pairs(path: Path, root: Path) -> list[tuple[bool, Path, Path]]:
    """Whether it is one person, and two pictures below `root`. Raises InputError for what is no table or not there."""
    try:
        with path.open(newline="", encoding="utf-8") as rows:
            pairs = [(row["same"] == "1", root / row["file1"], root / row["file2"]) for row in csv.DictReader(rows)]
    except (OSError, KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table of pairs (same,file1,file2): {error}") from None
    if not pairs:
        raise InputError(f"{path} holds no pair")
    for _, *files in pairs:
        for file in files:
            if not file.is_file():
                raise InputError(
                    f"{path} names {file.relative_to(root)}, which is not below {root}; name it: --images DIR"
                )
    return pairs


def judge_pairs(
    pairs: Sequence[tuple[bool, int, int]],
    vectors: Vectors,
    there: NDArray[np.bool_],
    owner: NDArray[np.int64],
    accept: float,
) -> PairsResult:
    """pairs: whether it is one person, and two rows of `vectors` (N, D), `there` (N,) and `owner` (N,)."""
    same = np.array([one for one, _, _ in pairs], bool)
    first, second = (np.array([pair[index] for pair in pairs], np.int64) for index in (1, 2))
    faces = there[first] & there[second]
    scores = np.where(faces, np.einsum("nd,nd->n", vectors[first], vectors[second]), LIKE_NOBODY).astype(np.float32)
    genuine, impostor = scores[same], scores[~same]
    half = split_people(owner)
    sides = [(half[first] == side) & (half[second] == side) for side in (True, False)]
    right = tested = 0
    for chosen, other in (sides, sides[::-1]):
        threshold = best_threshold(scores[chosen & same], scores[chosen & ~same])
        right += int(((scores[other] >= threshold) == same[other]).sum())
        tested += int(other.sum())
    return PairsResult(
        same=int(same.sum()),
        different=int((~same).sum()),
        without_face=int((~faces).sum()),
        eer=equal_error(genuine, impostor)[0],
        calibrated=decisions(genuine, impostor, accept),
        cross_validated_accuracy=right / max(1, tested),
        cross_validated_pairs=tested,
        tar_at_far={f"{wanted:g}": tar(genuine, threshold_at_far(impostor, wanted)) for wanted in FARS},
    )


def judge_folder(
    vectors: Vectors, there: NDArray[np.bool_], owner: NDArray[np.int64], names: Sequence[str], accept: float
) -> FolderResult:
    """All pairs of N pictures of the people `names`, of whom `owner` (N,) tells the index."""
    if len(names) < 4:
        raise InputError("it takes four people, because thresholds are chosen on one half and tested on the other")
    everything = AllPairs(vectors, there, owner)
    if not len(everything.genuine):
        raise InputError("it takes somebody with two pictures")
    eer, eer_threshold = equal_error(everything.genuine, everything.impostor)
    half = split_people(owner)
    sides = everything.half(half), everything.half(~half)
    at_accept = everything.far(accept)
    people, confusions = _closed_set(everything, names)
    asked = sum(one.pictures for one in people)
    return FolderResult(
        same=len(everything.genuine),
        different=len(everything.impostor),
        eer=eer,
        eer_threshold=eer_threshold,
        whole=[_operating(wanted, everything, everything) for wanted in FARS],
        halves=[_operating(wanted, chosen, tested) for wanted in FARS for chosen, tested in (sides, sides[::-1])],
        calibrated=Operating(at_accept.value, accept, at_accept, everything.tar(accept)),
        closed_set_accuracy=sum(one.right for one in people) / max(1, asked),
        people=people,
        confusions=confusions,
        curve={
            "threshold": _CURVE.tolist(),
            "false_accept": [far(everything.impostor, threshold) for threshold in _CURVE],
            "false_reject": [1 - tar(everything.genuine, threshold) for threshold in _CURVE],
        },
    )


def _operating(wanted: float, chosen: AllPairs, tested: AllPairs) -> Operating:
    threshold = threshold_at_far(chosen.impostor, wanted)
    return Operating(wanted, threshold, tested.far(threshold), tested.tar(threshold))


def _closed_set(pairs: AllPairs, names: Sequence[str]) -> tuple[list[Named], list[tuple[str, str, int]]]:
    """Everybody with two pictures and more, asked among all people."""
    several = {person for person, pictures in Counter(pairs.owner.tolist()).items() if pictures > 1}
    answers = [(person, best) for person, best, _, _ in pairs.leave_one_out() if person in several]
    asked, taken = Counter(person for person, _ in answers), Counter(best for _, best in answers)
    right = Counter(person for person, best in answers if person == best)
    people = []
    for person in sorted(several):
        precision, recall = right[person] / max(1, taken[person]), right[person] / asked[person]
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        people.append(Named(names[person], asked[person], right[person], precision, recall, f1))
    wrong = Counter((person, best) for person, best in answers if person != best)
    confusions = [(names[a], names[b] if b >= 0 else "", times) for (a, b), times in wrong.most_common()]
    return people, confusions
