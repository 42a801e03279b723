"""Stage: fan-out. One worker per sink; live ones tick at their own rate; nobody ever freezes."""

from __future__ import annotations

from pydantic import Field

from streamer.parts import PartOptions

__all__ = ["OutputOptions"]


class OutputOptions(PartOptions):
    """Settings of the output stage."""

    delay_s: float | None = Field(
        None, ge=0, le=5, description="live outputs show a frame this long after its capture; null measures it"
    )
    stale_s: float = Field(0.5, ge=0.1, le=10, description="a picture older than this is replaced by the slate")
    buffer_s: float = Field(
        2.0, gt=0, le=30, description="live source: what an output may lag behind before frames are dropped for it"
    )
