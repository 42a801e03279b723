"""Thresholds of an embedder for a wanted false-accept rate, out of a folder of people.

accept  the smallest threshold that accepts at most the wanted share of pairs of two people; proposed is the upper end
        of its 95 % interval, because the people of the folder are a sample
reject  the similarity below which at most that share of pairs of one person lies; proposed is the lower end
margin  the largest lead that a wrong person had over the second best while being accepted
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamer.embedders import Thresholds
from streamer.errors import InputError
from streamer.evaluate.pairs import AllPairs, Estimate

__all__ = ["Calibration", "calibrate"]

_LEAST_FALSE = 10
"""Fewer accepted pairs of two people than this say little: the rule of 30 (Doddington and others, Speech Communication
31, 2000) asks for 30 errors to be within 30 %, ten are within a factor of two."""
_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found, and what is proposed."""

    wanted_far: float
    same: int
    different: int
    accept: Estimate
    reject: Estimate
    margin: float
    proposed: Thresholds
    far: Estimate
    """At the proposed threshold."""
    tar: Estimate
    right_accepted: float
    """Share of pictures that are accepted as their person, margin included, each against all others."""
    wrong_accepted: int
    """Pictures that are accepted as somebody else, margin included."""
    enough: bool
    """Whether there are pairs of two people enough to speak of that rate."""


def calibrate(pairs: AllPairs, wanted_far: float) -> Calibration:
    """Raises InputError without pairs of both kinds."""
    if not len(pairs.genuine) or not len(pairs.impostor):
        raise InputError("a calibration takes two people, and somebody with two pictures")
    accept, reject = pairs.threshold_at_far(wanted_far), pairs.lowest_genuine(wanted_far)
    strict = _up(max(accept.value, accept.high))
    loose = min(strict, _down(min(reject.value, reject.low)))
    answers = [one for one in pairs.leave_one_out() if (pairs.owner == one[0]).sum() > 1]
    wrong = [lead for person, best, score, lead in answers if best != person and score >= strict]
    margin = _up(float(np.nextafter(max(wrong), np.inf))) if wrong else 0.0
    taken = [(person, best) for person, best, score, lead in answers if score >= strict and lead >= margin]
    return Calibration(
        wanted_far=wanted_far,
        same=len(pairs.genuine),
        different=len(pairs.impostor),
        accept=accept,
        reject=reject,
        margin=margin,
        proposed=Thresholds(strict, loose, margin),
        far=pairs.far(strict),
        tar=pairs.tar(strict),
        right_accepted=sum(person == best for person, best in taken) / max(1, len(answers)),
        wrong_accepted=sum(person != best for person, best in taken),
        enough=wanted_far * len(pairs.impostor) >= _LEAST_FALSE,
    )


def _up(value: float) -> float:
    return round(math.ceil(value / _STEP - 1e-6) * _STEP, 2)


def _down(value: float) -> float:
    return round(math.floor(value / _STEP + 1e-6) * _STEP, 2)
