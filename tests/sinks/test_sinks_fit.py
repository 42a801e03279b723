"""Pictures of any size and colour in a stream that has one of each, and times that become time stamps."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import numbered

from streamer.anonymize.frame import derive, slate
from streamer.core.picture import BT601, BT709, Color, Picture
from streamer.sinks._fit import Fitter, letterbox
from streamer.sinks._timeline import Timeline, nominal_rate

SIDES = st.integers(1, 70)


@given(SIDES, SIDES, SIDES, SIDES, st.booleans())
def test_every_size_fits_into_every_other(width: int, height: int, into: int, high: int, planar: bool) -> None:
    picture = Picture.blank(width, height, luma=180, format="i420" if planar else "bgrp")
    fitted = letterbox(picture, into, high)
    assert fitted.size == (into, high)
    assert fitted.format == picture.format
    luma = fitted.planes[0]
    assert (luma == 180).any()
    assert set(np.unique(luma)) <= {180, 16 if planar else 0}


def test_the_shape_is_kept_in_the_middle() -> None:
    fitted = letterbox(Picture.blank(160, 40, luma=200), 80, 60)
    rows = (fitted.planes[0] == 200).all(axis=1)
    assert np.flatnonzero(rows).tolist() == list(range(20, 40))


def test_what_fits_is_not_touched() -> None:
    frame = numbered(1, 0.0)
    assert Fitter(320, 240, BT601)(frame) is frame


def test_an_odd_picture_fills_its_even_frame() -> None:
    picture = Picture.blank(63, 47, luma=90)
    fitted = letterbox(picture, 64, 48)
    assert fitted.size == (64, 48)
    assert fitted.buffer is picture.buffer


@pytest.mark.parametrize("target", [BT601, BT709, Color("bt601", True), Color("bt709", True)])
@pytest.mark.parametrize("source", [BT601, BT709, Color("bt601", True), Color("bt709", True)])
def test_colours_look_the_same_afterwards(source: Color, target: Color) -> None:
    frame = numbered(0b1010, 1.5, (97, 61), color=source)
    fitted = Fitter(97, 61, target)(frame)
    assert fitted.image.color == target
    assert (fitted.seq, fitted.t, fitted.covered) == (frame.seq, frame.t, frame.covered)
    assert np.abs(fitted.image.bgr().astype(int) - frame.image.bgr()).mean() < 3


def test_a_still_becomes_a_video_picture() -> None:
    bgr = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    frame = derive(slate(0, 0.0, (30, 20)), lambda _: Picture.from_bgr(bgr, format="bgrp"))
    fitted = Fitter(30, 20, BT709)(frame)
    assert fitted.image.format == "i420"
    assert np.abs(fitted.image.bgr().astype(int) - bgr).max() <= 4


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25.0, Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)),
        (0.2, Fraction(1, 5)),
    ],
)
def test_rates_as_they_are_meant(fps: float, rate: Fraction) -> None:
    assert nominal_rate(fps) == rate


@given(st.lists(st.floats(-10, 1000), min_size=1, max_size=30), st.booleans())
def test_time_stamps_only_rise(times: list[float], grid: bool) -> None:
    timeline = Timeline(Fraction(1, 25 if grid else 90_000), Fraction(25), keyframe_s=1.0, grid=grid)
    ticks = [tick for t in times if (tick := timeline.place(t)) is not None]
    assert ticks[0] == 0
    assert all(later > earlier for earlier, later in pairwise(ticks))
    assert timeline.duration >= 1


def test_a_grid_follows_the_clock_in_spite_of_jitter() -> None:
    jitter = np.random.default_rng(1).uniform(-0.015, 0.015, 500)
    timeline = Timeline(Fraction(1, 25), Fraction(25), keyframe_s=1.0, grid=True)
    ticks = [timeline.place(index / 25 + float(shift)) for index, shift in enumerate(jitter - jitter[0])]
    placed = [tick for tick in ticks if tick is not None]
    assert len(placed) >= 495
    assert abs(placed[-1] - 499) <= 1
