"""Masks: what they hold, where they end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions, mask_bounds, region
from streamer.core.geometry import grown, side
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.types import Box, Points5, TrackBox
from streamer.effects import solid
from streamer.evaluate.contact_sheet import drawn, room

SIZE = WIDTH, HEIGHT = 400, 400
FACE: Box = (150.3, 120.7, 225.1, 221.4)
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)


def landmarks(box: Box, tilt: float, *, eyes: float = 0.4, eyes_to_mouth: float = 0.38) -> Points5:
    """Of a face in this box; distances as shares of its height."""
    size, x, y = box[3] - box[1], (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    cos, sin = math.cos(tilt), math.sin(tilt)

    def at(across: float, down: float) -> tuple[float, float]:
        return x + size * (cos * across - sin * down), y + size * (sin * across + cos * down)

    up, low = -0.1, eyes_to_mouth - 0.1
    return at(-eyes / 2, up), at(eyes / 2, up), at(0, 0.1), at(-eyes / 3, low), at(eyes / 3, low)


def protected(track: TrackBox, format: Format = "i420", **options: Any) -> NDArray[np.bool_]:
    """The protected area on the whole picture, at luma size."""
    place = region(Picture.blank(*SIZE, format=format), track, MaskOptions(**options))
    held = np.zeros((HEIGHT, WIDTH), bool)
    if place is not None:
        x0, y0, x1, y1 = place.window
        held[y0:y1, x0:x1] = place.protected > 0
    return held


def oval(middle: tuple[float, float], half: tuple[float, float], tilt: float) -> NDArray[np.bool_]:
    """Samples whose middle lies in an ellipse."""
    x, y = COLUMNS - middle[0], ROWS - middle[1]
    across, down = x * math.cos(tilt) + y * math.sin(tilt), -x * math.sin(tilt) + y * math.cos(tilt)
    return np.asarray((across / half[0]) ** 2 + (down / half[1]) ** 2 <= 1)


@pytest.mark.parametrize("tilt", [0.0, 0.03, 0.6, -1.1, math.pi / 2])
@pytest.mark.parametrize("margin", [0.05, 0.2, 0.7])
def test_the_ellipse_holds_the_box_upright_and_along_the_face(tilt: float, margin: float) -> None:
    held = protected(TrackBox(1, FACE, landmarks(FACE, tilt), uncertainty_px=3.5), margin=margin)
    by_px = margin * side(FACE) + 3.5
    half = (FACE[2] - FACE[0]) / 2 + by_px, (FACE[3] - FACE[1]) / 2 + by_px
    middle = (FACE[0] + FACE[2]) / 2, (FACE[1] + FACE[3]) / 2
    for angle in (0.0, tilt):
        assert held[oval(middle, half, angle)].all()
    most = max(half[1], 1.3 * half[0]) + 3
    assert not held[~oval(middle, (most, most), 0)].any()


@pytest.mark.parametrize("coverage", ["face", "head"])
def test_masks_of_all_faces_have_the_same_proportion(coverage: str) -> None:
    """Wide, narrow, long and short ones: the outline of a mask says nothing of a face's shape."""
    found = []
    for width, height, eyes_to_mouth in [(60, 100, 0.38), (90, 100, 0.3), (75, 100, 0.45), (100, 100, 0.3)]:
        box: Box = (150, 150, 150 + width, 150 + height)
        track = TrackBox(1, box, landmarks(box, 0.1, eyes_to_mouth=eyes_to_mouth))
        place = region(Picture.blank(*SIZE), track, MaskOptions.model_validate({"coverage": coverage}))
        assert place is not None
        found.append(place.half[1] / place.half[0])
    assert found == pytest.approx([1.3] * 4, abs=0.01)


