"""What addresses of inputs and outputs look like: for the parts that claim them, and for those who ask the parts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["SCHEME", "VIDEOS", "Claim", "existing_file", "video_device", "written_file"]

SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://")
VIDEOS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
"""File names' endings under which video is written."""
_DEVICE = re.compile(r"^/dev/video\d+$")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a source or sink makes of an address that is its own.

    Its module has `claims(text) -> Claim | None`, and `FORMS`, which says in a few words what it claims. With a `path`
    among its options, the address is a file.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    """The address in the part's own option names."""
    text: str = ""
    """For people, without credentials."""


def video_device(text: str) -> str | None:
    """The video device a path names, also through a link as below /dev/v4l; None when it names none."""
    if _DEVICE.match(text):
        return text
    if not text.startswith("/dev/"):
        return None
    path = os.path.realpath(text)
    return path if _DEVICE.match(path) else None


def existing_file(text: str) -> Path | None:
    """The path of something that exists and is no folder. Raises OSError or ValueError when it cannot be looked at."""
    path = Path(text).expanduser()
    return path if not SCHEME.match(text) and path.exists() and not path.is_dir() else None


def written_file(text: str, endings: tuple[str, ...]) -> Claim | None:
    """The claim to a file that ends so, and is yet to be written."""
    if SCHEME.match(text) or Path(text).suffix.lower() not in endings:
        return None
    return Claim({"path": str(Path(text).expanduser())}, text)
