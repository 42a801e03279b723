"""Strangers shown against own pictures accepted, on people whose likeness is known."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.cli.evaluate_lookalikes import _trade
from streamer.core.errors import InputError
from streamer.embedders import Thresholds
from streamer.evaluate import lookalikes as module
from streamer.evaluate.lookalikes import Curve, Point, lookalikes
from streamer.evaluate.scores import wilson

SISTERS = 0.7
THRESHOLDS = Thresholds(0.45, 0.2, 0.1, lift=0.01, per_tenfold=0.05)


@pytest.fixture(scope="module")
def curves() -> list[Curve]:
    """Forty people with two pictures each, at 0.9 of themselves and strangers to each other; two are sisters."""
    people = np.eye(100, dtype=np.float32)[:40]
    people[1] = SISTERS * people[0] + np.sqrt(1 - SISTERS**2) * people[1]
    vectors = np.repeat(people, 2, axis=0)
    rest = np.eye(100, dtype=np.float32)[60:]
    vectors[1::2] = 0.9 * people + np.sqrt(1 - 0.81) * rest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DRAWN", {1: 400, 5: 200, 20: 100, 100: 10})
        return lookalikes(vectors, np.ones(80, np.bool_), np.repeat(np.arange(40), 2), THRESHOLDS)


def test_every_size_that_the_folder_allows(curves: list[Curve]) -> None:
    assert [(curve.people, curve.stills) for curve in curves] == [(n, k) for k in (1, 3) for n in (1, 5, 20)]
    for curve in curves:
        assert curve.chosen.threshold == pytest.approx(THRESHOLDS.accept_among(curve.people), abs=1e-4)
        assert curve.still.threshold == pytest.approx(0.55)
        shares = [point.strangers for point in curve.points]
        assert shares == sorted(shares, reverse=True)


def test_a_sister_is_shown_and_nobody_else(curves: list[Curve]) -> None:
    one = curves[0].chosen
    # In 2 of 40 galleries a sister is enrolled, and both pictures of the other are among 78 strangers' pictures.
    assert one.strangers == pytest.approx(2 / 40 * 2 / 78, rel=0.5)
    assert one.strangers < one.strangers_most
    assert one.own == 1.0
    assert curves[0].points[-1].own == 1.0


def test_the_bound_counts_every_still_that_is_enrolled(curves: list[Curve]) -> None:
    """A stranger has a chance with each of them, and is alike to the best."""
    one, three = (next(c for c in curves if (c.people, c.stills) == (5, stills)) for stills in (1, 3))
    at = one.points[0].threshold
    (low,), (high,) = ([p.strangers_most for p in c.points if p.threshold == at] for c in (one, three))
    assert 0 < low < 0.3
    assert high == pytest.approx(3 * low)


def test_the_interval_counts_each_own_picture_once(curves: list[Curve]) -> None:
    """Forty galleries more of the same eighty pictures say nothing new of them."""
    for curve in curves:
        point = curve.points[0]
        assert (point.own, point.own_high) == pytest.approx((1.0, 1.0))
        assert point.own_low == pytest.approx(wilson(80, 80)[0], abs=1e-3)


def test_a_picture_without_a_face_is_never_accepted() -> None:
    vectors = np.eye(8, dtype=np.float32)[np.repeat(np.arange(4), 2)]
    there = np.array([True, False] * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DRAWN", {1: 50})
        (curve, _) = lookalikes(vectors, there, np.repeat(np.arange(4), 2), THRESHOLDS)
    assert curve.chosen.own == 0.0
    assert curve.chosen.strangers == 0.0


def test_too_few_people() -> None:
    with pytest.raises(InputError, match="two people"):
        lookalikes(np.eye(2, dtype=np.float32)[[0, 0]], np.ones(2, np.bool_), np.zeros(2, np.int64), THRESHOLDS)


def test_the_trade_is_told() -> None:
    loose, strict = Point(0.45, 1e-3, 2e-3, 0.97, 0.96, 0.98), Point(0.5, 1e-5, 5e-5, 0.9, 0.89, 0.91)
    told = _trade(Curve(5, 1, [loose, strict], strict, strict), 1e-4)
    assert told == (
        "chosen 0.500: strangers 1.0e-05, own 90.0 %; strangers at most 0.0001 takes 0.500, which leaves own 90.0 %"
    )
    assert "no threshold keeps" in _trade(Curve(5, 1, [loose], loose, loose), 1e-4)
    assert "with own 97.0 %" in _trade(Curve(5, 1, [loose, strict], strict, strict), 1e-2)


def test_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["evaluate", "lookalikes"])
    assert "name the folder of people" in str(result.exception)
