"""How often can a face be seen that should be hidden? Counted on pixels, against reference boxes.

Two ways in: an original and an anonymized file (ours or another program's, run with a solid effect, so that coverage is
judged and not the effect), or a clip that is run here through the pipeline, which is exact because nothing is encoded.

A reference is a CSV with the columns `frame,id,x,y,w,h` and, if it likes, `src`: pixels, frames counted from 0. Rows
with `src=gap` were interpolated where nobody could tell, and are left out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.endpoints import Endpoint
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.errors import InputError, StreamerError
from streamer.core.options import Context
from streamer.core.picture import Picture, Plane
from streamer.core.types import Box, Captured, Command
from streamer.evaluate import _chart
from streamer.evaluate.readable import is_readable
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline, Report
from streamer.sinks import StreamFormat

__all__ = [
    "Face",
    "LeakMeter",
    "Meter",
    "Pair",
    "covered_share",
    "file_pairs",
    "judge_run",
    "load_reference",
    "pictures_of",
]

_CHANGED_LUMA = 28
"""A sample of an encoded copy counts as covered when its surroundings differ by more: codecs stay below this."""
_NEAR_A_FACE = 0.5
"""Cover within this share of a face's size around its reference box is not needless."""
_GRAZED_BELOW = 0.9
_LIKENESS_SIZE = (32, 18)
_EQUAL_LUMA = 4
"""Two frames are of the same moment when half of their samples, made small, differ by less,"""
_ALIKE = 0.8
"""or when they correlate so far away from faces."""
_ENOUGH_TO_COMPARE = 0.2
"""Share of the picture that has to be away from faces for that."""


@dataclass(frozen=True, slots=True)
class Face:
    """One reference face in one frame."""

    person: str
    box: Box


@dataclass(frozen=True, slots=True)
class Pair:
    """One moment: what was captured and what was emitted."""

    number: int
    t: float
    original: Picture
    emitted: Picture
    covered: bool = False
    """The whole frame was hidden; known when the clip was run here."""
    exact: bool = False
    """Nothing was encoded in between: every difference is a mask."""
    name: str | None = None
    """Of a still."""


