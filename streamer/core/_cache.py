"""Where the program keeps what it can make or fetch again, and what belongs to the user."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_root", "data_root"]

_NAME = "streamer"


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/streamer`, usually `~/.cache/streamer`; the system's own place on macOS and Windows."""
    from platformdirs import user_cache_path

    return _root("XDG_CACHE_HOME", Path(".cache"), user_cache_path(_NAME, appauthor=False))


def data_root() -> Path:
    """`$XDG_DATA_HOME/streamer`, usually `~/.local/share/streamer`; the system's own place on macOS and Windows."""
    from platformdirs import user_data_path

    return _root("XDG_DATA_HOME", Path(".local", "share"), user_data_path(_NAME, appauthor=False))


def _root(variable: str, below_home: Path, usual: Path) -> Path:
    """The variable's folder; else, where one is there, the folder that every system had before; else the usual one."""
    base = Path(os.environ.get(variable, ""))
    if base.is_absolute():
        return base / _NAME
    before = Path.home() / below_home / _NAME
    # A gallery that is no longer found would make people visible. And a variable that holds no absolute path is to be
    # ignored, says the specification of base directories.
    return before if before.exists() or not usual.is_absolute() else usual
