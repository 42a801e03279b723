"""The gallery in memory. Immutable, so that a running stream can swap it in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gallery", "Match", "Person", "Vectors", "vector_hash"]

Vectors = NDArray[np.float32]
"""(N, D), each row of length 1."""


@dataclass(frozen=True, slots=True)
class Person:
    """One enrolled person. Times are seconds since 1970, UTC."""

    name: str
    added: float
    expires: float | None = None
    """Expiry: from then on, nobody matches this person; None: never."""
    consent: str = ""
    """What the person agreed to, as free text."""
    hashes: tuple[str, ...] = ()
    """One per vector, in the order of the gallery; see `vector_hash`."""


@dataclass(frozen=True, slots=True)
class Match:
    """The two most similar people for a face. Similarities in [-1, 1]; the caller applies thresholds."""

    name: str | None
    """None: the gallery is empty."""
    score: float = -1.0
    second_name: str | None = None
    """The most similar other person; None: there is no other."""
    second_score: float = -1.0
    people: int = 0
    """How many the face was compared with."""


@dataclass(frozen=True)
class Gallery:
    """The enrolled people and the vectors of their faces, made by one model.

    vectors: (M, D) float32 rows of length 1. owner: (M,) index into `people`, ascending. Raises ValueError otherwise.
    """

    version: int
    """+1 at every change of the gallery file."""
    model: str
    """The embedder's model; vectors of two models cannot be compared."""
    people: tuple[Person, ...]
    vectors: Vectors
    owner: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.owner.shape != self.vectors.shape[:1]:
            raise ValueError("every vector has one owner")
        if len(self.owner) and (np.diff(self.owner) < 0).any():
            raise ValueError("vectors are sorted by their owner")
        if sorted(set(self.owner.tolist())) != list(range(len(self.people))):
            raise ValueError("every person has a vector, and every vector a person")
        if len({person.name for person in self.people}) != len(self.people):
            raise ValueError("a name stands for one person")
        lengths = np.linalg.norm(self.vectors, axis=1)
        if not (np.abs(lengths - 1) < 1e-3).all():
            raise ValueError("vectors have length 1")
        for array in (self.vectors, self.owner):
            array.flags.writeable = False

    @classmethod
    def empty(cls, model: str, *, version: int = 0) -> Gallery:
        """A gallery without people."""
        return cls(version, model, (), np.empty((0, 0), np.float32), np.empty(0, np.int64))

    @classmethod
    def of(cls, model: str, people: Iterable[tuple[Person, Vectors]], *, version: int = 0) -> Gallery:
        """Build from people and their vectors, (K, D) each; missing `hashes` are computed."""
        given = [(person, np.asarray(vectors, np.float32)) for person, vectors in people]
        if not given:
            return cls.empty(model, version=version)
        owner = np.repeat(np.arange(len(given)), [len(vectors) for _, vectors in given])
        named = tuple(
            # People from another gallery bring their hashes along.
            person
            if len(person.hashes) == len(vectors)
            else replace(person, hashes=tuple(vector_hash(vector) for vector in vectors))
            for person, vectors in given
        )
        return cls(version, model, named, np.concatenate([vectors for _, vectors in given]), owner)

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)

    def each(self) -> Iterator[tuple[Person, Vectors]]:
        """Every person with their vectors, (K, D)."""
        bounds = [*self._starts.tolist(), len(self.owner)]
        for index, person in enumerate(self.people):
            yield person, self.vectors[bounds[index] : bounds[index + 1]]

    def vectors_of(self, name: str) -> Vectors:
        """Vectors of one person, (K, D). Raises KeyError for an unknown name."""
        for person, vectors in self.each():
            if person.name == name:
                return vectors
        raise KeyError(name)

    def expired(self, now: float) -> tuple[str, ...]:
        """Names of the people expired at `now`, seconds since 1970."""
        return tuple(person.name for person in self.people if person.expires is not None and now >= person.expires)

    def next_end(self, now: float) -> float:
        """Next expiry after `now`; infinity without one."""
        return float(min((end for end in self._expires if end > now), default=np.inf))

    def scores(self, vectors: Vectors) -> NDArray[np.float32]:
        """Similarity of every face to the most similar vector of every person, (N, D) -> (N, people).

        Raises ValueError when the vectors are not of this gallery's length.
        """
        vectors = np.asarray(vectors, np.float32)
        if not self.people:
            return np.empty((len(vectors), 0), np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"vectors of shape {vectors.shape} do not fit a gallery of {self.vectors.shape[1]} numbers"
            )
        alike = vectors @ self.vectors.T
        return np.asarray(np.maximum.reduceat(alike, self._starts, axis=1), np.float32)

    def match(self, vectors: Vectors, *, now: float) -> list[Match]:
        """The two most similar people for each face, (N, D) -> N matches. Expired people never match.

        now: seconds since 1970. A face whose vector is not finite matches nobody.
        """
        scores = self.scores(vectors)
        scores[:, now >= self._expires] = -np.inf
        return [self._best(row) for row in scores]

    def _best(self, row: NDArray[np.float32]) -> Match:
        if not row.size or not np.isfinite(row.max()):
            return Match(None)
        order: Sequence[int] = np.argpartition(row, -2)[-2:][::-1].tolist() if row.size > 1 else [0]
        found = sorted(((float(row[i]), self.people[i].name) for i in order if np.isfinite(row[i])), reverse=True)
        (score, name), (second_score, second_name) = found[0], found[1] if len(found) > 1 else (-1.0, None)
        return Match(name, score, second_name, second_score, int(np.isfinite(row).sum()))

    @cached_property
    def _expires(self) -> NDArray[np.float64]:
        """Expiry of each person; infinity without one."""
        return np.array([np.inf if person.expires is None else person.expires for person in self.people], np.float64)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Index of each person's first vector."""
        return np.searchsorted(self.owner, np.arange(len(self.people)))


def vector_hash(vector: Vectors) -> str:
    """Twelve hex digits of a vector's SHA-256: a name that reveals nothing about the face."""
    return hashlib.sha256(np.ascontiguousarray(vector, np.float32).tobytes()).hexdigest()[:12]
