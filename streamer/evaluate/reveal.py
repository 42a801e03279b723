"""Who becomes visible that should not, and who stays hidden that need not: counted on the pixels that were emitted.

A clip in which every person stays in a place of their own (a tile) tells whose face a face is, without a label on any
frame. The faces are found once more by the detector, on every frame, which no run looks at as closely; those are a
person's *detectable frames*. A face is visible in an emitted frame when it can be read there (`readable.py`).

A false reveal is a readable face of somebody who should be hidden, for whatever reason: taken for another or not found.
A false hide is an unreadable face of somebody who may be seen. It begins with the time that the decision takes.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.errors import InputError
from streamer.core.geometry import center, side
from streamer.core.options import Context
from streamer.core.types import Box
from streamer.embedders import Embedder
from streamer.evaluate.faces import Finder, embedded, people_in
from streamer.evaluate.leak import Face, Pair, pictures_of
from streamer.evaluate.readable import is_readable
from streamer.people.content import Content
from streamer.people.store import GalleryFile
from streamer.pipeline.assembly import Parts

__all__ = ["PersonResult", "RevealMeter", "enrol", "faces_in_tiles", "read_tiles"]

WITHIN_S = 1.0
"""Somebody who may be seen should be visible this long after she appeared."""


@dataclass(frozen=True, slots=True)
class PersonResult:
    """One person in one run."""

    person: str
    allowed: bool
    detectable: int
    """Frames in which the person's face is found."""
    visible: int
    """... and can be read in what was emitted."""
    late_detectable: int
    """Detectable frames later than a second after the first one."""
    late_visible: int
    seconds_until_visible: float | None
    """From the first detectable frame to the first readable one; None: never."""
    longest_visible: int
    """Longest run of frames in which the person can be read."""

    @property
    def false_reveals(self) -> int:
        """Frames in which somebody can be read who should be hidden."""
        return 0 if self.allowed else self.visible

    @property
    def false_hides(self) -> int:
        """Frames in which somebody is hidden who may be seen."""
        return self.detectable - self.visible if self.allowed else 0


@dataclass(slots=True)
class _Seen:
    times: list[float] = field(default_factory=list)
    readable: list[bool] = field(default_factory=list)


class RevealMeter:
    """Takes pairs in order. faces: by frame number, `Face.person` being the tile's. allowed: who may be seen."""

    def __init__(self, faces: Mapping[int, Sequence[Face]], allowed: frozenset[str]) -> None:
        self._faces = faces
        self._allowed = allowed
        self._people: dict[str, _Seen] = defaultdict(_Seen)
        self.frames = 0
        for person in sorted({face.person for one in faces.values() for face in one}):
            self._people[person] = _Seen()

    def add(self, pair: Pair) -> None:
        """Judge one moment. Of several faces in one tile, one that can be read suffices."""
        self.frames += 1
        before, after = pair.original.planes[0], pair.emitted.planes[0]
        readable: dict[str, bool] = {}
        for face in self._faces.get(pair.number, ()):
            readable[face.person] = readable.get(face.person, False) or is_readable(before, after, face.box)
        for person, can_be_read in readable.items():
            self._people[person].times.append(pair.t)
            self._people[person].readable.append(can_be_read)

    def result(self) -> list[PersonResult]:
        """Person by person, in the order of their names."""
        return [self._result(person, seen) for person, seen in self._people.items()]

    def _result(self, person: str, seen: _Seen) -> PersonResult:
        first = seen.times[0] if seen.times else 0.0
        late = [visible for t, visible in zip(seen.times, seen.readable, strict=True) if t - first > WITHIN_S]
        shown = next((t for t, visible in zip(seen.times, seen.readable, strict=True) if visible), None)
        longest = run = 0
        for visible in seen.readable:
            run = run + 1 if visible else 0
            longest = max(longest, run)
        return PersonResult(
            person=person,
            allowed=person in self._allowed,
            detectable=len(seen.times),
            visible=sum(seen.readable),
            late_detectable=len(late),
            late_visible=sum(late),
            seconds_until_visible=None if shown is None else shown - first,
            longest_visible=longest,
        )


def read_tiles(path: Path) -> dict[str, Box]:
    """Person -> the part of the picture that is this person's. Raises InputError for what is no such table."""
    try:
        with path.open(newline="", encoding="utf-8") as rows:
            tiles = {}
            for row in csv.DictReader(rows):
                x, y, w, h = (float(row[key]) for key in "xywh")
                tiles[row["person"]] = (x, y, x + w, y + h)
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is no table of tiles (person,x,y,w,h): {error}") from None
    if not tiles:
        raise InputError(f"{path} holds no tile")
    return tiles


def faces_in_tiles(
    source: Endpoint, config: Config, ctx: Context, finder: Finder, tiles: Mapping[str, Box], *, min_face_px: float
) -> dict[int, list[Face]]:
    """Frame number -> the faces that the detector finds in every frame, each with the person of its tile.

    Faces outside of all tiles are nobody's and left out, and so are smaller ones than `min_face_px`.
    """
    opened = Parts.of(config, source, [], ctx).source()
    faces: dict[int, list[Face]] = {}
    try:
        for number, captured in enumerate(pictures_of(opened)):
            found = finder.faces(captured.image)
            here = [
                Face(person, one.box)
                for one in found
                if side(one.box) >= min_face_px and (person := _person_at(one.box, tiles)) is not None
            ]
            if here:
                faces[number] = here
    finally:
        opened.close()
    return faces


def _person_at(box: Box, tiles: Mapping[str, Box]) -> str | None:
    x, y = center(box)
    return next((name for name, tile in tiles.items() if tile[0] <= x < tile[2] and tile[1] <= y < tile[3]), None)


def enrol(folder: Path, finder: Finder, embedder: Embedder) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """For each person of a folder of people: the name, and what writes a gallery of this person alone into a file.

    Raises InputError for a person without a face in any picture.
    """
    for name, paths in people_in(folder).items():
        samples = [finder.sample(name, path) for path in paths]
        vectors, there = embedded(samples, embedder)
        if not there.any():
            raise InputError(f"{folder / name}: no picture with a face")
        found = vectors[there]

        def write(path: Path, name: str = name, found: Any = found) -> None:
            def change(content: Content) -> Content:
                return content.added(name, found, now=time.time())

            GalleryFile(path).update(embedder.model, change)

        yield name, write
