"""The event machine between capture and render: frames, passes and time come in, planned frames come out."""

from __future__ import annotations

from pydantic import Field

from streamer.parts import PartOptions

__all__ = ["PlannerOptions"]


class PlannerOptions(PartOptions):
    """Settings of the planner: when the detector looks, and how long a frame may wait for it."""

    every: int = Field(3, ge=1, le=30, description="a detector pass on every n-th frame; 1 looks at every frame")
    lookahead: bool = Field(
        True, description="hold frames until the next pass, so that faces are covered before they are first found"
    )
    max_gap_s: float = Field(
        0.25, gt=0, le=0.5, description="a frame further than this from every pass (capture time) is covered whole"
    )
    max_hold_s: float = Field(
        0.5, gt=0, le=5, description="live: longest time a frame waits for the detector before it leaves without it"
    )
    pass_timeout_s: float = Field(
        20.0, gt=0, le=600, description="a detector that does not answer for this long has failed, and the run ends"
    )
