"""A face that moves is seen from several views, a still from one, however it is shown."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest
from fakes import face
from numpy.typing import NDArray

from streamer.core.align import ARCFACE_112
from streamer.core.picture import Picture
from streamer.core.types import Points5
from streamer.core.views import View, same_view, view_of

SIDE = 200
Luma = NDArray[np.uint8]


def drawn(seed: int = 3, mouth: int = 0) -> Luma:
    """A soft pattern as a face; mouth: moves the part of it that is a mouth."""
    luma = np.full((SIDE, SIDE), 110, np.uint8)
    luma[44:156, 44:156] = cv2.GaussianBlur(face(seed, 112), (0, 0), 4)
    cv2.ellipse(luma, (100, 136), (22, 4 + mouth), 0, 0, 360, 20, cv2.FILLED)
    return luma


def seen(luma: Luma, matrix: NDArray[np.float64] | None = None) -> View:
    """The view of a picture after a motion, with landmarks that went along and are a little off."""
    matrix = np.eye(2, 3) if matrix is None else matrix
    moved = cv2.warpAffine(luma, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    off = np.random.default_rng(0).normal(0, 1.0, (5, 2))
    points = (np.asarray(ARCFACE_112) + 44) @ matrix[:, :2].T + matrix[:, 2] + off
    landmarks = cast(Points5, tuple((float(x), float(y)) for x, y in points))
    view = view_of(Picture.from_bgr(np.asarray(cv2.cvtColor(moved, cv2.COLOR_GRAY2BGR), np.uint8)), landmarks)
    assert view is not None
    return view


def turned(degrees: float, scale: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    matrix = np.asarray(cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, scale), np.float64)
    matrix[:, 2] += shift
    return matrix


@pytest.mark.parametrize(
    "motion", [(0, 1, (0, 0)), (0, 1, (9, -6)), (0, 0.8, (0, 0)), (12, 1, (0, 0)), (-8, 1.1, (4, 4))]
)
def test_a_still_is_one_view_however_it_moves(motion: tuple[float, float, tuple[float, float]]) -> None:
    assert same_view(seen(drawn()), seen(drawn(), turned(*motion)))


def test_light_and_noise_make_no_other_view() -> None:
    noise = np.random.default_rng(1).normal(0, 6, (SIDE, SIDE))
    assert same_view(seen(drawn()), seen(np.clip(drawn() * 0.6 + 20 + noise, 0, 255).astype(np.uint8)))


def test_a_mouth_that_opens_does() -> None:
    assert not same_view(seen(drawn()), seen(drawn(mouth=14)))


def test_what_cannot_be_compared_is_no_evidence_more() -> None:
    flat = np.full((48, 48), 90, np.float32)
    assert same_view(None, seen(drawn()))
    assert same_view(seen(drawn()), None)
    assert same_view(flat, flat)
    assert same_view(flat, seen(drawn()))
    point: Points5 = ((5.0, 5.0),) * 5
    assert view_of(Picture.blank(64, 64), point) is None
