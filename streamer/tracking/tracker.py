"""Stage: detection results -> tracks. Where each face is at any moment, between and after them.

A face counts from its first detection, and stays covered for `keep_s` after its last. Everything here errs towards more
cover: a doubtful match starts a new track beside the old one, and every box comes with a spread, its possible error.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from pydantic import Field

from streamer.core.geometry import center, hull, lerp, shifted, side
from streamer.core.options import PartOptions
from streamer.core.types import Box, Detection, DetectionResult, Points5, TrackBox
from streamer.tracking.associate import LEAP_SCORE, MOTION_TRUST_S, associate, leaps

__all__ = ["TrackOptions", "Tracker"]

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
_LEAP_S = 0.25
"""Longest time of a leap."""
_VELOCITY_S = 0.4
"""Velocity is measured over so long: boxes wobble, and over one step the wobble is all that is measured."""
_SAME_PLACE = 0.75
"""Distance in face sizes beyond which two sightings of a track may be two people."""
_ONE_FACE = 1.15
"""A box longer than this many faces holds two places of one face."""
_SURE_SCORE = 0.7
"""A track that never scored this high is doubtful."""
_DOUBTFUL_KEEP = 0.5
"""Share of `keep_s` for doubtful tracks: most are no faces, and their cover would spread over a crowded street."""
_SLACK_S = 1e-6
"""Rounding of timestamps."""
_HISTORY_S = 2.0
"""Observations older than this are forgotten, unless a frame is held that needs them."""


class TrackOptions(PartOptions):
    """Settings of the tracker."""

    continue_score: float = Field(
        0.25, ge=0.05, le=0.9, description="a weak detection of at least this score keeps an existing track going"
    )
    keep_s: float = Field(0.5, ge=0.1, le=10, description="a face that is no longer found stays covered this long")
    growth_per_s: float = Field(
        0.3, ge=0.0, le=5, description="a lost face's cover grows by this share of its size per second, on every side"
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    t: float
    box: Box
    landmarks: Points5 | None
    shift: tuple[float, float] = (0.0, 0.0)
    """The frame's; `box` and `landmarks` are without it."""
    unseen_until: float = -math.inf
    """Time of the detection before."""
    missed_t: float = math.inf
    """Time of the first detection that had missed the face since the sighting before."""


@dataclass(slots=True)
class _Track:
    track_id: int
    unseen_until: float
    """Time of the last full result before the first detection: until then the face was not there."""
    seen: list[_Seen] = field(default_factory=list)
    best_score: float = 0.0
    missed_t: float = math.inf
    """Time of the first detection since it was last seen."""
    origin: _Seen | None = None
    """Where it may have leapt from before it was first seen: a face that was lost at that moment."""
    leapt_to: _Track | None = None
    """The face that this one may have become by a leap."""

    def velocity(self) -> tuple[float, float]:
        """Pixels per second over the last observations; zero for a single one that came from nowhere."""
        last = self.seen[-1]
        if len(self.seen) == 1 and self.origin is not None:
            return _velocity(self.origin, last)
        before = next((seen for seen in self.seen if last.t - seen.t <= _VELOCITY_S), last)
        if before is last and len(self.seen) > 1:
            before = self.seen[-2]
        return _velocity(before, last)

    def predicted(self, t: float) -> Box:
        """The last box moved on."""
        last, (vx, vy) = self.seen[-1], self.velocity()
        trust_s = MOTION_TRUST_S
        if len(self.seen) == 1 and self.origin is not None:
            # A leap may be none: it is believed for one more of its kind.
            trust_s = min(trust_s, last.t - self.origin.t)
        ahead = min(t - last.t, trust_s)
        return shifted(last.box, vx * ahead, vy * ahead)


def _velocity(a: _Seen, b: _Seen) -> tuple[float, float]:
    elapsed = b.t - a.t
    if elapsed <= 0:
        return 0.0, 0.0
    (x0, y0), (x1, y1) = center(a.box), center(b.box)
    return (x1 - x0) / elapsed, (y1 - y0) / elapsed


