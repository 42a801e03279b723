"""Stage: plan -> picture. Masks, painting, and `seal()`, the only door for camera pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamer.parts import PartOptions

__all__ = ["MaskOptions"]


class MaskOptions(PartOptions):
    """The shape of the region that is replaced."""

    shape: Literal["ellipse", "box"] = Field(
        "ellipse", description="ellipse (turned along the eyes' line, a box where no eyes were found) or box"
    )
    margin: float = Field(0.2, ge=0.05, le=2.0, description="share of the face's size added on every side")
