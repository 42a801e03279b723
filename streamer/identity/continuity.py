"""Whether a track is, beyond doubt, still the same face: a state machine that every result drives. No clock.

broken    the last result was ambiguous: nothing that was seen before it counts
clear     every result since `Clear.since_t` found the face, beyond doubt the same
doubted   clear, but the face or its appearance has changed somewhat: from `Doubt.from_t` on it takes a match; where the
          inner face jumped, one that suffices alone, or as many as for a decision

broken  --follow(): sure, alone-->               clear
clear   --follow(): a changed face-->            doubted
doubted --settle(): a match as new as that-->    clear
any     --follow(): an ambiguity; break_off()--> broken
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

from streamer.core.clarity import (
    CLOSEST,
    Appearance,
    InnerFace,
    Shape,
    alike,
    appearance_of,
    inner_alike,
    inner_face_of,
    jumped,
    moved_on,
    onto_crop,
    reshaped,
    room,
    shape_of,
)
from streamer.core.picture import Picture
from streamer.core.reasons import HideReason
from streamer.core.types import Box, Points5

__all__ = ["Ambiguity", "Clear", "Continuity", "Doubt", "Observation", "Sighting"]

_ALONE_ROOM = 4.0
"""Without lookahead: no other face within so many face sizes, because nothing tells who comes near before the next
result."""
_ALONE_S = 0.25
"""Longest time for which a result says something of the frames after it."""
_LONGEST_STEP_S = 0.5
"""Two results farther apart say nothing of each other."""
_RECENT_S = 0.5
_LOOKS_SURE, _LOOKS_ALIKE, _LOOKS_CHANGED = 0.9, 0.75, 0.3
"""Correlation of the appearances of a face in two results. Over 1,068 steps of 0.12 s in five clips, 82 % of one
face's were above the first, 92 % above the second and 99 % above the third; those of two people lay at 0.1 in the
middle. Below the second it takes a match, and so it does below the first where another face is nearby; below the third
it is another face."""
_FACE_ALIKE, _FACE_RESHAPED = 0.82, 2.5
"""Correlation of the inner face of two pictures, and how far its landmarks moved, beyond which it may be another face.
Faces in six clips were exchanged for those of eight people, blended in and in the same colours: 0.78 at most. Frames of
one face lay above 0.86 in 99 of 100, also of a man who shakes his head."""
_TRAIL = 64
"""Results kept: frames are held for no longer, not even where the detector examines every frame."""

Ambiguity = Literal[HideReason.WEAK, HideReason.CROWDED, HideReason.LOST, HideReason.JUMPED, HideReason.CHANGED]
"""Why a track may have become another face; see `streamer.identity.decide`."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one result saw of a face."""

    t: float
    landmarks: Points5
    appearance: Appearance
    inner: InnerFace
    """Eyes, nose and mouth."""
    shape: Shape

    @classmethod
    def of(cls, picture: Picture, t: float, landmarks: Points5) -> Sighting | None:
        """What the picture of time t shows there; None where there is nothing to compare."""
        to_crop = onto_crop(landmarks)
        if to_crop is None:
            return None
        seen, inner = appearance_of(picture, to_crop), inner_face_of(picture, to_crop)
        return None if seen is None or inner is None else cls(t, landmarks, seen, inner, shape_of(landmarks, to_crop))


