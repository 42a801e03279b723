"""What a gallery file holds, as a value: every change makes a new one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import GalleryError, UsageError
from streamer.people.gallery import Gallery, Person, Vectors, vector_hash

__all__ = ["LONGEST_CONSENT", "Content", "checked_name"]

_LONGEST_NAME = 100
LONGEST_CONSENT = 10_000
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_AT_ONCE = 256
"""Vectors that are compared in one step: 10,000 with as many would fill the memory."""
_THE_SAME = 0.99999
"""Similarity of a vector with itself, give or take the rounding."""


def checked_name(name: str) -> str:
    """A person's name as it is kept: composed characters, no spaces around it.

    Raises UsageError for what would be no name, or would mean something else in a path or a table.
    """
    kept = unicodedata.normalize("NFC", name).strip()
    if not kept:
        raise UsageError("a person needs a name")
    if len(kept) > _LONGEST_NAME:
        raise UsageError(f"the name {kept[:20]!r}... has more than {_LONGEST_NAME} characters")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in kept):
        raise UsageError(f"the name {kept!r} holds a control character")
    if any(unicodedata.bidirectional(letter) in _TURNING for letter in kept):
        raise UsageError(f"the name {kept!r} holds a character that turns the direction of what follows")
    if "/" in kept or "\\" in kept or kept in (".", ".."):
        raise UsageError(f"the name {kept!r} would be a path; a name has no / and no \\")
    return kept


@dataclass(frozen=True)
class Content:
    """The people, and the pictures of those who agreed to have them kept."""

    gallery: Gallery
    portraits: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Hash of the vector -> the face it was made from, aligned to `align.PORTRAIT`, BGR."""

    def person(self, name: str) -> Person:
        """Raises GalleryError when there is nobody of that name."""
        for person in self.gallery.people:
            if person.name == name:
                return person
        raise GalleryError(f"nobody called {name!r} is enrolled")

    def added(
        self,
        name: str,
        vectors: Vectors,
        *,
        now: float,
        expires: float | None = None,
        consent: str | None = None,
        portraits: Sequence[NDArray[np.uint8]] = (),
    ) -> Content:
        """With more vectors, (K, D), of a person old or new. What is None stays as it was for an old one.

        portraits: one per vector, or none at all.
        """
        kept = {person.name: (person, own) for person, own in self.gallery.each()}
        vectors = np.asarray(vectors, np.float32)
        kept[name], fresh = _joined(kept.get(name), Person(name, now, expires, consent or ""), vectors)
        if consent is not None:  # also an empty one replaces what was
            kept[name] = replace(kept[name][0], consent=consent), kept[name][1]
        pictures = dict(self.portraits)
        pictures |= {vector_hash(vectors[index]): portraits[index] for index in fresh if portraits}
        return Content(Gallery.of(self.gallery.model, kept.values(), version=self.gallery.version), pictures)

    def joined(self, people: Iterable[tuple[Person, Vectors]]) -> Content:
        """With the people of another gallery; who is in both gets the vectors that are new."""
        kept = {person.name: (person, own) for person, own in self.gallery.each()}
        for person, vectors in people:
            kept[person.name], _ = _joined(kept.get(person.name), person, np.asarray(vectors, np.float32))
        return replace(self, gallery=Gallery.of(self.gallery.model, kept.values(), version=self.gallery.version))

    def without(self, names: Sequence[str]) -> Content:
        """Without these people, their vectors and their pictures. Raises GalleryError when one is not there."""
        gone = set(names)
        for name in sorted(gone - {person.name for person in self.gallery.people})[:1]:
            self.person(name)
        kept = [(person, own) for person, own in self.gallery.each() if person.name not in gone]
        hashes = {digits for person, _ in kept for digits in person.hashes}
        pictures = {digits: picture for digits, picture in self.portraits.items() if digits in hashes}
        return Content(Gallery.of(self.gallery.model, kept, version=self.gallery.version), pictures)

    def renamed(self, old: str, new: str) -> Content:
        """One person under another name. Raises GalleryError when the old is unknown or the new one taken."""
        self.person(old)
        if new != old and any(person.name == new for person in self.gallery.people):
            raise GalleryError(f"somebody called {new!r} is already enrolled")
        people = tuple(replace(p, name=new) if p.name == old else p for p in self.gallery.people)
        return replace(self, gallery=replace(self.gallery, people=people))

    def portraits_of(self, name: str) -> list[NDArray[np.uint8]]:
        """The kept pictures of one person; most have none. Raises GalleryError when there is nobody of that name."""
        return [self.portraits[digits] for digits in self.person(name).hashes if digits in self.portraits]


def _joined(
    before: tuple[Person, Vectors] | None, person: Person, vectors: Vectors
) -> tuple[tuple[Person, Vectors], list[int]]:
    """One person with what is known of them and what comes new; and which of the new vectors were unknown.

    An end or a consent that is not given leaves the old one. Raises UsageError for a consent without end.
    """
    if len(person.consent) > LONGEST_CONSENT:
        raise UsageError(f"the consent of {person.name} has more than {LONGEST_CONSENT:,} characters; shorten it")
    old, own = before if before is not None else (Person(person.name, person.added), np.empty((0, vectors.shape[1])))
    # The same vector, rounded another way, is no news.
    fresh = list(range(len(vectors)))
    if len(own):
        parts = [(own @ vectors[at : at + _AT_ONCE].T).max(axis=0) for at in range(0, len(vectors), _AT_ONCE)]
        fresh = np.flatnonzero(np.concatenate([*parts, np.empty(0)]) < _THE_SAME).tolist()
    merged = replace(
        old,
        hashes=(),
        expires=old.expires if person.expires is None else person.expires,
        consent=person.consent or old.consent,
    )
    return (merged, np.concatenate([own, vectors[fresh]]).astype(np.float32)), fresh
