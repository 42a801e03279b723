"""Stage: request -> pass. The detector's own thread, one look at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.channel import Channel, Closed
from streamer.detectors import Detector
from streamer.errors import DetectorError
from streamer.geometry import center, side
from streamer.picture import Picture
from streamer.stats import Stats
from streamer.types import Box, Detection, Pass, PassRequest

__all__ = ["Failed", "Look", "look", "work"]

_SURE_SCORE = 0.5
"""From this score on, a detection needs no second look."""
_AGAIN_SCORE = 0.3
"""Least score in a second look."""
_SMALL_FACE_PX = 64
"""Only smaller faces gain from being enlarged; around larger ones a detector starts to see faces in blurred leaves."""
_WINDOW_PX = 160
"""Longer side of an enlarged window as the detector sees it."""
_WINDOW_FACES = 3.0
"""Side of a window in faces: the face then has about 50 px, where detectors are at their best."""
_SMALLEST_WINDOW_PX = 40
_SAME_FACE = 0.6
"""Two boxes whose centres are nearer than this, in sizes of the larger one, can be the same face."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The detector could not examine the frame it was asked to."""

    request: PassRequest
    error: DetectorError


Look = Pass | Failed


def look(detector: Detector, request: PassRequest) -> Look:
    """Examine one frame. Whatever goes wrong, and whatever is no list of faces, is a failure of the detector."""
    frame = request.frame
    try:
        found = _detect(detector, [frame.image])[0]
        found = [*found, *_second_looks(detector, frame.image, found, request)]
        return Pass(frame.seq, frame.epoch, frame.t, tuple(found))
    except DetectorError as error:
        return Failed(request, error)
    except Exception as error:  # a detector is a plug-in: any exception means that the frame was not examined
        return Failed(request, DetectorError(f"the detector failed: {type(error).__name__}: {error}"))


def _detect(detector: Detector, pictures: list[Picture]) -> list[list[Detection]]:
    found = detector.detect(pictures)
    if len(found) != len(pictures) or not all(isinstance(one, Detection) for faces in found for one in faces):
        raise DetectorError("the detector did not return one list of detections per picture")
    return found


def _second_looks(detector: Detector, image: Picture, found: list[Detection], request: PassRequest) -> list[Detection]:
    """Look once more, enlarged, where a known face was not found, and where a doubtful one was.

    A face that is small, turned or half hidden scores low in the whole frame and better in a window around it. What is
    found there counts only near the place looked at: the rest of the window belongs to the look at the whole frame.
    """
    sure = [one.box for one in found if one.score >= _SURE_SCORE]
    lost = [box for box in request.watch if not any(_near(box, other) for other in sure)]
    doubtful = [one.box for one in found if one.score < _SURE_SCORE and not any(_near(one.box, box) for box in lost)]
    windows = [(box, window) for box in [*lost, *doubtful] if (window := _window(box, image)) is not None]
    windows = [(box, window) for box, window in windows if side(box) < _SMALL_FACE_PX][: request.second_looks]
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
        origin = max(0, window[0]) & ~1, max(0, window[1]) & ~1  # as Picture.cropped() widens it
        moved = [_moved(face, origin, back) for face in faces]
        again += [
            face
            for face in moved
            if face.score >= _AGAIN_SCORE and _near(face.box, box) and not any(_near(face.box, one) for one in sure)
        ]
    return again


def _near(a: Box, b: Box) -> bool:
    """Whether two boxes can be the same face."""
    (ax, ay), (bx, by) = center(a), center(b)
    return math.hypot(ax - bx, ay - by) < _SAME_FACE * max(side(a), side(b))


def _window(box: Box, image: Picture) -> tuple[int, int, int, int] | None:
    """The square around a face that is looked at; None when it lies outside the picture."""
    (x, y), half = center(box), max(_WINDOW_FACES * side(box), _SMALLEST_WINDOW_PX) / 2
    window = math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half)
    inside = window[0] < image.width and window[1] < image.height and window[2] > 0 and window[3] > 0
    return window if inside else None


def _moved(face: Detection, origin: tuple[int, int], back: tuple[float, float]) -> Detection:
    """A detection in an enlarged window -> in the frame."""

    def point(x: float, y: float) -> tuple[float, float]:
        return x * back[0] + origin[0], y * back[1] + origin[1]

    box = (*point(face.box[0], face.box[1]), *point(face.box[2], face.box[3]))
    if face.landmarks is None:
        return Detection(box, face.score)
    right_eye, left_eye, nose, right_mouth, left_mouth = (point(x, y) for x, y in face.landmarks)
    return Detection(box, face.score, (right_eye, left_eye, nose, right_mouth, left_mouth))


def work(detector: Detector, requests: Channel[PassRequest], looks: Channel[Look], stats: Stats) -> None:
    """The detector's thread; ends when `requests` is closed, and closes the detector."""
    try:
        while True:
            request = requests.get()
            if request is not None:
                with stats.timed("detect"):
                    result = look(detector, request)
                looks.put(result)
    except Closed:
        return
    finally:
        detector.close()
