"""Who may be seen on a picture that stands alone: one view decides, and only of a face that no other overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamer.core.picture import Picture
from streamer.core.reasons import HideReason
from streamer.core.types import (
    Box,
    Cover,
    Detection,
    DetectionResult,
    Frame,
    Identified,
    Likeness,
    Reveal,
    TrackBox,
    Verdict,
)
from streamer.embedders import Thresholds
from streamer.identity.evidence import IdentityOptions
from streamer.identity.still import StillIdentity

MARKS = ((10.0, 10.0), (20.0, 10.0), (15.0, 15.0), (11.0, 20.0), (19.0, 20.0))
ADA: Box = (10, 10, 60, 70)
EVE: Box = (100, 10, 150, 70)
SURE, OTHER = Likeness("Ada", 0.8, 0.1, 2), Likeness("Bea", 0.8, 0.1, 2)


class Photo:
    """One picture with these faces, whose likenesses are given."""

    def __init__(self, *boxes: Box, score: float = 0.9, **options: object) -> None:
        self.version = 3
        settings = IdentityOptions.model_validate({"who": "unknown", **options})
        self.identity = StillIdentity(settings, Thresholds(0.5, 0.1, 0.1), lambda: self.version, strong_score=0.4)
        self.frame = Frame(4, 4, 4.0, Picture.blank(200, 100).frozen(), name="a.png")
        self.tracks = [TrackBox(number, box, MARKS) for number, box in enumerate(boxes, 1)]
        went = {number: Detection(box, score, MARKS) for number, box in enumerate(boxes, 1)}
        result = DetectionResult(4, 4, 4.0, tuple(went.values()))
        self.identity.observe(self.frame, result, went, self.tracks)

    def answer(self, *likenesses: Likeness | None, version: int | None = None) -> Sequence[Verdict]:
        request = self.identity.next_request()
        if request is not None:
            found = tuple(zip(request.faces, likenesses, strict=True))
            self.identity.identified(Identified(4, 4.0, found, self.version if version is None else version))
        return self.verdicts()

    def verdicts(self) -> Sequence[Verdict]:
        return [verdict for _, verdict in self.identity.decide(self.frame, self.tracks)]


def test_one_clear_view_shows_a_face_of_that_picture_alone() -> None:
    photo = Photo(ADA, EVE)
    one, other = photo.answer(SURE, Likeness("Ada", 0.2, 0.1, 2))
    assert isinstance(one, Reveal)
    assert (one.name, one.gallery_version) == ("Ada", 3)
    assert one.evidence_t <= 4.0 < one.expires_t
    assert other == Cover(HideReason.NOBODY)
    next_one = Frame(5, 5, 5.0, photo.frame.image, name="b.png")
    ((_, verdict),) = photo.identity.decide(next_one, photo.tracks[:1])
    assert isinstance(verdict, Cover), "of another picture"


def test_every_face_is_asked_about_at_once() -> None:
    photo = Photo(*((60.0 * n, 0.0, 60.0 * n + 50, 60.0) for n in range(40)), budget=1)
    assert photo.identity.waiting
    everybody = [Likeness(f"person {number}", 0.8, 0.1, 40) for number in range(40)]
    assert all(isinstance(one, Reveal) for one in photo.answer(*everybody))
    assert not photo.identity.waiting


@pytest.mark.parametrize(
    "likeness",
    [
        None,
        Likeness(None, 0.9, -1, 0),
        Likeness("Ada", 0.55, 0.1, 2),  # enough for a view of a video
        Likeness("Ada", 0.8, 0.75, 2),
        Likeness("Ada", float("nan"), 0.1, 2),
    ],
)
def test_in_doubt_a_face_is_hidden(likeness: Likeness | None) -> None:
    assert all(isinstance(one, Cover) for one in Photo(ADA).answer(likeness))


def test_two_faces_that_are_both_like_one_person_are_hidden() -> None:
    assert Photo(ADA, EVE).answer(SURE, SURE) == [Cover(HideReason.ELSEWHERE)] * 2
    hidden, shown = Photo(ADA, EVE).answer(Likeness("Ada", 0.55, 0.1, 2), SURE)
    assert isinstance(hidden, Cover)
    assert isinstance(shown, Reveal)


def test_without_an_answer_everybody_is_hidden() -> None:
    photo = Photo(ADA, EVE)
    assert all(isinstance(one, Cover) for one in photo.verdicts())
    photo.identity.next_request()
    photo.identity.identified(None)
    assert all(isinstance(one, Cover) for one in photo.verdicts())


def test_faces_that_overlap_are_hidden_and_neighbours_are_not() -> None:
    assert all(isinstance(one, Reveal) for one in Photo(ADA, (61, 10, 111, 70)).answer(SURE, OTHER))
    assert Photo(ADA, (55, 10, 105, 70)).answer(SURE, OTHER) == [Cover(HideReason.CROWDED)] * 2


def test_a_track_that_is_not_the_face_that_was_asked_about_is_hidden() -> None:
    photo = Photo(ADA)
    photo.answer(SURE)
    ((_, verdict),) = photo.identity.decide(photo.frame, [TrackBox(2, EVE, MARKS)])
    assert isinstance(verdict, Cover)


def test_small_weak_and_faces_without_landmarks_are_not_asked_about() -> None:
    assert Photo((10, 10, 30, 35)).identity.next_request() is None
    assert Photo(ADA, score=0.3).identity.next_request() is None


def test_a_gallery_that_changed_since_hides_everybody() -> None:
    photo = Photo(ADA)
    assert isinstance(photo.answer(SURE)[0], Reveal)
    photo.version += 1
    assert photo.verdicts() == [Cover(HideReason.GALLERY)]
    assert isinstance(Photo(ADA).answer(SURE, version=2)[0], Cover)


def test_where_the_enrolled_are_hidden_strangers_are_shown_only_when_they_are_clearly_none() -> None:
    stranger, like_ada = Likeness("Ada", 0.05, 0.0, 2), Likeness("Ada", 0.3, 0.0, 2)
    assert isinstance(Photo(ADA, who="known").answer(stranger)[0], Reveal)
    assert isinstance(Photo(ADA, who="known").answer(like_ada)[0], Cover)
    assert isinstance(Photo(ADA, who="known").answer(None)[0], Cover)
