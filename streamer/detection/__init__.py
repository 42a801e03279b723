"""What is examined of one picture, and which of the faces found there count."""

from __future__ import annotations

from collections.abc import Generator

from streamer.core.picture import Picture
from streamer.core.types import Detection

__all__ = ["Found", "Step"]

Found = list[list[Detection]]
"""Per picture, its faces."""
Step = Generator[list[Picture], Found, list[Detection]]
"""A part of the detection of one frame: yields pictures to examine, is sent what was found in them."""
