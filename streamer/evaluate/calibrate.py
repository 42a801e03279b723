"""Thresholds of an embedder for a wanted false-accept rate, out of a folder of people.

accept  the smallest threshold that accepts at most the wanted share of pairs of two people; proposed is the upper end
        of its 95 % interval, because the people of the folder are a sample
reject  the similarity below which at most that share of pairs of one person lies; proposed is the lower end
margin  kept as the embedder has it; what several ones do is told for a gallery of everybody in the folder, asked by
        people who are in it and by strangers. (A margin that no wrong picture passes would be set by the folder's
        mistakes: one picture under a wrong name leads by as much as a right one.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamer.core.errors import InputError
from streamer.embedders import Thresholds
from streamer.evaluate.pairs import AllPairs, Estimate

__all__ = ["Calibration", "calibrate"]

_LEAST_FALSE = 10
"""Fewer accepted pairs of two people than this say little: the rule of 30 (Doddington and others, Speech Communication
31, 2000) asks for 30 errors to be within 30 %, ten are within a factor of two."""
_STEP = 0.005
_MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2)


@dataclass(frozen=True, slots=True)
class Margin:
    """What a margin does at the proposed threshold, each picture asked against all the others. Shares in [0, 1]."""

    margin: float
    right: float
    """Pictures of people in the gallery that are accepted as their person."""
    wrong: float
    """... as somebody else."""
    strangers: float
    """Pictures that are accepted as anybody when their person is not in the gallery."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found, and what is proposed."""

    wanted_far: float
    same: int
    different: int
    gallery: int
    """People in it, for the margins."""
    accept: Estimate
    reject: Estimate
    proposed: Thresholds
    far: Estimate
    """At the proposed threshold."""
    tar: Estimate
    margins: list[Margin]
    enough: bool
    """Whether there are pairs of two people enough to speak of that rate."""


def calibrate(pairs: AllPairs, wanted_far: float, *, margin: float = 0.05) -> Calibration:
    """margin: the one the embedder has. Raises InputError without pairs of both kinds."""
    if not len(pairs.genuine) or not len(pairs.impostor):
        raise InputError("a calibration takes two people, and somebody with two pictures")
    accept, reject = pairs.threshold_at_far(wanted_far), pairs.lowest_genuine(wanted_far)
    strict = _up(max(accept.value, accept.high))
    loose = min(strict, _down(min(reject.value, reject.low)))
    return Calibration(
        wanted_far=wanted_far,
        same=len(pairs.genuine),
        different=len(pairs.impostor),
        gallery=len(np.unique(pairs.owner)),
        accept=accept,
        reject=reject,
        proposed=Thresholds(strict, loose, margin),
        far=pairs.far(strict),
        tar=pairs.tar(strict),
        margins=_margins(pairs, strict, sorted({*_MARGINS, margin})),
        enough=wanted_far * len(pairs.impostor) >= _LEAST_FALSE,
    )


def _margins(pairs: AllPairs, accept: float, margins: list[float]) -> list[Margin]:
    several = np.bincount(pairs.owner)[pairs.owner] > 1
    asked = [one for one, known in zip(pairs.leave_one_out(), several, strict=True) if known]
    right, score, lead = (
        np.array(column) for column in ([p == best for p, best, *_ in asked], *list(zip(*asked, strict=True))[2:])
    )
    strange, ahead = (np.array(column) for column in zip(*pairs.strangers(), strict=True))
    rows = []
    for margin in margins:
        taken = (score >= accept) & (lead >= margin)
        strangers = (strange >= accept) & (ahead >= margin)
        rows.append(
            Margin(margin, float((taken & right).mean()), float((taken & ~right).mean()), float(strangers.mean()))
        )
    return rows


def _up(value: float) -> float:
    return round(math.ceil(value / _STEP - 1e-6) * _STEP, 3)


def _down(value: float) -> float:
    return round(math.floor(value / _STEP + 1e-6) * _STEP, 3)
