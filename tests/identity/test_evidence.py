"""What likenesses say, and how many of them it takes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fakes import face

from streamer.core.types import Likeness
from streamer.core.views import View, is_another
from streamer.embedders import Thresholds
from streamer.identity.continuity import Clear, Continuity, Doubt
from streamer.identity.evidence import Rules
from streamer.identity.known import Ballot, Decided, Known

RULES = Rules("unknown", Thresholds(0.45, 0.2, 0.1, lift=0.015, per_tenfold=0.04, alone=0.65, unlike=0.1))
KNOWN = Rules("known", RULES.thresholds)


def view(number: int) -> View:
    """One face, of which another part is changed each time."""
    seen = face(9, 48).astype(np.float32)
    row = 12 * (number % 3) + 8
    seen[row : row + 8, 14:34] += 70
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), 1.5), np.float32)


def like(score: float, people: int = 1, second: float = -1.0) -> Likeness:
    return Likeness("Ann", score, second, people)


@pytest.mark.parametrize(("people", "least"), [(1, 0.465), (10, 0.505), (100, 0.545)])
def test_a_decision_takes_more_among_many_people(people: int, least: float) -> None:
    assert RULES.speaks_for(like(least + 0.001, people)) == "Ann"
    assert RULES.speaks_for(like(least - 0.001, people)) is None
    assert RULES.speaks_for(like(0.451, people), again=True) == "Ann", "a confirmation takes no more than a match"
    assert RULES.speaks_for(like(0.449, people), again=True) is None
    assert RULES.speaks_for(like(0.7, people, second=0.61)) is None


@pytest.mark.parametrize(("people", "least"), [(1, 0.55), (100, 0.55), (1000, 0.585)])
def test_a_still_takes_more_than_each_view_of_a_video(people: int, least: float) -> None:
    """No second view can correct the first."""
    rules = Rules("unknown", RULES.thresholds, stills=True)
    assert rules.speaks_for(like(least + 0.001, people)) == "Ann"
    assert rules.speaks_for(like(least - 0.001, people)) is None


def test_one_view_suffices_only_far_from_every_error() -> None:
    assert not RULES.suffices_alone(like(0.649))
    assert RULES.suffices_alone(like(0.65))
    assert not KNOWN.suffices_alone(like(0.1))
    assert KNOWN.suffices_alone(like(0.09))


def decided(ballots: list[Ballot], votes: int = 3) -> bool:
    known = Known()
    for ballot in ballots:
        agree(known, ballot, votes)
    return isinstance(known.opinion, Decided)


def agree(known: Known, ballot: Ballot, votes: int = 3) -> None:
    """As it is asked for: is it another view than those that count?"""
    known.agree(replace(ballot, another=is_another(ballot.view, known.views or ())), votes_needed=votes)


def ballots(views: list[int], *, alone: bool = False, step_s: float = 0.1) -> list[Ballot]:
    return [Ballot("Ann", step_s * n, 0.6, view(seed), False, alone) for n, seed in enumerate(views)]


def test_votes_come_from_different_views() -> None:
    assert decided(ballots([1, 2, 3]))
    assert not decided(ballots([1] * 50)), "three crops of one view are one vote"
    assert not decided(ballots([1, 2] * 50))
    assert decided(ballots([1, 1, 2, 1, 2, 2, 3]))
    assert decided(ballots([1]), votes=1), "a still has one view"


def test_a_crop_without_a_view_is_no_vote_more() -> None:
    assert not decided([Ballot("Ann", 0.1 * n, 0.6, None, False) for n in range(20)])


def test_clear_crops_take_no_other_view_but_as_many() -> None:
    assert decided(ballots([1, 1, 1], alone=True))
    assert not decided(ballots([1, 1], alone=True))
    assert not decided(ballots([1, 1, 1, 1], alone=True, step_s=0.02)), "neighbouring frames are one crop"
    mixed = [Ballot("Ann", 0.1 * n, 0.6, view(1), False, alone=bool(n % 3)) for n in range(20)]
    assert not decided(mixed), "in a row"


def test_a_decision_reaches_back_to_the_first_vote() -> None:
    known = Known()
    for ballot in ballots([1, 1, 2, 3]):
        agree(known, ballot)
    assert isinstance(known.opinion, Decided)
    assert (known.opinion.since_t, known.opinion.confirmed_t) == pytest.approx((0.0, 0.3))


@pytest.mark.parametrize(
    ("views", "first_t", "settled"), [([1, 2, 3], 2.0, True), ([1, 1, 1], 2.0, False), ([1, 2, 3], 1.9, False)]
)
def test_a_face_that_jumped_is_settled_by_as_many_votes_as_a_decision(
    views: list[int], first_t: float, settled: bool
) -> None:
    """Of other views, and all of the face since it jumped."""
    doubt = Doubt(1.0, 2.0, 2.0)
    known = Known(Continuity(Clear(0.0, 3.0, False, doubt)), Decided("Ann", 0.0, 1.0, 0.7))
    for ballot in ballots(views):
        another = is_another(ballot.view, known.views or ())
        known.vote_anew(replace(ballot, t=first_t + ballot.t, another=another), doubt, votes_needed=3)
    assert known.continuity.is_doubted != settled
    assert isinstance(known.opinion, Decided)
    assert known.opinion.since_t == 0.0


def test_who_does_not_move_is_asked_about_less_and_less_often() -> None:
    known, waits = Known(), []
    for ballot in ballots([1] * 6):
        agree(known, ballot)
        waits.append(known.wait_s(0.5))
    assert waits == pytest.approx([0.08, 0.08, 0.16, 0.32, 0.4, 0.4])
    agree(known, Ballot("Ann", 9.0, 0.6, view(2), another=False))
    assert known.wait_s(0.5) == pytest.approx(0.08)