@pytest.mark.parametrize("tilt_deg", range(0, 100, 5))
def test_a_mask_grows_smoothly_as_a_head_lies_down(tilt_deg: int) -> None:
    areas = [
        int(protected(TrackBox(1, FACE, landmarks(FACE, math.radians(d)))).sum()) for d in (tilt_deg, tilt_deg + 2)
    ]
    assert areas[1] == pytest.approx(areas[0], rel=0.06)


def test_without_landmarks_the_whole_box_is_held() -> None:
    held = protected(TrackBox(1, FACE, None))
    x0, y0, x1, y1 = grown(FACE, 0.2 * side(FACE))
    assert held[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)].all()


@pytest.mark.parametrize("width", [50, 80])
def test_a_long_face_gets_its_forehead_and_chin_although_the_box_is_short(width: int) -> None:
    short: Box = (185 - width / 2, 150, 185 + width / 2, 220)
    marks = landmarks(short, 0.0, eyes_to_mouth=0.6)
    eyes, mouth = marks[0][1], marks[3][1]
    held = np.flatnonzero(protected(TrackBox(1, short, marks), margin=0.05)[:, 190])
    middle, length = 185, 2.63 * (mouth - eyes)
    assert held[0] <= middle - length / 2
    assert held[-1] >= middle + length / 2
    plain = np.flatnonzero(protected(TrackBox(1, short, landmarks(short, 0.0)), margin=0.05)[:, 190])
    assert len(held) > len(plain) + (10 if width < 70 else 0), "a wide box alone makes the mask longer, too"


def test_the_tilt_of_a_profile_comes_from_the_line_to_the_mouth() -> None:
    """Its eyes are a few pixels apart, and the line through them points anywhere."""
    (x, y), mouth = (180.0, 150.0), ((181.0, 200.0), (183.0, 200.0))
    straight, steep = (((x, y), (x + 3, y + dy), (x + 5, 170.0), *mouth) for dy in (0.0, 3.0))
    boxes = [region(Picture.blank(*SIZE), TrackBox(1, FACE, marks), MaskOptions()) for marks in (straight, steep)]
    assert all(place is not None and abs(place.tilt) < 0.1 for place in boxes)


def test_the_rounded_box_holds_the_detectors_box_and_has_no_corners() -> None:
    track = TrackBox(1, FACE, landmarks(FACE, 0.3))
    rounded, plain = protected(track, shape="rounded_box"), protected(track, shape="box")
    x0, y0, x1, y1 = FACE
    assert rounded[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)].all()
    assert not (rounded & ~plain).any()
    top, left = (np.flatnonzero(plain.any(axis=axis))[0] for axis in (1, 0))
    assert plain[top, left]
    assert not rounded[top, left]
    assert rounded.sum() > 0.9 * plain.sum()


@pytest.mark.parametrize("shape", ["ellipse", "box", "rounded_box"])
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_a_face_of_any_size_is_held_to_the_last_pixel(shape: str, format: Format) -> None:
    """The detector's box, or its inscribed ellipse, grown by the track's uncertainty: also of a face of two pixels."""
    chance = np.random.default_rng(5)
    for _ in range(400):
        width = chance.uniform(1, 60) * chance.choice([0.1, 0.3, 1.0, 3.0])
        x, y, height = chance.uniform(0, 250), chance.uniform(0, 250), width * chance.uniform(0.3, 3)
        box: Box = (x, y, x + width, y + height)
        marks = landmarks(box, chance.uniform(-4, 4)) if shape == "ellipse" else None
        margin, uncertainty_px = chance.choice([0.05, 0.1, 0.2, 1.0]), chance.choice([0.0, 3.0])
        held = protected(TrackBox(1, box, marks, uncertainty_px), format, shape=shape, margin=margin)
        x0, y0, x1, y1 = grown(box, uncertainty_px)
        face = (x0 < COLUMNS + 1) & (x1 > COLUMNS) & (y0 < ROWS + 1) & (y1 > ROWS)
        if shape == "ellipse":
            half = width / 2 + uncertainty_px, height / 2 + uncertainty_px
            face = oval((x + width / 2, y + height / 2), half, 0.0)
        assert held[face].all(), (box, margin, uncertainty_px)


