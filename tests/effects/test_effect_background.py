"""The learned background: what it shows, and what it must never show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.anonymize.gate import Freshness, seal
from streamer.anonymize.masks import MaskOptions, region
from streamer.core.picture import Format, Picture
from streamer.core.reasons import HideReason
from streamer.core.types import Cover, DetectionResult, Frame, Plan, Reveal, TrackBox, Verdict
from streamer.effects.background import Background, Options
from streamer.evaluate.contact_sheet import drawn, room
from streamer.evaluate.readable import is_readable

SIZE = WIDTH, HEIGHT = 360, 240
FPS = 10
FACE_PX = 60
HEAD = MaskOptions(coverage="head")
HIDDEN: Verdict = Cover(HideReason.UNDECIDED)
ROOM = room(*SIZE)
SOLID_LUMA = 57
"""#303030 in limited range: 16 + 48 * 219 / 255."""


class Stream:
    """Pictures through the gate, as a pipeline sends them; every frame is vouched for."""

    def __init__(self, mask: MaskOptions = HEAD, format: Format = "i420", after_s: float = 1.0) -> None:
        self.effect = Background(Options(after_s=after_s, color="#303030"))
        self.mask = mask
        self.format = format
        self.n = 0
        self.epoch = 1

    def send(self, bgr: NDArray[np.uint8], *tracks: TrackBox, verdict: Verdict = HIDDEN) -> tuple[Picture, Picture]:
        """(original, what left)."""
        picture = Picture.from_bgr(bgr, format=self.format)
        frame = Frame(self.n, self.epoch, self.n / FPS, picture)
        results = (DetectionResult(self.n, self.epoch, frame.t, ()),)
        plan = Plan(self.n, self.epoch, results, tuple((track, verdict) for track in tracks))
        self.n += 1
        sealed = seal(frame, plan, effect=self.effect, mask=self.mask, rules=Freshness(0.25), on_failure=fail)
        assert not sealed.covered
        return picture, sealed.image

    def empty(self, seconds: float, bgr: NDArray[np.uint8] = ROOM) -> None:
        for _ in range(round(seconds * FPS)):
            self.send(bgr)


def fail(error: Exception) -> None:
    raise error


def scene(x: float, y: float = 110, seed: int = 11, *, yaw: float = 0) -> tuple[NDArray[np.uint8], TrackBox]:
    """Somebody's head in the room."""
    bgr = ROOM.copy()
    return bgr, replace(drawn(bgr, (x, y), FACE_PX, seed, yaw=yaw), track_id=1)


def inside(picture: Picture, track: TrackBox, mask: MaskOptions) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Where a face's mask lies in luma, and the mask."""
    place = region(picture, track, mask)
    assert place is not None
    x0, y0, x1, y1 = place.window
    return (slice(y0, y1), slice(x0, x1)), place.protected > 0


def mean_difference(a: Picture, b: Picture, track: TrackBox, mask: MaskOptions) -> float:
    where, held = inside(a, track, mask)
    return float(np.abs(a.planes[0][where].astype(int) - b.planes[0][where])[held].mean())


def is_solid(picture: Picture, track: TrackBox, mask: MaskOptions) -> bool:
    where, held = inside(picture, track, mask)
    return bool((np.abs(picture.planes[0][where].astype(int) - SOLID_LUMA)[held] <= 2).all())


def shown_anywhere(original: Picture, left: Picture, track: TrackBox) -> bool:
    """Whether the face in `original` can be read in the other picture, there or a little beside."""
    x0, y0, x1, y1 = (round(edge) for edge in track.box)
    face = original.planes[0][max(0, y0) : y1, max(0, x0) : x1]
    for dy in range(-12, 13, 4):
        for dx in range(-12, 13, 4):
            moved = np.roll(left.planes[0], (dy, dx), axis=(0, 1))
            canvas = moved.copy()
            canvas[max(0, y0) : y1, max(0, x0) : x1] = moved[max(0, y0) : y1, max(0, x0) : x1]
            if face.size and is_readable(original.planes[0], canvas, track.box):
                return True
    return False


@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_somebody_who_walks_through_a_known_room_disappears(format: Format) -> None:
    stream = Stream(format=format)
    wall = Picture.from_bgr(ROOM, format=format)
    stream.empty(2)
    for x in range(-60, WIDTH + 60, 6):  # found at the border; around there the room has to be learned again
        bgr, track = scene(x)
        tracks = [track] if region(wall, track, HEAD) is not None else []
        original, left = stream.send(bgr, *tracks)
        for face in tracks:
            if x > 130:
                assert mean_difference(left, wall, face, HEAD) < 2, f"at {x} something else than the room is shown"
            assert not is_readable(original.planes[0], left.planes[0], face.box)


