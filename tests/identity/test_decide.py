"""Who may be seen: drawn people cross, hide each other and change places, and no stranger's pixels ever come out.

Everything is driven event by event, through the real tracker, scheduler, cache and gate; the pixels are judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.people import (
    FACE_PX,
    LOOKALIKE,
    SIZE,
    THRESHOLDS,
    CellEmbedder,
    Rehearsal,
    Street,
    Walker,
    landmarks,
)

from streamer.core import clarity
from streamer.core.align import ARCFACE_112, aligned, similarity
from streamer.core.types import Cover, Frame, Identified, Points5, Reveal, TrackBox
from streamer.embedders import Thresholds
from streamer.identity.continuity import Sighting
from streamer.identity.evidence import Rules

ADA, EVE = 1, 2
"""Ada is enrolled, Eve is not."""
HEAD = 33
"""Pattern of the head that both may have."""
ROOM = SIZE[0] - FACE_PX - 20


def standing(
    seed: int,
    x: float,
    y: float = 70,
    since: int = 0,
    until: int = 10**6,
    head: int | None = None,
    lively: bool = False,
) -> Walker:
    return Walker(seed, lambda n: (x, y) if since <= n < until else None, head, lively)


def to_and_fro(seed: int, period: int, phase: float = 0.0, y: float = 70) -> Walker:
    return Walker(seed, lambda n: (10 + ROOM * (0.5 - 0.5 * math.cos(2 * math.pi * (n / period + phase))), y))


def crossing(period: int, front: int, dy: float = 0.0) -> list[Walker]:
    pair = [to_and_fro(ADA, period), to_and_fro(EVE, period, 0.5, 70 + dy)]
    return pair if front == EVE else pair[::-1]


MODES: dict[str, dict[str, Any]] = {
    "file": {"detect": {"look_back_s": 0.21}},
    "every frame": {"detect": {"every": 1}},
    "live, late answers": {"live": True, "lag": 2},
    "live, no lookahead": {"live": True, "detect": {"lookahead": False}},
    "file, other views": {"detect": {"look_back_s": 0.21}, "lively": True},
}
"""Of the last, nobody is so like themselves that a crop counts without another view, and everybody's mouth moves."""


def rehearse(people: list[Walker], frames: int, mode: str = "file", **more: Any) -> Rehearsal:
    settings = {**MODES[mode], **more}
    live, lively = bool(settings.pop("live", False)), bool(settings.pop("lively", False))
    if lively:
        people = [replace(walker, lively=walker.seed >= 0) for walker in people]
        settings["thresholds"] = replace(THRESHOLDS, alone=math.inf, unlike=-math.inf)
    fps, cut_at = settings.pop("fps", 25.0), settings.pop("cut_at", ())
    return Rehearsal(Street(people, frames=frames, live=live, fps=fps, cut_at=cut_at), **settings).run()


def test_a_track_that_may_be_in_several_places_is_shown_in_none() -> None:
    """One face may have gone while another came."""
    done = rehearse([standing(ADA, 60)], 60)
    frame = Frame(59, 0, 59 / 25, done.street.picture(59))
    here = TrackBox(1, (60, 70, 60 + FACE_PX, 70 + FACE_PX), None, 2.0)
    ((_, alone),) = done.cache.decide(frame, [here])
    assert isinstance(alone, Reveal)
    assert all(isinstance(verdict, Cover) for _, verdict in done.cache.decide(frame, [here, here]))


@pytest.mark.parametrize("mode", MODES)
def test_who_is_enrolled_is_soon_seen_and_nobody_else(mode: str) -> None:
    done = rehearse([standing(ADA, 60), standing(EVE, 360)], 75, mode)
    assert done.false_reveals() == []
    shown = done.shown(ADA)
    assert shown
    assert min(shown) <= (35 if "late" in mode else 16)
    assert shown == list(range(min(shown), max(shown) + 1))
    assert max(shown) >= 70


def test_the_oracle_sees_who_is_not_hidden() -> None:
    done = rehearse([standing(ADA, 60), standing(EVE, 360)], 75, enrolled=(ADA, EVE))
    assert len(done.shown(EVE)) > 50


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("front", [ADA, EVE])
@pytest.mark.parametrize(("period", "dy"), [(100, 0), (40, 0), (24, 40)])
def test_two_cross_twenty_times(mode: str, front: int, period: int, dy: float) -> None:
    """They swap sides twenty times, at walking pace and running; whoever is in front hides the other."""
    done = rehearse(crossing(period, front, dy), 10 * period, mode)
    assert done.false_reveals() == []
    if period == 100:
        assert len(done.shown(ADA)) > 100, "she is seen while nobody is near"


