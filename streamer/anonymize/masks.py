"""Which samples of a picture are replaced for one face: shape, size, edge. Functions of its box and landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from streamer.core.geometry import center, grown, side
from streamer.core.options import PartOptions
from streamer.core.picture import Picture, Plane, even
from streamer.core.types import Box, Points5, TrackBox

__all__ = ["MaskOptions", "Region", "Window", "mask_bounds", "mask_window", "region", "soften"]

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in luma pixels: even, and inside the picture, padding included."""

_SUBPIXEL_BITS = 4
"""cv2.ellipse takes fixed-point coordinates with so many fractional bits."""
_ROUNDING_PX = 0.5
"""Added to every half axis: cv2.ellipse draws a polygon, which lies a little inside its ellipse."""
_FACE_LENGTHS = 2.63
"""Hairline to chin in distances from the eyes to the mouth, by the rule of thirds of a face: eyes 0.40 below the
hairline, mouth 0.78."""
_HEAD_UP, _HEAD_SIDE, _HEAD_DOWN = 0.4, 0.3, 0.2
"""What a head has beyond its face's box, as shares of the box's height (up, down) and width (each side): hair, ears,
chin and the upper part of the neck."""

_RATIO = 1.3
"""Height to width of every mask, unless the face is lying down: what is narrower or flatter is enlarged. A box follows
the shape of a face, so masks alone told people apart: 4.0 % of 69 by 60 frames, and 2.5 % at this ratio, at which masks
cover 8 % more (chance is 1.4 %). Half of all boxes are between 1.28 and 1.36."""
_UPRIGHT, _LYING = math.radians(30), math.radians(60)
"""Tilt up to which the ratio holds, and from which on masks are round: a box is wide, then, and the face lies in it."""

_ROUNDNESS = 0.3
"""Radius of a rounded box's corners as a share of its shorter side."""


class MaskOptions(PartOptions):
    """The shape of the region that is replaced."""

    shape: Literal["ellipse", "box", "rounded_box"] = Field(
        "ellipse",
        description="ellipse turned along the face, a box where no landmarks were found; box; rounded_box",
    )
    coverage: Literal["face", "head"] = Field(
        "face", description="head takes hair, ears and the neck's upper part, too"
    )
    margin: float = Field(0.2, ge=0.05, le=2.0, description="share of the face's size added on every side")
    feather: float = Field(
        0.0, ge=0, le=0.5, description="width of a soft edge around the region, as a share of the face's size"
    )


@dataclass(frozen=True)
class Region:
    """One face's place on a picture. Lengths in luma pixels."""

    window: Window
    """What holds the mask, soft edge included."""
    protected: Plane
    """At the window's size: 255 where nothing of the original may be left, 0 elsewhere."""
    face_px: float
    track_id: int
    middle: tuple[float, float]
    half: tuple[float, float]
    """Middle and half axes of the protected area, along the face, on the whole picture."""
    tilt: float
    """Angle of the line through the eyes in radians; positive: the head leans to the right in the picture."""
    feather_px: float
    padded: tuple[bool, bool] = (False, False)
    """Whether the window's last row and column are padding, which repeats the row or column before it."""

    @cached_property
    def weights(self) -> Plane:
        """At the window's size, how much of a sample is replaced: 255 in the protected area, falling to 0 around it."""
        if self.feather_px <= 0:
            return self.protected
        away = cv2.distanceTransform(cv2.bitwise_not(self.protected), cv2.DIST_L2, 3)
        # Without any protected sample, all are infinitely far away.
        near = np.minimum(away, self.feather_px)
        weights = np.asarray(np.clip(255 - near * (255 / self.feather_px), 0, 255), np.uint8)
        return _repeated(weights, self.padded)

    def masks(self, shifts: tuple[int, ...]) -> tuple[Plane, ...]:
        """Per plane, 255 where a sample is replaced, be it in part."""
        luma = self.protected if self.feather_px <= 0 else _any(self.weights)
        chroma = _halved(luma) if any(shifts) else luma
        return tuple(chroma if shift else luma for shift in shifts)


@dataclass(frozen=True, slots=True)
class _Oval:
    middle: tuple[float, float]
    half: tuple[float, float]
    tilt: float = 0.0

    def bounds(self) -> Box:
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        x, y = math.hypot(self.half[0] * cos, self.half[1] * sin), math.hypot(self.half[0] * sin, self.half[1] * cos)
        return self.middle[0] - x, self.middle[1] - y, self.middle[0] + x, self.middle[1] + y