def _apart(a: _Seen, b: _Seen) -> float:
    """Distance of two sightings in pixels: the shorter one, whether the camera moved as measured or not at all."""
    (ax, ay), (bx, by) = center(a.box), center(b.box)
    camera = b.shift[0] - a.shift[0], b.shift[1] - a.shift[1]
    return min(math.hypot(bx - ax, by - ay), math.hypot(bx - ax + camera[0], by - ay + camera[1]))


class Tracker:
    """The faces of one epoch. Time comes in with the detections; nothing here reads a clock.

    start_score: a detection of at least this score starts a track.
    vouched_s: a detection vouches for frames so far away; no face is forgotten before, whatever `keep_s` says.
    """

    def __init__(self, options: TrackOptions, start_score: float, *, vouched_s: float = 0.0) -> None:
        self._options = options
        self._vouched_s = vouched_s
        self._start_score = start_score
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._last_full_t = -math.inf
        self._forget_before_t = -math.inf

    def observe(
        self, result: DetectionResult, needed_from_t: float = math.inf, shift: tuple[float, float] = (0.0, 0.0)
    ) -> dict[int, Detection]:
        """Take in one result, and say which face went to which track. Results must come in the order of their time.

        needed_from_t: nobody will ask any more for what was before; nothing later is forgotten, however long ago it is.
        shift: the frame's. Faces are followed as if the camera stood still.
        """
        steady = [_steadied(found, shift) for found in result.detections]
        given = {id(still): found for still, found in zip(steady, result.detections, strict=True)}
        self._forget_before_t = min(result.t - _HISTORY_S, needed_from_t)
        went: dict[int, Detection] = {}
        strong = [found for found in steady if found.score >= self._start_score]
        weak = [found for found in steady if self._options.continue_score <= found.score < self._start_score]
        free = [track for track in self._tracks if result.t - track.seen[-1].t <= self._keep_s(track)]
        unmatched: list[Detection] = []
        # Two thresholds (Zhang et al., ByteTrack, 2022): what is weak may go on with a track, but never starts one.
        for found, may_start in ((strong, True), (weak, False)):
            pairs = associate(
                [track.predicted(result.t) for track in free], found, result.t, [t.seen[-1].t for t in free]
            )
            for track_index, found_index in pairs:
                self._see(free[track_index], found[found_index], result.t, shift)
                went[free[track_index].track_id] = found[found_index]
            taken = {track_index for track_index, _ in pairs}
            matched = {found_index for _, found_index in pairs}
            free = [track for index, track in enumerate(free) if index not in taken]
            if may_start:
                unmatched = [detection for index, detection in enumerate(found) if index not in matched]
        left = [one for one in free if one.best_score >= LEAP_SCORE and result.t - one.seen[-1].t <= _LEAP_S]
        leapt = leaps([one.seen[-1].box for one in left], unmatched)
        for number, detection in enumerate(unmatched):
            track = _Track(self._next_id, self._last_full_t)
            self._next_id += 1
            if number in leapt:
                track.origin, left[leapt[number]].leapt_to = left[leapt[number]].seen[-1], track
            self._see(track, detection, result.t, shift)
            went[track.track_id] = detection
            self._tracks.append(track)
        if result.full:
            self._last_full_t = result.t
            for track in free:
                track.missed_t = min(track.missed_t, result.t)
        horizon = self._forget_before_t - max(self._options.keep_s, self._vouched_s)
        self._tracks = [track for track in self._tracks if track.seen[-1].t >= horizon]
        return {track_id: given[id(found)] for track_id, found in went.items()}

    def boxes_at(self, t: float, look_back_s: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> list[TrackBox]:
        """Where every face is at time t, covering first and lost ones too. Changes nothing.

        A track whose sightings lie far apart has several boxes: they may be of two people.

        shift: that of the frame at this time.
        look_back_s: a face was there so long before it was first found, even if looks at the whole frame missed it.
        """
        boxes = [(track, box) for track in self._tracks for box in self._boxes_at(track, t, look_back_s)]
        return [_as_shown(box, shift, _shift_as_seen(track, t, shift)) for track, box in boxes]

    def changed_between(self, earlier_t: float, later_t: float) -> bool:
        """Whether one of two detections that follow each other found a face that the other one did not.

        Where it was between them, nobody knows, whatever other detections say of it.
        """
        both = {earlier_t, later_t}
        return any(len(both.intersection(seen.t for seen in track.seen)) == 1 for track in self._tracks)

    def expected_at(self, t: float, shift: tuple[float, float] = (0.0, 0.0)) -> list[Box]:
        """Where to look for every face at time t: as `boxes_at`, by the camera's motion as it was measured."""
        return [shifted(box.box, *shift) for track in self._tracks for box in self._boxes_at(track, t, 0.0)[:1]]

    def _see(self, track: _Track, found: Detection, t: float, shift: tuple[float, float]) -> None:
        track.leapt_to = None
        track.seen.append(_Seen(t, found.box, found.landmarks, shift, self._last_full_t, track.missed_t))
        track.missed_t = math.inf
        track.best_score = max(track.best_score, found.score)
        # The two latest always stay: they carry the velocity.
        while len(track.seen) > 2 and track.seen[1].t < self._forget_before_t:
            track.seen.pop(0)

    def _boxes_at(self, track: _Track, t: float, look_back_s: float) -> list[TrackBox]:
        """Where a face may be, the likeliest place first; none when it is not there."""
        first, last = track.seen[0], track.seen[-1]
        if t < first.t:
            return self._before(track, first, t, look_back_s)
        if t > last.t:
            after = self._after(track, last, t)
            return [] if after is None else [after]
        index = max(i for i, seen in enumerate(track.seen) if seen.t <= t)
        earlier = track.seen[index]
        if earlier.t == t or index + 1 == len(track.seen):
            return [TrackBox(track.track_id, earlier.box, earlier.landmarks, _JITTER * side(earlier.box))]
        return self._between(track, earlier, track.seen[index + 1], t)

    def _keep_s(self, track: _Track) -> float:
        # A leap that went on: the face is there now, and hardly where it leapt from.
        gone = track.leapt_to is not None and len(track.leapt_to.seen) > 1
        sure = track.best_score >= _SURE_SCORE and not gone
        return max(self._vouched_s, self._options.keep_s * (1.0 if sure else _DOUBTFUL_KEEP))

    def _before(self, track: _Track, first: _Seen, t: float, look_back_s: float) -> list[TrackBox]:
        """A face found for the first time was perhaps there already, at least since the last full detection."""
        boxes = []
        if track.origin is not None and t > track.origin.t:
            boxes.append(self._way(track, track.origin, first, t))
        # Where a detection missed it, it was hardly in plain sight: only the time in which nobody looked counts. A leap
        # may be none: then one face went when another came, and the other took no such way.
        if t > track.unseen_until or t >= first.t - look_back_s - _SLACK_S:
            boxes.append(self._wandered(track, first, min(first.t - t, first.t - track.unseen_until), 0.0))
        return boxes

    def _between(self, track: _Track, a: _Seen, b: _Seen, t: float) -> list[TrackBox]:
        boxes = [self._way(track, a, b, t)]
        if _apart(a, b) <= _SAME_PLACE * max(side(a.box), side(b.box)):
            return boxes
        # These may be two people: one went when the other came, and neither took this way.
        if t < b.missed_t:
            boxes.append(self._wandered(track, a, t - a.t, 0.0))
        if t > b.unseen_until:
            boxes.append(self._wandered(track, b, b.t - t, 0.0))
        return boxes

    def _way(self, track: _Track, a: _Seen, b: _Seen, t: float) -> TrackBox:
        share = (t - a.t) / (b.t - a.t)
        box, size = lerp(a.box, b.box, share), max(side(a.box), side(b.box))
        (ax, ay), (bx, by) = center(a.box), center(b.box)
        # Nobody moves on a straight line at constant speed: the doubt is largest half-way, a quarter of the way there,
        # and it grows with the time in which nobody looked. A change of pace by a leads astray by a/2 (t - t0)(t1 - t).
        bend = share * (1 - share) * math.hypot(bx - ax, by - ay)
        unwatched = min(t - a.t, b.t - t) * self._options.growth_per_s * size
        swerve = _SWERVE_PER_S2 / 2 * (t - a.t) * (b.t - t) * size
        nearer = a if share < 0.5 else b
        return TrackBox(track.track_id, box, nearer.landmarks, _JITTER * size + bend + unwatched + swerve)

    def _after(self, track: _Track, last: _Seen, t: float) -> TrackBox | None:
        elapsed = t - last.t
        if elapsed > self._keep_s(track):
            return None
        if len(track.seen) == 1 and track.origin is None:  # nobody knows yet where it is going
            return self._wandered(track, last, min(t, track.missed_t) - last.t, elapsed)
        # Moved on or stopped: both places are covered. An ellipse would cut the corners of a box that holds two faces.
        box, size = hull(last.box, track.predicted(t)), side(last.box)
        landmarks = last.landmarks if side(box) < _ONE_FACE * size else None
        spread = size * (_JITTER + self._options.growth_per_s * elapsed)
        return TrackBox(track.track_id, box, landmarks, spread)

    def _wandered(self, track: _Track, seen: _Seen, elapsed_s: float, lost_s: float) -> TrackBox:
        """Where a face that was seen once may be so long before or after: people walk or run, and mostly sideways."""
        size = side(seen.box)
        sure = track.best_score >= _SURE_SCORE
        pace, most = (_WALK_PER_S, _RUN_PER_S) if sure else (_DOUBTFUL_PER_S, _WALK_PER_S)
        reach = size * max(pace * elapsed_s, most * elapsed_s - _LEAD)
        x0, y0, x1, y1 = seen.box
        box = x0 - reach, y0 - reach / 3, x1 + reach, y1 + reach / 3
        landmarks = seen.landmarks if side(box) < _ONE_FACE * size else None
        return TrackBox(track.track_id, box, landmarks, size * (_JITTER + self._options.growth_per_s * lost_s))


def _steadied(found: Detection, shift: tuple[float, float]) -> Detection:
    """As if the camera had not moved since the epoch began."""
    if shift == (0.0, 0.0):
        return found
    back = -shift[0], -shift[1]
    return Detection(shifted(found.box, *back), found.score, _points_shifted(found.landmarks, *back))


def _shift_as_seen(track: _Track, t: float, shift: tuple[float, float]) -> tuple[float, float]:
    """The frame's shift, as far as the detections of this face bear it out.

    Pictures tell the same of a camera and of a train behind people who stand still. A face that went with the shift
    between the two detections nearest to t proves it. Else it is even between two, and none before and after.
    """
    origin = [] if track.origin is None or t <= track.origin.t else [track.origin]
    seen = [*origin, *track.seen]
    later = bisect_right(seen, t, key=lambda one: one.t)
    nearest = min(max(later, 1), len(seen) - 1)
    a, b = seen[nearest - 1], seen[nearest]
    camera = b.shift[0] - a.shift[0], b.shift[1] - a.shift[1]
    (ax, ay), (bx, by) = center(a.box), center(b.box)
    if 2 * math.hypot(bx - ax, by - ay) < math.hypot(bx - ax + camera[0], by - ay + camera[1]):
        return shift
    if later in (0, len(seen)):
        return seen[min(later, len(seen) - 1)].shift
    share = (t - a.t) / (b.t - a.t)
    return a.shift[0] + share * camera[0], a.shift[1] + share * camera[1]


def _as_shown(track: TrackBox, shift: tuple[float, float], seen: tuple[float, float]) -> TrackBox:
    """The way back into the picture: by the frame's shift, and by the one that detections bear out."""
    moved = shifted(track.box, *shift)
    box = hull(moved, shifted(track.box, *seen))
    one_face = side(box) < _ONE_FACE * side(moved)  # an ellipse would cut the corners of a box that holds two
    return replace(track, box=box, landmarks=_points_shifted(track.landmarks, *shift) if one_face else None)


def _points_shifted(points: Points5 | None, dx: float, dy: float) -> Points5 | None:
    if points is None:
        return None
    a, b, c, d, e = ((x + dx, y + dy) for x, y in points)
    return a, b, c, d, e
