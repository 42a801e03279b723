"""Comparisons in pairs: against values worked out by hand, and against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamer.evaluate.deals import SPLITS, Verdicts, by_cosine, deals, verdicts
from streamer.evaluate.paired import Difference, difference, holm_upper, quantile_t


def answered(right: list[float], person: list[int], picture: list[int] | None = None) -> Verdicts:
    asked = range(len(right)) if picture is None else picture
    return Verdicts(np.array(right, float), np.array(person, np.int64), np.array(asked, np.int64))


@pytest.mark.parametrize(
    ("share", "freedom", "value"),
    [(0.95, 10, 1.8125), (0.95, 30, 1.6973), (0.975, 60, 2.0003), (0.995, 60, 2.6603), (0.9975, 68, 2.9033)],
)
def test_quantiles_of_students_t(share: float, freedom: int, value: float) -> None:
    """Values of the usual tables."""
    assert quantile_t(share, freedom) == pytest.approx(value, abs=2e-3)


def test_the_error_of_a_difference_is_that_of_people() -> None:
    # Four people with two queries each; one person is right twice under the effect, nobody under the fill.
    person = [0, 0, 1, 1, 2, 2, 3, 3]
    step = difference(answered([1, 1, 0, 0, 0, 0, 0, 0], person), answered([0] * 8, person))
    assert step.mean == 0.25
    # Sums less mean times count: 1.5 and three times -0.5; squares 2.25 + 0.75 = 3; times 4/3, over 8 squared.
    assert step.error == pytest.approx(math.sqrt(4 / 3 * 3 / 64))
    assert step.people == 4


def test_queries_that_all_agree_prove_no_more_than_their_number() -> None:
    person = [0, 1, 2, 3, 4, 5, 6, 7]
    step = difference(answered([0] * 8, person), answered([0] * 8, person))
    # Half a count in either cell of disagreement, of ten: (0.05 + 0.05) / 10.
    assert step.mean == 0
    assert step.error == pytest.approx(0.1)


def test_a_picture_that_is_asked_with_again_counts_once() -> None:
    step = difference(
        answered([0] * 8, [0, 1, 2, 3] * 2, [0, 1, 2, 3] * 2), answered([0] * 8, [0, 1, 2, 3] * 2, [0, 1, 2, 3] * 2)
    )
    # Four pictures: one count of six, (1 / 6) / 6.
    assert step.error == pytest.approx(1 / 6)


def test_other_queries_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same queries"):
        difference(answered([1, 0], [0, 1], [0, 1]), answered([1, 0], [0, 1], [1, 0]))


def test_holms_levels_worked_out_by_hand() -> None:
    steps = [Difference(0.00, 0.01, 61), Difference(0.05, 0.01, 61), Difference(0.02, 0.01, 61)]
    bounds = holm_upper(steps)
    # The highest at 5 %, the next at 2.5 %, the lowest at 1.667 %: t of 60 degrees 1.6706, 2.0003, 2.1794.
    assert [level for _, level in bounds] == pytest.approx([0.05 / 3, 0.05, 0.025])
    assert [upper for upper, _ in bounds] == pytest.approx([0.021794, 0.066706, 0.040003], abs=2e-5)


def test_bounds_below_a_margin_are_holms_rejections() -> None:
    """Whatever the numbers: when all bounds are below a margin, so says the procedure itself."""
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(200):
        steps = [Difference(m, e, 69) for m, e in zip(rng.normal(0, 0.01, 5), rng.uniform(0.002, 0.01, 5), strict=True)]
        margin = float(rng.uniform(0, 0.05))
        if max(upper for upper, _ in holm_upper(steps)) < margin:
            rejected += 1
            statistics = sorted(((margin - one.mean) / one.error for one in steps), reverse=True)
            assert all(z > quantile_t(1 - 0.05 / (5 - i), 68) for i, z in enumerate(statistics))
    assert rejected > 20


def test_the_upper_bound_keeps_its_word() -> None:
    """Of clustered queries without any difference, at most about 5 % of the bounds lie below it."""
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(60), 10)
    below = 0
    for _ in range(400):
        skill = rng.beta(0.3, 3, 60)[person]
        effect, control = (rng.random(600) < skill for _ in range(2))
        step = difference(*(Verdicts(one.astype(float), person, np.arange(600)) for one in (effect, control)))
        below += step.upper(0.05) < 0
    assert below < 400 * 0.08


def test_of_several_best_people_a_share_is_right() -> None:
    owner = np.repeat(np.arange(4), 5)
    found = verdicts(lambda chosen: np.zeros((int((~chosen).sum()), 4)), owner, 3)
    assert found.share == 0.25
    assert found.queries == SPLITS * 8
    assert 8 < len(np.unique(found.picture)) <= 20


def test_scores_that_are_not_finite_are_an_error() -> None:
    """A maximum over them would call the attack harmless."""
    owner = np.repeat(np.arange(4), 5)
    with pytest.raises(ValueError, match="not finite"):
        verdicts(lambda chosen: np.full((int((~chosen).sum()), 4), np.nan), owner, 3)


def test_somebody_whom_everybody_resembles_is_not_named_every_time() -> None:
    """All pictures resemble the first person most: normalised, the right person is found nevertheless."""
    owner = np.repeat(np.arange(4), 20)
    rng = np.random.default_rng(0)
    enrolled = np.eye(5)[owner].astype(np.float32)
    asked = (0.2 * enrolled + [1, 0, 0, 0, 0] + rng.normal(0, 0.02, enrolled.shape)).astype(np.float32)
    assert (asked @ enrolled[0] > asked @ enrolled[70]).all()
    assert verdicts(by_cosine(enrolled, asked, owner), owner, 3).share > 0.99


def test_every_deal_enrols_as_many_of_everybody() -> None:
    owner = np.repeat(np.arange(4), 5)
    for chosen in deals(owner, 2):
        assert np.bincount(owner[chosen]).tolist() == [2, 2, 2, 2]
    first, second, *_ = deals(owner, 2)
    assert not np.array_equal(first, second)
