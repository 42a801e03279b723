"""Stage: plan -> picture. Masks, painting, and `seal()`, the only door for camera pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.errors import EffectError
from streamer.geometry import center, grown, side
from streamer.parts import PartOptions
from streamer.picture import Picture, Plane, even
from streamer.sealed import AnonymizedFrame, slate
from streamer.types import Frame, Plan, Reveal, TrackBox, Verdict
from streamer.zones import NO_ZONES, ZoneOptions, zoned

__all__ = ["Freshness", "MaskOptions", "objection", "paint", "seal"]

_SUBPIXEL_BITS = 4
"""cv2.ellipse takes fixed-point coordinates with so many fractional bits."""
_TIME_SLACK_S = 1e-6
"""Rounding of timestamps, not a tolerance."""


class MaskOptions(PartOptions):
    """The shape of the region that is replaced."""

    shape: Literal["ellipse", "box"] = Field(
        "ellipse", description="ellipse (turned along the eyes' line, a box where no eyes were found) or box"
    )
    margin: float = Field(0.2, ge=0.05, le=2.0, description="share of the face's size added on every side")


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a plan must fulfil for its frame to be shown."""

    max_gap_s: float
    """Largest distance in capture time between the frame and any pass its plan rests on."""
    gallery_version: int = 0
    """The present version of the gallery; a reveal decided on another one is void."""


def objection(frame: Frame, plan: Plan | None, rules: Freshness) -> str | None:
    """Why this plan does not allow this frame to be shown; None when it does."""
    if plan is None:
        return "no plan"
    if (plan.seq, plan.epoch) != (frame.seq, frame.epoch):
        return "plan of another frame"
    if not plan.passes:
        return "no pass"
    for look in plan.passes:
        if not look.full or look.epoch != frame.epoch:
            return "pass of another kind or epoch"
        # Written so that a time that is no number objects, too.
        if not abs(look.t - frame.t) <= rules.max_gap_s + _TIME_SLACK_S:
            return "pass too far away"
    for track, _ in plan.tracks:
        if not all(map(math.isfinite, (*track.box, track.spread_px))):
            return "box is not finite"
    return None


def seal(
    frame: Frame,
    plan: Plan | None,
    *,
    effect: Effect,
    mask: MaskOptions,
    rules: Freshness,
    zones: ZoneOptions = NO_ZONES,
    on_cover: Callable[[str], None] = lambda why: None,
    on_failure: Callable[[EffectError], None] = lambda error: None,
) -> AnonymizedFrame:
    """Make a frame fit to be shown: the only way for camera pixels to get out.

    The whole frame is covered when `objection()` has one, and when the effect fails. A face stays visible only by a
    `Reveal` that is unexpired at the frame's own time and of the present gallery. Zones are covered last: nothing shows
    what is in them.

    on_cover: told why, when the whole frame was covered. on_failure: told the error, when the effect failed.
    """
    why = objection(frame, plan, rules)
    if why is None and plan is not None:
        hidden = [track for track, verdict in plan.tracks if not _may_show(verdict, frame.t, rules)]
        try:
            image = zoned(paint(frame.image, hidden, effect, mask, frame.t), zones)
            return AnonymizedFrame(frame.seq, frame.t, image, covered=False, name=frame.name)
        except Exception as error:  # an effect is a plug-in: whatever it raises, the frame is covered
            on_failure(EffectError(f"the effect failed: {type(error).__name__}: {error}"))
            why = "effect failed"
    on_cover(why or "no plan")
    return slate(frame.seq, frame.t, frame.image.size, name=frame.name)


def _may_show(verdict: Verdict, t: float, rules: Freshness) -> bool:
    return (
        isinstance(verdict, Reveal)
        and verdict.evidence_t <= t < verdict.expires_t
        and verdict.gallery_version == rules.gallery_version
    )


def paint(picture: Picture, tracks: list[TrackBox], effect: Effect, mask: MaskOptions, t: float) -> Picture:
    """A picture with these faces replaced. The given picture is not changed; it is returned when there is no face."""
    regions = [region for track in tracks if (region := _region(picture, track, mask)) is not None]
    if not regions:
        return picture
    canvas = picture.canvas()
    effect.apply([_patch(canvas, region) for region in regions], t)
    return canvas.frozen()


@dataclass(frozen=True, slots=True)
class _Region:
    """One face's place on the canvas: its window (even pixels, inside the canvas) and its mask at luma size."""

    window: tuple[int, int, int, int]
    mask: Plane
    face_px: float


def _region(picture: Picture, track: TrackBox, options: MaskOptions) -> _Region | None:
    """None when the face lies wholly outside the picture."""
    size = side(track.box)
    box = grown(track.box, options.margin * size + track.spread_px)
    middle, half = center(box), ((box[2] - box[0]) / 2, (box[3] - box[1]) / 2)
    tilt = None
    if options.shape == "ellipse" and track.landmarks is not None:
        (rx, ry), (lx, ly) = track.landmarks[0], track.landmarks[1]
        tilt = math.atan2(ly - ry, lx - rx)
    reach = half if tilt is None else _reach(half, tilt)
    limit = picture.size if picture.format == "bgrp" else (even(picture.width), even(picture.height))
    x0, y0 = (max(0, math.floor(m - r)) & ~1 for m, r in zip(middle, reach, strict=True))
    x1, y1 = (min(end, even(math.ceil(m + r) + 1)) for m, r, end in zip(middle, reach, limit, strict=True))
    if x1 <= x0 or y1 <= y0:
        return None
    if tilt is None:
        return _Region((x0, y0, x1, y1), np.full((y1 - y0, x1 - x0), 255, np.uint8), size)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    at = middle[0] - x0, middle[1] - y0
    # The turned ellipse follows the face; the upright one holds what the detector's box says, also where a head that
    # lies on its side has a box that is wide where the ellipse is narrow.
    _fill_ellipse(mask, at, half, 0.0)
    if tilt:
        _fill_ellipse(mask, at, half, tilt)
    return _Region((x0, y0, x1, y1), mask, size)


def _reach(half: tuple[float, float], tilt: float) -> tuple[float, float]:
    """How far an ellipse and the same one turned by `tilt` reach from their middle, in x and y."""
    cos, sin = math.cos(tilt), math.sin(tilt)
    turned = math.hypot(half[0] * cos, half[1] * sin), math.hypot(half[0] * sin, half[1] * cos)
    return max(half[0], turned[0]), max(half[1], turned[1])


def _fill_ellipse(mask: Plane, at: tuple[float, float], half: tuple[float, float], tilt: float) -> None:
    unit = 1 << _SUBPIXEL_BITS
    middle, axes = ((round(a * unit), round(b * unit)) for a, b in (at, half))
    cv2.ellipse(mask, middle, axes, math.degrees(tilt), 0, 360, (255,), cv2.FILLED, cv2.LINE_8, _SUBPIXEL_BITS)


def _patch(canvas: Picture, region: _Region) -> Patch:
    x0, y0, x1, y1 = region.window
    samples, masks = [], []
    for plane, shift in zip(canvas.planes, canvas.shifts, strict=True):
        samples.append(plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift])
        # A chroma sample is shared by four luma samples: it is replaced when any of them is.
        masks.append(region.mask if shift == 0 else _halved(region.mask))
    return Patch(tuple(samples), tuple(masks), region.face_px, canvas.shifts)


def _halved(mask: Plane) -> Plane:
    rows, columns = mask.shape
    # The average of four samples is above zero when any of them is. (A maximum over reshaped axes is 20 times slower.)
    average = cv2.resize(mask, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(average, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)
