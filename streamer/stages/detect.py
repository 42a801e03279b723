"""Stage: request -> pass. The detector's own thread, one look at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamer.anonymize.zones import NO_ZONES, ZoneOptions, search_window
from streamer.core.channel import Channel, Closed
from streamer.core.errors import DetectorError
from streamer.core.geometry import center, side
from streamer.core.picture import Picture
from streamer.core.stats import Stats
from streamer.core.types import Box, Detection, Pass, PassRequest
from streamer.detectors import Detector, DetectorOptions

__all__ = ["EVERYTHING", "Failed", "Look", "Scope", "look", "warm_up", "work"]

_SURE_SCORE = 0.5
"""From this score on, a detection needs no second look."""
_AGAIN_SCORE = 0.3
"""Least score in a second look."""
_SMALL_FACE_PX = 64
"""Only smaller faces gain from being enlarged; around larger ones a detector starts to see faces in blurred leaves."""
_DOUBTFUL_SCORE = 0.65
"""Below this score a large face that nobody knew of has to be confirmed."""
_UPRIGHT_LOOKS = ((3.0, 160), (5.0, 224))
"""Side of the window in faces, and longer side as the detector sees it: two sizes at which it is at its best.
Each also mirrored: of the faces that are otherwise not confirmed, half hidden or in the dark, that shows a third."""
_TURNED_LOOK = (3.0, 160)
_CONFIRMING_SCORE, _CONFIRMING_SCORE_TURNED = 0.3, 0.6
"""Least scores. Measured on YuNet: faces had 0.36 and more upright, or 0.77 and more turned when they lie on their
side; bottles and hands that passed for faces had 0.2 at most, and 0.52 turned."""
_CONFIRMING_SCORE_DOUBLE = 0.5
"""The same around a face that is beyond doubt: with hair and shoulders one passed for a larger one, with 0.34."""
_WINDOW_PX = 160
"""Longer side of an enlarged window as the detector sees it."""
_WINDOW_FACES = 3.0
"""Side of a window in faces: the face then has about 50 px, where detectors are at their best."""
_SMALLEST_WINDOW_PX = 40
_SAME_FACE = 0.6
"""Two boxes whose centres are nearer than this, in sizes of the larger one, can be the same face."""

_WOBBLE = 0.05
"""Share of a face's size by which its box varies from look to look."""
_SAME_SIZE = 2.0
"""Largest ratio of two looks at the size of one face."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The detector could not examine the frame it was asked to."""

    request: PassRequest
    error: DetectorError


Look = Pass | Failed


@dataclass(frozen=True, slots=True)
class Scope:
    """Where faces are looked for, and which of them are to be hidden. By default everywhere, and all."""

    zones: ZoneOptions = NO_ZONES
    """Outside the region of interest nothing is looked for, because nothing is shown."""
    min_face_px: int = 0
    max_face_px: int | None = None
    """Faces that are smaller on both sides, or larger on both sides, are left visible."""

    @classmethod
    def of(cls, zones: ZoneOptions, options: DetectorOptions) -> Scope:
        """As configured."""
        return cls(zones, options.min_face_px, options.max_face_px)

    def holds(self, face: Detection) -> bool:
        """Whether a face, in the frame's pixels, is to be hidden. Looks at enlarged windows must not ask this."""
        sides = face.box[2] - face.box[0], face.box[3] - face.box[1]
        return max(sides) >= self.min_face_px and (self.max_face_px is None or min(sides) <= self.max_face_px)

    def notes(self) -> list[str]:
        """What is left visible on purpose, for people."""
        small = f"faces below {self.min_face_px} px are left visible (detector.min_face_px)" if self.min_face_px else ""
        large = f"faces above {self.max_face_px} px are left visible (detector.max_face_px)" if self.max_face_px else ""
        return [note for note in (small, large) if note]


EVERYTHING = Scope()


def look(detector: Detector, request: PassRequest, scope: Scope = EVERYTHING) -> Look:
    """Examine one frame. Whatever goes wrong, and whatever is no list of faces, is a failure of the detector."""
    frame = request.frame
    try:
        found = _first_look(detector, frame.image, scope.zones)
        if request.confirm:
            sure = [one.box for one in found if one.score >= _DOUBTFUL_SCORE]
            found = [
                one
                for one in found
                if not _needs_confirming(one, request, sure) or _confirmed(detector, frame.image, one, sure)
            ]
        found = [*found, *_second_looks(detector, frame.image, found, request)]
        return Pass(frame.seq, frame.epoch, frame.t, tuple(face for face in found if scope.holds(face)))
    except DetectorError as error:
        return Failed(request, error)
    except Exception as error:  # a detector is a plug-in: any exception means that the frame was not examined
        return Failed(request, DetectorError(f"the detector failed: {type(error).__name__}: {error}"))


