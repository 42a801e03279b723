"""Stage: detection request -> detection result. The detector's own thread, one request at a time.

A request is a `Job`: it yields pictures to examine and is sent what was found in them, at most three times: the whole
frame, then views that verify doubtful faces, then enlarged windows around faces that were lost or are doubtful. A
picture with transparency is examined three times over, on different grounds. Who drives a job may examine the pictures
of several together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from streamer.anonymize.zones import NO_ZONES, ZoneOptions, search_window
from streamer.core.channel import Channel, Closed
from streamer.core.errors import DetectorError
from streamer.core.geometry import center, side
from streamer.core.picture import Picture
from streamer.core.stats import Stats
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult
from streamer.core.view import View, Window
from streamer.detectors import CAREFUL, Detector, DetectorOptions, Scores, Verification, scores_of

__all__ = [
    "EVERYTHING", "SMALL_FACE_PX", "WINDOW_PX", "DetectionFailed", "DetectionOutcome", "Job", "Scope", "examine", "job",
    "verification_views", "warm_up", "window_around", "work",
]  # fmt: skip

SMALL_FACE_PX = 64
"""Only smaller faces gain from being enlarged; around larger ones a detector starts to see faces in blurred leaves."""
_UPRIGHT_VIEWS = ((3.0, 160), (5.0, 224))
"""Side of the window in faces, and longer side as the detector sees it: two sizes at which it is at its best.
Each also mirrored: of the faces that are otherwise not verified, half hidden or in the dark, that shows a third."""
_TURNED_VIEW = (3.0, 160)
_TOGETHER = 8
"""Faces that are verified at once: bounds the memory that a crowd takes."""
WINDOW_PX = 160
"""Longer side of an enlarged window as the detector sees it."""
_WINDOW_FACES = 3.0
"""Side of a window in faces: the face then has about 50 px, where detectors are at their best."""
_SMALLEST_WINDOW_PX = 40
_SAME_FACE = 0.6
"""Two boxes whose centres are nearer than this, in sizes of the larger one, can be the same face."""

_WOBBLE = 0.05
"""Share of a face's size by which its box varies from one detection to the next."""
_SAME_SIZE = 2.0
"""Largest ratio of the sizes of one face in two detections."""

Found = list[list[Detection]]
"""Per picture, its faces."""
Job = Generator[list[Picture], Found, DetectionResult]
"""The detection of one frame: yields pictures to examine, is sent what was found in them, returns the result."""
_Step = Generator[list[Picture], Found, list[Detection]]
"""A part of a job."""


@dataclass(frozen=True, slots=True)
class DetectionFailed:
    """The detector could not examine the frame it was asked to."""

    request: DetectionRequest
    error: DetectorError


DetectionOutcome = DetectionResult | DetectionFailed


@dataclass(frozen=True, slots=True)
class Scope:
    """Where faces are searched for, and which of them are to be hidden. By default everywhere, and all."""

    zones: ZoneOptions = NO_ZONES
    """Outside the region of interest nothing is searched for, because nothing is shown."""
    min_face_px: int = 0
    max_face_px: int | None = None
    """Faces that are smaller on both sides, or larger on both sides, are left visible."""

    @classmethod
    def of(cls, zones: ZoneOptions, options: DetectorOptions) -> Scope:
        """As configured."""
        return cls(zones, options.min_face_px, options.max_face_px)

    def holds(self, face: Detection) -> bool:
        """Whether a face, in the frame's pixels, is to be hidden. Not asked of faces within enlarged windows."""
        sides = face.box[2] - face.box[0], face.box[3] - face.box[1]
        return max(sides) >= self.min_face_px and (self.max_face_px is None or min(sides) <= self.max_face_px)

    def notes(self) -> list[str]:
        """What is left visible on purpose, for people."""
        small = f"faces below {self.min_face_px} px are left visible (detector.min_face_px)" if self.min_face_px else ""
        large = f"faces above {self.max_face_px} px are left visible (detector.max_face_px)" if self.max_face_px else ""
        return [note for note in (small, large) if note]


EVERYTHING = Scope()


