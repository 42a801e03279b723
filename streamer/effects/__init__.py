"""How a face is hidden. One file per kind.

The gate erases every masked sample before an effect runs. So an effect can paint nothing of a face, unless it declares
that it reads faces: then, and only then, it is handed the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture, Plane
from streamer.core.types import Box

__all__ = ["Cells", "Effect", "Patch", "Reads", "Surroundings"]

Reads = Literal["never", "video", "always"]
"""Whether an effect is handed the original faces: never, not for still pictures, or always."""

Cells = NDArray[np.uint8]
Window = tuple[int, int, int, int]


class Surroundings(Protocol):
    """What the viewer of this very frame can see around the faces. Nothing else is in it.

    Not visible are: masks with their soft edges, the bounds of every tracked face, also of those that are shown, zones,
    and transparent parts.
    """

    def cells(self, at: tuple[int, int], columns: int, rows: int, cell_px: int, *, without: Window) -> Cells:
        """Average the luma of the visible samples, cell by cell, on a grid that may reach beyond the picture.

        at: upper left corner of the grid in luma pixels, both even. cell_px: side of a cell in luma pixels, even.
        without: a part that is left out, too: x0, y0, x1, y1 in luma pixels, all even.
        Returns (2, rows, columns) in [0, 255]: the average over the cell in which hidden samples count as 0, and the
        same of a plane that is 255 everywhere: how much of the cell is visible. Full-colour pictures are weighted after
        ITU-R BT.601.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patch:
    """One face on one canvas: what there is to replace, plane by plane. Arrays of one plane have the same shape."""

    samples: tuple[Plane, ...]
    """Writable views of the canvas around the face: luma, then chroma. Masked samples are 0 until they are painted."""
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
    around: Surroundings
    """What can be seen around the face."""
    original: tuple[Plane, ...] | None = None
    """Read-only views of the samples before they were erased; None unless the effect declares that it reads faces."""


class Effect(Protocol):
    """Replaces faces so that they cannot be read. One instance per stream, used by one thread.

    Implementations name it as their base: most need `apply` alone.
    """

    reads_face: ClassVar[Reads] = "never"
    """When `Patch.original` is handed over."""

    def enter(self, epoch: int) -> None:
        """Called before every picture with the epoch it belongs to; nothing learned in another one may be used."""
        return

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Replace the masked samples of every patch, in place. t: capture time in seconds.

        Nothing of the original may remain readable inside a mask. Any exception covers the whole frame.
        """
        ...

    def learn(self, image: Picture, faces: Iterable[Box], t: float) -> None:
        """Called after every picture with what left: the anonymized picture, and the boxes of all masks.

        faces: also those of people who are shown. What lies in them must not be kept.
        """
        return

    def forget(self) -> None:
        """Called when a frame was covered whole, and when a face stops being shown: drop all learned pixels."""
        return
