"""The masked samples of an output are a function of what stays visible and of the plan: nothing else is in them.

Two inputs that agree on everything visible go through the gate with the same plans; their outputs must be equal to the
byte. `STREAMER_TEST_EXAMPLES=2000 scripts/test tests/anonymize/test_no_trace.py` is the long form.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.anonymize.gate import Freshness, seal
from streamer.anonymize.masks import MaskOptions, Region, region
from streamer.anonymize.zones import ZoneOptions, zoned
from streamer.config.parts import load
from streamer.core.options import Context
from streamer.core.picture import Format, Picture, even
from streamer.core.reasons import HideReason
from streamer.core.types import Box, Cover, DetectionResult, Frame, Plan, Points5, Reveal, TrackBox, Verdict
from streamer.effects import Effect

EXAMPLES = int(os.environ.get("STREAMER_TEST_EXAMPLES", "150"))
RULES = Freshness(max_gap_s=0.25)
SHOWN = Reveal("ann", evidence_t=0.0, expires_t=math.inf, gallery_version=0)
HIDDEN = Cover(HideReason.UNDECIDED)
Planes = list[NDArray[np.bool_]]

ZONES = (
    ZoneOptions(),
    ZoneOptions(cover=(((0.1, 0.2), (0.55, 0.1), (0.4, 0.7)),)),
    ZoneOptions(inside=(((0.05, 0.0), (1.0, 0.1), (0.9, 0.95), (0.1, 0.8)),)),
)


@dataclass(frozen=True)
class Step:
    """One frame of a sequence; `plan` None: it leaves covered."""

    frame: Frame
    plan: Plan | None


@dataclass(frozen=True)
class Clip:
    """A sequence of frames, and how they are to be hidden."""

    steps: list[Step]
    mask: MaskOptions
    zones: ZoneOptions


def effect(kind: str) -> Effect:
    module = load("effects", kind)
    made: Effect = module.build(module.Options(), Context())
    return made


def chance_picture(chance: np.random.Generator, size: tuple[int, int], format: Format, *, alpha: bool) -> Picture:
    picture = Picture.blank(*size, format=format)
    picture.buffer[:] = chance.integers(0, 256, picture.buffer.shape, dtype=np.uint8)
    if alpha and format == "bgrp":
        opacity = np.full(size[::-1], 255, np.uint8)
        x, y = (int(chance.integers(0, side)) for side in size)
        opacity[y : y + size[1] // 2, x : x + size[0] // 2] = chance.choice([0, 100])
        picture = replace(picture, alpha=opacity)
    return picture.frozen()


def landmarks(chance: np.random.Generator, box: Box) -> Points5:
    x, y, size = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0]
    turn = float(chance.uniform(-2, 2))
    cos, sin = math.cos(turn) * size, math.sin(turn) * size

    def on(across: float, down: float) -> tuple[float, float]:
        return x + across * cos - down * sin, y + across * sin + down * cos

    return on(-0.2, -0.1), on(0.2, -0.1), on(0, 0.1), on(-0.15, 0.3), on(0.15, 0.3)


def chance_track(chance: np.random.Generator, number: int, size: tuple[int, int]) -> TrackBox:
    side = float(chance.uniform(2, max(size)))
    x, y = (float(chance.uniform(-side / 2, edge)) for edge in size)
    box = x, y, x + side * float(chance.uniform(0.6, 1.4)), y + side
    points = landmarks(chance, box) if chance.random() < 0.6 else None
    return TrackBox(number, box, points, float(chance.choice([0, 3.7])))


def moved(chance: np.random.Generator, track: TrackBox) -> TrackBox:
    """The same face a little later."""
    dx, dy = (float(step) for step in chance.normal(0, 2.5, 2))
    x0, y0, x1, y1 = track.box
    grows = float(chance.uniform(0.9, 1.1))
    box = x0 + dx, y0 + dy, x0 + dx + (x1 - x0) * grows, y0 + dy + (y1 - y0) * grows
    return replace(track, box=box, landmarks=None if track.landmarks is None else landmarks(chance, box))


def sequence(seed: int, format: Format, length: int, mask: MaskOptions, zones: ZoneOptions, *, still: bool) -> Clip:
    """Faces that come, go, overlap, reach beyond the picture, are shown and hidden; epochs and covers between."""
    chance = np.random.default_rng(seed)
    size = int(chance.integers(9, 90)), int(chance.integers(9, 90))
    tracks = [chance_track(chance, number, size) for number in range(int(chance.integers(1, 5)))]
    steps, epoch = [], 0
    for number in range(length):
        epoch += still or chance.random() < 0.15
        image = chance_picture(chance, size, format, alpha=chance.random() < 0.5)
        frame = Frame(number, epoch, number / 25, image, f"{number}.png" if still else None)
        tracks = [moved(chance, track) for track in tracks]
        there = [track for track in tracks if chance.random() < 0.85]  # others are lost, or seen twice
        there += [moved(chance, track) for track in there if chance.random() < 0.1]
        verdicts: list[tuple[TrackBox, Verdict]] = [
            (track, SHOWN if chance.random() < 0.2 else HIDDEN) for track in there
        ]
        covered = chance.random() < 0.1
        result = DetectionResult(number, epoch, frame.t, ())
        steps.append(Step(frame, None if covered else Plan(number, epoch, (result,), tuple(verdicts))))
    return Clip(steps, mask, zones)


def places(step: Step, mask: MaskOptions) -> list[Region]:
    """The masks of a frame's hidden faces."""
    hidden = [track for track, verdict in step.plan.tracks if verdict is HIDDEN] if step.plan else []
    return [place for track in hidden if (place := region(step.frame.image, track, mask)) is not None]


