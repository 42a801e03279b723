"""How a face is hidden. One file per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.picture import Plane

__all__ = ["Effect", "Patch"]


@dataclass(frozen=True, slots=True)
class Patch:
    """One face on one canvas: what there is to replace, plane by plane. Arrays of one plane have the same shape."""

    samples: tuple[Plane, ...]
    """Writable views of the canvas around the face: luma, then chroma."""
    masks: tuple[Plane, ...]
    """Per plane, 255 where a sample must be replaced and 0 where it must stay as it is."""
    face_px: float
    """The size of the face in luma pixels (the longer side of its box): effects scale with it."""
    shifts: tuple[int, ...]
    """Per plane, the power of two by which it is smaller than luma."""


class Effect(Protocol):
    """Replaces faces so that they cannot be read. One instance per stream, used by one thread."""

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Replace the masked samples of every patch, in place. t: capture time in seconds.

        Nothing of the original may remain readable inside a mask. Any exception covers the whole frame.
        """
        ...