def load_reference(path: Path) -> dict[int, list[Face]]:
    """Frame number -> its faces. Raises InputError when the file is none."""
    faces: dict[int, list[Face]] = defaultdict(list)
    try:
        with path.open(newline="") as rows:
            for row in csv.DictReader(rows):
                if row.get("src") == "gap":
                    continue
                x, y, w, h = (float(row[key]) for key in "xywh")
                faces[int(row["frame"])].append(Face(row["id"], (x, y, x + w, y + h)))
    except OSError as error:
        raise InputError(f"reference {path} cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"reference {path} needs the columns frame,id,x,y,w,h with numbers: {error}") from None
    return dict(faces)


@dataclass(slots=True)
class _Person:
    seen: list[tuple[int, float]] = field(default_factory=list)
    leaked: list[tuple[int, float]] = field(default_factory=list)


class LeakMeter:
    """Takes pairs in order, and sums up.

    reference: faces by frame number. min_face_px: narrower faces are not judged.
    keep: how many leaked faces are kept as pictures for the montage.
    """

    def __init__(self, reference: Mapping[int, list[Face]], *, min_face_px: float = 20, keep: int = 60) -> None:
        self._reference = reference
        self._min_face_px = min_face_px
        self._keep = keep
        self._people: dict[str, _Person] = defaultdict(_Person)
        self.frames = 0
        self.names: dict[int, str | None] = {}
        self.needless: dict[int, float] = {}
        """Frame number -> share of the picture that was hidden away from every face; where any was."""
        self._covered = self._grazed = 0
        self._exact = True
        self._times: list[float] = []
        self.leaks: list[tuple[int, str, NDArray[np.uint8]]] = []

    def add(self, pair: Pair) -> None:
        """Judge one moment."""
        faces = self._reference.get(pair.number, [])
        self.frames += 1
        self.names[pair.number] = pair.name
        self._covered += pair.covered
        self._times.append(pair.t)
        self._exact &= pair.exact
        changed = _changed(pair)
        if needless := _needless_share(changed, faces):
            self.needless[pair.number] = needless
        before, after = pair.original.planes[0], pair.emitted.planes[0]
        for face in faces:
            if face.box[2] - face.box[0] < self._min_face_px:
                continue
            person = self._people[face.person]
            person.seen.append((pair.number, pair.t))
            self._grazed += covered_share(changed, face.box) < _GRAZED_BELOW
            if is_readable(before, after, face.box):
                person.leaked.append((pair.number, pair.t))
                if len(self.leaks) < self._keep:
                    self.leaks.append((pair.number, face.person, _side_by_side(before, after, face.box)))

    def result(self) -> dict[str, Any]:
        """The numbers, ready for JSON. Times in milliseconds; shares in percent."""
        seen = sum(len(person.seen) for person in self._people.values())
        leaked = sum(len(person.leaked) for person in self._people.values())
        step_s = float(np.median(np.diff(self._times))) if len(self._times) > 1 else 0.04
        exposures = {name: _longest_run(person.leaked) for name, person in self._people.items() if person.leaked}
        return {
            "frames": self.frames,
            "frames_covered_whole": self._covered,
            "face_frames": seen,
            "leaked": leaked,
            "leak_percent": round(100 * leaked / seen, 3) if seen else 0.0,
            # Only without an encoder in between is every untouched sample known.
            "grazed": self._grazed if self._exact else None,
            "longest_exposure_frames": max(exposures.values(), default=0),
            "longest_exposure_ms": round(1e3 * step_s * max(exposures.values(), default=0), 1),
            "late_first_cover_ms": {
                name: round(1e3 * delay, 1)
                for name, person in self._people.items()
                if (delay := _first_cover_delay(person, step_s)) > 0
            },
            "needless_cover_percent": round(100 * sum(self.needless.values()) / max(1, self.frames), 2),
            "leaked_frames": {
                name: [n for n, _ in person.leaked] for name, person in self._people.items() if person.leaked
            },
        }

    def montage(self, path: Path) -> None:
        """Write the leaked faces, original beside emitted, for a person to look at. It shows them: keep it safe.

        Raises StreamerError when it cannot be written.
        """
        tiles = [tile for _, _, tile in self.leaks] or [np.zeros((96, 192), np.uint8)]
        columns = min(6, len(tiles))
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
        rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
        if not _chart.write(path, np.asarray(np.vstack(rows), np.uint8)):
            raise StreamerError(f"{path} could not be written")


def file_pairs(original: Path, anonymized: Path, reference: Mapping[int, list[Face]] | None = None) -> Iterator[Pair]:
    """Frames of two files, paired by number; checked by content, because a program may drop or repeat some.

    reference: where faces are hidden, and the content is not compared.
    Raises InputError when they are not the same moments.
    """
    ctx = Context()
    sources = [build("sources", "file", {"path": str(path)}, ctx) for path in (original, anonymized)]
    try:
        for number, (before, after) in enumerate(zip_longest(pictures_of(sources[0]), pictures_of(sources[1]))):
            if before is None or after is None:
                raise InputError(f"{anonymized} has another number of frames than {original}")
            emitted = after.image.scaled(*before.image.size)
            faces = (reference or {}).get(number, [])
            if number % 25 == 0 and not _same_moment(before.image, emitted, faces):
                raise InputError(f"{anonymized}: frame {number} does not show the moment of the original's")
            yield Pair(number, before.t or 0.0, before.image, emitted)
    finally:
        for source in sources:
            source.close()


def judge_run(source: Endpoint, config: Config, meter: Meter, ctx: Context) -> Report:
    """Run a source that is not live through the pipeline with a solid effect, and judge every frame it emits.

    Raises what a run raises.
    """
    config = config.updated({"effect.kind": "solid"})
    named = Parts.of(config, source, [], ctx)
    judge = _Judge(meter, pictures_of(named.source()))
    pipeline = Pipeline(config, replace(named, sinks=[("judge", lambda: judge)]))
    pipeline.start()
    return pipeline.join()


class Meter(Protocol):
    """A judge of a run."""

    def add(self, pair: Pair) -> None:
        """Judge one moment; moments come in order."""
        ...


class _Judge:
    """A sink that reads the original once more beside the run, and hands both to the meter. See `Sink`."""

    live = False
    main_thread = False

    def __init__(self, meter: Meter, originals: Iterator[Captured]) -> None:
        self._meter = meter
        self._originals = enumerate(originals)

    def open(self, format: StreamFormat) -> None:
        """Nothing to get ready."""

    def write(self, frame: AnonymizedFrame) -> None:
        """Judge one frame."""
        for number, captured in self._originals:
            if number == frame.seq:
                whole, name = frame.covered, captured.name
                self._meter.add(Pair(number, frame.t, captured.image, frame.image, whole, exact=True, name=name))
                return

    def poll(self) -> list[Command]:
        """Nobody asks for anything."""
        return []

    def close(self) -> None:
        """Nothing to finish."""


def pictures_of(source: Any) -> Iterator[Captured]:
    """All pictures of an opened source that is not live."""
    while (item := source.read()) is not None:
        if isinstance(item, Captured):
            yield item


def _same_moment(a: Picture, b: Picture, faces: Iterable[Face]) -> bool:
    """Whether two pictures show the same, but for what one of them hides."""
    small = [cv2.resize(p.planes[0], _LIKENESS_SIZE, interpolation=cv2.INTER_AREA).astype(float) for p in (a, b)]
    if float(np.mean(np.abs(small[0] - small[1]) < _EQUAL_LUMA)) > 0.5:
        return True
    away = _away_from(np.ones(a.planes[0].shape, np.bool_), faces).astype(np.uint8)
    compared = cv2.resize(away, _LIKENESS_SIZE, interpolation=cv2.INTER_NEAREST) > 0
    one, other = (samples[compared] for samples in small)
    if compared.mean() < _ENOUGH_TO_COMPARE or min(one.std(), other.std()) < 1:
        return True
    return float(np.corrcoef(one, other)[0, 1]) >= _ALIKE


def _changed(pair: Pair) -> NDArray[np.bool_]:
    """Where the emitted luma is not the original's."""
    before, after = pair.original.planes[0], pair.emitted.planes[0]
    if pair.exact:
        return np.asarray(before != after)
    difference = cv2.absdiff(before, after)
    return np.asarray(cv2.blur(difference, (5, 5)) > _CHANGED_LUMA)


def _ellipse(shape: tuple[int, ...], box: Box) -> Plane:
    mask = np.zeros(shape, np.uint8)
    middle = round((box[0] + box[2]) * 8), round((box[1] + box[3]) * 8)
    axes = round((box[2] - box[0]) * 8), round((box[3] - box[1]) * 8)
    cv2.ellipse(mask, middle, axes, 0, 0, 360, (1,), cv2.FILLED, cv2.LINE_8, 4)
    return mask


def covered_share(changed: NDArray[np.bool_], box: Box) -> float:
    """How much of the ellipse in a box was changed, in [0, 1]; 1 outside of the picture."""
    inside = _ellipse(changed.shape, box) > 0
    return float(changed[inside].mean()) if inside.any() else 1.0


def _needless_share(changed: NDArray[np.bool_], faces: Iterable[Face]) -> float:
    return float(_away_from(changed, faces).mean())


def _away_from(samples: NDArray[np.bool_], faces: Iterable[Face]) -> NDArray[np.bool_]:
    """The same, without what is at or around a face."""
    away = samples.copy()
    for face in faces:
        around = _NEAR_A_FACE * max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        x0, y0 = max(0, round(face.box[0] - around)), max(0, round(face.box[1] - around))
        away[y0 : max(0, round(face.box[3] + around)), x0 : max(0, round(face.box[2] + around))] = False
    return away


def _side_by_side(before: Plane, after: Plane, box: Box) -> NDArray[np.uint8]:
    around = 0.3 * (box[2] - box[0])
    y0, y1 = max(0, round(box[1] - around)), round(box[3] + around)
    x0, x1 = max(0, round(box[0] - around)), round(box[2] + around)
    crops = [cv2.resize(plane[y0:y1, x0:x1], (96, 96), interpolation=cv2.INTER_LINEAR) for plane in (before, after)]
    return np.asarray(np.hstack(crops), np.uint8)


def _longest_run(frames: list[tuple[int, float]]) -> int:
    longest = run = 0
    last = None
    for number, _ in frames:
        run = run + 1 if last is not None and number == last + 1 else 1
        longest, last = max(longest, run), number
    return longest


def _first_cover_delay(person: _Person, step_s: float) -> float:
    """Seconds from the first appearance until the face was hidden for the first time."""
    leaked = {number for number, _ in person.leaked}
    first_hidden = next((t for number, t in person.seen if number not in leaked), None)
    if first_hidden is None:
        return person.seen[-1][1] - person.seen[0][1] + step_s
    return first_hidden - person.seen[0][1]
