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
    on_cover: Callable[[str], None] = lambda why: None,
    on_failure: Callable[[EffectError], None] = lambda error: None,
) -> AnonymizedFrame:
    """Make a frame fit to be shown: the only way for camera pixels to get out.

    The whole frame is covered when `objection()` has one, and when the effect fails. A face stays visible only by a
    `Reveal` that is unexpired at the frame's own time and of the present gallery.

    on_cover: told why, when the whole frame was covered. on_failure: told the error, when the effect failed.
    """
    why = objection(frame, plan, rules)
    if why is None and plan is not None:
        hidden = [track for track, verdict in plan.tracks if not _may_show(verdict, frame.t, rules)]
        try:
            image = paint(frame.image, hidden, effect, mask, frame.t)
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
    (x, y), half_w, half_h = center(box), (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    elliptic = options.shape == "ellipse" and track.landmarks is not None
    angle = 0.0
    if elliptic and track.landmarks is not None:
        (rx, ry), (lx, ly) = track.landmarks[0], track.landmarks[1]
        angle = math.atan2(ly - ry, lx - rx)
    # Half extents of a turned ellipse: sqrt of the sum of the squares of its axes' projections.
    reach_x = math.hypot(half_w * math.cos(angle), half_h * math.sin(angle)) if elliptic else half_w
    reach_y = math.hypot(half_w * math.sin(angle), half_h * math.cos(angle)) if elliptic else half_h
    limit_w, limit_h = even(picture.width), even(picture.height)
    if picture.format == "bgrp":
        limit_w, limit_h = picture.size
    x0, y0 = max(0, math.floor(x - reach_x)) & ~1, max(0, math.floor(y - reach_y)) & ~1
    x1, y1 = min(limit_w, even(math.ceil(x + reach_x) + 1)), min(limit_h, even(math.ceil(y + reach_y) + 1))
    if x1 <= x0 or y1 <= y0:
        return None
    if elliptic:
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        unit = 1 << _SUBPIXEL_BITS
        cv2.ellipse(
            mask,
            (round((x - x0) * unit), round((y - y0) * unit)),
            (round(half_w * unit), round(half_h * unit)),
            math.degrees(angle),
            0,
            360,
            (255,),
            cv2.FILLED,
            cv2.LINE_8,
            _SUBPIXEL_BITS,
        )
    else:
        mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
    return _Region((x0, y0, x1, y1), mask, size)


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
