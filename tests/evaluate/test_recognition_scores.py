"""The arithmetic of recognition, on scores whose rates are known."""

from __future__ import annotations

import itertools
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.errors import InputError
from streamer.evaluate.calibrate import calibrate
from streamer.evaluate.pairs import AllPairs
from streamer.evaluate.recognition import decisions, judge_folder, judge_pairs
from streamer.evaluate.scores import (
    best_threshold,
    equal_error,
    far,
    split_people,
    tar,
    threshold_at_far,
    wilson,
)

Folder = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]


def people(count: int, pictures: int, noise: float, *, dim: int = 64, seed: int = 0) -> Folder:
    """Vectors of unit length around one direction per person, all with a face, and their owners."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(count, dtype=np.int64), pictures)
    vectors = rng.normal(size=(count, dim))[owner] + noise * rng.normal(size=(count * pictures, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.ones(len(owner), np.bool_), owner


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=1e-4)


def test_the_threshold_for_a_rate_is_where_a_normal_distribution_has_it() -> None:
    scores = np.random.default_rng(0).normal(0.1, 0.1, 400_000).astype(np.float32)
    for wanted in (1e-1, 1e-2, 1e-3):
        assert threshold_at_far(scores, wanted) == pytest.approx(NormalDist(0.1, 0.1).inv_cdf(1 - wanted), abs=0.01)


@pytest.mark.parametrize("wanted", [0.0, 0.1, 0.25, 0.5, 0.99])
def test_no_more_is_accepted_than_was_wanted(wanted: float) -> None:
    scores = np.round(np.random.default_rng(1).random(100), 1).astype(np.float32)  # with ties
    assert far(scores, threshold_at_far(scores, wanted)) <= wanted


def test_all_may_be_accepted() -> None:
    scores = np.array([0.1, 0.2], np.float32)
    assert far(scores, threshold_at_far(scores, 1.0)) == 1


def test_equal_error_of_two_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    genuine, impostor = (rng.normal(mean, 0.1, 50_000).astype(np.float32) for mean in (0.5, 0.2))
    rate, threshold = equal_error(genuine, impostor)
    assert rate == pytest.approx(NormalDist().cdf(-1.5), abs=0.003)
    assert threshold == pytest.approx(0.35, abs=0.005)
    assert best_threshold(genuine, impostor) == pytest.approx(0.35, abs=0.02)


def test_equal_error_without_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="pairs of one person and of two"):
        equal_error(np.array([], np.float32), np.array([0.1], np.float32))


def test_decisions() -> None:
    genuine, impostor = np.array([0.9, 0.8, 0.3], np.float32), np.array([0.7, 0.1, 0.0, 0.2], np.float32)
    at = decisions(genuine, impostor, 0.5)
    assert (at.accuracy, at.precision, at.recall) == pytest.approx((5 / 7, 2 / 3, 2 / 3))
    assert (at.false_accept, at.false_reject) == pytest.approx((1 / 4, 1 / 3))
    assert at.f1 == pytest.approx(2 / 3)


def test_halves_share_nobody() -> None:
    owner = np.repeat(np.arange(11), 3)
    first = split_people(owner)
    assert set(owner[first]) & set(owner[~first]) == set()
    assert len(set(owner[first])) == 5


def test_pairs_are_counted_once() -> None:
    pairs = AllPairs(*people(4, 3, 0.1))
    assert (len(pairs.genuine), len(pairs.impostor)) == (4 * 3, 6 * 9)
    half = pairs.half(np.isin(pairs.owner, [1, 3]))
    assert (len(half.genuine), len(half.impostor)) == (2 * 3, 9)
    assert set(half.genuine.tolist()) <= set(pairs.genuine.tolist())


def test_a_picture_without_a_face_is_like_nobody() -> None:
    vectors, there, owner = people(3, 2, 0.01)
    there[0] = False
    pairs = AllPairs(vectors, there, owner)
    assert (pairs.genuine == -1).sum() == 1
    assert (pairs.impostor == -1).sum() == 4
    assert next(iter(pairs.leave_one_out()))[1] == -1


def test_rates_are_those_of_the_scores_and_lie_in_their_intervals() -> None:
    pairs = AllPairs(*people(60, 4, 1.2))
    threshold = float(np.median(pairs.genuine))
    assert pairs.tar(threshold).value == tar(pairs.genuine, threshold)
    assert pairs.far(threshold).value == pytest.approx(far(pairs.impostor, threshold))
    for estimate in (pairs.tar(threshold), pairs.far(0.2), pairs.threshold_at_far(1e-2), pairs.lowest_genuine(0.05)):
        assert estimate.low < estimate.high
        assert estimate.low <= estimate.value <= estimate.high
    assert pairs.threshold_at_far(1e-2).value == threshold_at_far(pairs.impostor, 1e-2)


def test_everybody_is_recognised_when_pictures_hardly_differ() -> None:
    vectors, there, owner = people(20, 3, 0.05)
    result = judge_folder(vectors, there, owner, [f"p{i}" for i in range(20)], 0.6)
    assert result.closed_set_accuracy == 1
    assert result.confusions == []
    assert result.eer == 0
    assert all(row.tar.value == 1 for row in (*result.whole, *result.halves, result.calibrated))


def test_shuffled_names_are_recognised_by_chance() -> None:
    vectors, there, owner = people(20, 6, 0.05)
    result = judge_folder(vectors, there, np.random.default_rng(0).permutation(owner), [str(i) for i in range(20)], 0.6)
    assert result.closed_set_accuracy < 0.5  # some of the six pictures keep a companion; nobody else is found
    assert result.eer == pytest.approx(0.5, abs=0.1)


def test_people_who_look_alike_are_told_as_confusions() -> None:
    vectors, there, owner = people(6, 2, 0.01)
    vectors[3] = vectors[0]  # one picture of the second person shows the first one's face
    result = judge_folder(vectors, there, owner, list("abcdef"), 0.6)
    assert ("b", "a", 1) in result.confusions
    assert {one.name: one.right for one in result.people}["c"] == 2


def test_pairs_of_a_table() -> None:
    vectors, there, owner = people(40, 2, 0.05)
    there[0] = False
    pairs = [(True, 2 * i, 2 * i + 1) for i in range(40)] + [(False, 2 * i, (2 * i + 3) % 80) for i in range(40)]
    result = judge_pairs(pairs, vectors, there, owner, 0.6)
    assert (result.same, result.different, result.without_face) == (40, 40, 2)
    assert result.calibrated.recall == 39 / 40  # a face that is not found is no match
    assert result.calibrated.precision == 1
    assert 0 < result.cross_validated_pairs < 80  # pairs across the halves are in neither
    assert result.cross_validated_accuracy > 0.95


def test_calibration_gives_the_threshold_that_the_scores_have() -> None:
    pairs = AllPairs(*people(80, 4, 1.2))
    found = calibrate(pairs, 1e-2)
    assert found.accept.value == threshold_at_far(pairs.impostor, 1e-2)
    assert found.accept.value <= found.proposed.accept < found.accept.high + 0.011
    assert found.far.value <= 1e-2
    assert found.enough
    assert not calibrate(pairs, 1e-6).enough
    # More is asked of the evidence when less may go wrong.
    assert calibrate(pairs, 1e-3).proposed.accept > found.proposed.accept


def test_a_larger_margin_accepts_fewer_of_everybody() -> None:
    vectors, there, owner = people(30, 3, 0.05)
    vectors[3] = vectors[0]  # one picture of the second person shows the first
    rows = calibrate(AllPairs(vectors, there, owner), 1e-2, margin=0.07).margins
    assert [row.margin for row in rows] == [0, 0.05, 0.07, 0.1, 0.15, 0.2]
    assert rows[0].right + rows[0].wrong == pytest.approx(1)
    assert 2 / 90 <= rows[0].wrong <= 4 / 90  # that picture, its twin, and perhaps the twin's companions
    for looser, stricter in itertools.pairwise(rows):
        assert (looser.right, looser.wrong, looser.strangers) >= (stricter.right, stricter.wrong, stricter.strangers)
    # Whose person is not enrolled is a stranger: the first person's three pictures and the twin are taken for others,
    # and of the rest no more than a rate of one in a hundred pairs allows.
    assert 4 / 90 <= rows[0].strangers <= 10 / 90


def test_a_folder_of_one_person_cannot_be_judged() -> None:
    with pytest.raises(InputError, match="four people"):
        judge_folder(*people(1, 3, 0.1), ["a"], 0.5)
    with pytest.raises(InputError, match="two people"):
        calibrate(AllPairs(*people(3, 1, 0.1)), 1e-2)
