"""Stage: source -> frames. Numbers them, puts them on the pipeline's clock, opens a lost live source again."""

from __future__ import annotations

from pydantic import Field

from streamer.parts import PartOptions

__all__ = ["CaptureOptions"]


class CaptureOptions(PartOptions):
    """Settings of the capture stage."""

    retry_first_s: float = Field(0.25, gt=0, le=60, description="wait before the first attempt to open a lost source")
    retry_max_s: float = Field(1.0, gt=0, le=600, description="longest wait between attempts; it doubles up to this")
    retry_for_s: float | None = Field(
        None, gt=0, description="give up when a lost source stays away this long; null tries for ever"
    )
