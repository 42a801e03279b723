"""How many pictures may wait in one place: a second of 4K at 50 pictures a second is 600 MB."""

from __future__ import annotations

__all__ = ["affordable"]


def affordable(size: tuple[int, int], megabytes: float, *, least: int = 2) -> int:
    """So many pictures of this width and height take about so much memory, in 4:2:0; at least `least`."""
    each = size[0] * size[1] * 1.5
    return max(least, int(megabytes * 1e6 / max(1.0, each)))