def job(request: DetectionRequest, scope: Scope = EVERYTHING, scores: Scores = CAREFUL) -> Job:
    """Examine one frame. scores: what those of the detector mean that examines the pictures."""
    frame = request.frame
    found: list[Detection] = []
    for image in frame.image.looks():
        seen = yield from _seen_in(image, request, scope.zones, scores)
        found += [
            face for face in seen if not any(_near(face.box, one.box) and _alike(face.box, one.box) for one in found)
        ]
    return DetectionResult(frame.seq, frame.epoch, frame.t, tuple(face for face in found if scope.holds(face)))


def _seen_in(image: Picture, request: DetectionRequest, zones: ZoneOptions, scores: Scores) -> _Step:
    """The faces of one picture, after all that may be needed to tell."""
    found = yield from _in_whole(image, zones)
    if request.verify and scores.verification is not None:
        found = yield from _verified(image, found, request, scores.verification)
    return [*found, *(yield from _again(image, found, request, scores))]


def examine(detector: Detector, request: DetectionRequest, scope: Scope = EVERYTHING) -> DetectionOutcome:
    """Do a whole job. Whatever goes wrong, and whatever is no list of faces, is a failure of the detector."""
    steps = job(request, scope, scores_of(detector) or CAREFUL)
    try:
        pictures = next(steps)
        while True:
            found = _detect(detector, pictures)
            try:
                pictures = steps.send(found)
            except StopIteration as end:
                result: DetectionResult = end.value
                return result
    except DetectorError as error:
        return DetectionFailed(request, error)
    except Exception as error:  # a detector is a plug-in: any exception means that the frame was not examined
        return DetectionFailed(request, DetectorError(f"the detector failed: {type(error).__name__}: {error}"))


def _detect(detector: Detector, pictures: list[Picture]) -> Found:
    found = detector.detect(pictures)
    if len(found) != len(pictures) or not all(isinstance(one, Detection) for faces in found for one in faces):
        raise DetectorError("the detector did not return one list of detections per picture")
    return found


# -- the whole frame ------------------------------------------------------------------------------------------------


def _in_whole(image: Picture, zones: ZoneOptions) -> _Step:
    """The faces in all of the picture that is shown."""
    view = View.of(image, search_window(zones, image.size))
    (faces,) = yield [view.image]
    return [view.back(face) for face in faces]


# -- verification: large, doubtful, new faces -----------------------------------------------------------------------


def _verified(image: Picture, found: list[Detection], request: DetectionRequest, least: Verification) -> _Step:
    """Without the faces that are large, doubtful and new, and are not seen again in any of their views.

    A face with its hair and shoulders can be taken for a larger one: to find the sure one again verifies nothing.
    """
    sure = [one.box for one in found if one.score >= least.doubtful]
    doubted = [face for face in found if face.score < least.doubtful and _is_new(face, request, sure)]
    refuted: set[int] = set()
    for start in range(0, len(doubted), _TOGETHER):
        views = [
            (face, view) for face in doubted[start : start + _TOGETHER] for view in verification_views(face, image)
        ]
        if not views:
            continue
        answers = yield [view.image for _, view in views]
        seen = {
            id(face)
            for (face, view), faces in zip(views, answers, strict=True)
            if _is_seen(face, view, faces, sure, least)
        }
        refuted |= {id(face) for face, _ in views} - seen
    return [face for face in found if id(face) not in refuted]


def _is_new(face: Detection, request: DetectionRequest, sure: list[Box]) -> bool:
    """Whether a face was not known, and is so large that hiding it for nothing would hide much.

    sure: faces of the same frame that are beyond doubt; what was known there speaks for nobody else.
    """
    if side(face.box) < SMALL_FACE_PX:
        return False
    return not any(_is(known, face.box, sure) for known in request.watch)


def verification_views(face: Detection, image: Picture) -> list[View]:
    """A face at two sizes, turned to both sides, and mirrored; none when it lies outside the picture."""
    wanted = [(*view, 0, False) for view in _UPRIGHT_VIEWS] + [(*_TURNED_VIEW, turns, False) for turns in (1, 3)]
    wanted += [(*view, 0, True) for view in _UPRIGHT_VIEWS]
    views = []
    for faces, px, turns, mirrored in wanted:
        window = window_around(face.box, image, faces)
        if window is None:
            return []
        views.append(View.of(image, window, longer_px=px, turns=turns, mirrored=mirrored, full_color=True))
    return views


