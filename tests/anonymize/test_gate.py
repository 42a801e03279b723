"""Masks, painting and the gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import readable

from streamer.anonymize.gate import Freshness, MaskOptions, objection, paint, seal
from streamer.anonymize.zones import ZoneOptions
from streamer.config.parts import kinds, load
from streamer.core.errors import EffectError
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.reasons import HideReason
from streamer.core.types import Box, Cover, Detection, DetectionResult, Frame, Plan, Points5, Reveal, TrackBox
from streamer.effects import Effect, Patch, solid

RULES = Freshness(max_gap_s=0.25, gallery_version=3)
SOLID = solid.build(solid.Options(), Context())
FACE: Box = (100, 60, 164, 124)


def noise(width: int = 320, height: int = 240, format: Format = "i420") -> Picture:
    rng = np.random.default_rng(1)
    return Picture.from_bgr(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), format=format)


def eyes(box: Box, tilt: float = 0.0) -> Points5:
    x, y, size = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0]
    dx, dy = size / 4 * math.cos(tilt), size / 4 * math.sin(tilt)
    return (x - dx, y - dy), (x + dx, y + dy), (x, y), (x - dx, y + size / 4), (x + dx, y + size / 4)


def track(box: Box = FACE, *, landmarks: bool = True, tilt: float = 0.0, uncertainty_px: float = 0.0) -> TrackBox:
    return TrackBox(1, box, eyes(box, tilt) if landmarks else None, uncertainty_px)


def changed(before: Picture, after: Picture) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.asarray(before.planes[0] != after.planes[0])


FRAME = Frame(5, 2, 1.0, noise())
RESULT = DetectionResult(4, 2, 0.9, ())


def plan(**changes: Any) -> Plan:
    return replace(Plan(5, 2, (RESULT,), ((track(), Cover(HideReason.UNDECIDED)),)), **changes)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "no plan"),
        (plan(seq=4), "plan of another frame"),
        (plan(epoch=1), "plan of another frame"),
        (plan(results=()), "no pass"),
        (plan(results=(replace(RESULT, full=False),)), "pass of another kind or epoch"),
        (plan(results=(replace(RESULT, epoch=1),)), "pass of another kind or epoch"),
        (plan(results=(replace(RESULT, t=0.74),)), "pass too far away"),
        (plan(results=(RESULT, replace(RESULT, t=1.26))), "pass too far away"),
        (plan(results=(replace(RESULT, t=math.nan),)), "pass too far away"),
        (plan(tracks=((track((0, 0, math.nan, 9)), Cover(HideReason.UNDECIDED)),)), "box is not finite"),
        (plan(tracks=((track(uncertainty_px=math.inf), Cover(HideReason.UNDECIDED)),)), "box is not finite"),
    ],
)
def test_gate_covers_the_whole_frame(bad: Plan | None, why: str) -> None:
    assert objection(FRAME, bad, RULES) == why
    reasons: list[str] = []
    sealed = seal(FRAME, bad, effect=SOLID, mask=MaskOptions(), rules=RULES, on_cover=reasons.append)
    assert sealed.covered
    assert reasons == [why]
    assert len(np.unique(sealed.image.planes[0])) == 1
    assert sealed.image.size == FRAME.image.size


def test_gate_lets_a_good_plan_through_and_hides_its_face() -> None:
    sealed = seal(FRAME, plan(), effect=SOLID, mask=MaskOptions(), rules=RULES)
    assert not sealed.covered
    different = changed(FRAME.image, sealed.image)
    assert different[60:124, 100:164].mean() > 0.95
    assert not different[:, :80].any()


def test_a_reveal_shows_only_while_all_of_it_holds() -> None:
    good = Reveal("ann", evidence_t=0.5, expires_t=1.5, gallery_version=3)
    for verdict, visible in [
        (good, True),
        (replace(good, expires_t=1.0), False),
        (replace(good, evidence_t=1.1), False),
        (replace(good, gallery_version=2), False),
        (replace(good, expires_t=math.nan), False),
        (Cover(HideReason.NOBODY), False),
    ]:
        sealed = seal(FRAME, plan(tracks=((track(), verdict),)), effect=SOLID, mask=MaskOptions(), rules=RULES)
        assert (not changed(FRAME.image, sealed.image).any()) == visible


class Broken(Effect):
    def apply(self, patches: Sequence[Patch], t: float) -> None:
        patches[0].samples[0][:] = 0
        raise ValueError("broken half-way")


def test_effect_that_fails_half_way_covers_the_whole_frame() -> None:
    errors: list[EffectError] = []
    sealed = seal(FRAME, plan(), effect=Broken(), mask=MaskOptions(), rules=RULES, on_failure=errors.append)
    assert sealed.covered
    assert len(errors) == 1


def test_the_raw_picture_is_not_touched() -> None:
    before = FRAME.image.buffer.copy()
    seal(FRAME, plan(), effect=SOLID, mask=MaskOptions(), rules=RULES)
    assert np.array_equal(before, FRAME.image.buffer)


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize("shape", ["ellipse", "box"])
@pytest.mark.parametrize("tilt", [0.0, 0.5, -1.2])
def test_mask_covers_the_ellipse_of_the_face_and_chroma_with_it(format: Format, shape: str, tilt: float) -> None:
    picture = noise(format=format)
    options = MaskOptions.model_validate({"shape": shape})
    painted = paint(picture, [track((100, 60, 150, 124), tilt=tilt)], SOLID, options, 0.0)
    rows, columns = np.mgrid[0:240, 0:320]
    inside = ((columns - 125) / 25) ** 2 + ((rows - 92) / 32) ** 2 <= 1
    for before, after, shift in zip(picture.planes, painted.planes, picture.shifts, strict=True):
        part = inside[:: 1 << shift, :: 1 << shift]
        flat = after[: part.shape[0], : part.shape[1]][part]
        assert flat.min() == flat.max(), "something of the face is left"
        assert (before == after)[:, : 50 >> shift].all()


def test_a_head_that_lies_on_its_side_is_covered_to_its_ends() -> None:
    picture, box = noise(), (80.0, 90.0, 180.0, 140.0)
    painted = paint(picture, [track(box, tilt=math.pi / 2)], SOLID, MaskOptions(margin=0.05), 0.0)
    rows, columns = np.mgrid[0:240, 0:320]
    inside = ((columns - 130) / 50) ** 2 + ((rows - 115) / 25) ** 2 <= 1
    assert len(np.unique(painted.planes[0][inside])) == 1


@pytest.mark.parametrize("kind", kinds("effects"))
@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize(
    "box",
    [
        (100, 60, 164, 124),
        (-30, -30, 40, 40),
        (280, 200, 360, 280),
        (100, 100, 108, 108),
        (0.4, 0.4, 1.2, 1.3),
        (-500, -500, 900, 900),
        (1000, 1000, 1100, 1100),
    ],
)
def test_effects_keep_to_the_mask_and_stand_the_border(kind: str, format: Format, box: Box) -> None:
    module = load("effects", kind)
    effect: Effect = module.build(module.Options(), Context())
    picture = noise(321, 239, format)
    painted = paint(picture, [track(box)], effect, MaskOptions(), 0.0)
    assert painted.buffer.shape == picture.buffer.shape
    # What is further away from the box than margin, proportion, evening-out and tilt reach, is as it was.
    x0, y0, x1, y1 = (int(edge) for edge in box)
    reach = round(0.42 * max(x1 - x0, y1 - y0)) + 3
    untouched = np.ones((239, 321), bool)
    untouched[max(0, y0 - reach) : max(0, y1 + reach), max(0, x0 - reach) : max(0, x1 + reach)] = False
    assert not changed(picture, painted)[:239, :321][untouched].any()


@pytest.mark.parametrize("kind", kinds("effects"))
@pytest.mark.parametrize("size_px", [16, 64, 150])
def test_nothing_fine_is_left_inside(kind: str, size_px: int) -> None:
    """Fine detail inside the mask is gone: what is left does not follow the original's high frequencies."""
    module = load("effects", kind)
    made: Effect = module.build(module.Options(), Context())
    picture = noise()
    box: Box = (60, 60, 60 + size_px, 60 + size_px)
    painted = paint(picture, [track(box)], made, MaskOptions(), 0.0)
    inner = slice(60 + size_px // 4, 60 + size_px * 3 // 4)
    before, after = (p.planes[0][inner, inner].astype(float) for p in (picture, painted))
    correlation = 0.0 if after.std() < 1e-9 else float(np.corrcoef(before.ravel(), after.ravel())[0, 1])
    assert abs(correlation) < 0.5
    assert abs(correlation) * after.std() < before.std() / 4, "what follows the original is still strong"


def test_overlapping_faces_are_both_hidden() -> None:
    picture = noise()
    painted = paint(picture, [track((60, 60, 120, 120)), track((90, 80, 150, 140))], SOLID, MaskOptions(), 0.0)
    different = changed(picture, painted)
    assert different[66:114, 66:114].mean() > 0.95
    assert different[86:134, 96:144].mean() > 0.95


def test_no_face_costs_no_copy() -> None:
    picture = noise()
    assert paint(picture, [], SOLID, MaskOptions(), 0.0) is picture


def test_detections_must_be_finite_and_have_an_area() -> None:
    for box in [(0, 0, math.nan, 1), (0, 0, 0, 10), (5, 5, 4, 10)]:
        with pytest.raises(ValueError, match="detection"):
            Detection(box, 0.5)
    with pytest.raises(ValueError, match="not finite"):
        Detection((0, 0, 1, 1), math.inf)


def test_oracle_agrees_that_solid_hides() -> None:
    from fakes import MovingFace

    source = MovingFace()
    box = source.box(3)
    assert box is not None
    picture = source.picture(3)
    assert readable(picture, box)
    assert not readable(paint(picture, [track(box)], SOLID, MaskOptions(), 0.0), box)


def clear(opacity: int, seed: int) -> Picture:
    """The noise, transparent all over: to a face's opacity the seed gives another pattern."""
    alpha = np.full((240, 320), opacity, np.uint8)
    alpha[20:180, 60:220] = np.random.default_rng(seed).integers(1, 256, (160, 160), np.uint8)
    return replace(noise(format="bgrp"), alpha=alpha)


@pytest.mark.parametrize("feather", [0.0, 0.3])
def test_the_opacity_of_a_hidden_face_is_hidden_too(feather: float) -> None:
    """Where a program turned a colour into transparency, the opacity by itself is the picture."""
    one, other = (paint(clear(90, seed), [track()], SOLID, MaskOptions(feather=feather), 0.0) for seed in (1, 2))
    assert one.alpha is not None
    assert other.alpha is not None
    y, x = np.mgrid[:240, :320]
    oval = ((x - 132) / 34) ** 2 + ((y - 92) / 34) ** 2 <= 1
    assert (one.alpha[oval] == 255).all()
    assert np.array_equal(one.alpha[oval], other.alpha[oval])
    assert (one.alpha[200:] == 90).all()
    assert one.alpha.flags.writeable is False


def test_the_opacity_of_a_zone_is_covered_too() -> None:
    zones = ZoneOptions(cover=(((0.1, 0.1), (0.9, 0.1), (0.9, 0.7), (0.1, 0.7)),))
    one, other = (paint(clear(90, seed), [], SOLID, MaskOptions(), 0.0, zones=zones) for seed in (1, 2))
    assert one.alpha is not None
    assert other.alpha is not None
    assert np.array_equal(one.alpha[24:168, 32:288], np.full((144, 256), 255))
    assert (one.alpha[200:] == 90).all()
