"""Drawn people that move, meet and hide each other, a detector and an embedder that know them, and an oracle of pixels.

Everything is known exactly: who stands where in frame n, who hides whom, and which pixels are whose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from fakes import face
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness, MaskOptions, seal
from streamer.core.align import ARCFACE_112, aligned
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import (
    Box,
    Candidate,
    Captured,
    Detection,
    DetectionResult,
    Frame,
    Identified,
    Likeness,
    Planned,
    Points5,
    SourceInfo,
)
from streamer.core.views import is_another, view_of
from streamer.effects import solid
from streamer.embedders import Thresholds
from streamer.identity.decide import Identity, IdentityCache, hide_everyone
from streamer.identity.evidence import IdentityOptions
from streamer.identity.still import StillIdentity
from streamer.people.gallery import Gallery, Match, Person
from streamer.stages.scheduler import Scheduler, SchedulerOptions
from streamer.tracking.tracker import Tracker, TrackOptions

FACE_PX = 48
HEAD_PX = 88
SIZE = (480, 200)
THRESHOLDS = Thresholds(accept=0.8, reject=0.5, margin=0.05, alone=0.9, unlike=0.4)
LOOKALIKE = 1000
"""The person of this seed and so much more is about 0.7 like the one of the seed, and 0.7 is no more than that."""
_NUMBER_BITS = 20


@dataclass(frozen=True)
class Walker:
    """A drawn person: `at(n)` is the top left corner of the face in frame n, None when not there.

    Later ones in a list stand in front. seed < 0: an occluder without a face.
    """

    seed: int
    at: Callable[[int], tuple[float, float] | None]
    head: int | None = None
    """Of the pattern drawn around the face, as hair and neck are; None: there is none."""
    lively: bool = False
    """Its mouth moves: a row of cells changes every tenth of a second, slowly to and fro."""

    def box(self, n: int) -> Box | None:
        place = self.at(n)
        if place is None:
            return None
        x, y = round(place[0]), round(place[1])
        return x, y, x + FACE_PX, y + FACE_PX


def drawn(seed: int) -> NDArray[np.uint8]:
    """The face of one person, (FACE_PX, FACE_PX)."""
    if seed < LOOKALIKE:
        return face(seed, FACE_PX)
    return cv2.addWeighted(face(seed - LOOKALIKE, FACE_PX), 0.5, face(seed, FACE_PX), 0.5, 0).astype(np.uint8)


def landmarks(box: Box) -> Points5:
    """Five points in a drawn face: it fills the aligned crop."""
    scale = (box[2] - box[0]) / 112
    eye, other, nose, mouth, end = ((box[0] + x * scale, box[1] + y * scale) for x, y in ARCFACE_112)
    return eye, other, nose, mouth, end


def _hair(seed: int) -> NDArray[np.uint8]:
    """What is around a face, darker and lighter than any face: it is most of what a coarse look sees."""
    return np.where(face(seed, HEAD_PX) > 127, 255, 0).astype(np.uint8)


def hidden_share(box: Box, others: Sequence[Box]) -> float:
    """Share of a box that these cover."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    covered = np.zeros((y1 - y0, x1 - x0), bool)
    for other in others:
        a0, b0, a1, b1 = (int(edge) for edge in other)
        covered[max(0, b0 - y0) : max(0, b1 - y0), max(0, a0 - x0) : max(0, a1 - x0)] = True
    return float(covered.mean())


