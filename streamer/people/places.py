"""Paths with `~`, as people write them."""

from __future__ import annotations

from pathlib import Path

from streamer.core.errors import UsageError

__all__ = ["at_home"]


def at_home(path: Path) -> Path:
    """Expand `~` and `~name`. Raises UsageError for an unknown home."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"{path} leads nowhere: there is no such home; write the folder out") from None
