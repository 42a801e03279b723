"""Region re-detection: small faces that were lost or are doubtful are examined again in enlarged windows."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.core.geometry import side
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection, DetectionRequest
from streamer.core.view import View, Window
from streamer.detection import Step
from streamer.detection.boxes import SMALL_FACE_PX, alike, near, window_around
from streamer.detectors import Scores

__all__ = ["WINDOW_PX", "redetected"]

WINDOW_PX = 160
"""Longer side of an enlarged window as the detector sees it."""


def redetected(image: Picture, found: list[Detection], request: DetectionRequest, scores: Scores) -> Step:
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
    lost = [box for box in watch if not any(near(box, other) for other in sure)]
    doubtful = [one.box for one in found if one.score < sure_score and not any(near(one.box, box) for box in lost)]
    return [*lost, *doubtful]


def _regions(image: Picture, places: list[Box], most: int) -> list[tuple[Box, Window]]:
    """The windows around small faces, at most so many.

    In a crowd, more regions are wanted than may be examined. The largest come first: most can be recognised of them.
    """
    small = [box for box in places if side(box) < SMALL_FACE_PX]
    windows = [(box, window) for box in small if (window := window_around(box, image)) is not None]
    return sorted(windows, key=lambda one: side(one[0]), reverse=True)[:most]


def _is_again(face: Detection, place: Box, sure: list[Box]) -> bool:
    """Whether what was found in a window is the face that it was made for."""
    same = near(face.box, place) and alike(face.box, place)
    return same and not any(near(face.box, one) for one in sure)