@dataclass
class Street:
    """A source of drawn people.

    live: in real time; like every live source of the program it says when a picture was taken. lose_at: frame numbers
    before which it breaks off once. stall_at: before which nothing happens for half a second, and then all at once what
    was missed.
    """

    people: Sequence[Walker]
    frames: int = 100
    fps: float = 25.0
    live: bool = False
    lose_at: tuple[int, ...] = ()
    stall_at: tuple[int, ...] = ()
    cut_at: tuple[int, ...] = ()
    """Frames with which another scene begins: the background changes wholly."""
    n: int = 0
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.info = SourceInfo("street", *SIZE, live=self.live, fps=self.fps, frames=self.frames)
        self._started = time.monotonic()

    def picture(self, n: int) -> Picture:
        image = Picture.blank(*SIZE, luma=120)
        luma = image.planes[0]
        if sum(n >= cut for cut in self.cut_at) % 2:
            luma[:, ::2] = 40
            luma[: SIZE[1] // 2] //= 2
        for walker in self.people:
            if (box := walker.box(n)) is None:
                continue
            x0, y0, x1, y1 = (int(edge) for edge in box)
            if walker.head is not None:
                room = (HEAD_PX - FACE_PX) // 2
                luma[y0 - room : y1 + room, x0 - room : x1 + room] = _hair(walker.head)
            patch = drawn(walker.seed) if walker.seed >= 0 else np.full((FACE_PX, FACE_PX), 90, np.uint8)
            if walker.lively:
                open_px = FACE_PX // 8
                patch[5 * open_px : 6 * open_px, 2 * open_px : 6 * open_px] = 40 + 40 * (n // 4 % 5)
            left, top = max(0, -x0), max(0, -y0)
            part = luma[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
            part[:] = patch[top : top + part.shape[0], left : left + part.shape[1]]
        luma[0, :_NUMBER_BITS] = [255 * (n >> bit & 1) for bit in range(_NUMBER_BITS)]
        return image.frozen()

    def visible(self, n: int) -> list[tuple[Walker, Box]]:
        """Faces of frame n of which at least half is seen."""
        boxes = [(walker, box) for walker in self.people if (box := walker.box(n)) is not None]
        found = []
        for index, (walker, box) in enumerate(boxes):
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= SIZE[0] and box[3] <= SIZE[1]
            if walker.seed >= 0 and inside and hidden_share(box, [other for _, other in boxes[index + 1 :]]) < 0.5:
                found.append((walker, box))
        return found

    def read(self) -> Captured | None:
        from streamer.core.errors import SourceLost

        if self.n in self.lose_at:
            self.lose_at = tuple(n for n in self.lose_at if n != self.n)
            raise SourceLost("the drawn street broke off")
        if self.n >= self.frames:
            return None
        if self.live:
            time.sleep(max(0.5 * (self.n in self.stall_at), self._started + self.n / self.fps - time.monotonic()))
        captured = Captured(self.n / self.fps, self.picture(self.n))
        self.n += 1
        return captured

    def close(self) -> None: ...

    def detections(self, n: int) -> list[Detection]:
        return [Detection(box, 0.9, landmarks(box)) for _, box in self.visible(n)]

    def shown(self, image: Picture, n: int, seed: int) -> bool:
        """Whether a person's face can be read in what was emitted for frame n.

        Judged on the cells of the face's pattern that lie wholly in its ellipse and that nobody stands before: it is
        read when they still have their values, or follow the pattern. Of a face that is about half hidden it does not
        say so: no detector need find it.
        """
        walkers = [(walker, box) for walker in self.people if (box := walker.box(n)) is not None]
        for index, (walker, box) in enumerate(walkers):
            if walker.seed == seed and _readable(image, box, seed, [other for _, other in walkers[index + 1 :]]):
                return True
        return False


def number_of(picture: Picture) -> int:
    """The number of a frame, as its first row has it."""
    return sum(int(value > 127) << bit for bit, value in enumerate(picture.planes[0][0, :_NUMBER_BITS]))


def _readable(image: Picture, box: Box, seed: int, before: Sequence[Box]) -> bool:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    if x0 < 0 or y0 < 0 or x1 > SIZE[0] or y1 > SIZE[1]:
        return False
    cells = cv2.resize(image.planes[0][y0:y1, x0:x1], (8, 8), interpolation=cv2.INTER_AREA).astype(float)
    truth = cv2.resize(drawn(seed), (8, 8), interpolation=cv2.INTER_AREA).astype(float)
    seen = np.ones((FACE_PX, FACE_PX), np.float32)
    for a0, b0, a1, b1 in before:
        seen[max(0, int(b0) - y0) : max(0, int(b1) - y0), max(0, int(a0) - x0) : max(0, int(a1) - x0)] = 0
    rows, columns = np.mgrid[0:8, 0:8]
    circle = (rows - 3.5) ** 2 + (columns - 3.5) ** 2 <= 3.5**2
    inside = circle & (cv2.resize(seen, (8, 8), interpolation=cv2.INTER_AREA) > 0.999)
    if inside.sum() < 0.6 * circle.sum():
        return False
    got, want = cells[inside], truth[inside]
    if float(np.mean(np.abs(got - want) < 6)) > 1 / 3:
        return True
    return bool(got.std() > 8 and np.corrcoef(got, want)[0, 1] > 0.6)


class StreetDetector:
    """Knows by a frame's number where its faces are. before: called before every detection; may raise or sleep."""

    def __init__(self, street: Street, before: Callable[[int], None] = lambda result: None) -> None:
        self._street = street
        self._before = before
        self.looks = 0

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        self.looks += 1
        self._before(self.looks)
        return [self._street.detections(number_of(picture)) if picture.size == SIZE else [] for picture in pictures]

    def close(self) -> None: ...


class CellEmbedder:
    """The drawn pattern itself is the vector. before: called before every call; may raise, sleep or answer instead."""

    model = "cells-1"
    dim = 64
    crop_px = 112
    template = ARCFACE_112
    thresholds = THRESHOLDS

    def __init__(self, before: Callable[[int], Any] = lambda call: None) -> None:
        self.calls = 0
        self.crops = 0
        self.closed = False
        self._before = before

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.calls += 1
        self.crops += len(crops)
        if (instead := self._before(self.calls)) is not None:
            given: NDArray[np.float32] = instead
            return given
        if not crops:
            return np.empty((0, self.dim), np.float32)
        cells = [cv2.resize(crop[..., 0], (8, 8), interpolation=cv2.INTER_AREA).ravel() for crop in crops]
        vectors = np.asarray(cells, np.float32)
        vectors -= vectors.mean(axis=1, keepdims=True)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def close(self) -> None:
        self.closed = True


def gallery_of(*seeds: int) -> Gallery:
    """A gallery of drawn people, called person-<seed>."""
    embedder = CellEmbedder()
    people = []
    for seed in seeds:
        street = Street([Walker(seed, lambda n: (100, 60))])
        crop = aligned(street.picture(0), landmarks((100, 60, 100 + FACE_PX, 60 + FACE_PX)), ARCFACE_112, 112)
        people.append((Person(f"person-{seed}", 0.0), embedder.embed([crop])))
    return Gallery.of(embedder.model, people)


@dataclass
class Rehearsal:
    """Scheduler, identity cache and gate without threads: every event happens when it is told to.

    lag: answers come after so many further detections (live only); drop: frames that never arrive. answered: what
    becomes of the embedder's answers. stills: every frame is a picture that stands alone.
    """

    street: Street
    enrolled: Sequence[int] = (1,)
    options: dict[str, Any] = field(default_factory=dict)
    detect: dict[str, Any] = field(default_factory=dict)
    lag: int = 0
    drop: Callable[[int], bool] = lambda n: False
    epoch_of: Callable[[int], int] = lambda n: 0
    version: int = 0
    weak_score: float = 0.25
    thresholds: Thresholds = THRESHOLDS
    stills: bool = False
    answered: Callable[[Identified], Identified | None] = lambda answer: answer
    on_frame: Callable[[Rehearsal, int], None] = lambda rehearsal, n: None
    emitted: list[tuple[int, AnonymizedFrame]] = field(default_factory=list)
    embeddings: int = 0
    identity: Identity | None = None

    def __post_init__(self) -> None:
        self.gallery = gallery_of(*self.enrolled)
        self.embedder = CellEmbedder()
        known = IdentityOptions(who="unknown", **self.options), self.thresholds, lambda: self.version
        self.cache = IdentityCache(*known, strong_score=0.4, weak_score=self.weak_score)
        alone = StillIdentity(*known, strong_score=0.4) if self.stills else None
        self.scheduler = Scheduler(
            SchedulerOptions(**{"look_back_s": 0.0, **self.detect}),
            lambda: Tracker(TrackOptions(), 0.4, min_keep_s=0.25),
            self.identity or alone or self.cache,
            live=self.street.live,
            stills=self.stills,
        )
        self._effect = solid.build(solid.Options(), Context())
        self._late: list[tuple[int, Identified | None]] = []
        self._results = 0

    def run(self) -> Rehearsal:
        """Every frame of the street; then `shown` and `false_reveals` say what came of it."""
        for n in range(self.street.frames):
            self.on_frame(self, n)
            if self.drop(n):
                continue
            t = n / self.street.fps
            frame = Frame(n, self.epoch_of(n), t, self.street.picture(n))
            self._emit(self.scheduler.offer(frame, t))
            self._serve(t)
        self._emit(self.scheduler.finish(self.street.frames / self.street.fps))
        self._serve(self.street.frames / self.street.fps)
        return self

    def shown(self, seed: int) -> list[int]:
        """Emitted frames in which this person's face can be read."""
        return [n for n, frame in self.emitted if not frame.covered and self.street.shown(frame.image, n, seed)]

    def false_reveals(self) -> list[tuple[int, int]]:
        """Person and frame in which somebody can be read who is not enrolled.

        Without those of whom the detector knew nothing: they can be read with everyone hidden just as well.
        """
        strangers = {walker.seed for walker in self.street.people} - set(self.enrolled) - {-1}
        found = {(seed, n) for seed in strangers for n in self.shown(seed)}
        if found:
            hidden = replace(self, identity=hide_everyone, emitted=[], on_frame=lambda rehearsal, n: None).run()
            found -= {(seed, n) for seed in strangers for n in hidden.shown(seed)}
        return sorted(found)

    def _serve(self, now: float) -> None:
        while True:
            if not self.scheduler.waits_for_identity and (request := self.scheduler.next_request()) is not None:
                n = request.frame.seq
                result = DetectionResult(n, request.frame.epoch, request.frame.t, tuple(self.street.detections(n)))
                self._results += 1
                self._emit(self.scheduler.detected(result, now))
                self._answer_late(now)
            elif (wish := self.scheduler.next_identity()) is not None:
                crops = [
                    aligned(wish.frame.image, one.detection.landmarks or landmarks(one.detection.box), ARCFACE_112, 112)
                    for one in wish.faces
                ]
                self.embeddings += len(crops)
                matches = self.gallery.match(self.embedder.embed(crops), now=0.0)
                found = tuple(
                    (one, self._likeness(wish.frame, one, match))
                    for one, match in zip(wish.faces, matches, strict=True)
                )
                answer = Identified(wish.frame.epoch, wish.frame.t, found, self.version)
                self._late.append((self._results + (self.lag if self.street.live else 0), self.answered(answer)))
                self._answer_late(now)
            else:
                return

    @staticmethod
    def _likeness(frame: Frame, one: Candidate, match: Match) -> Likeness:
        seen = view_of(frame.image, one.detection.landmarks or landmarks(one.detection.box))
        another = is_another(seen, one.views or ())
        return Likeness(match.name, match.score, match.second_score, match.people, seen, another)

    def _answer_late(self, now: float) -> None:
        while self._late and self._late[0][0] <= self._results:
            self._emit(self.scheduler.identified(self._late.pop(0)[1], now))

    def _emit(self, planned: Sequence[Planned]) -> None:
        for one in planned:
            sealed = seal(
                one.frame,
                one.plan,
                effect=self._effect,
                mask=MaskOptions(),
                rules=Freshness(0.25, self.version),
            )
            self.emitted.append((one.frame.seq, sealed))
