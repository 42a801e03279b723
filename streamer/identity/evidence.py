"""Rules that turn the likeness of one crop into evidence. No events, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from streamer.core.options import PartOptions
from streamer.core.types import Likeness
from streamer.embedders import Thresholds

__all__ = ["IdentityOptions", "Rules", "Who"]

Who = Literal["all", "unknown", "known"]


class IdentityOptions(PartOptions):
    """Which people are hidden, and the evidence needed to show someone."""

    who: Who = Field(
        "all", description="hide everyone (all), all but the enrolled (unknown), or only the enrolled (known)"
    )
    gallery: Path | None = Field(None, description="gallery file with the enrolled people; null: the default gallery")
    key_file: Path | None = Field(
        None, description="file with the key of an encrypted gallery; null: the variable STREAMER_GALLERY_KEY"
    )
    votes: int = Field(3, ge=2, le=20, description="matches of different views needed before a face is shown")
    min_face_px: int = Field(32, ge=24, le=512, description="smaller faces stay hidden: they cannot be told apart")
    max_turn_deg: float = Field(50, ge=10, le=80, description="faces turned further aside are not compared")
    recheck_s: float = Field(
        0.5, ge=0, le=5, description="a shown face is compared again after this long; 0: at every detection"
    )
    reveal_s: float = Field(1.5, gt=0, le=10, description="a face shown for this long without a match is hidden")
    budget: int = Field(4, ge=1, le=64, description="most faces compared per detection; the others wait")
    labels: bool = Field(False, description="draw names, scores and states on the anonymized picture")
    attendance: Path | None = Field(None, description="CSV file with the people seen: first and last time, duration")
    audit: Path | None = Field(None, description="file of JSON lines, chained by hashes, with every reveal")

    @model_validator(mode="before")
    @classmethod
    def _without_liveness(cls, given: Any) -> Any:
        """`liveness: none` stood in every configuration that was printed, and had no other value."""
        if isinstance(given, dict) and given.get("liveness") == "none":
            return {key: value for key, value in given.items() if key != "liveness"}
        return given


@dataclass(frozen=True, slots=True)
class Rules:
    """Decide whether one crop is evidence for a person, or against everyone who may be seen.

    thresholds: of the embedder's model. stills: every picture stands alone.
    """

    who: Who
    thresholds: Thresholds
    stills: bool = False

    def speaks_for(self, likeness: Likeness, *, again: bool = False) -> str | None:
        """Name of the person who may be seen; empty for a stranger who may be seen; None without evidence.

        again: a decision exists, and the crop has to confirm it. A first decision takes more, and the more people are
        enrolled, the more it takes. A single picture takes more than each view of a video. While nobody is enrolled,
        nobody may be seen, not even with `who: known`: the gallery may have been forgotten.
        """
        if likeness.name is None or not math.isfinite(likeness.score):
            return None
        if self.who == "known":
            return "" if likeness.score < self.thresholds.reject else None
        if self.who == "all":
            return None
        among = self.thresholds.accept_among(likeness.people, still=self.stills)
        accept = self.thresholds.accept if again else among
        ahead = likeness.score - likeness.second_score
        return likeness.name if likeness.score >= accept and ahead >= self.thresholds.margin else None

    def suffices_alone(self, likeness: Likeness) -> bool:
        """Whether a crop that speaks for somebody is so clear that no other view of the face is needed."""
        if self.who == "known":
            return likeness.score < self.thresholds.unlike
        return likeness.score >= self.thresholds.alone

    def speaks_against(self, likeness: Likeness) -> bool:
        """Whether this face surely belongs to nobody who may be seen."""
        if self.who == "known":
            return likeness.score >= self.thresholds.accept
        return likeness.name is None or not likeness.score >= self.thresholds.reject
