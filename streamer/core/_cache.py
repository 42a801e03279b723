"""Where the program keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_root"]


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/streamer`, usually `~/.cache/streamer`."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification of base directories says: ignore a path that is not absolute.
    return (base if base.is_absolute() else Path.home() / ".cache") / "streamer"
