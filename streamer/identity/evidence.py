"""What a face's likeness says about who may be seen, and what is known of one track: rules and numbers, no events."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from streamer.core.clarity import Look, alike, look_of, moved_on
from streamer.core.options import PartOptions
from streamer.core.picture import Picture
from streamer.core.types import Box, Likeness, Points5
from streamer.embedders import Thresholds

__all__ = ["Decision", "IdentityOptions", "Known", "Rules", "Sighting", "Who"]

_STILL_EXTRA = 0.1
"""A still has one crop and no second vote: its score must be so much better."""

_TRAIL = 64
"""Passes kept: frames are held for no longer, not even where every frame is looked at."""

Who = Literal["all", "unknown", "known"]


class IdentityOptions(PartOptions):
    """Who is hidden, and what it takes to be shown."""

    who: Who = Field("all", description="hide all; all but the enrolled (unknown); or only the enrolled (known)")
    gallery: Path | None = Field(None, description="file of the enrolled people; null: the usual one")
    key_file: Path | None = Field(
        None, description="file with the key of an encrypted gallery; null: from the environment"
    )
    votes: int = Field(3, ge=2, le=20, description="good crops in a row that must agree before a face is shown")
    min_face_px: int = Field(32, ge=24, le=512, description="smaller faces cannot be told apart and stay hidden")
    max_turn_deg: float = Field(50, ge=10, le=80, description="faces turned further aside give no evidence")
    recheck_s: float = Field(0.5, ge=0, le=5, description="who is shown is compared again this often; 0: at every look")
    reveal_s: float = Field(1.5, gt=0, le=10, description="who was not confirmed for this long is hidden again")
    budget: int = Field(4, ge=1, le=64, description="faces compared per look at most; the others wait")
    liveness: Literal["none"] = Field(
        "none", description="test against photos held up to the camera; no model is available, so a photo can reveal"
    )
    labels: bool = Field(False, description="draw names, scores and states over the anonymized picture")
    attendance: Path | None = Field(None, description="CSV file: who was seen, from when to when, for how long")
    audit: Path | None = Field(None, description="JSON lines to which every reveal is appended, chained by hashes")


@dataclass(frozen=True, slots=True)
class Rules:
    """For whom or against whom one crop speaks.

    thresholds: of the embedder's model. stills: every picture stands alone, so one match decides, and must be better.
    """

    who: Who
    thresholds: Thresholds
    stills: bool = False

    def speaks_for(self, likeness: Likeness) -> str | None:
        """Of those who may be seen (empty: a stranger who may); None when it speaks for none.

        With nobody enrolled nobody may be seen, not even where only the enrolled are to be hidden: that would be a
        gallery that was forgotten.
        """
        if likeness.name is None or not math.isfinite(likeness.score):
            return None
        if self.who == "known":
            return "" if likeness.score < self.thresholds.reject else None
        if self.who == "all":
            return None
        accept = self.thresholds.accept + (_STILL_EXTRA if self.stills else 0.0)
        ahead = likeness.score - likeness.second_score
        return likeness.name if likeness.score >= accept and ahead >= self.thresholds.margin else None

    def speaks_against(self, likeness: Likeness) -> bool:
        """Whether this face is surely none of those who may be seen."""
        if self.who == "known":
            return likeness.score >= self.thresholds.accept
        return likeness.name is None or not likeness.score >= self.thresholds.reject


@dataclass(frozen=True, slots=True)
class Decision:
    """A track may be shown."""

    name: str
    since_t: float
    """Of its first vote."""
    confirmed_t: float
    score: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one detection saw of a face."""

    t: float
    landmarks: Points5
    look: Look


@dataclass(slots=True)
class Known:
    """What is known of one track within one epoch, since the last ambiguity."""

    generation: int = 0
    seen_t: float = -math.inf
    box: Box = (0.0, 0.0, 0.0, 0.0)
    trail: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_TRAIL))
    """The detections in which it was clear."""
    last: Sighting | None = None
    """In the last detection, clear or not."""
    clear_since: float = math.inf
    """Capture time of the first detection since which every detection found it, beyond doubt the same."""
    clear_until: float = -math.inf
    """Of the last such detection."""
    alone: bool = False
    doubt_t: float = math.inf
    """From here on it takes a match: what is seen around it has changed somewhat."""
    doubted_at: float = -math.inf
    """Capture time of the detection that said so last: the match must be as new."""
    votes: list[tuple[str, float]] = field(default_factory=list)
    """Name and time."""
    decided: Decision | None = None
    asked_t: float = -math.inf
    misses: int = 0
    why: str = "not decided yet"

    def unclear(self) -> None:
        """Nothing seen before counts."""
        self.clear_since, self.clear_until = math.inf, -math.inf
        self.trail.clear()

    def still_looks_so(self, picture: Picture, t: float, least: float) -> bool:
        """Whether the picture of time t shows there what the detections beside it saw: a face may come and go between.

        least: correlation of two detections from which on they are of one face.
        """
        before = next((one for one in reversed(self.trail) if one.t <= t), None)
        after = next((one for one in self.trail if one.t > t), None)
        if before is None or before.t == t:
            return before is not None
        near = [before] if after is None else [before, after]
        share = 0.0 if after is None else (t - before.t) / (after.t - before.t)
        now = look_of(picture, moved_on(before.landmarks, near[-1].landmarks, share))
        return now is not None and max(alike(now, one.look) for one in near) >= least