def region(picture: Picture, track: TrackBox, options: MaskOptions) -> Region | None:
    """The mask of one face; None when it lies wholly outside the picture.

    The protected area holds the box that the detector gave, as its inscribed ellipse or whole, grown by the margin and
    by the track's uncertainty, and everything that `coverage` and `shape` add to it.
    """
    size = side(track.box)
    ovals, outer = _outline(track, options)
    window = _window(picture, grown(outer, options.feather * size))
    if window is None:
        return None
    x0, y0, x1, y1 = window
    if options.shape == "rounded_box":
        protected = _rounded(window, outer, grown(track.box, track.uncertainty_px))
    elif _as_box(track, options):
        protected = _filled(window, outer)
    else:
        protected = np.zeros((y1 - y0, x1 - x0), np.uint8)
        for oval in ovals:
            _fill(protected, (oval.middle[0] - x0, oval.middle[1] - y0), oval)
    along = ovals[-1]
    padded = picture.format == "i420" and y1 > picture.height, picture.format == "i420" and x1 > picture.width
    return Region(
        window,
        _repeated(protected, padded),
        size,
        track.track_id,
        along.middle,
        along.half,
        along.tilt,
        options.feather * size,
        padded,
    )


def mask_window(picture: Picture, track: TrackBox, options: MaskOptions) -> Window | None:
    """The bounds of one face's mask in even pixels of the picture; None when they lie wholly outside it."""
    return _window(picture, mask_bounds(track, options))


def mask_bounds(track: TrackBox, options: MaskOptions) -> Box:
    """The box around the mask of one face, soft edge included, in pixels; may reach beyond the picture."""
    return grown(_outline(track, options)[1], options.feather * side(track.box))


def _repeated(plane: Plane, padded: tuple[bool, bool]) -> Plane:
    """What is masked in the last row and column is masked in their copies in the padding, too. In place."""
    rows, columns = padded
    if rows:
        plane[-1] = plane[-2]
    if columns:
        plane[:, -1] = plane[:, -2]
    return plane


def _as_box(track: TrackBox, options: MaskOptions) -> bool:
    return options.shape != "ellipse" or track.landmarks is None


def _outline(track: TrackBox, options: MaskOptions) -> tuple[list[_Oval], Box]:
    """(ellipses, bounding box) of the protected area.

    The area is the union of the ellipses; where it is a box, it is their bounding box.
    """
    by_px = options.margin * side(track.box) + track.uncertainty_px
    upright, turned = _ovals(track, options)
    if not _as_box(track, options):
        ovals = [upright] if upright == turned else [upright, turned]
        return ovals, _hull([oval.bounds() for oval in ovals])
    ovals = [turned] if options.coverage == "head" else [upright]
    return ovals, _hull([grown(track.box, by_px), *(oval.bounds() for oval in ovals)])


def soften(original: Picture, canvas: Picture, regions: list[Region]) -> None:
    """Blend a painted canvas with the original outside the protected areas, within the regions' soft edges."""
    columns, rows = canvas.planes[0].shape[::-1]
    weights = np.zeros((rows, columns), np.uint8)
    solid = np.zeros((rows, columns), np.uint8)
    for place in regions:
        x0, y0, x1, y1 = place.window
        for target, mask in ((weights, place.weights), (solid, place.protected)):
            part = target[y0:y1, x0:x1]
            np.maximum(part, mask, out=part)
    for place in regions:
        x0, y0, x1, y1 = place.window
        luma = weights[y0:y1, x0:x1]
        # A chroma sample that any protected luma sample shares is protected, too.
        chroma = np.maximum(_half(luma), _halved(solid[y0:y1, x0:x1])) if any(canvas.shifts) else luma
        for before, after, shift in zip(original.planes, canvas.planes, canvas.shifts, strict=True):
            place_on = slice(y0 >> shift, y1 >> shift), slice(x0 >> shift, x1 >> shift)
            weight = (chroma if shift else luma).astype(np.uint16)
            mixed = after[place_on] * weight + before[place_on] * (255 - weight)
            after[place_on] = (mixed + 127) // 255
        # Where windows overlap, what has been blended once stays as it is.
        weights[y0:y1, x0:x1] = 255


def _ovals(track: TrackBox, options: MaskOptions) -> tuple[_Oval, _Oval]:
    """The upright ellipse of the face's box, and the one that lies along the face; both grown.

    The upright one holds what the detector's box says, also where a head that lies on its side has a box that is wide
    where the turned ellipse is narrow.
    """
    x0, y0, x1, y1 = track.box
    width, height, middle = x1 - x0, y1 - y0, center(track.box)
    tilt = 0.0
    length = height
    if track.landmarks is not None:
        # Of the landmarks only angle and scale are used: their place may be that of the nearest detection.
        tilt, eyes_to_mouth = _axis(track.landmarks)
        length = max(height, min(_FACE_LENGTHS * eyes_to_mouth, 1.5 * side(track.box)))
    by_px = options.margin * side(track.box), track.uncertainty_px + _ROUNDING_PX
    upright = _Oval(middle, _proportioned(width / 2, length / 2, tilt, by_px))
    if options.coverage == "face":
        return upright, replace(upright, tilt=tilt)
    up = length * (_HEAD_UP - _HEAD_DOWN) / 2
    half = width * (0.5 + _HEAD_SIDE), length * (1 + _HEAD_UP + _HEAD_DOWN) / 2
    along = middle[0] + up * math.sin(tilt), middle[1] - up * math.cos(tilt)
    return upright, _Oval(along, _proportioned(*half, tilt, by_px), tilt)