def hidden_samples(step: Step, of: Clip) -> Planes:
    """Per plane, what a viewer of this frame cannot see, or not fully."""
    image = step.frame.image
    if step.plan is None:
        return [np.ones(plane.shape, bool) for plane in image.planes]
    # Where zones change two different pictures alike, they hide.
    ends = [np.zeros_like(image.buffer), np.full_like(image.buffer, 255)]
    low, high = (zoned(replace(image, buffer=buffer), of.zones) for buffer in ends)
    held = [one == other for one, other in zip(low.planes, high.planes, strict=True)]
    for place in places(step, of.mask):
        x0, y0, x1, y1 = place.window
        for plane, stencil, shift in zip(held, place.masks(image.shifts), image.shifts, strict=True):
            plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift] |= stencil > 0
    if image.alpha is not None:
        held = [plane | (image.alpha < 255) for plane in held]
    return held


def blended_samples(step: Step, of: Clip) -> Planes:
    """Per plane, samples that show themselves: in soft edges and where the picture is transparent."""
    image = step.frame.image
    luma = image.planes[0]
    weights, solid = np.zeros(luma.shape, np.uint8), np.zeros(luma.shape, np.uint8)
    for place in places(step, of.mask):
        x0, y0, x1, y1 = place.window
        for target, part in ((weights, place.weights), (solid, place.protected)):
            np.maximum(target[y0:y1, x0:x1], part, out=target[y0:y1, x0:x1])
    soft = (weights < 255) & (weights > 0)
    if image.format == "bgrp":
        return [soft if image.alpha is None else soft | ((image.alpha < 255) & (weights < 255))] * 3
    every = weights.reshape(luma.shape[0] // 2, 2, -1, 2)
    covered = solid.reshape(luma.shape[0] // 2, 2, -1, 2).max(axis=(1, 3)) > 0
    chroma = (every.max(axis=(1, 3)) > 0) & ~covered
    return [soft, chroma, chroma]


def changed(step: Step, of: Clip, chance: np.random.Generator, *, beyond: bool = False) -> Step:
    """The same frame with other samples where nobody sees them.

    beyond: also one sample that can be seen beside each mask; for a control that has to fail.
    """
    buffer = step.frame.image.buffer.copy()
    image = replace(step.frame.image, buffer=buffer)
    for plane, hidden in zip(image.planes, hidden_samples(step, of), strict=True):
        held = hidden.copy()
        if beyond:
            held[:-1] |= hidden[1:]
            held[:, 1:] |= hidden[:, :-1]
        plane[held] = chance.integers(0, 256, int(held.sum()), dtype=np.uint8)
    return replace(step, frame=replace(step.frame, image=image.frozen()))


def sealed(steps: Sequence[Step], of: Clip, made: Effect) -> list[Picture]:
    def fail(error: Exception) -> None:
        raise error

    return [
        seal(
            step.frame, step.plan, effect=made, mask=of.mask, rules=RULES, zones=of.zones, on_failure=fail
        ).image
        for step in steps
    ]  # fmt: skip


def differences(of: Clip, kind: str, seed: int, *, beyond: bool = False) -> int:
    """How many samples of the outputs differ that should not, over a whole sequence."""
    chance = np.random.default_rng(seed)
    others = [changed(step, of, chance, beyond=beyond) for step in of.steps]
    # The other order, too, so that nothing is found only because of what ran first.
    second = sealed(others, of, effect(kind))
    first = sealed(of.steps, of, effect(kind))
    found = 0
    for step, one, other in zip(of.steps, first, second, strict=True):
        for a, b, own in zip(one.planes, other.planes, blended_samples(step, of), strict=True):
            found += int(((a != b) & ~own).sum()) if step.plan is not None else int((a != b).sum())
    return found


MASKS = [
    MaskOptions(feather=feather, shape=shape, coverage=coverage)
    for feather in (0.0, 0.01, 0.5)
    for shape in ("ellipse", "box", "rounded_box")
    for coverage in ("face", "head")
]
INDEPENDENT = ["frosted", "solid", "silhouette", "replace"]


@pytest.mark.parametrize("kind", INDEPENDENT)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    format=st.sampled_from(["i420", "bgrp"]),
    length=st.integers(1, 8),
    mask=st.sampled_from(MASKS),
    zones=st.sampled_from(ZONES),
)
def test_hidden_samples_change_nothing_of_the_output(
    kind: str, seed: int, format: Format, length: int, mask: MaskOptions, zones: ZoneOptions
) -> None:
    of = sequence(seed, format, length, mask, zones, still=False)
    assert differences(of, kind, seed + 1) == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mask=st.sampled_from(MASKS), zones=st.sampled_from(ZONES))