@pytest.mark.parametrize("tilt", [0.1, -0.5])
def test_the_mask_of_a_head_upside_down_is_that_of_an_upright_one(tilt: float) -> None:
    upright, turned = (protected(TrackBox(1, FACE, landmarks(FACE, tilt + turn))) for turn in (0, math.pi))
    assert turned.sum() == pytest.approx(upright.sum(), rel=0.02)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pose", [(0, 0.0), (-30, 0.3), (25, -0.4)])
def test_a_head_is_held_with_its_hair(seed: int, pose: tuple[int, float]) -> None:
    yaw, tilt = pose
    bgr = room(*SIZE)
    wall = bgr.copy()
    track = drawn(bgr, (200, 200), 100, seed, yaw=yaw, tilt=tilt)
    down = (math.cos(tilt) * (ROWS - 200) - math.sin(tilt) * (COLUMNS - 200)) / (100 / 1.05)
    head = (bgr != wall).any(axis=2) & (down < 0.66)  # the neck begins at the chin
    held = protected(track, coverage="head")
    assert held[head].mean() > 0.98
    assert not (protected(track) & ~held).any(), "less than the face's own mask"
    for shape in ("box", "rounded_box"):
        assert protected(track, coverage="head", shape=shape)[head].mean() > 0.98


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize("options", [{}, {"shape": "rounded_box"}, {"coverage": "head"}])
def test_a_soft_edge_lies_outside_of_what_is_protected(format: Format, options: dict[str, Any]) -> None:
    effect = solid.build(solid.Options(), Context())
    chance = np.random.default_rng(2)
    picture = Picture.from_bgr(chance.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), format=format)
    tracks = [TrackBox(1, FACE, landmarks(FACE, 0.2)), TrackBox(2, (200, 150, 270, 240), None)]
    hard, soft = (
        paint(picture, tracks, effect, MaskOptions(feather=feather, **options), 0.0) for feather in (0.0, 0.3)
    )
    held = protected(tracks[0], format, **options) | protected(tracks[1], format, **options)
    for before, plain, blended, shift in zip(picture.planes, hard.planes, soft.planes, picture.shifts, strict=True):
        inside = held.reshape(HEIGHT >> shift, 1 << shift, WIDTH >> shift, 1 << shift).any(axis=(1, 3))
        assert np.array_equal(blended[inside], plain[inside]), "something of the face shines through"
        away = np.abs(blended.astype(int) - before)
        color = int(plain[inside][0])
        between = (blended >= np.minimum(before, color)) & (blended <= np.maximum(before, color))
        assert between[~inside].all()
        assert (away[~inside] > 0).any()
    x0, y0, x1, y1 = mask_bounds(tracks[0], MaskOptions(feather=0.3, coverage="head", shape="box"))
    assert (x0, y0) < (FACE[0], FACE[1])
    assert (x1, y1) > (FACE[2], FACE[3])


@pytest.mark.parametrize(
    "options", [{}, {"shape": "rounded_box"}, {"coverage": "head", "feather": 0.3}, {"shape": "box"}]
)
@pytest.mark.parametrize("tilt", [None, 0.0, 0.8])
def test_nothing_of_a_mask_lies_beyond_its_bounds(options: dict[str, Any], tilt: float | None) -> None:
    """The background effect keeps away from it."""
    track = TrackBox(1, FACE, None if tilt is None else landmarks(FACE, tilt), uncertainty_px=4)
    place = region(Picture.blank(*SIZE), track, MaskOptions(**options))
    assert place is not None
    x0, y0, x1, y1 = grown(mask_bounds(track, MaskOptions(**options)), 3)  # windows are rounded to even pixels
    assert place.window[0] >= x0
    assert place.window[1] >= y0
    assert place.window[2] <= x1
    assert place.window[3] <= y1
