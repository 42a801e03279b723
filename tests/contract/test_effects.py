"""What every effect keeps to, whatever it makes of a face."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions, region
from streamer.config.parts import kinds, load
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.types import TrackBox
from streamer.effects import Effect, Patch
from streamer.evaluate.contact_sheet import drawn, room
from streamer.evaluate.readable import is_readable

KINDS = kinds("effects")
WITH_STRENGTH = [kind for kind in KINDS if "strength" in load("effects", kind).Options.model_fields]
GOLDEN = Path(__file__).parent / "golden"
Make = Callable[..., Effect]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Builds effects that draw the same secret every time."""
    monkeypatch.setattr(secrets, "randbits", lambda bits: 20_261_121)

    def made(kind: str, **options: Any) -> Effect:
        module = load("effects", kind)
        effect: Effect = module.build(module.Options(**options), Context())
        effect.enter(1)
        return effect

    return made


@cache
def person(
    size_px: float, seed: int = 11, *, yaw: float = 0, tilt: float = 0, format: Format = "i420"
) -> tuple[Picture, TrackBox]:
    """A drawn head before a wall, and where its face is."""
    side = round(2.6 * size_px)
    bgr = room(side, side)
    track = drawn(bgr, (side / 2, side / 2), size_px, seed, yaw=yaw, tilt=tilt)
    return Picture.from_bgr(bgr, format=format), track


@cache
def huge() -> tuple[Picture, TrackBox]:
    """A face of 2000 pixels that reaches beyond the picture."""
    bgr = room(400, 550)
    small = drawn(bgr, (200, 250), 500, 11)
    x0, y0, x1, y1 = (4 * edge for edge in small.box)
    return Picture.from_bgr(bgr).scaled(1600, 2200), TrackBox(1, (x0, y0, x1, y1), None)


