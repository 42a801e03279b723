"""Stage: plan -> picture. Painting, and `seal()`, the only door for camera pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamer.anonymize.frame import AnonymizedFrame, slate
from streamer.anonymize.masks import MaskOptions, Region, Window, mask_bounds, mask_window, region, soften
from streamer.anonymize.surroundings import Visible
from streamer.anonymize.zones import NO_ZONES, ZoneOptions, zoned
from streamer.core.errors import EffectError
from streamer.core.picture import Picture, Plane
from streamer.core.reasons import CoverReason
from streamer.core.types import Frame, Plan, Reveal, TrackBox, Verdict
from streamer.effects import Effect, Patch

__all__ = ["Freshness", "MaskOptions", "objection", "paint", "seal", "shown"]

_TIME_SLACK_S = 1e-6
"""Rounding of timestamps, not a tolerance."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a plan must fulfil for its frame to be shown."""

    max_gap_s: float
    """Largest distance in capture time between the frame and any detection its plan rests on."""
    gallery_version: int = 0
    """The present version of the gallery; a reveal decided on another one is void."""


def objection(frame: Frame, plan: Plan | None, rules: Freshness) -> CoverReason | None:
    """Why this plan does not allow this frame to be shown; None when it does."""
    if plan is None:
        return CoverReason.NO_PLAN
    if (plan.seq, plan.epoch) != (frame.seq, frame.epoch):
        return CoverReason.OTHER_FRAME
    if not plan.results:
        return CoverReason.NO_PASS
    for result in plan.results:
        if not result.full or result.epoch != frame.epoch:
            return CoverReason.OTHER_PASS
        # Written so that a time that is no number objects, too.
        if not abs(result.t - frame.t) <= rules.max_gap_s + _TIME_SLACK_S:
            return CoverReason.PASS_TOO_FAR
    for track, _ in plan.tracks:
        if not all(map(math.isfinite, (*track.box, track.uncertainty_px))):
            return CoverReason.NOT_FINITE
    return None


def seal(
    frame: Frame,
    plan: Plan | None,
    *,
    effect: Effect,
    mask: MaskOptions,
    rules: Freshness,
    zones: ZoneOptions = NO_ZONES,
    revoked: bool = False,
    without_plan: CoverReason = CoverReason.NO_PLAN,
    on_cover: Callable[[CoverReason], None] = lambda why: None,
    on_failure: Callable[[EffectError], None] = lambda error: None,
) -> AnonymizedFrame:
    """Make a frame fit to be shown: the only way for camera pixels to get out.

    The whole frame is covered when `objection()` has one, and when the effect fails. A face stays visible only by a
    `Reveal` that is unexpired at the frame's own time and of the present gallery. Zones are covered last: nothing shows
    what is in them.

    revoked: something that was shown before may not be seen any more; the effect forgets what it learned.
    without_plan: why there is none, where there is none.
    on_cover: told why, when the whole frame was covered. on_failure: told the error, when the effect failed.
    """
    why = objection(frame, plan, rules)
    if why is None and plan is not None:
        hidden = [track for track, verdict in plan.tracks if not _may_show(verdict, frame.t, rules)]
        try:
            effect.enter(frame.epoch)
            if revoked:
                effect.forget()
            seen = [track for track, verdict in plan.tracks if _may_show(verdict, frame.t, rules)]
            still = frame.name is not None
            image = paint(frame.image, hidden, effect, mask, frame.t, shown=seen, zones=zones, still=still)
            # Also faces that may be seen now: what is learned may be shown later.
            effect.learn(image, (mask_bounds(track, mask) for track, _ in plan.tracks), frame.t)
            somebody = len(hidden) < len(plan.tracks)
            version = rules.gallery_version if somebody else None
            return AnonymizedFrame(frame.seq, frame.t, image, covered=False, name=frame.name, gallery_version=version)
        except Exception as error:  # an effect is a plug-in: whatever it raises, the frame is covered
            on_failure(EffectError(f"the effect failed: {type(error).__name__}: {error}"))
            why = CoverReason.EFFECT_FAILED
    try:
        effect.forget()
    except Exception as error:
        on_failure(EffectError(f"the effect failed: {type(error).__name__}: {error}"))
    why = without_plan if why is None or why is CoverReason.NO_PLAN else why
    on_cover(why)
    return slate(frame.seq, frame.t, frame.image.size, name=frame.name, why=why)


