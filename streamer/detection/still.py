"""A picture that stands alone: examined in four orientations, and every face that is not beyond doubt is seen again.

In a video the next detection corrects the last one; a still has one chance. Its orientation may be lost, people may lie
down, and a large photograph is examined in many parts, of which each may hold something that passes for a face. So what
was found in any orientation is a candidate. In enlarged windows around it, at two sizes and mirrored, it has to score
as faces do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamer.core.geometry import hull, iou, side, stack
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.core.view import View, Window
from streamer.detection import Found, Step
from streamer.detection.boxes import is_face, window_around
from streamer.detection.condition import Condition, condition_of
from streamer.detectors import Scores, StillScores

__all__ = ["faces_of_still"]

_VIEWS = ((3.0, 160), (5.0, 224))
"""Side of the window in faces, and longer side as the detector sees it."""
_TURNS = (0, 1, 2, 3)
_TOGETHER = 8
"""Candidates that are seen again at once: bounds the memory."""
_SAME_PLACE_IOU = 0.5
"""Overlap from which on the box and landmarks of an enlarged view are those of the candidate."""
_MOST_CANDIDATES = 256
"""What else was found counts as it is."""
_SAME_IOU = 0.3
"""Overlap from which on two detections are one face, as within one orientation."""
_LEAST_PX = 16
"""Below it nobody can be recognised, and specks score as faces do. In a picture without needless pixels."""
_KEPT_SLOPE = 1 / 4
"""The more a face scored in the whole picture, the less it has to when it is seen again."""
_WORTH_TURNING = 0.25
"""Mean score in its own orientation from which on a weak candidate is seen in the others, too."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    face: Detection
    turns: int
    """The orientation in which it was found, in quarters."""
    picture: Picture
    """In which it was found: the picture itself, or mended."""
    scale: float
    otherwise: float = 0.0
    """Found upright: the best score of what was found in its place in another orientation."""


@dataclass(slots=True)
class _Seen:
    """What the views of one candidate showed, by orientation."""

    scores: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    best: dict[int, Detection] = field(default_factory=dict)
    """The best detections, by orientation, in the picture's pixels."""

    def add(self, turns: int, face: Detection | None) -> None:
        """What one view showed; None: nothing in the candidate's place."""
        self.scores[turns].append(face.score if face is not None else 0.0)
        if face is not None and (turns not in self.best or face.score > self.best[turns].score):
            self.best[turns] = face

    @property
    def turns(self) -> int:
        """The best orientation."""
        return max(self.scores, key=self._mean, default=0)

    @property
    def score(self) -> float:
        """Mean of the views in the best orientation: what is no face is seen in one view, and not in the next."""
        return self._mean(self.turns)

    def only(self, turns: int) -> _Seen:
        """The same of one orientation alone."""
        own = _Seen()
        own.scores[turns] = self.scores.get(turns, [0.0])
        own.best = {turns: self.best[turns]} if turns in self.best else {}
        return own

    def _mean(self, turns: int) -> float:
        scores = self.scores.get(turns, [0.0])
        return sum(scores) / len(scores)


def faces_of_still(image: Picture, window: Window | None, scores: Scores, *, verify: bool) -> Step:
    """The faces in a window of a picture (None: in all of it).

    verify: leave out what does not score as faces do when it is seen again. Without, and of a detector of which it is
    not known how faces score then, everything counts that was found upright, and in other orientations what is sure.
    """
    known = scores.still
    condition = condition_of(image)
    candidates = yield from _candidates(condition.passes, window, believed=known is None)
    if known is None:
        return [one.face for one in candidates if not one.turns or one.face.score >= scores.sure]
    seen = yield from _seen_again(candidates, known)
    usual = {0, *(one.turns for one in candidates if one.face.score >= known.sure)}
    faces, upright = [], []
    for number, one in enumerate(candidates):
        if number not in seen:
            faces.append(one.face)
            upright.append(not one.turns)
            continue
        face = _judged(one, _settled(one, seen[number], usual, known), usual, known)
        if face is None and not one.turns:
            face = _doubted(one, condition, known, verify=verify)
        if face is not None:
            faces.append(face)
            upright.append(not one.turns)
    # What was found upright was told apart before the boxes grew.
    return [faces[number] for number in _best(faces, np.logical_and.outer(upright, upright))]


def _candidates(
    passes: Sequence[tuple[Picture, float]], window: Window | None, *, believed: bool
) -> Generator[list[Picture], Found, list[_Candidate]]:
    """What was found in four orientations, the best first; of what overlaps, the best.

    believed: what the detector itself told apart upright in one picture is two faces.
    """
    found = []
    for picture, scale in passes:
        for turns in _TURNS:
            view = View.of(picture, window, scale=scale, turns=turns)
            (faces,) = yield [view.image]
            found += [_Candidate(view.back(face), turns, picture, scale) for face in faces]
    upright = [one for one in found if not one.turns]
    # What passes for a face upright is not given up for something turned: that may turn out to be none.
    looks = np.array([(id(one.picture), one.scale) for one in upright]).reshape(-1, 2)
    told = (looks[:, None] == looks[None]).all(axis=2) if believed else None
    apart = _best([one.face for one in upright], told), _best([one.face for one in found])
    kept = [_with_others(upright[number], found) for number in apart[0]]
    kept += [found[number] for number in apart[1] if found[number].turns]
    return sorted(kept, key=lambda one: -one.face.score)


def _with_others(one: _Candidate, found: list[_Candidate]) -> _Candidate:
    turned = [other for other in found if other.turns]
    overlaps = iou(stack([one.face.box]), stack([other.face.box for other in turned]))[0]
    scores = [other.face.score for other, same in zip(turned, overlaps, strict=True) if same >= _SAME_IOU]
    return replace(one, otherwise=max(scores, default=0.0))


