"""What this machine offers without being told: a camera, a display."""

from __future__ import annotations

from pathlib import Path

from streamer import parts
from streamer.errors import InputError

__all__ = ["cameras", "first_camera", "has_display"]


def cameras() -> list[str]:
    """Cameras in the order of their numbers, as an input names them."""
    return sorted(
        (str(path) for path in Path("/dev").glob("video[0-9]*")), key=lambda path: int(path.removeprefix("/dev/video"))
    )


def first_camera() -> str:
    """The camera that is taken when no input is named. Raises InputError naming the way on when there is none."""
    found = cameras()
    if not found:
        raise InputError("no camera was found; name an input, or try the drawn scene: streamer run demo")
    return found[0]


def has_display() -> bool:
    """Whether a window could be shown."""
    return all(probe.ok for probe in parts.load("sinks", "window").probe())
