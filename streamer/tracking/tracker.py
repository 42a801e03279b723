"""Stage: detection results -> tracks. Where each face is at any moment, between and after them.

A face counts from its first detection, and stays covered for `keep_s` after its last. Everything here errs towards more
cover: a doubtful match starts a new track beside the old one, and every box comes with its uncertainty in pixels.

    track.py        what is known of one face: its sightings, its state, its velocity
    whereabouts.py  where that face may be at a time
    associate.py    which detection belongs to which track
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace

from pydantic import Field

from streamer.core.geometry import center, hull, shifted, side
from streamer.core.options import PartOptions
from streamer.core.types import Box, Detection, DetectionResult, Points5, TrackBox
from streamer.tracking.associate import LEAP_SCORE, associate, leaps
from streamer.tracking.track import Track
from streamer.tracking.whereabouts import ONE_FACE, whereabouts

__all__ = ["TrackOptions", "Tracker"]

_LEAP_S = 0.25
"""Longest time of a leap."""
_DOUBTFUL_KEEP = 0.5
"""Share of `keep_s` for doubtful tracks: most are no faces, and their cover would spread over a crowded street."""
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


class Tracker:
    """The faces of one epoch. Time comes in with the results; nothing here reads a clock.

    start_score: a detection of at least this score starts a track.
    min_keep_s: every face is kept for at least this many seconds after its last detection, whatever `keep_s` says.
    """

    def __init__(self, options: TrackOptions, start_score: float, *, min_keep_s: float = 0.0) -> None:
        self._options = options
        self._min_keep_s = min_keep_s
        self._start_score = start_score
        self._tracks: list[Track] = []
        self._next_id = 1
        self._last_full_t = -math.inf
        self._forget_before_t = -math.inf

    # -- events -------------------------------------------------------------------------------------------------

    def observe(
        self, result: DetectionResult, needed_from_t: float = math.inf, shift: tuple[float, float] = (0.0, 0.0)
    ) -> dict[int, Detection]:
        """Take in one result, and return which detection went to which track. Results must come in the order of time.

        needed_from_t: nobody will ask any more for what was before; nothing later is forgotten, however long ago it is.
        shift: the frame's, in pixels. Faces are followed as if the camera stood still.
        """
        self._forget_before_t = min(result.t - _HISTORY_S, needed_from_t)
        steady = [_steadied(found, shift) for found in result.detections]
        given = {id(still): found for still, found in zip(steady, result.detections, strict=True)}
        # Two thresholds (Zhang et al., ByteTrack, 2022): what is weak may go on with a track, but never starts one.
        strong = [found for found in steady if found.score >= self._start_score]
        weak = [found for found in steady if self._options.continue_score <= found.score < self._start_score]
        continued, free, new = self._continue(self._kept(result.t), strong, result.t, shift)
        continued_weakly, lost, _ = self._continue(free, weak, result.t, shift)
        started = self._start(new, lost, result.t, shift)
        if result.full:
            self._last_full_t = result.t
            for track in lost:
                track.miss(result.t)
        self._forget()
        return {track.track_id: given[id(found)] for track, found in (*continued, *continued_weakly, *started)}

    def _kept(self, t: float) -> list[Track]:
        """The tracks that a detection of time t may continue."""
        return [track for track in self._tracks if t - track.seen[-1].t <= self._keep_s(track)]

    def _continue(
        self, tracks: list[Track], found: list[Detection], t: float, shift: tuple[float, float]
    ) -> tuple[list[tuple[Track, Detection]], list[Track], list[Detection]]:
        """Let every track see the detection that continues it: the pairs, and the tracks and detections left over."""
        last_seen = [track.seen[-1].t for track in tracks]
        pairs = associate([track.predicted(t) for track in tracks], found, t, last_seen)
        for track_index, found_index in pairs:
            self._see(tracks[track_index], found[found_index], t, shift)
        taken, matched = {track_index for track_index, _ in pairs}, {found_index for _, found_index in pairs}
        return (
            [(tracks[track_index], found[found_index]) for track_index, found_index in pairs],
            [track for index, track in enumerate(tracks) if index not in taken],
            [detection for index, detection in enumerate(found) if index not in matched],
        )

    def _start(
        self, found: list[Detection], lost: list[Track], t: float, shift: tuple[float, float]
    ) -> list[tuple[Track, Detection]]:
        """A new track for every detection that continues none; a lost one may have leapt there."""
        ready = [track for track in lost if track.best_score >= LEAP_SCORE and t - track.seen[-1].t <= _LEAP_S]
        leapt = leaps([track.seen[-1].box for track in ready], found)
        pairs = []
        for index, detection in enumerate(found):
            track = Track(self._next_id, self._last_full_t)
            self._next_id += 1
            if index in leapt:
                ready[leapt[index]].leap_to(track)
            self._see(track, detection, t, shift)
            self._tracks.append(track)
            pairs.append((track, detection))
        return pairs

    def _see(self, track: Track, found: Detection, t: float, shift: tuple[float, float]) -> None:
        track.see(found, t, shift, unseen_until=self._last_full_t, needed_from_t=self._forget_before_t)

    def _forget(self) -> None:
        """Drop the tracks of which nobody will ask any more."""
        horizon = self._forget_before_t - max(self._options.keep_s, self._min_keep_s)
        self._tracks = [track for track in self._tracks if track.seen[-1].t >= horizon]

    # -- questions ----------------------------------------------------------------------------------------------

    def boxes_at(self, t: float, look_back_s: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> list[TrackBox]:
        """Where every face is at time t, covering first and lost ones too. Changes nothing.

        A track whose sightings lie far apart has several boxes: they may be of two people.

        shift: that of the frame at this time, in pixels.
        look_back_s: a face was there so long before it was first found, even if full results missed it.
        """
        boxes = [(track, box) for track in self._tracks for box in self._boxes_at(track, t, look_back_s)]
        return [_as_shown(box, shift, _shift_as_seen(track, t, shift)) for track, box in boxes]

    def changed_between(self, earlier_t: float, later_t: float) -> bool:
        """Whether one of two results that follow each other found a face that the other one did not.

        Where it was between them, nobody knows, whatever other results say of it.
        """
        both = {earlier_t, later_t}
        return any(len(both.intersection(seen.t for seen in track.seen)) == 1 for track in self._tracks)

    def expected_at(self, t: float, shift: tuple[float, float] = (0.0, 0.0)) -> list[Box]:
        """Where to look for every face at time t: as `boxes_at`, by the camera's motion as it was measured."""
        return [shifted(box.box, *shift) for track in self._tracks for box in self._boxes_at(track, t, 0.0)[:1]]

    def _boxes_at(self, track: Track, t: float, look_back_s: float) -> list[TrackBox]:
        growth_per_s = self._options.growth_per_s
        return whereabouts(track, t, keep_s=self._keep_s(track), growth_per_s=growth_per_s, look_back_s=look_back_s)

    def _keep_s(self, track: Track) -> float:
        """How long a track is covered after its last detection, in seconds."""
        full = track.is_sure and not track.was_left_by_leap
        return max(self._min_keep_s, self._options.keep_s * (1.0 if full else _DOUBTFUL_KEEP))


def _steadied(found: Detection, shift: tuple[float, float]) -> Detection:
    """The detection as it would be if the camera had not moved since the epoch began."""
    if shift == (0.0, 0.0):
        return found
    back = -shift[0], -shift[1]
    return Detection(shifted(found.box, *back), found.score, _points_shifted(found.landmarks, *back))


def _shift_as_seen(track: Track, t: float, shift: tuple[float, float]) -> tuple[float, float]:
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
    one_face = side(box) < ONE_FACE * side(moved)  # an ellipse would cut the corners of a box that holds two
    return replace(track, box=box, landmarks=_points_shifted(track.landmarks, *shift) if one_face else None)


def _points_shifted(points: Points5 | None, dx: float, dy: float) -> Points5 | None:
    if points is None:
        return None
    a, b, c, d, e = ((x + dx, y + dy) for x, y in points)
    return a, b, c, d, e
