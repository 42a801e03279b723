"""How a face is hidden. One file per kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.picture import Picture, Plane
from streamer.types import Box

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
    track_id: int
    """Which face: the same in every frame of one epoch as long as it is followed."""
    at: tuple[int, int]
    """Where the arrays begin on the canvas: x, y in luma pixels, both even."""
    middle: tuple[float, float]
    """The middle of the face in luma pixels from `at`; may lie outside of the arrays, at the picture's border."""
    half: tuple[float, float]
    """Half the width and height of the mask, measured across and along the face, in luma pixels."""
    tilt: float
    """Angle of the line through the eyes in radians; positive: the head leans to the right in the picture."""


class Effect(Protocol):
    """Replaces faces so that they cannot be read. One instance per stream, used by one thread.

    Implementations name it as their base: most need `apply` alone.
    """

    def enter(self, epoch: int) -> None:
        """Told before every picture which epoch it belongs to; nothing learned in another one may be used."""
        return

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Replace the masked samples of every patch, in place. t: capture time in seconds.

        Nothing of the original may remain readable inside a mask. Any exception covers the whole frame.
        """
        ...

    def learn(self, image: Picture, faces: Iterable[Box], t: float) -> None:
        """Told after every picture what left: the anonymized picture, and the boxes of all masks.

        faces: also those of people who are shown. What lies in them must not be kept.
        """
        return