@dataclass(frozen=True, slots=True)
class Observation:
    """What one result tells of one track."""

    t: float
    """Capture time in seconds."""
    step_s: float
    """Since the result before, in seconds."""
    box: Box
    sighting: Sighting | None
    """None: the face is too small to be compared, or has no landmarks."""
    sure: bool
    """Whether the detector is sure of it."""
    space: float
    """Room to the nearest other face, in face sizes; 0 when they overlap."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """From `from_t` on it takes a match of `since_t` or later. Capture times in seconds."""

    from_t: float
    """The last result before the appearance changed."""
    since_t: float
    """The last result in which it had changed."""
    face_t: float
    """The last result in which the inner face had jumped: the same head may have another face. -inf: in none."""

    @property
    def of_face(self) -> bool:
        """Whether the inner face jumped."""
        return self.face_t > -math.inf


@dataclass(frozen=True, slots=True)
class Clear:
    """Every result from `since_t` to `until_t` found the face, beyond doubt the same. Capture times in seconds."""

    since_t: float
    until_t: float
    alone: bool
    """Nobody can come near before the next result."""
    doubt: Doubt | None = None


@dataclass(slots=True)
class Continuity:
    """The state of one track within one epoch. It begins as broken."""

    clear: Clear | None = None
    """None while it is broken."""
    trail: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_TRAIL))
    """The results in which it was clear, oldest first."""
    last: Observation | None = None
    """The last result that found it, clear or not."""
    faces: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_TRAIL))
    """Its sightings since the inner face last jumped, oldest first; what is older than half a second counts no more."""

    # -- states -------------------------------------------------------------------------------------------------

    @property
    def seen_t(self) -> float:
        """Capture time of the last result that found it; -inf before the first one."""
        return -math.inf if self.last is None else self.last.t

    @property
    def is_doubted(self) -> bool:
        """Whether it takes a match."""
        return self.clear is not None and self.clear.doubt is not None

    def begins_at(self, t: float) -> bool:
        """Whether no result before time t counts."""
        return self.clear is None or t <= self.clear.since_t

    def is_clear_at(self, t: float) -> bool:
        """Whether the result of time t is the last one, and it was clear."""
        return self.clear is not None and self.clear.until_t == t

    def doubt_at(self, t: float) -> Doubt | None:
        """The doubt about the face that a crop of time t shows; None where there is none."""
        doubt = None if self.clear is None else self.clear.doubt
        return doubt if doubt is not None and t > doubt.from_t else None

    def covers(self, t: float) -> bool:
        """Whether a frame of time t lies between two clear results, before any doubt.

        A face that was alone may be seen a little after the last result, too.
        """
        if self.clear is None:
            return False
        until_t = self.clear.until_t + (_ALONE_S if self.clear.alone else 0.0)
        before_doubt = self.clear.doubt is None or t <= self.clear.doubt.from_t
        return self.clear.since_t <= t <= until_t and before_doubt

    def looks_the_same(self, picture: Picture, t: float) -> bool:
        """Whether the picture of time t shows there what the results beside it saw.

        Somebody else may have come and gone between them.
        """
        before = next((one for one in reversed(self.trail) if one.t <= t), None)
        after = next((one for one in self.trail if one.t > t), None)
        if before is None or before.t == t:
            return before is not None
        return _shown_between(picture, t, before, after)

    # -- events -------------------------------------------------------------------------------------------------

    def follow(self, seen: Observation) -> Ambiguity | None:
        """Take in where a result holds the face. Returns why it may be another one; None when it is the same."""
        likeness = self._likeness(seen)
        why = self._ambiguity(seen, likeness)
        if why is not None:
            self.break_off()
        another = self._face_jumped(seen)
        if self.clear is not None and (another or likeness < _least_alike(seen)):
            self.clear = replace(self.clear, doubt=_doubt_from(self.clear, seen.t, of_face=another))
        if seen.sighting is not None and why not in (HideReason.WEAK, HideReason.CROWDED):
            self._extend(seen, seen.sighting)
        if another:  # only what is seen from now on is the same face: who comes back after another is new
            self.faces.clear()
        if seen.sighting is not None:
            self.faces.append(seen.sighting)
        self.last = seen
        return why

    def break_off(self) -> None:
        """Nothing seen before counts."""
        self.clear = None
        self.trail.clear()
        self.faces.clear()

    def settle(self, t: float) -> None:
        """A crop of time t is a match: doubts that are no newer are gone.

        The match says nothing of the results that were doubted before it: somebody else may have come and gone. A frame
        of that time is shown only where it looks like the results around it.
        """
        if self.clear is not None and (doubt := self.clear.doubt) is not None and t >= doubt.since_t:
            sure = (one for one in self.trail if not doubt.from_t < one.t < t)
            self.trail = deque(sure, maxlen=_TRAIL)
            self.drop_doubt()

    def drop_doubt(self) -> None:
        """No match is needed any more."""
        if self.clear is not None:
            self.clear = replace(self.clear, doubt=None)

    # -- steps of follow() --------------------------------------------------------------------------------------

    def _likeness(self, seen: Observation) -> float:
        """How much the appearance is that of late, -1 to 1; 0 when there is nothing to compare.

        A nod or a turn soon ends: of the sightings of the last half second, the most alike counts.
        """
        if seen.sighting is None:
            return 0.0
        recent = [one.appearance for one in self.trail if seen.t - one.t <= _RECENT_S]
        if self.last is not None and self.last.sighting is not None:
            recent.append(self.last.sighting.appearance)
        return max((alike(seen.sighting.appearance, other) for other in recent), default=0.0)

    def _face_jumped(self, seen: Observation) -> bool:
        """Whether eyes, nose and mouth are none of those seen of late: another face may be in the same head's place."""
        if seen.sighting is None or not self.faces:
            return False
        now = seen.sighting
        recent = [one for one in self.faces if now.t - one.t <= _RECENT_S] or [self.faces[-1]]
        recent.reverse()  # the newest is the most alike, and one that is alike suffices
        return not (
            any(inner_alike(one.inner, now.inner) >= _FACE_ALIKE for one in recent)
            and any(reshaped(now.shape, one.shape) <= _FACE_RESHAPED for one in recent)
        )

    def _ambiguity(self, seen: Observation, likeness: float) -> Ambiguity | None:
        if seen.sighting is None or not seen.sure:
            return HideReason.WEAK
        if seen.space < (CLOSEST if likeness >= _LOOKS_CHANGED else room(seen.step_s)):
            return HideReason.CROWDED
        if self.clear is None or self.last is None:
            return None
        if seen.step_s > _LONGEST_STEP_S:
            return HideReason.LOST
        if jumped(self.last.box, seen.box, seen.step_s):
            return HideReason.JUMPED
        return HideReason.CHANGED if likeness < _LOOKS_CHANGED else None

    def _extend(self, seen: Observation, sighting: Sighting) -> None:
        """The result is clear."""
        since_t = seen.t if self.clear is None else min(self.clear.since_t, seen.t)
        doubt = None if self.clear is None else self.clear.doubt
        self.clear = Clear(since_t, seen.t, seen.space >= _ALONE_ROOM + room(seen.step_s), doubt)
        self.trail.append(sighting)


def _doubt_from(clear: Clear, t: float, *, of_face: bool) -> Doubt:
    """The doubt when the result of time t has changed: it reaches back as far as the one before it."""
    before = clear.doubt
    face_t = t if of_face else -math.inf if before is None else before.face_t
    return Doubt(clear.until_t if before is None else min(before.from_t, clear.until_t), t, face_t)


def _least_alike(seen: Observation) -> float:
    """The similarity of the appearance below which it takes a match."""
    return _LOOKS_ALIKE if seen.space >= room(seen.step_s) else _LOOKS_SURE


def _shown_between(picture: Picture, t: float, before: Sighting, after: Sighting | None) -> bool:
    """Whether the picture of time t looks like one of the sightings beside it, where the face is on its way."""
    near = [before] if after is None else [before, after]
    share = 0.0 if after is None else (t - before.t) / (after.t - before.t)
    now = Sighting.of(picture, t, moved_on(before.landmarks, near[-1].landmarks, share))
    return (
        now is not None
        and max(alike(now.appearance, one.appearance) for one in near) >= _LOOKS_ALIKE
        and max(inner_alike(one.inner, now.inner) for one in near) >= _FACE_ALIKE
    )
