"""Pictures with a name -> people in the gallery. Each picture is judged, each refusal explained; nothing is guessed."""

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
    """One picture that is to stand for a person."""

    name: str
    label: str
    """For people: which picture it is."""
    picture: Callable[[], Picture]
    """Reads it; raises StreamerError or Refused when it cannot be had."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is noted with the people of one enrolment."""

    now: float
    """Seconds since 1970."""
    expires: float | None = None
    consent: str | None = None
    keep_crops: bool = False
    """Keep the faces themselves, too: for montages, and to enrol again with another embedder."""


class Enrolled(Enum):
    """What became of a picture."""

    TAKEN = "taken"
    KNOWN = "known"
    """It shows nothing new of the person."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture, and why."""

    name: str
    label: str
    result: Enrolled
    why: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face that is good enough; whose it may be is judged against the gallery."""

    name: str
    label: str
    face: Face


def examined(items: Iterable[Item], reader: FaceReader, rules: Rules) -> Iterator[Candidate | Outcome]:
    """Look at every picture. One that cannot be read, or is not good enough, does not keep the others from it."""
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
    """Put the candidates into the file, in one change: all that may be taken, or after an error none.

    Whether a face is somebody else's is judged against the gallery as it is at that moment. The content is None when
    nothing changed; the file is not touched then. Raises GalleryError when the file cannot be used.
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
    """One person's pictures, each judged against the gallery and the pictures before it.

    Whose time is over begins anew; nothing of the old entry, nor of its terms, is taken over.
    """
    given = content
    if name in content.gallery.expired(terms.now):
        content = content.without([name])
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
    if not taken:
        noted = terms.expires is not None or terms.consent is not None
        if noted and any(outcome.result is Enrolled.KNOWN for outcome in outcomes):
            # Until when, and on what terms, may be news where the picture is none.
            given = content.added(name, own[:0], now=terms.now, expires=terms.expires, consent=terms.consent)
        return given, outcomes
    after = content.added(
        name,
        np.stack([one.face.vector for one in taken]),
        now=terms.now,
        expires=terms.expires,
        consent=terms.consent,
        portraits=[one.face.portrait for one in taken] if terms.keep_crops else [],
    )
    return after, outcomes
