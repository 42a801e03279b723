"""The embedder's stage: what it answers, and whose time is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.people import FACE_PX, CellEmbedder, Street, Walker, gallery_of, landmarks

from streamer.config.schema import Config
from streamer.core import views
from streamer.core.stats import Stats
from streamer.core.types import Candidate, Detection, Frame, Identified, IdentityRequest, SourceInfo
from streamer.core.views import View
from streamer.identity.decide import hide_everyone
from streamer.people.gallery import Gallery
from streamer.people.live import LiveGallery
from streamer.pipeline.recognition import Recogniser, Recognition
from streamer.stages import embed
from streamer.stages.embed import Answer, CropRules, EmbedFailed

ADA = 3
BOX = (100.0, 60.0, 100.0 + FACE_PX, 60.0 + FACE_PX)


def expired_gallery() -> Gallery:
    """Ada, whose time was over an hour ago."""
    return Gallery.of(
        CellEmbedder.model,
        [(replace(person, expires=time.time() - 3600), vectors) for person, vectors in gallery_of(ADA).each()],
    )


def asked_about_ada(*, views: tuple[View, ...] | None = None) -> IdentityRequest:
    picture = Street([Walker(ADA, lambda n: (100, 60))]).picture(0)
    candidate = Candidate(1, 0, Detection(BOX, 0.9, landmarks(BOX)), views)
    return IdentityRequest(Frame(0, 0, 0.0, picture), (candidate,))


def likeness_of_ada(now: Callable[[], float]) -> str | None:
    answer = embed.embed(CellEmbedder(), asked_about_ada(), expired_gallery(), 1, CropRules(24, 80), Stats(), now=now)
    assert isinstance(answer, Identified)
    ((_, likeness),) = answer.found
    assert likeness is not None
    return likeness.name


def test_whose_time_is_over_is_like_nobody() -> None:
    assert likeness_of_ada(time.time) is None
    assert likeness_of_ada(lambda: -math.inf) == f"person-{ADA}"


@pytest.mark.parametrize(("who", "hidden"), [("unknown", False), ("known", True)])
def test_who_is_to_be_hidden_stays_so_when_the_entry_expires(
    who: str, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Callable[[], float]] = []
    monkeypatch.setattr(embed, "work", lambda *_, now, **__: asked.append(now))
    config = Config().updated({"identity.who": who})
    gallery = LiveGallery(expired_gallery, lambda: None, model=CellEmbedder.model, on_problem=lambda why: None)
    recognised = Recognition(config, Stats(), hide_everyone)
    info = SourceInfo("test", 640, 480, live=False)
    recognised.open(Recogniser(CellEmbedder(), gallery), 0.5, info)
    recognised.connect(threading.Condition())
    recognised.work()
    assert (likeness_of_ada(asked[0]) is not None) == hidden


def answer_with_a_view(stats: Stats | None = None) -> Answer:
    return embed.embed(
        CellEmbedder(),
        asked_about_ada(views=()),
        gallery_of(ADA),
        1,
        CropRules(24, 80),
        stats or Stats(),
        now=lambda: 0,
    )


def test_whatever_goes_wrong_with_a_view_is_no_evidence_and_ends_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(view: View | None, before: object) -> bool:
        raise RuntimeError("cannot be compared")

    monkeypatch.setattr(embed, "is_another", broken)
    answer = answer_with_a_view()
    assert isinstance(answer, EmbedFailed)
    assert "cannot be compared" in str(answer.error)


def test_comparing_views_is_the_embedders_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(view: View | None, before: object) -> bool:
        time.sleep(0.05)
        return True

    monkeypatch.setattr(embed, "is_another", slow)
    stats = Stats()
    answer_with_a_view(stats)
    assert stats._stage_s["embed"] >= 0.05


def test_a_face_that_is_aligned_as_views_are_is_aligned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = views.view_of(asked_about_ada().frame.image, landmarks(BOX))

    def again(*_: object) -> None:
        raise AssertionError("aligned twice")

    monkeypatch.setattr(views, "aligned", again)
    answer = answer_with_a_view()
    assert isinstance(answer, Identified)
    ((_, likeness),) = answer.found
    assert likeness is not None
    assert likeness.another
    np.testing.assert_array_equal(likeness.view, expected)
