"""Alignment: where the landmarks come to lie, from any place, size and turn; and what pose and quality tell."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.align import ARCFACE_112, aligned, pose, quality, similarity
from streamer.core.picture import Format, Picture
from streamer.core.types import Detection, Points5


def moved(points: Points5, *, scale: float = 1.0, turn_deg: float = 0.0, by: tuple[float, float] = (0, 0)) -> Points5:
    angle = math.radians(turn_deg)
    matrix = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    a, b, c, d, e = ((float(x), float(y)) for x, y in np.asarray(points) @ matrix.T + by)
    return a, b, c, d, e


def dots(points: Points5, size: tuple[int, int], radius: float) -> NDArray[np.uint8]:
    """A picture with a soft white dot at every landmark."""
    y, x = np.mgrid[: size[1], : size[0]]
    luma = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points)
    return np.repeat((np.clip(luma, 0, 1) * 220 + 16).astype(np.uint8)[..., None], 3, axis=2)


def detection(points: Points5) -> Detection:
    x, y = np.asarray(points).T
    return Detection((x.min() - 20, y.min() - 20, x.max() + 20, y.max() + 20), 0.9, points)


@pytest.mark.parametrize("scale", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("turn_deg", [0.0, 33.0, -120.0, 180.0])
def test_similarity_undoes_scale_turn_and_shift(scale: float, turn_deg: float) -> None:
    points = moved(ARCFACE_112, scale=scale, turn_deg=turn_deg, by=(400.5, -31))
    matrix = similarity(points, ARCFACE_112)
    assert np.allclose(np.c_[np.asarray(points), np.ones(5)] @ matrix.T, ARCFACE_112, atol=1e-6)
    assert math.hypot(*matrix[:, 0]) == pytest.approx(1 / scale)


def test_similarity_is_the_best_in_the_least_squares_sense() -> None:
    rng = np.random.default_rng(2)
    noisy = np.asarray(ARCFACE_112) + rng.normal(0, 3, (5, 2))
    source = cast(Points5, tuple((float(x), float(y)) for x, y in noisy))
    found = similarity(source, ARCFACE_112)

    def error(matrix: NDArray[np.float64]) -> float:
        return float(np.sum((np.c_[noisy, np.ones(5)] @ matrix.T - ARCFACE_112) ** 2))

    best = error(found)
    for _ in range(200):
        a, b, x, y = rng.normal(0, 0.02, 4)
        assert error(found + np.array([[a, -b, x], [b, a, y]])) >= best


def test_similarity_of_one_point_is_refused() -> None:
    with pytest.raises(ValueError, match="one point"):
        similarity(((1, 1),) * 5, ARCFACE_112)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.9, 2.5, 7.3])
@pytest.mark.parametrize("turn_deg", [0.0, 25.0, -90.0])
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_landmarks_lie_on_the_template(scale: float, turn_deg: float, format: Format) -> None:
    points = moved(ARCFACE_112, scale=scale, turn_deg=turn_deg, by=(501, 700))
    picture = Picture.from_bgr(dots(points, (1401, 1603), 3 * scale), format=format)
    crop = aligned(picture, points, ARCFACE_112, 112)
    assert crop.shape == (112, 112, 3)
    luma = crop[..., 1].astype(np.float64)
    for x, y in ARCFACE_112:
        rows, columns = np.mgrid[round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7]
        weight = np.clip(luma[rows, columns] - 40, 0, None)
        assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=0.4)
        assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=0.4)


def test_a_large_face_is_averaged_not_sampled() -> None:
    """Stripes of one pixel would become a pattern of their own."""
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    points = moved(ARCFACE_112, scale=8.2, by=(120, 130))
    crop = aligned(Picture.from_bgr(stripes, format="bgrp"), points, ARCFACE_112, 112)
    assert crop[5:-5, 5:-5].std() < 12


def test_a_face_at_the_edge_is_black_beyond_it() -> None:
    picture = Picture.from_bgr(np.full((200, 200, 3), 180, np.uint8))
    crop = aligned(picture, moved(ARCFACE_112, by=(-40, 0)), ARCFACE_112, 112)
    assert crop[:, :38].max() == 0
    assert crop[5:-5, 45:-5].min() > 170


def test_a_face_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        aligned(Picture.blank(200, 200), moved(ARCFACE_112, by=(900, 0)), ARCFACE_112, 112)


def turned(yaw_deg: float, pitch_deg: float) -> Points5:
    """The five points of a solid face (millimetres; x to the picture's right, y down, z towards the viewer)."""
    solid = np.array([[-32, -37, 0], [32, -37, 0], [0, 4.5, 34], [-26, 37, 2], [26, 37, 2]], np.float64)
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    a, b, c, d, e = ((float(x) + 200, float(y) + 200) for x, y, _ in solid @ about_y.T @ about_x.T)
    return a, b, c, d, e


@pytest.mark.parametrize("yaw_deg", [-45, -20, 0, 20, 45])
@pytest.mark.parametrize("pitch_deg", [-20, 0, 20])
@pytest.mark.parametrize("roll_deg", [-60, 0, 30])
def test_pose_of_a_solid_face(yaw_deg: float, pitch_deg: float, roll_deg: float) -> None:
    found = pose(moved(turned(yaw_deg, pitch_deg), turn_deg=roll_deg))
    assert found.yaw_deg == pytest.approx(yaw_deg, abs=12)
    assert found.pitch_deg == pytest.approx(pitch_deg, abs=14)
    if not yaw_deg and not pitch_deg:
        assert found.roll_deg == pytest.approx(roll_deg, abs=1)


def textured(seed: int = 1) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(40, 216, (28, 28), dtype=np.uint8)
    return np.repeat(
        np.asarray(cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_CUBIC), np.uint8)[..., None], 3, 2
    )


def test_blur_lowers_sharpness_and_enlarging_does_not() -> None:
    points = moved(ARCFACE_112, scale=2)
    sharp = Picture.from_bgr(textured(), format="bgrp")
    values = []
    for sigma in (0.0, 4.0, 8.0):
        blurred = sharp.bgr() if not sigma else np.asarray(cv2.GaussianBlur(sharp.bgr(), (0, 0), sigma), np.uint8)
        crop = aligned(Picture.from_bgr(blurred, format="bgrp"), points, ARCFACE_112, 112)
        values.append(quality(detection(points), crop, ARCFACE_112).sharpness)
    assert values[0] > 1.5 * values[1] > 2 * values[2]
    small = moved(ARCFACE_112, scale=0.5)
    crop = aligned(sharp.scaled(56, 56), small, ARCFACE_112, 112)
    assert quality(detection(small), crop, ARCFACE_112).sharpness > 0.7 * values[0]


def test_quality_ranks_near_frontal_and_sharp_first() -> None:
    crop = textured()[::2, ::2]
    frontal, aside = detection(turned(0, 0)), detection(turned(40, 0))
    good = quality(frontal, crop, ARCFACE_112)
    assert 0 <= quality(aside, crop, ARCFACE_112).score < good.score <= 1
    assert quality(frontal, np.full_like(crop, 128), ARCFACE_112).score < 0.05 * good.score
    with pytest.raises(ValueError, match="landmarks"):
        quality(Detection((0, 0, 9, 9), 0.5), crop, ARCFACE_112)