def _is_seen(face: Detection, view: View, seen: list[Detection], sure: list[Box], scores: Verification) -> bool:
    """Whether a face was seen in a view of it, in its place and surely enough."""
    beside = any(_near(face.box, box) and _within(box, face.box) for box in sure)
    least = scores.turned if view.turns else scores.beside if beside else scores.upright
    place, others = view.square(face.box), [view.square(box) for box in sure]
    return any(one.score >= least and _is(one.box, place, others) for one in seen)


# -- region re-detection: small faces that were lost or are doubtful ------------------------------------------------


def _again(image: Picture, found: list[Detection], request: DetectionRequest, scores: Scores) -> _Step:
    """Faces found in enlarged windows, where a known face was not found and where a doubtful one was.

    A face that is small, turned or half hidden scores low in the whole frame and better in a window around it. What is
    found there counts only near the middle: the rest of the window is the whole frame's.
    """
    sure = [one.box for one in found if one.score >= scores.sure]
    regions = _regions(image, _unsure_places(found, sure, request.watch, scores.sure), request.redetections)
    if not regions:
        return []
    views = [View.of(image, window, longer_px=WINDOW_PX) for _, window in regions]
    answers = yield [view.image for view in views]
    again = []
    for (box, _), view, faces in zip(regions, views, answers, strict=True):
        again += [face for face in map(view.back, faces) if face.score >= scores.again and _is_again(face, box, sure)]
    return again


def _unsure_places(found: list[Detection], sure: list[Box], watch: Sequence[Box], sure_score: float) -> list[Box]:
    """Where known faces were lost, then where doubtful ones were found."""
    lost = [box for box in watch if not any(_near(box, other) for other in sure)]
    doubtful = [one.box for one in found if one.score < sure_score and not any(_near(one.box, box) for box in lost)]
    return [*lost, *doubtful]


def _regions(image: Picture, places: list[Box], most: int) -> list[tuple[Box, Window]]:
    """The windows around small faces, at most so many.

    A crowd asks for more than there may be: the larger a face, the more of it can be recognised.
    """
    small = [box for box in places if side(box) < SMALL_FACE_PX]
    windows = [(box, window) for box in small if (window := window_around(box, image)) is not None]
    return sorted(windows, key=lambda one: side(one[0]), reverse=True)[:most]


def _is_again(face: Detection, place: Box, sure: list[Box]) -> bool:
    """Whether what was found in a window is the face that it was made for."""
    same = _near(face.box, place) and _alike(face.box, place)
    return same and not any(_near(face.box, one) for one in sure)


# -- boxes ----------------------------------------------------------------------------------------------------------


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


def window_around(box: Box, image: Picture, faces: float = _WINDOW_FACES) -> Window | None:
    """The square around a face, `faces` wide; None when it lies outside the picture."""
    (x, y), half = center(box), max(faces * side(box), _SMALLEST_WINDOW_PX) / 2
    window = math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half)
    inside = window[0] < image.width and window[1] < image.height and window[2] > 0 and window[3] > 0
    return window if inside else None


# -- the thread -----------------------------------------------------------------------------------------------------


def warm_up(detector: Detector, size: tuple[int, int]) -> None:
    """Let a detector do at the start what its library puts off until the first picture of a size (width, height).

    That is memory on the CPU; on a graphics card kernels are loaded and algorithms chosen, which takes up to seconds.
    Only detectors that have something to put off have the method.
    """
    if (own := getattr(detector, "warm_up", None)) is not None:
        own(size)


def work(
    detector: Detector,
    requests: Channel[DetectionRequest],
    results: Channel[DetectionOutcome],
    stats: Stats,
    scope: Scope = EVERYTHING,
) -> None:
    """The detector's thread; ends when `requests` is closed, and closes the detector."""
    for note in scope.notes():
        stats.note(note, warning=True)
    if scores_of(detector) is None:
        stats.note("this detector's scores were not measured: more is examined again, and no face is doubted")
    try:
        while True:
            request = requests.get()
            if request is not None:
                with stats.timed("detect"):
                    result = examine(detector, request, scope)
                results.put(result)
    except Closed:
        return
    finally:
        detector.close()
