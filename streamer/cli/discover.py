"""What this machine offers without being told: a camera, a display."""

from __future__ import annotations

import sys

from streamer.config import parts
from streamer.core.errors import InputError

__all__ = ["cameras", "first_camera", "has_display"]

_DRAWN = "try the drawn scene: streamer run demo"


def cameras() -> list[str]:
    """Cameras that this user may open, in the order of their numbers, as an input names them."""
    if not sys.platform.startswith("linux"):
        return ["0"]  # elsewhere asking means opening one after the other; whether it is there shows when it is opened
    found: list[str] = parts.load("sources", "camera").cameras()
    return found


def first_camera(*, instead: str = _DRAWN) -> str:
    """The camera that is used when no input is named. Raises InputError without one; `instead`: what to do then."""
    if found := cameras():
        return found[0]
    problems = [probe for probe in parts.load("sources", "camera").probe() if not probe.ok]
    reasons = "; ".join(f"{probe.finding}; {probe.remedy}" for probe in problems)
    raise InputError((reasons or f"no camera was found; {_DRAWN}").replace(_DRAWN, instead))


def has_display() -> bool:
    """Whether a window could be shown."""
    return all(probe.ok for probe in parts.load("sinks", "window").probe())