def test_no_after_image_of_anybody() -> None:
    """Where somebody walked and stood, nothing of the face is shown later, to nobody's mask."""
    stream = Stream()
    stream.empty(2)
    seen = []
    for x in [*range(40, 180, 6), *[180] * 40, *range(180, 330, 6)]:  # stands for 4 s
        bgr, track = scene(x)
        original, left = stream.send(bgr, track)
        assert not shown_anywhere(original, left, track)
        seen.append((original, track))
    stream.empty(3)
    for original, track in seen[::7]:  # another one comes to each of these places
        bgr, other = scene((track.box[0] + track.box[2]) / 2, seed=5)
        _, left = stream.send(bgr, other)
        assert not shown_anywhere(original, left, track)


def test_somebody_who_was_there_from_the_start_is_covered_by_the_flat_colour() -> None:
    stream = Stream()
    bgr, track = scene(180)
    for _ in range(6 * FPS):
        _, left = stream.send(bgr, track)
        assert is_solid(left, track, HEAD)


@pytest.mark.parametrize("step_px", [0, 1, 3, 10])
def test_a_still_face_that_was_found_late_is_not_shown_from_the_model(step_px: int) -> None:
    stream = Stream(MaskOptions())
    before, place = scene(180)
    stream.empty(3, before)  # no detection finds it, and it gets into the model
    known = Picture.from_bgr(before)
    for step in range(10):
        bgr, track = scene(180 + step_px * (step + 1))
        original, left = stream.send(bgr, track)
        assert not is_readable(original.planes[0], left.planes[0], track.box)
        if step_px * step < 20:  # the mask lies over most of where the face had been
            assert not is_readable(known.planes[0], left.planes[0], place.box)


def test_the_model_is_not_used_where_it_resembles_the_face() -> None:
    """The second line of defence, by itself: the face counts as met before."""
    stream = Stream(MaskOptions())
    bgr, track = scene(180)
    stream.empty(3, bgr)
    stream.effect._met.add(track.track_id)
    _, left = stream.send(bgr, track)
    assert is_solid(left, track, MaskOptions())


def test_somebody_who_may_be_seen_is_not_kept_either() -> None:
    stream = Stream()
    bgr, track = scene(180)
    shown = Reveal("ann", evidence_t=0.0, expires_t=1e9, gallery_version=0)
    for _ in range(4 * FPS):
        original, left = stream.send(bgr, track, verdict=shown)
        assert np.array_equal(original.planes[0], left.planes[0])
    bgr, track = scene(180, seed=5)
    _, left = stream.send(bgr, track)
    assert is_solid(left, track, HEAD)


def test_what_is_near_a_mask_is_not_learned() -> None:
    stream = Stream(MaskOptions(margin=1.0))
    bgr, track = scene(180)
    for _ in range(4 * FPS):
        stream.send(bgr, track)
    model = stream.effect._model
    assert model is not None
    known = model.known((0, 0), (HEIGHT, WIDTH), (0,))[0]
    place = region(Picture.from_bgr(bgr), track, stream.mask)
    assert place is not None
    x0, y0, x1, y1 = place.window
    reach = round(0.45 * (y1 - y0))
    assert not known[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach].any()


def test_a_place_counts_only_after_the_whole_time_without_change() -> None:
    stream = Stream(after_s=2.0)
    bgr, track = scene(180)
    stream.empty(1.8)
    _, left = stream.send(bgr, track)
    assert is_solid(left, track, HEAD)
    stream = Stream(after_s=2.0)
    for step in range(4 * FPS):  # the light goes on and off
        stream.send(np.clip(ROOM.astype(int) + 30 * (step // 10 % 2), 0, 255).astype(np.uint8))
    _, left = stream.send(bgr, track)
    assert is_solid(left, track, HEAD)


@pytest.mark.parametrize("how", ["epoch", "cut", "size"])
def test_nothing_of_another_scene_is_shown(how: str) -> None:
    stream = Stream()
    stream.empty(2)
    bgr, track = scene(180)
    if how == "epoch":
        stream.epoch += 1
    elif how == "cut":
        other = room(*SIZE, seed=8)
        stream.empty(0.4, other)
        bgr = other.copy()
        track = drawn(bgr, (180, 110), FACE_PX, 11)
    else:
        bgr = room(WIDTH + 40, HEIGHT + 20)
        stream.epoch += 1
        track = drawn(bgr, (180, 110), FACE_PX, 11)
    _, left = stream.send(bgr, track)
    assert is_solid(left, track, HEAD)


def test_faces_that_overlap_are_judged_before_either_is_painted() -> None:
    stream = Stream(MaskOptions())
    bgr = ROOM.copy()
    tracks = [replace(drawn(bgr, (x, 110), FACE_PX, seed), track_id=seed) for x, seed in ((150, 3), (185, 4))]
    stream.empty(3, bgr)
    original, left = stream.send(bgr, *tracks)
    for track in tracks:
        assert not is_readable(original.planes[0], left.planes[0], track.box)
