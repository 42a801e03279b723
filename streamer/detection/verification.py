"""Verification: a large, doubtful, new face counts if it is found again in other views."""

from __future__ import annotations

from streamer.core.geometry import side
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection, DetectionRequest
from streamer.core.view import View
from streamer.detection import Step
from streamer.detection.boxes import SMALL_FACE_PX, is_face, near, window_around, within
from streamer.detectors import Verification

__all__ = ["verification_views", "verified"]

_UPRIGHT_VIEWS = ((3.0, 160), (5.0, 224))
"""Side of the window in faces, and longer side as the detector sees it: two sizes at which it is at its best.
Each also mirrored: of the faces that are otherwise not verified, half hidden or in the dark, that shows a third."""
_TURNED_VIEW = (3.0, 160)
_TOGETHER = 8
"""Faces that are verified at once: bounds the memory that a crowd takes."""


def verified(image: Picture, found: list[Detection], request: DetectionRequest, least: Verification) -> Step:
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
    return not any(is_face(known, face.box, sure) for known in request.watch)


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
    beside = any(near(face.box, box) and within(box, face.box) for box in sure)
    least = scores.turned if view.turns else scores.beside if beside else scores.upright
    place, others = view.square(face.box), [view.square(box) for box in sure]
    return any(one.score >= least and is_face(one.box, place, others) for one in seen)