@pytest.mark.parametrize("mode", MODES)
def test_a_face_makes_a_crowd_also_where_it_could_not_continue_a_track(mode: str) -> None:
    """`track.continue_score` above what faces reach: it may lie above `detector.threshold`."""
    done = rehearse([standing(ADA, 60), standing(EVE, 62 + FACE_PX)], 75, mode, weak_score=0.95)
    assert done.cache.counts.reveals == 0


@pytest.mark.parametrize("mode", MODES)
def test_one_walks_in_front_of_another_at_the_same_pace(mode: str) -> None:
    """Eve walks hidden behind Ada, at the same velocity; then Ada is gone and Eve is in her place."""

    def at(n: int) -> tuple[float, float]:
        return 20 + 1.5 * n, 70

    done = rehearse([Walker(EVE, at), Walker(ADA, lambda n: at(n) if n < 100 else None)], 140, mode)
    assert done.false_reveals() == []
    assert len(done.shown(ADA)) > 50


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("behind", [0, 2, 9])
def test_one_leaves_behind_a_pillar_and_another_comes_out(mode: str, behind: int) -> None:
    """Ada walks behind a pillar; `behind` frames later Eve comes out on the way that Ada would have taken."""

    def at(n: int) -> tuple[float, float]:
        return 20 + 2.0 * n, 70

    people = [
        Walker(ADA, lambda n: at(n) if n < 100 else None),
        Walker(EVE, lambda n: at(n) if n >= 100 + behind else None),
        Walker(-1, lambda n: (220 + 2.0 * 3, 70)),
    ]
    assert rehearse(people, 140, mode).false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gone", [0, 1, 3, 6, 20])
@pytest.mark.parametrize("offset", [0, 1])
def test_another_appears_at_the_same_place(mode: str, gone: int, offset: int) -> None:
    """Without a cut that could be seen in the picture, from one frame to the next or after a short absence."""
    swap = 90 + offset
    done = rehearse([standing(ADA, 200, until=swap), standing(EVE, 200, since=swap + gone)], 130, mode)
    assert done.false_reveals() == []
    assert done.shown(ADA)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("offset", [0, 1, 2])
def test_the_same_head_with_another_inner_face(mode: str, offset: int) -> None:
    """From one frame to the next; what is around the face stays as it is."""
    swap = 90 + offset
    people = [standing(ADA, 200, until=swap, head=HEAD), standing(EVE, 200, since=swap, head=HEAD)]
    done = rehearse(people, 130, mode)
    assert len(done.shown(ADA)) > 40
    assert done.false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("period", [1, 3, 8])
def test_inner_faces_that_go_to_and_fro(mode: str, period: int) -> None:
    """Whoever was seen there shortly before is no less another face."""

    def at(n: int, seed: int) -> tuple[float, float] | None:
        ada = n < 60 or n // period % 2 == 0
        return (200, 70) if ada == (seed == ADA) else None

    people = [Walker(seed, partial(at, seed=seed), HEAD) for seed in (ADA, EVE)]
    done = rehearse(people, 160, mode)
    assert done.shown(ADA)
    assert done.false_reveals() == []


def says_nothing(answer: Identified, at: Callable[[int, int], object], how: str) -> Identified | None:
    """The answer where Ada is seen; of all others the crop is poor, or the embedder fails."""
    if at(round(answer.t * 25), ADA) is not None:
        return answer
    return replace(answer, found=tuple((one, None) for one, _ in answer.found)) if how == "poor" else None


