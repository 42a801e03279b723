"""A picture, or a part of it, as a detector gets to see it: scaled, turned, mirrored. And the way there and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.core.geometry import center, side
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection

__all__ = ["View", "Window"]

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the picture; what lies beyond its edges is not seen."""


@dataclass(frozen=True, slots=True)
class View:
    """What a detector sees, and where in the picture that is."""

    image: Picture
    origin: tuple[int, int]
    """Where the part that is seen begins."""
    part: tuple[int, int]
    """Its width and height in the picture."""
    turns: int = 0
    """Quarters, counter-clockwise: 0 to 3."""
    mirrored: bool = False

    @classmethod
    def of(
        cls,
        picture: Picture,
        window: Window | None = None,
        *,
        scale: float = 1.0,
        longer_px: int | None = None,
        turns: int = 0,
        mirrored: bool = False,
        full_color: bool = False,
    ) -> View:
        """Look through a window (None: at all of it).

        scale, or longer_px: how large the part becomes. full_color: turn and mirror it with as many samples of colour
        as of brightness. Raises ValueError for a window outside the picture.
        """
        cut = picture.cut(window) if window is not None else None
        image, origin = (picture, (0, 0)) if cut is None else (cut.picture, cut.origin)
        part = image.size
        scale = scale if longer_px is None else longer_px / max(part)
        image = image.scaled(max(1, round(part[0] * scale)), max(1, round(part[1] * scale)))
        if full_color and image.format != "bgrp":
            image = Picture.from_bgr(image.bgr(), format="bgrp")
        return cls(image, origin, part).other_way(turns, mirrored=mirrored)

    def other_way(self, turns: int, *, mirrored: bool) -> View:
        """The same part, turned and mirrored; of a view that is neither."""
        image = self.image.rotated(90 * turns)
        return View(image.mirrored() if mirrored else image, self.origin, self.part, turns, mirrored)

    def square(self, box: Box) -> Box:
        """Where a box of the picture is in the view, as a square of the same size."""
        x_scale, y_scale = self._scales()
        x, y = center(box)
        x, y = (x - self.origin[0]) * x_scale, (y - self.origin[1]) * y_scale
        width, height = self.image.size
        x, y = {0: (x, y), 1: (y, height - x), 2: (width - x, height - y), 3: (width - y, x)}[self.turns]
        x = width - x if self.mirrored else x
        half = side(box) * math.sqrt(x_scale * y_scale) / 2
        return x - half, y - half, x + half, y + half

    def back(self, face: Detection) -> Detection:
        """A detection in the view -> in the picture."""
        (ax, ay), (bx, by) = self._point(*face.box[:2]), self._point(*face.box[2:])
        box = min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)
        if face.landmarks is None:
            return Detection(box, face.score)
        right_eye, left_eye, nose, right_mouth, left_mouth = (self._point(*at) for at in face.landmarks)
        if self.mirrored:  # what looked like the right eye is the left one
            right_eye, left_eye, right_mouth, left_mouth = left_eye, right_eye, left_mouth, right_mouth
        return Detection(box, face.score, (right_eye, left_eye, nose, right_mouth, left_mouth))

    def _scales(self) -> tuple[float, float]:
        """What x and y of the part are multiplied with, before it is turned."""
        width, height = self.image.size[::-1] if self.turns % 2 else self.image.size
        return width / self.part[0], height / self.part[1]

    def _point(self, x: float, y: float) -> tuple[float, float]:
        width, height = self.image.size
        x = width - x if self.mirrored else x
        x, y = {0: (x, y), 1: (height - y, x), 2: (width - x, height - y), 3: (y, width - x)}[self.turns]
        x_scale, y_scale = self._scales()
        return self.origin[0] + x / x_scale, self.origin[1] + y / y_scale