def _best(faces: list[Detection], apart: NDArray[np.bool_] | None = None) -> list[int]:
    """The numbers of the best of those that overlap, the best first.

    apart: pairs that are two faces however much they overlap.
    """
    boxes = stack([face.box for face in faces])
    overlaps = iou(boxes, boxes) if apart is None else np.where(apart, 0, iou(boxes, boxes))
    left: list[int] = []
    for number in sorted(range(len(faces)), key=lambda number: -faces[number].score):
        if not any(overlaps[number, other] >= _SAME_IOU for other in left):
            left.append(number)
    return left


def _seen_again(candidates: list[_Candidate], known: StillScores) -> Generator[list[Picture], Found, dict[int, _Seen]]:
    """Number of each candidate that is in doubt -> what its views showed.

    First in the orientation in which it was found. Only where that does not settle it, in the others.
    """
    seen = {number: _Seen() for number, one in enumerate(candidates[:_MOST_CANDIDATES]) if one.face.score < known.sure}
    numbers = list(seen)
    for start in range(0, len(numbers), _TOGETHER):
        together = numbers[start : start + _TOGETHER]
        parts = {number: _enlarged(candidates[number]) for number in together}
        own = [(number, (candidates[number].turns,)) for number in together]
        yield from _look(parts, candidates, own, seen)
        others = [
            (number, tuple(turns for turns in _TURNS if turns != candidates[number].turns))
            for number in together
            if _is_open(candidates[number].face, seen[number], known)
        ]
        if others:
            yield from _look(parts, candidates, others, seen)
    return seen


def _is_open(face: Detection, seen: _Seen, known: StillScores) -> bool:
    """Whether other orientations can tell more of a candidate."""
    return seen.score < known.lifted and (face.score >= known.least or seen.score >= _WORTH_TURNING)


def _look(
    parts: dict[int, list[View]],
    candidates: list[_Candidate],
    wanted: Sequence[tuple[int, tuple[int, ...]]],
    seen: dict[int, _Seen],
) -> Generator[list[Picture], Found, None]:
    """Look at candidates in enlarged views and note what is there. wanted: number, and orientations.

    Of one orientation alone, in both ways round.
    """
    views = [
        (number, part.other_way(turns, mirrored=mirrored))
        for number, orientations in wanted
        for turns in orientations
        for part in parts[number]
        for mirrored in ((False, True) if len(orientations) == 1 else (False,))
    ]
    answers = yield [view.image for _, view in views]
    boxes = [one.face.box for one in candidates]
    # One face may be two candidates, found upright and turned: neither takes from the other what is seen. Nor does a
    # worse one from a better one: it may turn out to be none, and then the face would be lost with it.
    same = iou(stack(boxes), stack(boxes)) >= _SAME_IOU
    for (number, view), faces in zip(views, answers, strict=True):
        place = view.square(boxes[number])
        others = [view.square(box) for other, box in enumerate(boxes[:number]) if not same[number, other]]
        there = [face for face in faces if is_face(face.box, place, others)]
        best = max(there, key=lambda face: face.score, default=None)
        seen[number].add(view.turns, None if best is None else view.back(best))


def _enlarged(one: _Candidate) -> list[View]:
    """The windows around one candidate, upright; none when it lies outside the picture."""
    windows = [(window_around(one.face.box, one.picture, faces), px) for faces, px in _VIEWS]
    return [View.of(one.picture, window, longer_px=px, full_color=True) for window, px in windows if window is not None]


def _settled(one: _Candidate, seen: _Seen, usual: set[int], known: StillScores) -> _Seen:
    """What was seen in the orientation in which it was found, where that suffices: to look on must not undo it."""
    own = seen.only(one.turns)
    return own if own.score >= _least(one, own, usual, known) else seen


def _judged(one: _Candidate, seen: _Seen, usual: set[int], known: StillScores) -> Detection | None:
    """The face that a candidate is; None when it is none."""
    face, best = one.face, seen.best.get(seen.turns)
    if seen.score < _least(one, seen, usual, known):
        return None
    # What was found upright of a head that lies may be beside the face.
    if best is not None and (seen.turns != one.turns or _iou(best.box, face.box) >= _SAME_PLACE_IOU):
        face = replace(face, box=hull(face.box, best.box), landmarks=best.landmarks or face.landmarks)
    return replace(face, score=max(face.score, seen.score))


def _iou(a: Box, b: Box) -> float:
    return float(iou(stack([a]), stack([b]))[0, 0])


def _least(one: _Candidate, seen: _Seen, usual: set[int], known: StillScores) -> float:
    """From which mean score on a candidate is a face. usual: orientations in which faces are beyond doubt."""
    weak = one.face.score < known.least
    unusual = seen.turns not in usual
    if (weak or unusual) and one.scale * side(one.face.box) < _LEAST_PX:
        return math.inf
    if unusual:
        return known.turned
    if weak or seen.turns != one.turns:
        return known.lifted
    return known.kept - _KEPT_SLOPE * (one.face.score - known.least)


def _doubted(one: _Candidate, condition: Condition, known: StillScores, *, verify: bool) -> Detection | None:
    """What to make of a face that was found upright and was not seen again; None: it is none."""
    face = one.face
    # A head at a slant is found in two orientations, and not for sure in either. In pictures without a face, what
    # scored as much in one scored 0.59 at most in another.
    if min(face.score, one.otherwise) >= known.lifted:
        return face
    overexposed = condition.overexposed and face.score >= known.overexposed
    noisy = condition.noisy and face.score >= known.noisy
    if overexposed or noisy or (condition.moved and face.score >= known.moved):
        return replace(face, score=max(face.score, known.least))
    return None if verify else face