def _detect(detector: Detector, pictures: list[Picture]) -> list[list[Detection]]:
    found = detector.detect(pictures)
    if len(found) != len(pictures) or not all(isinstance(one, Detection) for faces in found for one in faces):
        raise DetectorError("the detector did not return one list of detections per picture")
    return found


def _first_look(detector: Detector, image: Picture, zones: ZoneOptions) -> list[Detection]:
    """All of the picture that is shown."""
    window = search_window(zones, image.size)
    if window is None:
        return _detect(detector, [image])[0]
    return [_moved(face, _origin(window), (1.0, 1.0)) for face in _detect(detector, [image.cropped(window)])[0]]


def _second_looks(detector: Detector, image: Picture, found: list[Detection], request: PassRequest) -> list[Detection]:
    """Look once more, enlarged, where a known face was not found, and where a doubtful one was.

    A face that is small, turned or half hidden scores low in the whole frame and better in a window around it. What is
    found there counts only near the place looked at: the rest of the window belongs to the look at the whole frame.
    """
    sure = [one.box for one in found if one.score >= _SURE_SCORE]
    lost = [box for box in request.watch if not any(_near(box, other) for other in sure)]
    doubtful = [one.box for one in found if one.score < _SURE_SCORE and not any(_near(one.box, box) for box in lost)]
    windows = [(box, window) for box in [*lost, *doubtful] if (window := _window(box, image)) is not None]
    # A crowd asks for more looks than there may be: the larger a face, the more of it can be recognised.
    windows = [(box, window) for box, window in windows if side(box) < _SMALL_FACE_PX]
    windows = sorted(windows, key=lambda one: side(one[0]), reverse=True)[: request.second_looks]
    if not windows:
        return []
    crops = [image.cropped(window) for _, window in windows]
    scales = [_WINDOW_PX / max(crop.size) for crop in crops]
    enlarged = [
        crop.scaled(max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
        for crop, scale in zip(crops, scales, strict=True)
    ]
    again = []
    for (box, window), crop, picture, faces in zip(windows, crops, enlarged, _detect(detector, enlarged), strict=True):
        back = crop.width / picture.width, crop.height / picture.height
        moved = [_moved(face, _origin(window), back) for face in faces]
        again += [
            face
            for face in moved
            if face.score >= _AGAIN_SCORE
            and _near(face.box, box)
            and _alike(face.box, box)
            and not any(_near(face.box, one) for one in sure)
        ]
    return again


def _needs_confirming(face: Detection, request: PassRequest, sure: list[Box]) -> bool:
    """Whether a face is doubtful, new, and so large that hiding it for nothing would hide much.

    sure: faces of the same look that are beyond doubt; what was known there speaks for nobody else.
    """
    if face.score >= _DOUBTFUL_SCORE or side(face.box) < _SMALL_FACE_PX:
        return False
    return not any(_is(known, face.box, sure) for known in request.watch)


def _confirmed(detector: Detector, image: Picture, face: Detection, sure: list[Box]) -> bool:
    """Look at a doubtful face at other sizes, turned to both sides, and mirrored: a face is seen in one of them.

    A face with its hair and shoulders can pass for a larger one: to see the sure one again confirms nothing.
    """
    looks = [(*look, 0, False) for look in _UPRIGHT_LOOKS] + [(*_TURNED_LOOK, turns, False) for turns in (1, 3)]
    looks += [(*look, 0, True) for look in _UPRIGHT_LOOKS]
    pictures, places, others = [], [], []
    for faces, px, turns, mirrored in looks:
        window = _window(face.box, image, faces)
        if window is None:
            return True
        crop = image.cropped(window)
        scale = px / max(crop.size)
        bgr = np.rot90(crop.bgr(size=(max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))), turns)
        if mirrored:
            bgr = bgr[:, ::-1]
        view = _View(_origin(window), scale, turns, mirrored, (bgr.shape[1], bgr.shape[0]))
        places.append(view.square(face.box))
        others.append([view.square(box) for box in sure])
        pictures.append(Picture.from_bgr(np.ascontiguousarray(bgr), format="bgrp"))
    found = _detect(detector, pictures)
    double = any(_near(face.box, box) and _within(box, face.box) for box in sure)
    upright = _CONFIRMING_SCORE_DOUBLE if double else _CONFIRMING_SCORE
    for (_, _, turns, _), place, known, seen in zip(looks, places, others, found, strict=True):
        least = _CONFIRMING_SCORE_TURNED if turns else upright
        if any(one.score >= least and _is(one.box, place, known) for one in seen):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _View:
    """A window of a picture, enlarged, and turned or mirrored."""

    origin: tuple[int, int]
    scale: float
    turns: int
    """Quarters, to the left."""
    mirrored: bool
    size: tuple[int, int]

    def square(self, box: Box) -> Box:
        """Where a box of the picture is in the view, as a square of the same size."""
        x, y = ((middle - start) * self.scale for middle, start in zip(center(box), self.origin, strict=True))
        x, y = {0: (x, y), 1: (y, self.size[1] - x), 3: (self.size[0] - y, x)}[self.turns]
        x = self.size[0] - x if self.mirrored else x
        half = side(box) * self.scale / 2
        return x - half, y - half, x + half, y + half


