"""Milliseconds per effect, size and number of faces, masks included: pytest tests/benchmarks/bench_effects.py

Nothing is asserted: on a shared machine only ratios mean something. Not collected by default.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions
from streamer.config.parts import kinds, load
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import TrackBox
from streamer.effects import Effect
from streamer.evaluate.contact_sheet import room

_SIZE = 1920, 1080


def faces(size_px: float, count: int) -> list[TrackBox]:
    """Slightly tilted faces all over the picture; the place of each is a fraction of a pixel off the others'."""
    chance = np.random.default_rng(0)
    found = []
    for number in range(count):
        x, y = (float(chance.uniform(0, max(1, edge - size_px))) for edge in _SIZE)
        w, h = 0.75 * size_px, size_px
        marks = (
            (x + 0.3 * w, y + 0.42 * h), (x + 0.7 * w, y + 0.4 * h), (x + 0.5 * w, y + 0.6 * h),
            (x + 0.35 * w, y + 0.79 * h), (x + 0.65 * w, y + 0.77 * h),
        )  # fmt: skip
        found.append(TrackBox(number, (x, y, x + w, y + h), marks))
    return found


@pytest.fixture(scope="module")
def picture() -> Picture:
    return Picture.from_bgr(room(*_SIZE))


@pytest.mark.parametrize("kind", ["none", *kinds("effects")])
@pytest.mark.parametrize(
    ("size_px", "count"), [(30, 1), (100, 1), (300, 1), (1000, 1), (30, 30), (100, 10), (100, 30), (200, 30)]
)
def test_paint(kind: str, size_px: int, count: int, picture: Picture, benchmark: BenchmarkFixture) -> None:
    """`none` is the copy of the 1080p picture that every painting begins with."""
    cv2.setNumThreads(1)
    if kind == "none":
        benchmark(picture.canvas)
        return
    module = load("effects", kind)
    effect: Effect = module.build(module.Options(), Context())
    for step in range(20):  # background: the picture is known before
        effect.learn(picture, [], step * 0.25)
    tracks = faces(size_px, count)
    benchmark(paint, picture, tracks, effect, MaskOptions(), 1.0)
