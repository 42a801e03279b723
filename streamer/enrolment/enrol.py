"""Enrol named pictures. Every picture is judged; every refusal has a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

import numpy as np

from streamer.core.errors import StreamerError
from streamer.core.picture import Picture
from streamer.enrolment.checks import Refused, Rules, adds_nothing, chosen_face, stranger_to, unfit
from streamer.enrolment.faces import Face, FaceReader
from streamer.people.content import Content, checked_name
from streamer.people.store import GalleryFile

__all__ = ["Candidate", "Enrolled", "Item", "Outcome", "Terms", "enrol", "examined"]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to enrol."""

    name: str
    label: str
    """Name of the picture in messages."""
    picture: Callable[[], Picture]
    """Reads it; raises StreamerError or Refused when that fails."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms that are stored with the people of one enrolment."""

    now: float
    """Seconds since 1970."""
    expires: float | None = None
    consent: str | None = None
    keep_crops: bool = False
    """Also keep the face crops, for montages and for another embedder."""


class Enrolled(Enum):
    """Result for one picture."""

    TAKEN = "taken"
    KNOWN = "known"
    """Too similar to a picture of the person that is enrolled already."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result for one picture, with its reason."""

    name: str
    label: str
    result: Enrolled
    why: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face that is good enough; it is still to be compared with the gallery."""

    name: str
    label: str
    face: Face


def examined(items: Iterable[Item], reader: FaceReader, rules: Rules) -> Iterator[Candidate | Outcome]:
    """Judge every picture. A refused or unreadable picture does not stop the others."""
    for item in items:
        try:
            name = checked_name(item.name)
            face = chosen_face(reader.faces(item.picture()), rules)
            if (why := unfit(face, rules)) is not None:
                raise Refused(why)
        except (Refused, StreamerError) as error:
            yield Outcome(item.name, item.label, Enrolled.REFUSED, str(error).splitlines()[0])
        else:
            yield Candidate(name, item.label, face)


def enrol(
    found: Iterable[Candidate | Outcome], reader: FaceReader, file: GalleryFile, terms: Terms
) -> tuple[Content | None, list[Outcome]]:
    """Add the candidates to the gallery file in one change; after an error, none is added.

    A face is compared with the gallery as it is at that moment. Returns the content and one outcome per picture. The
    content is None when nothing changed; then the file is not touched. Raises GalleryError when it cannot be used.
    """
    found = list(found)
    outcomes = [one for one in found if isinstance(one, Outcome)]
    candidates = [one for one in found if isinstance(one, Candidate)]
    if not candidates:
        return None, outcomes
    judged: list[Outcome] = []

    def change(content: Content) -> Content:
        judged.clear()
        given = content
        for name, of_name in groupby(candidates, key=lambda one: one.name):
            content, of_person = _added(content, name, list(of_name), reader, terms)
            judged.extend(of_person)
        if content is given:
            raise _NothingTaken
        return content

    try:
        return file.update(reader.embedder.model, change), outcomes + judged
    except _NothingTaken:
        return None, outcomes + judged


class _NothingTaken(Exception):
    pass


def _added(
    content: Content, name: str, candidates: Sequence[Candidate], reader: FaceReader, terms: Terms
) -> tuple[Content, list[Outcome]]:
    """Add the pictures of one person, each judged against the gallery and the pictures before it.

    An expired entry begins anew: neither its pictures nor its terms are kept.
    """
    given = content
    if name in content.gallery.expired(terms.now):
        content = content.without([name])
    taken, outcomes = _judged(content, name, candidates, reader)
    if taken:
        after = content.added(
            name,
            np.stack([one.face.vector for one in taken]),
            now=terms.now,
            expires=terms.expires,
            consent=terms.consent,
            portraits=[one.face.portrait for one in taken] if terms.keep_crops else [],
        )
        return after, outcomes
    noted = terms.expires is not None or terms.consent is not None
    if noted and any(outcome.result is Enrolled.KNOWN for outcome in outcomes):
        # Until when, and on what terms, may be news where the picture is none.
        nothing = np.empty((0, reader.embedder.dim), np.float32)
        given = content.added(name, nothing, now=terms.now, expires=terms.expires, consent=terms.consent)
    return given, outcomes


def _judged(
    content: Content, name: str, candidates: Sequence[Candidate], reader: FaceReader
) -> tuple[list[Candidate], list[Outcome]]:
    """The pictures to add, and the outcome of each."""
    known = {person.name for person in content.gallery.people}
    own = content.gallery.vectors_of(name) if name in known else np.empty((0, reader.embedder.dim), np.float32)
    taken: list[Candidate] = []
    outcomes = []
    for one in candidates:
        vector = one.face.vector
        if adds_nothing(vector, own):
            outcomes.append(Outcome(name, one.label, Enrolled.KNOWN, "shows nothing new of this person"))
        elif (why := stranger_to(name, vector, own, content, reader.embedder.thresholds)) is not None:
            outcomes.append(Outcome(name, one.label, Enrolled.REFUSED, why))
        else:
            outcomes.append(Outcome(name, one.label, Enrolled.TAKEN))
            own = np.concatenate([own, vector[None]])
            taken.append(one)
    return taken, outcomes
