"""One track: the detections of one face, its life cycle, and its velocity. No options, no clock.

A track is *sure* or *doubtful* by the best score of its detections. It is *missed* from the first detection result of a
whole frame without it until it is detected again. It is *left by a leap* as soon as the track that it may have leapt to
is detected a second time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from streamer.core.geometry import center, shifted
from streamer.core.types import Box, Detection, Points5
from streamer.tracking.associate import MOTION_TRUST_S

__all__ = ["Sighting", "Track", "apart"]

_VELOCITY_S = 0.4
"""Velocity is measured over so long: boxes wobble, and over one step the wobble is all that is measured."""
_SURE_SCORE = 0.7
"""A track that never scored this high is doubtful."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One detection of a track, as if the camera had not moved since the epoch began. Times in seconds."""

    t: float
    box: Box
    landmarks: Points5 | None
    shift: tuple[float, float] = (0.0, 0.0)
    """The frame's, in pixels; `box` and `landmarks` are without it."""
    unseen_until: float = -math.inf
    """Time of the detection result before."""
    missed_t: float = math.inf
    """Time of the first result that had missed the face since the sighting before."""


@dataclass(slots=True)
class Track:
    """The sightings of one face, oldest first. There is at least one as soon as `see()` was called."""

    track_id: int
    unseen_until: float
    """Time of the last full result before the first detection: until then the face was not there."""
    seen: list[Sighting] = field(default_factory=list)
    best_score: float = 0.0
    missed_t: float = math.inf
    """Time of the first result since it was last seen; infinite while it is not missed."""
    origin: Sighting | None = None
    """Where it may have leapt from before it was first seen: a face that was lost at that moment."""
    leapt_to: Track | None = None
    """The face that this one may have become by a leap."""

    # -- events -------------------------------------------------------------------------------------------------

    def see(
        self, found: Detection, t: float, shift: tuple[float, float], *, unseen_until: float, needed_from_t: float
    ) -> None:
        """The face was detected at time t, so it is not missed any more and did not leap away.

        unseen_until: time of the last full result before t. needed_from_t: sightings before it are dropped,
        but for the two latest, which carry the velocity.
        """
        self.leapt_to = None
        self.seen.append(Sighting(t, found.box, found.landmarks, shift, unseen_until, self.missed_t))
        self.missed_t = math.inf
        self.best_score = max(self.best_score, found.score)
        while len(self.seen) > 2 and self.seen[1].t < needed_from_t:
            self.seen.pop(0)

    def miss(self, t: float) -> None:
        """The full result of time t does not hold the face."""
        self.missed_t = min(self.missed_t, t)

    def leap_to(self, other: Track) -> None:
        """The face may have leapt to where a new track begins. This one stays: perhaps it is somebody else."""
        other.origin, self.leapt_to = self.seen[-1], other

    # -- states -------------------------------------------------------------------------------------------------

    @property
    def is_sure(self) -> bool:
        """Whether it ever scored like a face beyond doubt."""
        return self.best_score >= _SURE_SCORE

    @property
    def was_left_by_leap(self) -> bool:
        """Whether the leap went on: the face is there now, and hardly where it leapt from."""
        return self.leapt_to is not None and len(self.leapt_to.seen) > 1

    # -- motion -------------------------------------------------------------------------------------------------

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
        """The last box, moved on to time t."""
        last, (vx, vy) = self.seen[-1], self.velocity()
        trust_s = MOTION_TRUST_S
        if len(self.seen) == 1 and self.origin is not None:
            # A leap may be none: it is believed for one more of its kind.
            trust_s = min(trust_s, last.t - self.origin.t)
        ahead = min(t - last.t, trust_s)
        return shifted(last.box, vx * ahead, vy * ahead)


def apart(a: Sighting, b: Sighting) -> float:
    """Distance of two sightings in pixels: the shorter one, whether the camera moved as measured or not at all."""
    (ax, ay), (bx, by) = center(a.box), center(b.box)
    camera = b.shift[0] - a.shift[0], b.shift[1] - a.shift[1]
    return min(math.hypot(bx - ax, by - ay), math.hypot(bx - ax + camera[0], by - ay + camera[1]))


def _velocity(a: Sighting, b: Sighting) -> tuple[float, float]:
    elapsed = b.t - a.t
    if elapsed <= 0:
        return 0.0, 0.0
    (x0, y0), (x1, y1) = center(a.box), center(b.box)
    return (x1 - x0) / elapsed, (y1 - y0) / elapsed
