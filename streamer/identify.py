"""Stage: tracks -> verdicts. Who may be seen.

Today everyone is hidden. A recogniser comes in here, as a function of the same shape: it may return `Reveal` for a
track on positive, fresh and unambiguous evidence, and `seal()` checks that evidence against the frame once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.types import Cover, Frame, TrackBox, Verdict

__all__ = ["Decide", "hide_everyone"]

Decide = Callable[[Frame, Sequence[TrackBox]], tuple[tuple[TrackBox, Verdict], ...]]
"""A verdict for every track of a frame; a track left out would stay visible, so none may be."""


def hide_everyone(frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
    """Cover every face."""
    return tuple((track, Cover("everyone is hidden")) for track in tracks)
