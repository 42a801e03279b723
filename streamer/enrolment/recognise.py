"""Pictures and videos -> the enrolled people in them. Nothing is kept about other people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streamer.core.picture import Picture
from streamer.core.types import Captured, Likeness
from streamer.enrolment.faces import Face, FaceReader
from streamer.identity.evidence import Rules
from streamer.people.gallery import Gallery, Match
from streamer.sources import Source

__all__ = ["Recognised", "Seen", "Sighted", "recognised", "sightings"]

_TOO_SMALL_PX = 32


@dataclass(frozen=True)
class Recognised:
    """One face and its best match."""

    face: Face
    match: Match
    name: str | None
    """The recognised person; None: not enrolled."""
    why: str = ""
    """Why it has no name."""


@dataclass(frozen=True)
class Seen:
    """The faces of one picture, from left to right."""

    label: str
    t: float | None
    picture: Picture
    faces: tuple[Recognised, ...]


@dataclass
class Sighted:
    """One person in one video."""

    first_s: float
    last_s: float
    pictures: int = 0
    best_score: float = field(default=-1.0)


def recognised(picture: Picture, reader: FaceReader, gallery: Gallery, *, now: float) -> tuple[Recognised, ...]:
    """Match every face of a picture with the gallery. now: seconds since 1970."""
    faces = sorted(reader.faces(picture), key=lambda face: face.detection.box[0])
    if not faces:
        return ()
    matches = gallery.match(np.stack([face.vector for face in faces]), now=now)
    return tuple(_judged(face, match, reader) for face, match in zip(faces, matches, strict=True))


def _judged(face: Face, match: Match, reader: FaceReader) -> Recognised:
    thresholds = reader.embedder.thresholds
    likeness = Likeness(match.name, match.score, match.second_score, match.people)
    rules = Rules("unknown", thresholds, stills=True)
    if face.quality.face_px < _TOO_SMALL_PX:
        return Recognised(face, match, None, "too small to be told apart")
    if rules.speaks_for(likeness, again=True) is not None:
        return Recognised(face, match, match.name)
    if match.name is None or match.score < thresholds.accept:
        return Recognised(face, match, None, "not enrolled")
    return Recognised(face, match, None, f"as much like {match.second_name} as like {match.name}")


def sightings(source: Source, reader: FaceReader, gallery: Gallery, *, every_s: float, now: float) -> Iterator[Seen]:
    """Every picture of a folder, or a picture every `every_s` seconds of a video."""
    due, frame = float("-inf"), 0
    while (captured := source.read()) is not None:
        if not isinstance(captured, Captured):
            continue
        frame += 1
        label, t = captured.name or source.info.name, None
        if not source.info.stills:
            t = captured.t if captured.t is not None else frame / (source.info.fps or 25.0)
            if t < due:
                continue
            due = t + every_s
            label = f"{source.info.name} at {t:.1f} s"
        yield Seen(label, t, captured.image, recognised(captured.image, reader, gallery, now=now))