def _proportioned(across: float, along: float, tilt: float, by_px: tuple[float, float]) -> tuple[float, float]:
    """Half axes that hold these and a margin, in the one proportion that masks have; then grown by the second part."""
    margin, more = by_px
    across, along = across + margin, along + margin
    from_upright = abs(math.remainder(tilt, math.pi))  # a head that is upside down is long, too
    lying = min(max((from_upright - _UPRIGHT) / (_LYING - _UPRIGHT), 0.0), 1.0)
    ratio = _RATIO + lying * (1 - _RATIO)
    # A box that is wider than high is no upright face, and says nothing of a face's shape: it grows by as much at most.
    along = max(along, ratio * min(across, along))
    return max(across, along / ratio) + more, along + more


def _axis(points: Points5) -> tuple[float, float]:
    """Tilt of a face in radians, and the distance from its eyes to its mouth.

    The line through the eyes and the line down to the mouth count by their lengths: of a face in profile the first is
    short and says nothing.
    """
    right_eye, left_eye, _, right_mouth, left_mouth = points
    across = left_eye[0] - right_eye[0], left_eye[1] - right_eye[1]
    down = tuple(
        (rm + lm - re - le) / 2 for rm, lm, re, le in zip(right_mouth, left_mouth, right_eye, left_eye, strict=True)
    )
    return math.atan2(across[1] - down[0], across[0] + down[1]), math.hypot(*down)


def _hull(boxes: list[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _window(picture: Picture, box: Box) -> Window | None:
    """The even pixels of a picture that hold a box; None when it lies outside."""
    limit = picture.size if picture.format == "bgrp" else (even(picture.width), even(picture.height))
    x0, y0 = (max(0, math.floor(edge)) & ~1 for edge in box[:2])
    x1, y1 = (min(end, even(math.ceil(edge) + 1)) for edge, end in zip(box[2:], limit, strict=True))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _filled(window: Window, box: Box) -> Plane:
    """A mask of a window that is full inside a box, of which the window's rounding is a part."""
    x0, y0, x1, y1 = window
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    left, top = (max(0, (math.floor(edge) & ~1) - start) for edge, start in zip(box[:2], (x0, y0), strict=True))
    right, bottom = (even(math.ceil(edge) + 1) - start for edge, start in zip(box[2:], (x0, y0), strict=True))
    mask[top : max(0, bottom), left : max(0, right)] = 255
    return mask


def _rounded(window: Window, outer: Box, inner: Box) -> Plane:
    """A box with round corners, which keep clear of another box inside it."""
    x0, y0 = window[:2]
    mask = _filled(window, outer)
    apart = min(abs(here - there) for here, there in zip(outer, inner, strict=True))
    # A quarter circle that touches both sides passes through a point `apart` from both when its radius is this.
    radius = min(apart * math.sqrt(2) / (math.sqrt(2) - 1), _ROUNDNESS * min(outer[2] - outer[0], outer[3] - outer[1]))
    for x, sign_x in ((outer[0], 1), (outer[2], -1)):
        for y, sign_y in ((outer[1], 1), (outer[3], -1)):
            middle = x + sign_x * radius, y + sign_y * radius
            corner = _filled(window, _hull([(x, y, x, y), (*middle, *middle)]))
            round_part = np.zeros_like(mask)
            _fill(round_part, (middle[0] - x0, middle[1] - y0), _Oval(middle, (radius + 1, radius + 1)))
            mask[(corner > 0) & (round_part == 0)] = 0
    # A circle of a few pixels is drawn too coarsely to rely on.
    return np.asarray(mask | _filled(window, inner), np.uint8)


def _fill(mask: Plane, at: tuple[float, float], oval: _Oval) -> None:
    unit = 1 << _SUBPIXEL_BITS
    middle, axes = ((round(a * unit), round(b * unit)) for a, b in (at, oval.half))
    cv2.ellipse(mask, middle, axes, math.degrees(oval.tilt), 0, 360, (255,), cv2.FILLED, cv2.LINE_8, _SUBPIXEL_BITS)


def _any(mask: Plane) -> Plane:
    return np.asarray(cv2.threshold(mask, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _half(mask: Plane) -> Plane:
    size = mask.shape[1] // 2, mask.shape[0] // 2
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def _halved(mask: Plane) -> Plane:
    """At half the size, 255 where any of the four samples is above zero: a chroma sample is shared by four of luma."""
    # The average of four samples is above zero when one of them is 255. (A maximum over reshaped axes is slower.)
    return _any(_half(mask))
