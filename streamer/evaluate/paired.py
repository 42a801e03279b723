"""How much more an effect gives away than a grey fill of the same mask: the same queries under both, compared in pairs.

The difference of two rank-1 rates is the mean of what the queries differ by. Queries of one person are alike, so its
variance is that of a ratio of sums over people (Cochran: "Sampling Techniques", 1977, section 6.3; as a sandwich
estimator Liang, Zeger: Biometrika 73, 1986). It is never taken to be smaller than that of independent pictures with
half a count added to every cell (Agresti, Min: Statistics in Medicine 24, 2005), so that queries that all agree prove
nothing beyond the number of pictures. Bounds are one-sided, after Student's t with one degree of freedom less than
people.

Many attacks are tried, and the best of many is high by chance. The bounds follow Holm's procedure (Scandinavian
Journal of Statistics 6, 1979): the highest is taken at 5 %, the next at 5 % / 2, the r-th at 5 % / r. When all of them
lie below some margin, Holm's procedure at 5 % for all attacks together rejects that any exceeds the fill by that
margin: of the hypotheses with ranks from r on, each has a p-value of at most 5 % / r.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from streamer.evaluate.deals import Owners, Verdicts

__all__ = ["LEVEL", "Difference", "difference", "holm_upper", "quantile_t"]

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two rates, in [-1, 1]."""

    mean: float
    error: float
    """Standard error."""
    people: int

    def upper(self, level: float) -> float:
        """What the true difference exceeds with a probability of at most `level`."""
        return self.mean + quantile_t(1 - level, self.people - 1) * self.error


def difference(effect: Verdicts, control: Verdicts) -> Difference:
    """The same queries under an effect and under the control. Raises ValueError when they are not the same."""
    if not np.array_equal(effect.picture, control.picture):
        raise ValueError("these are not the same queries")
    apart = effect.right - control.right
    _, who = np.unique(effect.person, return_inverse=True)
    sums, counts = np.bincount(who, apart), np.bincount(who)
    people, mean = len(counts), float(apart.mean())
    between = people / (people - 1) * float(((sums - mean * counts) ** 2).sum()) / len(apart) ** 2
    least = _independent(apart, effect.picture)
    return Difference(mean, math.sqrt(max(between, least)), people)


def _independent(apart: NDArray[np.float64], picture: Owners) -> float:
    """The variance of the mean of independent pictures, each asked with several times."""
    _, which = np.unique(picture, return_inverse=True)
    each = np.bincount(which, apart) / np.bincount(which)
    count = len(each) + 2
    return float((np.square(each).sum() + 1) / count - (each.sum() / count) ** 2) / count


def holm_upper(found: Sequence[Difference], level: float = LEVEL) -> list[tuple[float, float]]:
    """Upper bounds and the levels they are taken at, in the given order."""
    order = sorted(range(len(found)), key=lambda i: -found[i].upper(level))
    levels = {i: level / rank for rank, i in enumerate(order, 1)}
    return [(one.upper(levels[i]), levels[i]) for i, one in enumerate(found)]


def quantile_t(share: float, freedom: int) -> float:
    """Quantile of Student's t; from 10 degrees of freedom on right to three digits (Abramowitz, Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + float(sum(term / freedom**power for power, term in enumerate(terms, 1)))