def crowd(size_px: float, heads: int = 12) -> list[tuple[Picture, TrackBox]]:
    """Different people, turned and tilted."""
    poses = ((-30.0, 0.0), (0.0, 0.1), (25.0, -0.2))
    return [person(size_px, seed, yaw=yaw, tilt=tilt) for seed in range(heads // len(poses)) for yaw, tilt in poses]


@cache
def noise(width: int, height: int, format: Format) -> Picture:
    chance = np.random.default_rng(5)
    return Picture.from_bgr(chance.integers(0, 256, (height, width, 3), dtype=np.uint8), format=format)


def masked(picture: Picture, tracks: list[TrackBox], options: MaskOptions) -> list[NDArray[np.bool_]]:
    """Per plane, what the masks of these faces hold."""
    held = [np.zeros(plane.shape, bool) for plane in picture.planes]
    for track in tracks:
        if (place := region(picture, track, options)) is not None:
            x0, y0, x1, y1 = place.window
            for plane, mask, shift in zip(held, place.masks(picture.shifts), picture.shifts, strict=True):
                plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift] |= mask > 0
    return held


def readable(original: Picture, painted: Picture, track: TrackBox) -> bool:
    return is_readable(original.planes[0], painted.planes[0], track.box)


def shows_nothing(make: Make, kind: str, size_px: float) -> bool:
    """Whether what an effect paints is the same over a face and over its negative, to the last bit."""
    picture, track = person(size_px)
    options = MaskOptions()
    negative = picture.canvas()
    held = masked(picture, [track], options)
    for plane, inside in zip(negative.planes, held, strict=True):
        plane[inside] = 255 - plane[inside]
    pair = [paint(image, [track], make(kind), options, 0.0) for image in (picture, negative.frozen())]
    return np.array_equal(pair[0].buffer, pair[1].buffer)


def test_which_effects_show_nothing_of_the_face(make: Make) -> None:
    nothing = {kind for kind in KINDS if shows_nothing(make, kind, 60)}
    assert nothing == {"background", "frosted", "replace", "silhouette", "solid"}  # nothing is learned here


def test_an_effect_that_reads_faces_says_so(make: Make) -> None:
    """Nothing of a face is left on the canvas, so what an effect declares is what it can do."""
    reads = {kind: type(make(kind)).reads_face for kind in KINDS}
    assert {kind for kind, when in reads.items() if when == "never"} == {"frosted", "replace", "silhouette", "solid"}
    assert {kind for kind, when in reads.items() if when == "video"} == {"background"}
    picture, track = person(60)
    for when, still, handed in [
        ("never", False, False), ("never", True, False), ("video", False, True), ("video", True, False),
        ("always", False, True), ("always", True, True),
    ]:  # fmt: skip
        seen: list[Patch] = []

        def apply(self: Effect, patches: Sequence[Patch], t: float, seen: list[Patch] = seen) -> None:
            seen.extend(patches)

        looks: Effect = type("Looks", (Effect,), {"reads_face": when, "apply": apply})()
        paint(picture, [track], looks, MaskOptions(), 0.0, still=still)
        assert (seen[0].original is not None) == handed
        for samples, mask in zip(seen[0].samples, seen[0].masks, strict=True):
            assert not samples[mask > 0].any(), "erased before the effect runs"


PLACES = [
    [TrackBox(1, (100, 60, 164, 124), None)],
    [TrackBox(1, (-30.3, -30.2, 40.7, 40), None)],
    [TrackBox(1, (280, 200, 360, 280), None, spread_px=7.5)],
    [TrackBox(1, (100, 100, 108, 108), None)],
    [TrackBox(1, (318.6, 100, 321.2, 103), None)],
    [TrackBox(1, (0.4, 0.4, 1.2, 1.3), None)],
    [TrackBox(1, (-900, -900, 1100, 1100), None)],
    [TrackBox(1, (60, 60, 120, 120), None), TrackBox(2, (90, 80, 150, 140), None)],
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize(
    "mask", [{}, {"shape": "rounded_box", "coverage": "head"}, {"coverage": "head", "feather": 0.2}, {"margin": 2.0}]
)
def test_what_lies_outside_the_mask_stays_bit_by_bit(
    kind: str, format: Format, mask: dict[str, Any], make: Make
) -> None:
    options = MaskOptions(**mask)
    picture = noise(321, 239, format)
    before = picture.buffer.copy()
    for tracks in PLACES:
        painted = paint(picture, tracks, make(kind), options, 1.0)
        assert np.array_equal(picture.buffer, before), "the original was changed"
        assert (painted.size, painted.format, painted.color) == (picture.size, picture.format, picture.color)
        assert painted.buffer.dtype == np.uint8
        for old, new, held in zip(picture.planes, painted.planes, masked(picture, tracks, options), strict=True):
            assert held.any()
            assert np.array_equal(old[~held], new[~held])


@pytest.mark.parametrize("kind", KINDS)
def test_no_face_no_change(kind: str, make: Make) -> None:
    effect = make(kind)
    picture = noise(64, 48, "i420")
    assert paint(picture, [], effect, MaskOptions(), 0.0) is picture
    assert paint(picture, [TrackBox(1, (900, 900, 950, 950), None)], effect, MaskOptions(), 0.0) is picture
    effect.apply([], 0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_px", [20, 28, 48, 120])
def test_no_face_can_be_read_at_the_weakest_strength(kind: str, size_px: int, make: Make) -> None:
    effect = make(kind, **({"strength": 1} if kind in WITH_STRENGTH else {}))
    if shows_nothing(make, kind, size_px):
        return
    read = 0
    for picture, track in crowd(size_px):
        painted = paint(picture, [track], effect, MaskOptions(margin=0.05), 0.0)
        assert readable(picture, picture, track), "the drawn face cannot be read to begin with"
        read += readable(picture, painted, track)
    assert read == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_that_fills_a_large_picture_cannot_be_read(kind: str, make: Make) -> None:
    effect = make(kind, **({"strength": 1} if kind in WITH_STRENGTH else {}))
    picture, track = huge()
    painted = paint(picture, [track], effect, MaskOptions(), 0.0)
    assert readable(picture, picture, track)
    assert not readable(picture, painted, track)


@pytest.mark.parametrize("kind", KINDS)
def test_overlapping_faces_are_both_hidden(kind: str, make: Make) -> None:
    bgr = room(320, 240)
    tracks = [drawn(bgr, (120, 120), 80, 3), drawn(bgr, (175, 130), 80, 4)]
    picture = Picture.from_bgr(bgr)
    for order in (tracks, tracks[::-1]):
        painted = paint(picture, order, make(kind), MaskOptions(), 0.0)
        assert not any(readable(picture, painted, track) for track in tracks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_colour_is_hidden_with_the_face(kind: str, format: Format, make: Make) -> None:
    """What is left of every plane's detail under the mask does not follow the original."""
    picture = noise(240, 240, format)
    track = TrackBox(1, (70, 70, 170, 170), None)
    painted = paint(picture, [track], make(kind), MaskOptions(), 0.0)
    for old, new, shift in zip(picture.planes, painted.planes, picture.shifts, strict=True):
        inner = slice(90 >> shift, 150 >> shift), slice(90 >> shift, 150 >> shift)
        was, now = (plane[inner].astype(float).ravel() for plane in (old, new))
        follows = 0.0 if now.std() < 1e-9 else float(np.corrcoef(was, now)[0, 1]) * now.std() / was.std()
        assert abs(follows) < 0.1


@pytest.mark.parametrize("kind", WITH_STRENGTH)
def test_strength_has_a_floor_and_is_felt(kind: str, make: Make) -> None:
    options = load("effects", kind).Options
    for wrong in (0, 11, -1, 0.5, True, "weak", None):
        with pytest.raises(ValueError, match="must be low, medium, high or a whole number from 1 to 10"):
            options(strength=wrong)
    picture, track = person(120)
    by_words, by_numbers = (
        [paint(picture, [track], make(kind, strength=strength), MaskOptions(), 0.0).buffer for strength in strengths]
        for strengths in (("low", "medium", "high"), (1, 4, 7))
    )
    for word, number in zip(by_words, by_numbers, strict=True):
        assert np.array_equal(word, number)
    assert not np.array_equal(by_words[0], by_words[2])


@pytest.mark.parametrize("kind", KINDS)
def test_every_effect_looks_as_it_did(kind: str, make: Make) -> None:
    """Beside golden pictures of a drawn face. A missing one is drawn anew, to be looked at."""
    picture, track = person(48, yaw=20, tilt=0.15)
    shown = paint(picture, [track], make(kind), MaskOptions(), 0.0).bgr()
    path = GOLDEN / f"{kind}.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), shown)
        pytest.fail(f"{path} was missing and has been drawn: look at it")
    golden = cv2.imread(str(path))
    assert golden is not None
    assert golden.shape == shown.shape
    difference = np.abs(golden.astype(int) - shown)
    assert difference.mean() < 1.0
    assert np.percentile(difference, 99) < 12