@pytest.mark.parametrize("how", ["poor", "failed"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("period", [1, 2, 3, 8])
def test_another_inner_face_that_was_there_in_between_and_of_which_no_crop_tells(
    mode: str, period: int, how: str
) -> None:
    """The match of who is back says nothing of the frames before it."""

    def at(n: int, seed: int) -> tuple[float, float] | None:
        ada = n < 60 or n // period % 2 == 0
        return (200, 70) if ada == (seed == ADA) else None

    people = [Walker(seed, partial(at, seed=seed), HEAD) for seed in (ADA, EVE)]
    done = rehearse(people, 160, mode, answered=partial(says_nothing, at=at, how=how))
    assert done.shown(ADA)
    assert done.false_reveals() == []


RELATIVES = Thresholds(accept=0.5, reject=0.3, margin=0.05, lift=0.05, alone=0.9, unlike=0.1)
"""A lookalike lies between the second of them and `alone`."""


@pytest.mark.parametrize("mode", ["file", "every frame", "live, late answers", "live, no lookahead"])
@pytest.mark.parametrize("period", [5, 9, 1000])
def test_a_lookalike_does_not_inherit_the_decision(mode: str, period: int) -> None:
    """A face that takes the place of another in the same head is decided anew, and one view decides nothing."""

    def at(n: int, seed: int) -> tuple[float, float] | None:
        ada = n < 60 or (n - 60) // period % 2 == 1
        return (200, 70) if ada == (seed == ADA) else None

    people = [Walker(seed, partial(at, seed=seed), HEAD) for seed in (ADA, ADA + LOOKALIKE)]
    done = rehearse(people, 160, mode, thresholds=RELATIVES)
    assert len(done.shown(ADA)) > 30
    assert done.false_reveals() == []


def test_a_lookalike_is_one_to_the_embedder_and_none_by_the_inner_face() -> None:
    """What the test before stands on."""
    faces = [Street([Walker(seed, lambda n: (200, 70))]).picture(0) for seed in (ADA, ADA + LOOKALIKE)]
    crops = [aligned(one, landmarks((200, 70, 200 + FACE_PX, 70 + FACE_PX)), ARCFACE_112, 112) for one in faces]
    a, b = CellEmbedder().embed(crops)
    assert RELATIVES.accept_among(1) + 0.05 < float(a @ b) < RELATIVES.alone - 0.05


def test_one_still_takes_more_than_each_view_of_a_video() -> None:
    loose = replace(RELATIVES, accept=0.65, lift=0.0)
    settings: dict[str, Any] = {"thresholds": loose, "stills": True, "epoch_of": lambda n: n}
    assert rehearse([standing(ADA + LOOKALIKE, 200)], 5, **settings).false_reveals() == []
    assert rehearse([standing(ADA, 200)], 5, **settings).shown(ADA) == list(range(5))


@pytest.mark.parametrize("mode", MODES)
def test_a_cut_to_another_at_the_same_place(mode: str) -> None:
    people = [standing(ADA, 200, until=90), standing(EVE, 200, since=90)]
    done = rehearse(people, 130, mode, cut_at=(90,), epoch_of=lambda n: int(n >= 90))
    assert done.false_reveals() == []
    assert done.shown(ADA)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every", [2, 7])
def test_frames_are_dropped(mode: str, every: int) -> None:
    def drop(n: int) -> bool:
        return n % every != 0 or 40 < n % 100 < 52

    assert rehearse(crossing(100, EVE), 800, mode, drop=drop).false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fps", [5.0, 60.0])
def test_other_frame_rates(mode: str, fps: float) -> None:
    assert rehearse(crossing(round(4 * fps), EVE), round(40 * fps), mode, fps=fps).false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_carried_over_a_reconnection(mode: str) -> None:
    people = [standing(ADA, 200, until=90), standing(EVE, 200, since=90)]
    done = rehearse(people, 130, mode, epoch_of=lambda n: n // 90)
    assert done.false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
def test_who_is_removed_is_hidden_from_that_moment(mode: str) -> None:
    def remove(rehearsal: Rehearsal, n: int) -> None:
        if n == 60:
            rehearsal.gallery = type(rehearsal.gallery).empty("cells-1")
            rehearsal.version += 1

    done = rehearse([standing(ADA, 200)], 150, mode, on_frame=remove)
    shown = done.shown(ADA)
    assert shown
    assert max(shown) < 60


@pytest.mark.parametrize("mode", ["file", "live, no lookahead"])
def test_who_is_not_confirmed_expires(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Rehearsal(Street([standing(ADA, 200)], frames=200, live="live" in mode), **_without_live(mode))
    monkeypatch.setattr(done.cache, "_urgency", _only_before(done, 1.0))
    done.run()
    shown = done.shown(ADA)
    assert shown
    assert max(shown) / 25 <= 1.0 + done.cache._options.reveal_s + 1e-6


def _without_live(mode: str) -> dict[str, Any]:
    return {key: value for key, value in MODES[mode].items() if key not in ("live", "lively")}


def _only_before(done: Rehearsal, until_s: float) -> Callable[..., float | None]:
    urgency = done.cache._urgency
    return lambda known, found, t: urgency(known, found, t) if t < until_s else None


def test_evidence_is_asked_for_seldom() -> None:
    done = rehearse([standing(ADA, 60), standing(EVE, 360)], 500)
    faces = done.cache.counts.track_frames
    assert faces >= 1000
    assert done.embeddings < 0.08 * faces


def test_small_faces_are_never_asked_about() -> None:
    done = rehearse([standing(ADA, 60)], 100, options={"min_face_px": FACE_PX + 1})
    assert done.embeddings == 0
    assert done.shown(ADA) == []


def test_nobody_enrolled_means_nobody_seen() -> None:
    for who in ("unknown", "known", "all"):
        done = Rehearsal(Street([standing(ADA, 60)], frames=80), enrolled=())
        done.cache._rules = type(done.cache._rules)(who, done.cache._rules.thresholds)
        assert done.run().shown(ADA) == []


class TestHideOnlyTheEnrolled:
    """`who: known`: here Ada must stay hidden, and Eve is shown after enough crops that are like nobody."""

    def _run(self, people: list[Walker], frames: int, mode: str) -> Rehearsal:
        def only_the_enrolled(done: Rehearsal, n: int) -> None:
            done.cache._rules = Rules("known", done.thresholds)

        return rehearse(people, frames, mode, on_frame=only_the_enrolled)

    @pytest.mark.parametrize("mode", MODES)
    def test_strangers_are_seen(self, mode: str) -> None:
        done = self._run([standing(ADA, 60), standing(EVE, 360)], 75, mode)
        assert done.shown(ADA) == []
        assert len(done.shown(EVE)) > 30

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("front", [ADA, EVE])
    def test_crossing(self, mode: str, front: int) -> None:
        assert self._run(crossing(100, front), 500, mode).shown(ADA) == []


places = st.floats(0, SIZE[0] - FACE_PX)
legs = st.lists(st.tuples(places, st.integers(2, 40)), min_size=2, max_size=8)


def _walk(legs: list[tuple[float, int]]) -> Callable[[int], tuple[float, float] | None]:
    """From place to place, each leg in so many frames; every fifth leg out of the picture."""

    def at(n: int) -> tuple[float, float] | None:
        whole = n % sum(frames for _, frames in legs)
        for index, (place, frames) in enumerate(legs):
            if whole < frames:
                after = legs[(index + 1) % len(legs)][0]
                return None if index % 5 == 4 else (place + (after - place) * whole / frames, 70)
            whole -= frames
        return None

    return at


# Not shrunk: a run is long, and its first failure tells enough.
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(legs, legs, st.sampled_from(sorted(MODES)), st.integers(0, 2**20), st.booleans())
def test_whatever_the_ways_no_stranger_is_seen(
    ada: list[tuple[float, int]], eve: list[tuple[float, int]], mode: str, dropped: int, eve_in_front: bool
) -> None:
    people = [Walker(ADA, _walk(ada)), Walker(EVE, _walk(eve))]
    done = rehearse(people if eve_in_front else people[::-1], 120, mode, drop=lambda n: bool(dropped >> n % 20 & 1))
    assert done.false_reveals() == []


@pytest.mark.parametrize("mode", MODES)
def test_three_crops_of_one_view_are_one_vote(mode: str) -> None:
    """Ada holds quite still, and is not so like herself that one view would do; she is seen when she moves."""
    for lively in (False, True):
        street = Street([standing(ADA, 200, lively=lively)], frames=150, live="live" in mode)
        done = Rehearsal(street, **_without_live(mode))
        done.cache._rules = Rules("unknown", replace(THRESHOLDS, alone=math.inf))
        done.run()
        assert bool(done.shown(ADA)) == lively


def test_how_a_face_is_aligned_is_computed_once_per_sighting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's thread does it, for every face of every result."""
    asked: list[object] = []

    def counted(points: Points5, template: Points5) -> NDArray[np.float64]:
        asked.append(points)
        return similarity(points, template)

    monkeypatch.setattr(clarity, "similarity", counted)
    box = (200.0, 70.0, 200.0 + FACE_PX, 70.0 + FACE_PX)
    picture = Street([standing(ADA, 200)]).picture(0)
    assert Sighting.of(picture, 0.0, landmarks(box)) is not None
    assert len(asked) == 1
    assert Sighting.of(picture, 0.0, ((5.0, 5.0),) * 5) is None
