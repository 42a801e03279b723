"""What a face's likeness says about who may be seen: rules and numbers, no events."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from streamer.core.options import PartOptions
from streamer.core.types import Likeness
from streamer.embedders import Thresholds

__all__ = ["IdentityOptions", "Rules", "Who"]

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
    """Decide for whom or against whom one crop speaks.

    thresholds: of the embedder's model.
    """

    who: Who
    thresholds: Thresholds

    def speaks_for(self, likeness: Likeness, *, again: bool = False) -> str | None:
        """The name of the person who may be seen; empty for a stranger who may; None when it speaks for nobody.

        again: it was decided before whose face this is; the crop has to confirm it. A decision takes more, and the more
        people there are, the more it takes; so it is the same for one picture alone and for each view of a video.
        With nobody enrolled nobody may be seen, not even where only the enrolled are to be hidden: that would be a
        gallery that was forgotten.
        """
        if likeness.name is None or not math.isfinite(likeness.score):
            return None
        if self.who == "known":
            return "" if likeness.score < self.thresholds.reject else None
        if self.who == "all":
            return None
        accept = self.thresholds.accept if again else self.thresholds.accept_among(likeness.people)
        ahead = likeness.score - likeness.second_score
        return likeness.name if likeness.score >= accept and ahead >= self.thresholds.margin else None

    def suffices_alone(self, likeness: Likeness) -> bool:
        """Whether a crop that speaks for somebody is so clear that no other view of the face is needed."""
        if self.who == "known":
            return likeness.score < self.thresholds.unlike
        return likeness.score >= self.thresholds.alone

    def speaks_against(self, likeness: Likeness) -> bool:
        """Whether this face is surely none of those who may be seen."""
        if self.who == "known":
            return likeness.score >= self.thresholds.accept
        return likeness.name is None or not likeness.score >= self.thresholds.reject
