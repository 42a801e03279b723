"""What a stream tells about itself: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamer.core.types import SourceInfo

__all__ = ["Note", "Report", "Status"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should read."""

    text: str
    warning: bool = False
    """It concerns privacy, so it is printed with --quiet, too."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a stream is doing, for a status line."""

    running: bool
    info: SourceInfo
    captured: int
    sealed: int
    covered: int
    drops: int
    faces: int
    fps: float
    latency_s: float | None
    """From capture to the output."""
    elapsed_s: float
    notes: tuple[Note, ...] = ()
    """All so far."""
    camera_s: float | None = None
    """From the camera to the output, estimated by the source's clock; live only."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a stream did. `summary` is ready for JSON; its fields: `report_schema.RunReport`, docs/report.md."""

    info: SourceInfo
    summary: dict[str, Any] = field(default_factory=dict)