def shown(tracks: Sequence[tuple[TrackBox, Verdict]], t: float, rules: Freshness) -> list[tuple[TrackBox, Reveal]]:
    """The faces that `seal()` leaves visible in a frame that it does not cover."""
    return [
        (track, verdict) for track, verdict in tracks if isinstance(verdict, Reveal) and _may_show(verdict, t, rules)
    ]


def _may_show(verdict: Verdict, t: float, rules: Freshness) -> bool:
    return (
        isinstance(verdict, Reveal)
        and verdict.evidence_t <= t < verdict.expires_t
        and verdict.gallery_version == rules.gallery_version
    )


def paint(
    picture: Picture,
    tracks: Sequence[TrackBox],
    effect: Effect,
    mask: MaskOptions,
    t: float,
    *,
    shown: Sequence[TrackBox] = (),
    zones: ZoneOptions = NO_ZONES,
    still: bool = False,
) -> Picture:
    """A picture with these faces replaced and its zones covered. The given picture is not changed.

    Erases before it paints: the effect sees no sample of a mask or a zone, unless it declares that it reads faces. Then
    it is handed the original, still without the zones.

    shown: faces that stay visible; no replacement is made of what lies in their bounds. still: the picture is no frame
    of a video. Returns the picture itself when there is nothing to hide. Raises whatever the effect raises.
    """
    regions = [place for track in tracks if (place := region(picture, track, mask)) is not None]
    original = zoned(picture, zones)
    if not regions:
        return original
    canvas = original.canvas()
    beside = [window for track in shown if (window := mask_window(picture, track, mask)) is not None]
    around = Visible(canvas, [*(place.window for place in regions), *beside], zones)
    reads = effect.reads_face == "always" or (effect.reads_face == "video" and not still)
    hand_over = _Handover(canvas, around, original if reads else None)
    effect.apply([hand_over.erased(place) for place in regions], t)
    if mask.feather > 0:
        soften(original, canvas, regions)
    # Once more: a mask may reach into a zone.
    return zoned(_opaque(canvas, regions).frozen(), zones)


def _opaque(picture: Picture, regions: Sequence[Region]) -> Picture:
    """The picture without transparency where it is masked: the opacity by itself can show a face."""
    if picture.alpha is None:
        return picture
    alpha = picture.alpha.copy()
    for place in regions:
        x0, y0, x1, y1 = place.window
        np.maximum(alpha[y0:y1, x0:x1], place.weights, out=alpha[y0:y1, x0:x1])
    return replace(picture, alpha=alpha)


class _Handover:
    """Makes patches of a canvas, and erases what is masked on it."""

    def __init__(self, canvas: Picture, around: Visible, original: Picture | None) -> None:
        self._shifts = canvas.shifts
        self._canvas = canvas.planes
        self._around = around
        self._original = None if original is None else original.planes

    def erased(self, place: Region) -> Patch:
        """The patch of one face, whose samples are 0 from now on."""
        samples, masks = self._views(self._canvas, place.window), place.masks(self._shifts)
        for plane, mask in zip(samples, masks, strict=True):
            cv2.subtract(plane, mask, dst=plane)  # saturates: 0 where the mask is 255
        x0, y0 = place.window[:2]
        return Patch(
            samples,
            masks,
            place.face_px,
            self._shifts,
            track_id=place.track_id,
            at=(x0, y0),
            middle=(place.middle[0] - x0, place.middle[1] - y0),
            half=place.half,
            tilt=place.tilt,
            around=self._around,
            original=None if self._original is None else self._views(self._original, place.window),
        )

    def _views(self, planes: tuple[Plane, ...], window: Window) -> tuple[Plane, ...]:
        x0, y0, x1, y1 = window
        return tuple(
            [plane[y0 >> s : y1 >> s, x0 >> s : x1 >> s] for plane, s in zip(planes, self._shifts, strict=True)]
        )
