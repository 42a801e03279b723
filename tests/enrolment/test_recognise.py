"""Who is taken for whom, and the montage: nobody is visible on it who was not recognised beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fakes import face, readable
from numpy.typing import NDArray

from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.align import ARCFACE_112, Pose, Quality
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.effects import Effect
from streamer.embedders import Thresholds
from streamer.enrolment.faces import Face, FaceReader
from streamer.enrolment.montage import montage
from streamer.enrolment.recognise import Recognised, Seen, recognised
from streamer.people.content import Content
from streamer.people.gallery import Gallery, Match, Person, Vectors

PX = 64
LEFT: Box = (40.0, 60.0, 40.0 + PX, 60.0 + PX)
RIGHT: Box = (200.0, 60.0, 200.0 + PX, 60.0 + PX)


def vector(*numbers: float) -> Vectors:
    row = np.asarray(numbers, np.float32)
    return np.asarray(row / np.linalg.norm(row), np.float32)


GALLERY = Gallery.of(
    "toy-0",
    [
        (Person("Ann", 0.0), vector(1, 0, 0)[None]),
        (Person("Ben", 0.0, expires=100.0), vector(0, 1, 0)[None]),
        (Person("Eve", 0.0), vector(1, 0, 0.7)[None]),
    ],
    version=7,
)


ANN, NEARLY_BEN, NOBODY = vector(1, 0, -0.5), vector(0, 0.55, -0.8), vector(0, 0, -1)
"""The second is accepted, but to be shown on one picture alone takes more."""


def a_face(of: Vectors, box: Box = LEFT, *, px: float = PX) -> Face:
    quality = Quality(px, Pose(0.0, 0.0, 0.0), 0.3, 128.0, 40.0)
    return Face(Detection(box, 0.9, ARCFACE_112), quality, of, np.zeros((192, 192, 3), np.uint8))


class Embedder:
    """Gives these vectors for the faces of a picture, in their order."""

    model, dim, crop_px, template, thresholds = "toy-0", 3, 112, ARCFACE_112, Thresholds(0.5, 0.2, 0.1)

    def __init__(self, *vectors: Vectors) -> None:
        self._vectors = vectors

    def embed(self, crops: Sequence[object]) -> Vectors:
        assert len(crops) == len(self._vectors)
        return np.stack(self._vectors)

    def close(self) -> None:
        pass


class Reader(FaceReader):
    """Finds these faces in any picture."""

    def __init__(self, *faces: Face) -> None:
        self.embedder = Embedder()
        self._faces = list(faces)

    def faces(self, picture: Picture) -> list[Face]:
        return self._faces


def judge(one: Face, *, now: float = 0.0) -> Recognised:
    (found,) = recognised(Picture.blank(8, 8), Reader(one), GALLERY, now=now)
    return found


@pytest.mark.parametrize(
    ("of", "name", "why"),
    [
        (ANN, "Ann", ""),
        (NEARLY_BEN, "Ben", ""),
        (vector(1, 0, 0.35), None, "as much like"),
        (NOBODY, None, "not enrolled"),
    ],
)
def test_who_a_face_is_taken_for(of: Vectors, name: str | None, why: str) -> None:
    found = judge(a_face(of))
    assert found.name == name
    assert found.why.startswith(why)


def test_too_small_and_expired_faces_have_no_name() -> None:
    assert judge(a_face(vector(1, 0, -0.5), px=30)).why == "too small to be told apart"
    assert judge(a_face(vector(0, 1, 0)), now=99.0).name == "Ben"
    assert judge(a_face(vector(0, 1, 0)), now=100.0).name is None


# -- the montage ----------------------------------------------------------------------------------------------------


class Finds:
    """A detector that finds faces in these boxes of the street."""

    def __init__(self, *boxes: Box) -> None:
        self._boxes = boxes

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        return [[found_at(box) for box in self._boxes] if self._upright(picture) else [] for picture in pictures]

    @staticmethod
    def _upright(picture: Picture) -> bool:
        return np.array_equal(picture.planes[0][: street().height], street().planes[0])

    def close(self) -> None:
        pass


def found_at(box: Box) -> Detection:
    scale = (box[2] - box[0]) / 112
    (ax, ay), (bx, by), (cx, cy), (dx, dy), (ex, ey) = (
        (box[0] + x * scale, box[1] + y * scale) for x, y in ARCFACE_112
    )
    return Detection(box, 0.9, ((ax, ay), (bx, by), (cx, cy), (dx, dy), (ex, ey)))


def street() -> Picture:
    """Two drawn faces on a grey wall."""
    luma: NDArray[np.uint8] = np.full((240, 320), 110, np.uint8)
    for x0, y0, _, _ in (LEFT, RIGHT):
        luma[int(y0) : int(y0) + PX, int(x0) : int(x0) + PX] = face()
    return Picture.from_bgr(np.repeat(luma[..., None], 3, axis=2))


def shown(faces: Sequence[tuple[Box, Vectors]], content: Content | None = None, *, named: bool = True) -> Picture:
    """The montage of a street with these faces, of which the first is called Ann on it."""
    effect: Effect = build("effects", "solid", {}, Context())
    first = Recognised(a_face(faces[0][1], faces[0][0]), Match("Ann", 0.9), "Ann" if named else None)
    seen = Seen("street", None, street(), (first,))
    detector, embedder = Finds(*(box for box, _ in faces)), Embedder(*(of for _, of in faces))
    return montage(seen, content or Content(GALLERY), detector, embedder, effect, Config()).image


def test_only_the_recognised_are_visible() -> None:
    picture = shown([(LEFT, ANN), (RIGHT, NOBODY)])
    assert readable(picture, LEFT)
    assert not readable(picture, RIGHT)


def test_several_may_be_visible() -> None:
    picture = shown([(LEFT, ANN), (RIGHT, vector(1, 0, 0.9))])
    assert readable(picture, LEFT)
    assert readable(picture, RIGHT)


@pytest.mark.parametrize("of", [NEARLY_BEN, NOBODY, vector(1, 0, 0.35)])
def test_in_doubt_everyone_is_hidden(of: Vectors) -> None:
    """Not good enough for one picture; nobody; like two people."""
    picture = shown([(LEFT, of), (RIGHT, NOBODY)])
    assert not readable(picture, LEFT)
    assert not readable(picture, RIGHT)


def test_a_face_that_touches_another_is_hidden() -> None:
    near: Box = (LEFT[0] + 50, LEFT[1], LEFT[2] + 50, LEFT[3])
    assert not readable(shown([(LEFT, ANN), (near, NOBODY)]), LEFT)


def test_kept_faces_stand_beside_and_only_of_the_recognised() -> None:
    kept = np.zeros((192, 192, 3), np.uint8)
    kept[..., 2] = 250
    content = Content(GALLERY).added("Ann", vector(1, 0.3, 0)[None], now=0.0, portraits=[kept])

    def red(picture: Picture) -> int:
        bgr = picture.bgr()
        return int(((bgr[..., 2] > 240) & (bgr[..., 0] < 10)).sum())

    faces = [(LEFT, ANN), (RIGHT, NOBODY)]
    assert red(shown(faces, content)) > 100 * 100
    assert red(shown(faces, content, named=False)) == 0
    assert red(shown(faces)) == 0
