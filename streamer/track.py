"""Stage: passes -> tracks. Where each face is at any moment, between and after the detector's looks."""

from __future__ import annotations

from pydantic import Field

from streamer.parts import PartOptions

__all__ = ["TrackOptions"]


class TrackOptions(PartOptions):
    """Settings of the tracker."""

    continue_score: float = Field(
        0.25, ge=0.05, le=0.9, description="a weak detection of at least this score keeps an existing track going"
    )
    keep_s: float = Field(0.7, ge=0.1, le=10, description="a face that is no longer found stays covered this long")
    growth_per_s: float = Field(
        0.6, ge=0.0, le=5, description="a lost face's cover grows by this share of its size per second, on every side"
    )
