"""Error rates out of similarities: the arithmetic of every recognition table, on plain arrays.

Genuine scores are similarities of two pictures of one person, impostor scores of two people. A pair is accepted when
its score is at least the threshold. FAR is the share of impostor scores that are accepted, FRR that of genuine scores
that are not, TAR is 1 - FRR (ISO/IEC 19795-1 calls the same FMR, FNMR and 1 - FNMR).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "best_threshold", "equal_error", "far", "split_people", "tar", "threshold_at_far", "wilson"]

Scores = NDArray[np.float32]
_Z_95 = 1.959964
"""Two-sided 95 % of a normal distribution."""


def wilson(hits: float, of: float) -> tuple[float, float]:
    """95 % interval of a share, each in [0, 1] (Wilson, Journal of the American Statistical Association 22, 1927).

    Nothing seen leaves everything open: (0, 1).
    """
    if of <= 0:
        return 0.0, 1.0
    share, z2 = hits / of, _Z_95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z_95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def far(impostor: Scores, threshold: float) -> float:
    """Share of impostor scores that are accepted; 0 when there are none."""
    return float((impostor >= threshold).mean()) if len(impostor) else 0.0


def tar(genuine: Scores, threshold: float) -> float:
    """Share of genuine scores that are accepted; 0 when there are none."""
    return float((genuine >= threshold).mean()) if len(genuine) else 0.0


def threshold_at_far(impostor: Scores, wanted: float) -> float:
    """The smallest threshold that accepts at most that share of these impostor scores.

    With fewer than 1 / wanted scores, this is just above the largest one: no more can be said.
    """
    if not len(impostor):
        raise ValueError("no pair of two people to take a threshold from")
    allowed = math.floor(wanted * len(impostor) + 1e-9)
    if allowed >= len(impostor):
        return float(impostor.min())
    # The first score that must not be accepted, counted from the top.
    refused = np.partition(impostor, len(impostor) - 1 - allowed)[len(impostor) - 1 - allowed]
    return float(np.nextafter(np.float32(refused), np.float32(np.inf)))


def equal_error(genuine: Scores, impostor: Scores) -> tuple[float, float]:
    """Equal-error rate, and the threshold where FAR and FRR meet. Raises ValueError without scores of both kinds."""
    if not len(genuine) or not len(impostor):
        raise ValueError("an equal-error rate needs pairs of one person and of two")
    candidates = np.unique(genuine)
    false_reject = np.searchsorted(np.sort(genuine), candidates, side="left") / len(genuine)
    false_accept = 1 - np.searchsorted(np.sort(impostor), candidates, side="left") / len(impostor)
    at = int(np.argmin(np.abs(false_reject - false_accept)))
    return float(false_reject[at] + false_accept[at]) / 2, float(candidates[at])


def best_threshold(genuine: Scores, impostor: Scores) -> float:
    """A threshold with the most right decisions: in the middle of the widest gap between scores that has them."""
    scores = np.unique(np.concatenate([genuine, impostor]))
    if len(scores) < 2:
        return float(scores[0]) if len(scores) else 0.0
    between = (scores[1:] + scores[:-1]) / 2
    right = (len(genuine) - np.searchsorted(np.sort(genuine), between, side="left")) + np.searchsorted(
        np.sort(impostor), between, side="left"
    )
    gaps = np.where(right == right.max(), np.diff(scores), -1)
    return float(between[int(gaps.argmax())])


def split_people(owner: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.bool_]:
    """Per picture, whether its person is in the first half of the people, drawn at random. (N,) -> (N,)."""
    names = np.unique(owner)
    drawn = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    return np.isin(owner, drawn)
