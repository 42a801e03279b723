"""Zones: parts of the picture that are never shown, and the region in which faces have to be found.

`inside` is a region of interest: what lies outside all of its polygons is covered flat. `cover` is the opposite: a
window, a screen, a neighbour's garden. The gate covers both in every frame that leaves, after everything else, so no
setting and no verdict uncovers them. Points are shares of the picture's width and height, so that a zone stays where it
is when a camera gives another size: (0, 0) is the upper left corner, (1, 1) the lower right one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from streamer.core.options import PartOptions
from streamer.core.picture import Format, Picture, Plane
from streamer.core.types import Box

__all__ = ["NO_ZONES", "Polygon", "ZoneOptions", "kept_places", "search_window", "zoned", "zoned_out"]

Point = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]

_MOST_POINTS = 200
_LEAST_AREA = 1e-5
"""Share of the picture: nine pixels at 1280x720. Anything smaller is a slip of the pen."""
_FILL = 48
"""What stands in a zone: the grey of a covered frame."""
_SLACK_PX = 1e-6
"""Rounding errors never uncover a pixel."""
_MARGIN_SHARE, _MARGIN_PX = 0.125, 64
"""Margin that is searched around the region of interest: a face at its edge is seen whole."""
_KEPT_STENCILS = 4
_KEPT_UP_TO_PX = 4096 * 2304
"""Zones are worked out once per size of picture, except for large photographs: theirs would fill the memory."""


def _is_polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Raise ValueError, saying what is wrong, unless the points enclose one area without crossings."""
    if len(points) < 3:
        raise ValueError(f"a zone needs three points or more, got {len(points)}")
    if len(points) > _MOST_POINTS:
        raise ValueError(f"a zone has at most {_MOST_POINTS} points, got {len(points)}")
    for (a, first), (b, second) in combinations(enumerate(points, 1), 2):
        if first == second:
            raise ValueError(f"points {a} and {b} are the same; a zone closes by itself")
    edges = list(zip(points, (*points[1:], points[0]), strict=True))
    for (a, one), (b, other) in combinations(enumerate(edges, 1), 2):
        neighbours = b == a + 1 or (a == 1 and b == len(edges))
        if not neighbours and _cross(one, other):
            raise ValueError(f"its edges cross: the one from point {a} and the one from point {b}")
    area = abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges)) / 2
    if area < _LEAST_AREA:
        raise ValueError("a zone needs an area; these points lie on a line")
    return points


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two edges touch: neither lies wholly on one side of the other."""

    def turn(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = one, other
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0


Polygon = Annotated[tuple[Point, ...], AfterValidator(_is_polygon)]


class ZoneOptions(PartOptions):
    """Zones that are never shown. A polygon is a list of points [x, y], shares (0 to 1) of the picture's sides."""

    inside: tuple[Polygon, ...] = Field(
        (), description="polygons: what lies outside all of them is covered, and not searched; none: all is shown"
    )
    cover: tuple[Polygon, ...] = Field((), description="polygons that are always covered: a window, a screen")


NO_ZONES = ZoneOptions()


def zoned(picture: Picture, zones: ZoneOptions) -> Picture:
    """The picture with its zones covered; the given one is not changed, and returned when there are no zones.

    A pixel that a zone's edge runs through is covered, and so is a chroma sample when any of its pixels is. Nothing is
    transparent there: the opacity by itself can show what is in a zone.
    """
    if zones == NO_ZONES:
        return picture
    keep, fill = _stencil_of(picture, zones)
    alpha = picture.alpha
    if alpha is not None:
        alpha = alpha | ~keep[: alpha.size].reshape(alpha.shape)
    buffer = np.asarray(cv2.bitwise_and(picture.buffer, keep), np.uint8).reshape(-1)
    cv2.bitwise_or(buffer, fill, dst=buffer)
    return replace(picture, buffer=buffer, alpha=alpha).frozen()


def kept_places(picture: Picture, zones: ZoneOptions) -> Plane | None:
    """Where neither a zone nor transparency hides a picture; None: nowhere is anything hidden.

    (height // 2, width // 2): 255 where all four pixels of a place of two by two are kept, 0 elsewhere.
    """
    rows, columns = picture.height // 2, picture.width // 2
    kept: Plane | None = None
    if zones != NO_ZONES:
        keep, _ = _stencil_of(picture, zones)
        odd = int(picture.format != "bgrp")
        wide = picture.width + (picture.width & odd)
        kept = _all_four(keep[: wide * 2 * rows].reshape(2 * rows, wide)[:, : 2 * columns])
    if picture.alpha is not None:
        opaque = _all_four((picture.alpha[: 2 * rows, : 2 * columns] == 255).astype(np.uint8) * np.uint8(255))
        kept = opaque if kept is None else kept & opaque
    return kept


def _all_four(plane: Plane) -> Plane:
    """Half the size: the smallest of every two by two samples."""
    return np.minimum(np.minimum(plane[::2, ::2], plane[1::2, ::2]), np.minimum(plane[::2, 1::2], plane[1::2, 1::2]))


