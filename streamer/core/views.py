"""Whether two pictures of a face are two views of it, or one view twice. Pure functions; no state, no clock.

A still that is panned over, zoomed into, turned, faded or compressed is one view: brought to the same place and size,
it is the same picture. A face that lives is not: it moves its eyes and mouth, and turns. What an embedder gets wrong
about one view it gets wrong every time it is asked, so votes count only from different views.

A still under other light or optics is several views: a reflection or the edge of a shadow moves over it, it is far out
of focus, blurred by motion, or held aslant. Then it may have as many votes as a living face, and only the threshold of
each vote protects. Local contrast does not tell the two apart; see docs/benchmarks/recognition.md.

Of 72 clips of 62 frames that were made from stills (held, noisy, panned, zoomed, turned, faded; finely and coarsely
compressed), 70 came to one view and two came to two. Living faces come to three within 0.2 to 1.5 s in nine of ten
clips; see docs/recognition.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.align import ARCFACE_112, aligned
from streamer.core.picture import Picture
from streamer.core.types import Points5

__all__ = ["VIEWED_PX", "View", "is_another", "same_view", "view_in", "view_of"]

View = NDArray[np.float32]
"""(48, 48): the luma of an upright face at one size, smoothed."""

VIEWED_PX = 112
"""Side of the crop, aligned to `ARCFACE_112`, in which a view is seen."""
_VIEW_PX = 48
_SAME = 0.98
"""Correlation from which two pictures that were brought together are one view."""
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 25, 1e-4)
_SMOOTH_PX = 3


def _ellipse() -> NDArray[np.uint8]:
    """The face without hair and background, which may change or stay by themselves."""
    mask = np.zeros((_VIEW_PX, _VIEW_PX), np.uint8)
    cv2.ellipse(mask, (24, 27), (17, 20), 0, 0, 360, 255, cv2.FILLED)
    return mask


_FACE = _ellipse()


def view_of(picture: Picture, landmarks: Points5) -> View | None:
    """The view of a face; None where its landmarks give none."""
    try:
        return view_in(aligned(picture, landmarks, ARCFACE_112, VIEWED_PX))
    except ValueError:
        return None


def view_in(crop: NDArray[np.uint8]) -> View:
    """The view in a crop that is aligned already: (VIEWED_PX, VIEWED_PX, 3) BGR."""
    luma = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), (_VIEW_PX, _VIEW_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 1.0), np.float32)


def same_view(a: View | None, b: View | None) -> bool:
    """Whether b is no other view than a. What cannot be compared is taken for the same: it is no evidence more.

    b is brought onto a by the affine map that makes the two most alike (enhanced correlation coefficient; Evangelidis,
    Psarakis, IEEE PAMI 30, 2008), because landmarks are never found twice at quite the same place.
    """
    if a is None or b is None:
        return True
    try:
        _, onto = cv2.findTransformECC(
            a, b, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, _STEPS, _FACE, _SMOOTH_PX
        )
    except cv2.error:  # nothing in common to hold on to, or nothing but one colour
        return True
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, onto, (_VIEW_PX, _VIEW_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return _correlation(a[_FACE > 0], np.asarray(moved, np.float32)[_FACE > 0]) >= _SAME


def is_another(view: View | None, before: Sequence[View | None]) -> bool:
    """Whether a view is none of those before. One comparison takes 3 ms and more."""
    return not any(same_view(one, view) for one in before)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))
