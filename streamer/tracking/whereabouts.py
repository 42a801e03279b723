"""Where the face of one track may be at a time: before, between and after its sightings. Pure functions.

Every box comes with its uncertainty in pixels. Where sightings may be of two people, both are covered.
"""

from __future__ import annotations

import math

from streamer.core.geometry import center, hull, lerp, side
from streamer.core.types import TrackBox
from streamer.tracking.track import Sighting, Track, apart

__all__ = ["ONE_FACE", "whereabouts"]

ONE_FACE = 1.15
"""A box longer than this many faces holds two places of one face."""

_JITTER = 0.05
"""Share of a face's size by which a detector's box wobbles from one result to the next."""
_WALK_PER_S = 6.0
"""Face sizes per second of somebody who walks by: 1.4 m/s, and a face of 23 cm."""
_RUN_PER_S = 12.0
"""The same for somebody who runs, 2.8 m/s."""
_DOUBTFUL_PER_S = 2.0
"""The same for doubtful tracks: most are no faces, and what is none does not walk."""
_LEAD = 0.5
"""So many face sizes may somebody who runs, or is doubtful and walks, be ahead of their cover: the mask's margin holds
most of it. Between frequent detections nobody comes to be further ahead; between rare ones cover keeps up with them."""
_SWERVE_PER_S2 = 8.0
"""Face sizes per second squared by which a head that nods or is shaken changes its pace: a fifth of a face to either
side within a second. Between frequent detections that is next to nothing; over half a second it is a quarter of a face.
"""
_SAME_PLACE = 0.75
"""Distance in face sizes beyond which two sightings of a track may be two people."""
_SLACK_S = 1e-6
"""Rounding of timestamps."""


def whereabouts(track: Track, t: float, *, keep_s: float, growth_per_s: float, look_back_s: float) -> list[TrackBox]:
    """Where a face may be at time t, the likeliest place first; empty when it is not there.

    keep_s: it is covered this long after its last sighting. growth_per_s: its cover grows by this share of its size
    per second between detection results. look_back_s: it was there so long before its first sighting, also where a full
    result missed it.
    """
    first, last = track.seen[0], track.seen[-1]
    if t < first.t:
        return _before(track, first, t, look_back_s, growth_per_s)
    if t > last.t:
        return [_after(track, last, t, growth_per_s)] if t - last.t <= keep_s else []
    index = max(i for i, seen in enumerate(track.seen) if seen.t <= t)
    earlier = track.seen[index]
    if earlier.t == t or index + 1 == len(track.seen):
        return [TrackBox(track.track_id, earlier.box, earlier.landmarks, _JITTER * side(earlier.box))]
    return _between(track, earlier, track.seen[index + 1], t, growth_per_s)


def _before(track: Track, first: Sighting, t: float, look_back_s: float, growth_per_s: float) -> list[TrackBox]:
    """A face found for the first time was perhaps there already, at least since the last full result."""
    boxes = []
    if track.origin is not None and t > track.origin.t:
        boxes.append(_on_the_way(track, track.origin, first, t, growth_per_s))
    # Where a result missed it, it was hardly in plain sight: only the time in which nobody looked counts. A leap may
    # be none: then one face went when another came, and the other took no such way.
    if t > track.unseen_until or t >= first.t - look_back_s - _SLACK_S:
        boxes.append(_wandered(track, first, min(first.t - t, first.t - track.unseen_until)))
    return boxes


def _between(track: Track, a: Sighting, b: Sighting, t: float, growth_per_s: float) -> list[TrackBox]:
    boxes = [_on_the_way(track, a, b, t, growth_per_s)]
    if apart(a, b) <= _SAME_PLACE * max(side(a.box), side(b.box)):
        return boxes
    # These may be two people: one went when the other came, and neither took this way.
    if t < b.missed_t:
        boxes.append(_wandered(track, a, t - a.t))
    if t > b.unseen_until:
        boxes.append(_wandered(track, b, b.t - t))
    return boxes


def _after(track: Track, last: Sighting, t: float, growth_per_s: float) -> TrackBox:
    elapsed = t - last.t
    if len(track.seen) == 1 and track.origin is None:  # nobody knows yet where it is going
        return _wandered(track, last, min(t, track.missed_t) - last.t, growth_per_s * elapsed)
    # Moved on or stopped: both places are covered. An ellipse would cut the corners of a box that holds two faces.
    box, size = hull(last.box, track.predicted(t)), side(last.box)
    landmarks = last.landmarks if side(box) < ONE_FACE * size else None
    return TrackBox(track.track_id, box, landmarks, size * (_JITTER + growth_per_s * elapsed))


def _on_the_way(track: Track, a: Sighting, b: Sighting, t: float, growth_per_s: float) -> TrackBox:
    """Where a face is between two sightings if they are its own."""
    share = (t - a.t) / (b.t - a.t)
    box, size = lerp(a.box, b.box, share), max(side(a.box), side(b.box))
    (ax, ay), (bx, by) = center(a.box), center(b.box)
    # Nobody moves on a straight line at constant speed: the doubt is largest half-way, a quarter of the way there,
    # and it grows with the time in which nobody looked. A change of pace by a leads astray by a/2 (t - t0)(t1 - t).
    bend = share * (1 - share) * math.hypot(bx - ax, by - ay)
    unwatched = min(t - a.t, b.t - t) * growth_per_s * size
    swerve = _SWERVE_PER_S2 / 2 * (t - a.t) * (b.t - t) * size
    nearer = a if share < 0.5 else b
    return TrackBox(track.track_id, box, nearer.landmarks, _JITTER * size + bend + unwatched + swerve)


def _wandered(track: Track, seen: Sighting, elapsed_s: float, growth: float = 0.0) -> TrackBox:
    """Where a face that was seen once may be so long before or after: people walk or run, and mostly sideways.

    growth: what the uncertainty has grown by, as a share of the face's size.
    """
    size = side(seen.box)
    pace, most = (_WALK_PER_S, _RUN_PER_S) if track.is_sure else (_DOUBTFUL_PER_S, _WALK_PER_S)
    walked = size * max(pace * elapsed_s, most * elapsed_s - _LEAD)
    x0, y0, x1, y1 = seen.box
    box = x0 - walked, y0 - walked / 3, x1 + walked, y1 + walked / 3
    landmarks = seen.landmarks if side(box) < ONE_FACE * size else None
    return TrackBox(track.track_id, box, landmarks, size * (_JITTER + growth))