def zoned_out(picture: Picture, zones: ZoneOptions, box: Box) -> bool:
    """Whether the zones leave nothing to be seen of a box; also where it lies beyond the picture."""
    if zones == NO_ZONES:
        return False
    keep, _ = _stencil_of(picture, zones)
    odd = int(picture.format != "bgrp")
    rows, columns = picture.height + (picture.height & odd), picture.width + (picture.width & odd)
    x0, y0, x1, y1 = box
    place = slice(max(0, math.floor(y0)), max(0, math.ceil(y1))), slice(max(0, math.floor(x0)), max(0, math.ceil(x1)))
    return not bool(keep[: rows * columns].reshape(rows, columns)[place].any())


def search_window(zones: ZoneOptions, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """What of a picture has to be searched for faces: x0, y0, x1, y1 in pixels; None: all of it.

    It is the box around the region of interest with a margin: the smaller it is, the larger are the faces that the
    detector sees. Faces elsewhere are covered with all that is around them.
    """
    if not zones.inside:
        return None
    low, high = ([f(p[axis] for zone in zones.inside for p in zone) for axis in (0, 1)] for f in (min, max))
    x0, y0, x1, y1 = (share * side for corner in (low, high) for share, side in zip(corner, size, strict=True))
    margin = max(_MARGIN_PX, _MARGIN_SHARE * max(x1 - x0, y1 - y0))
    return (
        max(0, math.floor(x0 - margin)),
        max(0, math.floor(y0 - margin)),
        min(size[0], math.ceil(x1 + margin)),
        min(size[1], math.ceil(y1 + margin)),
    )


def _stencil(
    zones: ZoneOptions, width: int, height: int, format: Format
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two buffers laid out as a picture's: 255 where it is kept, and what stands where it is not."""
    hidden = _hidden(zones, width, height)
    if format == "bgrp":
        planes = [hidden] * 3
    else:
        hidden = np.pad(hidden, ((0, height & 1), (0, width & 1)), mode="edge")
        chroma = hidden[::2, ::2] | hidden[1::2, ::2] | hidden[::2, 1::2] | hidden[1::2, 1::2]
        planes = [hidden, chroma, chroma]
    values = (_FILL, _FILL, _FILL) if format == "bgrp" else (_FILL, 128, 128)
    keep = np.concatenate([~plane.reshape(-1) for plane in planes])
    fill = np.concatenate([plane.reshape(-1) & value for plane, value in zip(planes, values, strict=True)])
    for buffer in (keep, fill):
        buffer.flags.writeable = False
    return keep, fill.astype(np.uint8)


_kept_stencil = lru_cache(maxsize=_KEPT_STENCILS)(_stencil)


def _stencil_of(picture: Picture, zones: ZoneOptions) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    small = picture.width * picture.height <= _KEPT_UP_TO_PX
    return (_kept_stencil if small else _stencil)(zones, picture.width, picture.height, picture.format)


def _hidden(zones: ZoneOptions, width: int, height: int) -> Plane:
    """255 for every pixel that is covered, 0 for the others."""
    hidden = np.zeros((height, width), bool)
    if zones.inside:
        hidden[:] = True
        for polygon in zones.inside:
            held, touched = _pixels(polygon, width, height)
            hidden &= ~held | touched
    for polygon in zones.cover:
        held, touched = _pixels(polygon, width, height)
        hidden |= held | touched
    return hidden.astype(np.uint8) * np.uint8(255)


def _pixels(polygon: tuple[Point, ...], width: int, height: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels whose middle a polygon holds, by the even-odd rule, and pixels that one of its edges runs through.

    Counted out row by row, because cv2.fillPoly rounds corners to whole rows: where an edge is nearly level, it is off
    by many columns.
    """
    crossings = np.zeros((height, width + 1), np.uint8)
    runs = np.zeros((height, width + 1), np.int16)
    rows = np.arange(height)
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        on_the_border = (x0 == x1 and x0 in (0, 1)) or (y0 == y1 and y0 in (0, 1))
        (ax, ay), (bx, by) = sorted([(x0 * width, y0 * height), (x1 * width, y1 * height)], key=lambda point: point[1])
        slope = (bx - ax) / (by - ay) if by > ay else 0.0
        crossed = rows[(rows + 0.5 >= ay) & (rows + 0.5 < by)]
        column = np.ceil(ax + (crossed + 0.5 - ay) * slope - 0.5).astype(int)
        np.add.at(crossings, (crossed, np.clip(column, 0, width)), 1)
        if on_the_border:  # it has no other side
            continue
        passed = rows[(rows + 1 >= ay - _SLACK_PX) & (rows <= by + _SLACK_PX)]
        if by > ay:
            ends = [ax + (np.clip(passed + end, ay, by) - ay) * slope for end in (0, 1)]
        else:
            ends = [np.full(len(passed), x) for x in (ax, bx)]
        first = np.floor(np.minimum(*ends) - _SLACK_PX).astype(int)
        last = np.floor(np.maximum(*ends) + _SLACK_PX).astype(int)
        np.add.at(runs, (passed, np.clip(first, 0, width)), 1)
        np.add.at(runs, (passed, np.clip(last + 1, 0, width)), -1)
    held = np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :width] & 1
    touched = np.cumsum(runs, axis=1, dtype=np.int16)[:, :width] > 0
    return held.astype(bool), touched