def test_background_of_still_pictures_is_as_independent(seed: int, mask: MaskOptions, zones: ZoneOptions) -> None:
    of = sequence(seed, "bgrp", 3, mask, zones, still=True)
    assert differences(of, "background", seed + 1) == 0


@pytest.mark.parametrize("kind", ["mosaic_noise", "pixelate", "blur", "box", "median", "bilateral"])
def test_control_an_effect_made_of_the_face_is_found_out(kind: str) -> None:
    found = [
        differences(sequence(seed, "i420", 4, MASKS[0], ZONES[0], still=False), kind, seed + 1) for seed in range(9)
    ]
    assert sum(count > 0 for count in found) >= 5


@pytest.mark.parametrize("kind", INDEPENDENT)
def test_control_a_mask_off_by_one_sample_is_found_out(kind: str) -> None:
    found = [
        differences(sequence(seed, "i420", 4, MASKS[0], ZONES[0], still=False), kind, seed + 1, beyond=True)
        for seed in range(9)
    ]
    assert sum(count > 0 for count in found) >= 5


def test_padding_of_odd_pictures_is_hidden_with_what_it_repeats() -> None:
    """Decoders repeat the last row and column of an odd picture, and encoders write them."""
    for seed in range(60):
        of = sequence(seed, "i420", 1, MASKS[seed % len(MASKS)], ZONES[0], still=False)
        step = of.steps[0]
        width, height = step.frame.image.size
        hidden = hidden_samples(step, of)[0]
        if width & 1:
            assert np.array_equal(hidden[:height, width - 1], hidden[:height, width]), "the padded column"
        if height & 1:
            assert np.array_equal(hidden[height - 1, :width], hidden[height, :width]), "the padded row"
        assert hidden.shape == (even(height), even(width))