def _is(seen: Box, one: Box, others: list[Box]) -> bool:
    """Whether what is seen can be this face, and none of the others is nearer to it in place and size."""
    if not (_near(seen, one) and _alike(seen, one)):
        return False
    return all(_apart(seen, one) <= _apart(seen, other) for other in others)


def _within(inner: Box, outer: Box) -> bool:
    """Whether a box lies in another, but for a detector's wobble. Of two people one behind the other, none does."""
    slack = _WOBBLE * side(inner)
    return all(outer[i] <= inner[i] + slack and inner[i + 2] <= outer[i + 2] + slack for i in (0, 1))


def _apart(a: Box, b: Box) -> float:
    """How little two boxes can be the same face: distance in faces, and logarithm of the ratio of sizes."""
    (ax, ay), (bx, by) = center(a), center(b)
    return math.hypot(ax - bx, ay - by) / max(side(a), side(b)) + abs(math.log(side(a) / side(b)))


def _near(a: Box, b: Box) -> bool:
    """Whether two boxes can be the same face."""
    (ax, ay), (bx, by) = center(a), center(b)
    return math.hypot(ax - bx, ay - by) < _SAME_FACE * max(side(a), side(b))


def _alike(a: Box, b: Box) -> bool:
    """Whether two boxes are of about the same size: a face may stand before what merely looks like a larger one."""
    return max(side(a), side(b)) < _SAME_SIZE * min(side(a), side(b))


def _window(box: Box, image: Picture, faces: float = _WINDOW_FACES) -> tuple[int, int, int, int] | None:
    """The square around a face that is looked at, `faces` wide; None when it lies outside the picture."""
    (x, y), half = center(box), max(faces * side(box), _SMALLEST_WINDOW_PX) / 2
    window = math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half)
    inside = window[0] < image.width and window[1] < image.height and window[2] > 0 and window[3] > 0
    return window if inside else None


def _origin(window: tuple[int, int, int, int]) -> tuple[int, int]:
    """Where a window really begins in the picture, as Picture.cropped() widens it."""
    return max(0, window[0]) & ~1, max(0, window[1]) & ~1


def _moved(face: Detection, origin: tuple[int, int], back: tuple[float, float]) -> Detection:
    """A detection in an enlarged window -> in the frame."""

    def point(x: float, y: float) -> tuple[float, float]:
        return x * back[0] + origin[0], y * back[1] + origin[1]

    box = (*point(face.box[0], face.box[1]), *point(face.box[2], face.box[3]))
    if face.landmarks is None:
        return Detection(box, face.score)
    right_eye, left_eye, nose, right_mouth, left_mouth = (point(x, y) for x, y in face.landmarks)
    return Detection(box, face.score, (right_eye, left_eye, nose, right_mouth, left_mouth))


def warm_up(detector: Detector, size: tuple[int, int]) -> None:
    """Let a detector do at the start what its library puts off until the first picture of a size (width, height).

    That is memory on the CPU; on a graphics card kernels are loaded and algorithms chosen, which takes up to seconds.
    Only detectors that have something to put off have the method.
    """
    if (own := getattr(detector, "warm_up", None)) is not None:
        own(size)


def work(
    detector: Detector,
    requests: Channel[PassRequest],
    looks: Channel[Look],
    stats: Stats,
    scope: Scope = EVERYTHING,
) -> None:
    """The detector's thread; ends when `requests` is closed, and closes the detector."""
    for note in scope.notes():
        stats.note(note, warning=True)
    try:
        while True:
            request = requests.get()
            if request is not None:
                with stats.timed("detect"):
                    result = look(detector, request, scope)
                looks.put(result)
    except Closed:
        return
    finally:
        detector.close()
