"""Folders of people, one folder per person, as every evaluation of recognition reads them.

A picture is believed to show its person. Where several faces are found, the person is taken to be the one that is
large and near the middle; where none is found, the picture counts as one on which nobody can be recognised. Both are
counted: a picture that is left out in silence makes every table look better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamer.config import parts
from streamer.config.schema import Choice
from streamer.core.align import aligned
from streamer.core.bounded import read_at_most
from streamer.core.decoding import LARGEST_BYTES, decoded
from streamer.core.errors import InputError, StreamerError
from streamer.core.files import PICTURES
from streamer.core.geometry import center, side
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import Detector
from streamer.embedders import Crop, Embedder, Vectors

__all__ = [
    "Census",
    "Finder",
    "Sample",
    "census",
    "crop_of",
    "embedded",
    "embedders",
    "people_in",
    "read_picture",
]

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of one person."""

    person: str
    path: Path
    face: Detection | None
    """The person's; None when no face was found."""
    others: tuple[Detection, ...] = ()
    """Further faces in the picture."""
    central: bool = False
    """Whether the face holds the picture's middle; where it does not, it may be somebody else's."""


@dataclass(frozen=True, slots=True)
class Census:
    """What was found in the pictures."""

    people: int
    pictures: int
    without_face: int
    several_faces: int
    """The face that is large and near the middle was taken."""
    off_centre: int
    """The face that was taken does not hold the picture's middle: perhaps it is not the person's."""

    def __str__(self) -> str:
        return (
            f"{self.people} people, {self.pictures} pictures: {self.without_face} without a face (nobody is recognised "
            f"there), {self.several_faces} with several (the one near the middle counts), "
            f"{self.off_centre} whose face is off the middle"
        )


def people_in(folder: Path) -> dict[str, list[Path]]:
    """Name -> pictures, both sorted. Raises InputError when there is no folder with pictures in it."""
    found = {}
    if folder.is_dir():
        for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            pictures = sorted(path for path in place.iterdir() if path.suffix.lower() in PICTURES)
            if pictures:
                found[place.name] = pictures
    if not found:
        raise InputError(f"{folder} holds no folder with pictures: it takes one folder per person")
    return found


def read_picture(path: Path) -> Picture:
    """As a frame of video would be: i420. Raises InputError when it cannot be read."""
    try:
        bgr = decoded(read_at_most(path, LARGEST_BYTES), cv2.IMREAD_COLOR)
    except OSError as error:
        raise InputError(f"{path} cannot be read as a picture: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} {error}") from None
    if bgr is None:
        raise InputError(f"{path} cannot be read as a picture")
    return Picture.from_bgr(np.asarray(bgr, np.uint8))


class Finder:
    """A detector and what it calls a face."""

    def __init__(self, detector: Detector, threshold: float) -> None:
        self._detector = detector
        self._threshold = threshold

    def faces(self, picture: Picture) -> list[Detection]:
        """Faces of at least the threshold."""
        return [one for one in self._detector.detect([picture])[0] if one.score >= self._threshold]

    def sample(self, person: str, path: Path) -> Sample:
        """Look at one picture. Raises InputError when it cannot be read."""
        picture = read_picture(path)
        found = sorted(self.faces(picture), key=lambda one: _off_middle(one, picture.size))
        # Without landmarks a face cannot be aligned, which is as good as not found.
        usable = [one for one in found if one.landmarks is not None]
        if not usable:
            return Sample(person, path, None, tuple(found))
        x0, y0, x1, y1 = usable[0].box
        central = x0 <= picture.width / 2 <= x1 and y0 <= picture.height / 2 <= y1
        return Sample(person, path, usable[0], tuple(one for one in found if one is not usable[0]), central)

    def close(self) -> None:
        """Free the detector."""
        self._detector.close()


def _off_middle(face: Detection, size: tuple[int, int]) -> float:
    """How little a face looks like the subject of the picture: its distance from the middle, less its size."""
    x, y = center(face.box)
    return math.hypot(x - size[0] / 2, y - size[1] / 2) - side(face.box)


def census(samples: Sequence[Sample]) -> Census:
    """Count."""
    return Census(
        people=len({sample.person for sample in samples}),
        pictures=len(samples),
        without_face=sum(sample.face is None for sample in samples),
        several_faces=sum(sample.face is not None and bool(sample.others) for sample in samples),
        off_centre=sum(sample.face is not None and not sample.central for sample in samples),
    )


def crop_of(picture: Picture, face: Detection, embedder: Embedder) -> Crop:
    """The face as the embedder wants it. The face must have landmarks."""
    assert face.landmarks is not None, "only faces with landmarks are taken as samples"
    return aligned(picture, face.landmarks, embedder.template, embedder.crop_px)


def embedded(
    samples: Sequence[Sample], embedder: Embedder, picture: Callable[[Sample], Picture] = lambda s: read_picture(s.path)
) -> tuple[Vectors, NDArray[np.bool_]]:
    """(N, D) vectors and (N,) whether there is one: rows of samples without a face are zero."""
    vectors = np.zeros((len(samples), embedder.dim), np.float32)
    there = np.array([sample.face is not None for sample in samples], bool)
    places = np.flatnonzero(there)
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        vectors[batch] = embedder.embed([_crop(samples[i], embedder, picture) for i in batch])
    return vectors, there


def _crop(sample: Sample, embedder: Embedder, picture: Callable[[Sample], Picture]) -> Crop:
    assert sample.face is not None
    return crop_of(picture(sample), sample.face, embedder)


def embedders(
    kinds: Iterable[str], ctx: Context, configured: Choice | None = None
) -> list[tuple[str, Embedder | None, str]]:
    """Kind, embedder, and why there is none: what is not installed or has no weights is a row of its own.

    configured: the one whose options are set; the others have their defaults.
    """
    found: list[tuple[str, Embedder | None, str]] = []
    for kind in kinds:
        options: Any = configured.options if configured is not None and configured.kind == kind else {}
        try:
            found.append((kind, parts.build("embedders", kind, options, ctx), ""))
        except (StreamerError, ValidationError) as error:
            found.append((kind, None, str(error).splitlines()[0]))
    return found
