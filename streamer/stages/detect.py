"""Stage: detection request -> detection result. The detector's own thread, one request at a time.

A request is a `Job`: it yields pictures to examine and is sent what was found in them: the whole frame, then views that
verify doubtful faces, then enlarged windows around faces that were lost or are doubtful (`detection/`). A picture with
transparency is examined three times over, on different grounds. What drives the jobs may examine the pictures of
several together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from streamer.anonymize.zones import NO_ZONES, ZoneOptions, search_window
from streamer.core.channel import Channel, Closed
from streamer.core.errors import DetectorError
from streamer.core.patience import Progress
from streamer.core.picture import Picture
from streamer.core.stats import Stats
from streamer.core.types import Detection, DetectionRequest, DetectionResult
from streamer.core.view import View
from streamer.detection import Found, Step
from streamer.detection.boxes import alike, near
from streamer.detection.redetection import redetected
from streamer.detection.still import faces_of_still
from streamer.detection.verification import verified
from streamer.detectors import CAREFUL, Detector, DetectorOptions, Scores, Stepwise, scores_of

__all__ = ["EVERYTHING", "DetectionFailed", "DetectionOutcome", "Job", "Scope", "examine", "job", "warm_up", "work"]

Job = Generator[list[Picture], Found, DetectionResult]
"""The detection of one frame: yields pictures to examine, is sent what was found in them, returns the result."""


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
    any_angle: bool = True
    """Whether faces that lie on their side or upside down are searched for, too."""

    @classmethod
    def of(cls, zones: ZoneOptions, options: DetectorOptions) -> Scope:
        """As configured."""
        return cls(zones, options.min_face_px, options.max_face_px, options.any_angle)

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
        found = _better_of(found, (yield from _seen_in(image, request, scope, scores)))
    return DetectionResult(frame.seq, frame.epoch, frame.t, tuple(face for face in found if scope.holds(face)))


def _better_of(found: list[Detection], seen: list[Detection]) -> list[Detection]:
    """What was found on one ground, and seen on another: of the same face, the better detection."""
    more = [face for face in seen if not any(_is_same(face, one) and one.score >= face.score for one in found)]
    return [one for one in found if not any(_is_same(one, face) for face in more)] + more


def _is_same(a: Detection, b: Detection) -> bool:
    return near(a.box, b.box) and alike(a.box, b.box)


def _seen_in(image: Picture, request: DetectionRequest, scope: Scope, scores: Scores) -> Step:
    """The faces of one picture, after all that may be needed to tell."""
    alone = request.still and scope.any_angle
    if alone:
        found = yield from faces_of_still(image, search_window(scope.zones, image.size), scores, verify=request.verify)
    else:
        found = yield from _in_whole(image, scope.zones)
        if request.verify and scores.verification is not None:
            found = yield from verified(image, found, request, scores.verification)
    if alone and scores.still is not None:
        return found
    return [*found, *(yield from redetected(image, found, request, scores))]


def examine(
    detector: Detector,
    request: DetectionRequest,
    scope: Scope = EVERYTHING,
    *,
    on_answer: Callable[[], None] = lambda: None,
) -> DetectionOutcome:
    """Do a whole job. Whatever goes wrong, and whatever is no list of faces, is a failure of the detector.

    on_answer: told whenever the detector has answered; a large photograph takes many answers.
    """
    steps = job(request, scope, scores_of(detector) or CAREFUL)
    try:
        pictures = next(steps)
        while True:
            found = _detect(detector, pictures)
            on_answer()
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


def _in_whole(image: Picture, zones: ZoneOptions) -> Step:
    """The faces in all of the picture that is shown."""
    view = View.of(image, search_window(zones, image.size))
    (faces,) = yield [view.image]
    return [view.back(face) for face in faces]


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
    progress: Progress | None = None,
) -> None:
    """The detector's thread; ends when `requests` is closed, and closes the detector. progress: told of every step."""
    told = Progress() if progress is None else progress
    if isinstance(detector, Stepwise):
        detector.on_step = told.step
    for note in scope.notes():
        stats.note(note, warning=True)
    if scores_of(detector) is None:
        stats.note("this detector's scores were not measured: more is examined again, and no face is doubted")
    try:
        while True:
            request = requests.get()
            if request is not None:
                with stats.timed("detect"):
                    result = examine(detector, request, scope, on_answer=told.step)
                results.put(result)
    except Closed:
        return
    finally:
        detector.close()
