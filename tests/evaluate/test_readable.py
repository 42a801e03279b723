"""The judge of leaks is judged: what it must call readable, and what it must not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.anonymize.gate import MaskOptions, paint
from streamer.config.parts import kinds, load
from streamer.core.options import Context
from streamer.core.picture import Plane
from streamer.core.types import Box, TrackBox
from streamer.effects import Effect
from streamer.evaluate.readable import is_readable
from streamer.sources.demo import Options, scene

DRAWN = scene(Options(seed=3))
PICTURE = DRAWN.picture(60)
FACES: list[Box] = [truth.box for truth in DRAWN.truth(60) if truth.visible > 0.95]
LUMA = PICTURE.planes[0]


def hidden(kind: str) -> Plane:
    """The scene with its faces hidden."""
    module = load("effects", kind)
    effect: Effect = module.build(module.Options(), Context())
    tracks = [TrackBox(number, box, None) for number, box in enumerate(FACES)]
    return paint(PICTURE, tracks, effect, MaskOptions(margin=0.05), 0.0).planes[0]


def test_there_is_something_to_judge() -> None:
    assert len(FACES) >= 2


@pytest.mark.parametrize("box", FACES)
def test_untouched_brightened_and_recompressed_faces_are_readable(box: Box) -> None:
    brighter = np.clip(LUMA.astype(int) + 20, 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", LUMA, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    recompressed = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    for copy in (LUMA, brighter, recompressed):
        assert is_readable(LUMA, copy, box)


@pytest.mark.parametrize("box", FACES)
@pytest.mark.parametrize("kind", kinds("effects"))
def test_hidden_faces_are_not(box: Box, kind: str) -> None:
    assert not is_readable(LUMA, hidden(kind), box)


@pytest.mark.parametrize("box", FACES)
@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_a_mask_shifted_by_half_a_face_does_not_hide_it(box: Box, shift: float) -> None:
    x0, y0, x1, y1 = box
    shown = LUMA.copy()
    middle = (round((x0 + x1) / 2 + shift * (x1 - x0)), round((y0 + y1) / 2))
    cv2.ellipse(shown, middle, (round((x1 - x0) / 2), round((y1 - y0) / 2)), 0, 0, 360, (60,), cv2.FILLED)
    assert is_readable(LUMA, shown, box)


def test_flat_and_outside_are_never_readable() -> None:
    flat = np.full((100, 100), 90, np.uint8)
    assert not is_readable(flat, flat, (10, 10, 60, 60))
    assert not is_readable(LUMA, LUMA, (-400, -400, -300, -300))


@pytest.mark.parametrize("box", [(0.2, 0.1, 3.0, 4.0), (-20.0, 300.0, 60.0, 400.0)])
def test_any_box_is_judged_without_failing(box: Box) -> None:
    is_readable(LUMA, LUMA, box)
