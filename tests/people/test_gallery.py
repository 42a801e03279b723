"""The gallery in memory: who a face is most like."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.people.gallery import Gallery, Match, Person, Vectors


def vectors(*rows: list[float]) -> Vectors:
    array = np.asarray(rows, np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), np.float32)


def gallery() -> Gallery:
    return Gallery.of(
        "toy-0",
        [
            (Person("Ann", 0.0), vectors([1, 0, 0], [1, 1, 0])),
            (Person("Ben", 0.0, expires=100.0), vectors([0, 0, 1])),
            (Person("Cem", 0.0), vectors([0, 1, 0])),
        ],
    )


def test_best_of_a_persons_vectors_counts() -> None:
    (match,) = gallery().match(vectors([1, 1, 0]), now=0)
    assert match.name == "Ann"
    assert match.score == pytest.approx(1, abs=1e-6)
    assert match.second_name == "Cem"
    assert match.second_score == pytest.approx(2**-0.5, abs=1e-6)


def test_many_faces_at_once() -> None:
    found = gallery().match(vectors([1, 0, 0], [0, 0, 1], [0, 1, 0.1]), now=0)
    assert [match.name for match in found] == ["Ann", "Ben", "Cem"]
    assert gallery().match(np.empty((0, 3), np.float32), now=0) == []


@pytest.mark.parametrize("now", [100.0, 1e12])
def test_expired_people_never_match(now: float) -> None:
    assert gallery().expired(99.9) == ()
    assert gallery().expired(now) == ("Ben",)
    (match,) = gallery().match(vectors([0, 0, 1]), now=now)
    assert "Ben" not in (match.name, match.second_name)
    assert match.score < 0.1


def test_nobody_and_nobody_left() -> None:
    assert Gallery.empty("toy-0").match(vectors([1, 0, 0]), now=0) == [Match(None)]
    only = Gallery.of("toy-0", [(Person("Ben", 0.0, expires=1.0), vectors([0, 0, 1]))])
    assert only.match(vectors([0, 0, 1]), now=2.0) == [Match(None)]
    (alone,) = only.match(vectors([0, 0, 1]), now=0.0)
    assert (alone.name, alone.second_name, alone.second_score) == ("Ben", None, -1.0)


def test_a_vector_that_is_not_finite_matches_nobody() -> None:
    assert gallery().match(np.full((1, 3), np.nan, np.float32), now=0) == [Match(None)]


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        gallery().match(vectors([1, 0]), now=0)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([(Person("Ann", 0.0), np.ones((1, 3), np.float32))], "length 1"),
        ([(Person("Ann", 0.0), np.full((1, 3), np.nan, np.float32))], "length 1"),
        ([(Person("Ann", 0.0), np.empty((0, 3), np.float32))], "every person has a vector"),
        ([(Person("Ann", 0.0), vectors([1, 0])), (Person("Ann", 0.0), vectors([0, 1]))], "one person"),
    ],
)
def test_what_is_no_gallery_is_refused(people: list[tuple[Person, Vectors]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gallery.of("toy-0", people)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        gallery().vectors[0, 0] = 0


def test_a_persons_own_vectors() -> None:
    assert gallery().vectors_of("Ann").shape == (2, 3)
    assert [len(person.hashes) for person in gallery().people] == [2, 1, 1]
    with pytest.raises(KeyError):
        gallery().vectors_of("Dora")
