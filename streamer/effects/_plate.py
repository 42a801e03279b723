"""A picture of what stays, put together from many pictures, place by place."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from streamer.core.picture import Picture, Plane
from streamer.core.types import Box

__all__ = ["Plate"]

_SAME = 8
"""Largest difference in grey levels, of averages of two by two samples, between two sightings of the same thing."""
_ANOTHER_SCENE = 0.3
"""When so much of what is known looks different at once, the camera moved, the scene was cut, or the light changed."""
_JUDGED_FROM = 0.05
"""Share of the picture that has to be known and free for that to be judged."""


class Plate:
    """What is known of the background. Judged in places of two by two luma samples.

    sightings: in so many pictures in a row (at most 254), without a mask near, a place has to look the same to count.
    """

    def __init__(self, image: Picture, sightings: int) -> None:
        self._kind = image.size, image.format
        self._sightings = sightings
        self._shifts = image.shifts
        self._begin(image)

    def _begin(self, image: Picture) -> None:
        self._planes = tuple(np.zeros_like(plane) for plane in image.planes)
        self._first = _places(image)
        """What each place looked like when its present row of sightings began."""
        self._count: Plane = np.zeros(self._first[0].shape, np.uint8)
        self._known: Plane = np.zeros(self._first[0].shape, np.uint8)
        self._kept = tuple(np.zeros_like(plane) for plane in self._first)
        """The plate, by places."""

    def fits(self, image: Picture) -> bool:
        """Whether a picture has the size and format of the plate."""
        return self._kind == (image.size, image.format)

    def see(self, image: Picture, near: Iterable[Box]) -> None:
        """Learn from one picture. near: boxes, in luma pixels, of which nothing is kept."""
        now = _places(image)
        free: Plane = np.full(self._count.shape, 255, np.uint8)
        for x0, y0, x1, y1 in near:
            rows, columns = free.shape
            top, left = (int(np.clip(edge // 2, 0, end)) for edge, end in ((y0, rows), (x0, columns)))
            bottom, right = (int(np.clip(edge // 2 + 1, 0, end)) for edge, end in ((y1, rows), (x1, columns)))
            free[top:bottom, left:right] = 0
        if self._elsewhere(now, free):
            self._begin(image)
            now = self._first
        same = _alike(now, self._first)
        np.minimum(self._count, 254, out=self._count)
        self._count += 1
        self._count[same == 0] = 1
        self._count[free == 0] = 0
        changed = cv2.bitwise_or(cv2.bitwise_not(same), cv2.bitwise_not(free))
        for target, source in zip(self._first, now, strict=True):
            cv2.copyTo(source, changed, target)
        ready = np.asarray((self._count == self._sightings) * 255, np.uint8)
        if cv2.countNonZero(ready):
            self._known |= ready
            for target, source in zip(self._kept, now, strict=True):
                cv2.copyTo(source, ready, target)
            for target, source, shift in zip(self._planes, image.planes, self._shifts, strict=True):
                cv2.copyTo(source, ready if shift else _doubled(ready, source.shape), target)

    def forget(self, at: tuple[int, int], shape: tuple[int, int], around_px: int) -> None:
        """Know nothing any more in a window (x, y of its corner, rows and columns, in luma samples) and around it."""
        rows, columns = (
            slice(max(0, start - around_px) // 2, (start + length + around_px + 1) // 2)
            for start, length in zip(at[::-1], shape, strict=True)
        )
        self._known[rows, columns] = 0
        self._count[rows, columns] = 0

    def known(self, at: tuple[int, int], shape: tuple[int, int], shifts: tuple[int, ...]) -> tuple[Plane, ...]:
        """Per plane, 255 where a window's sample is known."""
        places = self._known[_window(at, shape)]
        doubled = _doubled(places, shape)
        return tuple(places if shift else doubled for shift in shifts)

    def planes(self, at: tuple[int, int], shape: tuple[int, int]) -> tuple[Plane, ...]:
        """Views of the plate in a window, plane by plane; samples that are not known mean nothing."""
        x, y = at
        return tuple(
            plane[y >> shift : (y + shape[0]) >> shift, x >> shift : (x + shape[1]) >> shift]
            for plane, shift in zip(self._planes, self._shifts, strict=True)
        )

    def _elsewhere(self, now: tuple[Plane, ...], free: Plane) -> bool:
        judged = cv2.bitwise_and(self._known, free)
        places = cv2.countNonZero(judged)
        if places < _JUDGED_FROM * judged.size:
            return False
        same = cv2.countNonZero(cv2.bitwise_and(_alike(now, self._kept), judged))
        return places - same > _ANOTHER_SCENE * places


def _places(image: Picture) -> tuple[Plane, ...]:
    """Every plane at half the picture's size."""
    height, width = image.planes[0].shape
    size = (width + 1) // 2, (height + 1) // 2
    return tuple(
        plane.copy() if shift else np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
        for plane, shift in zip(image.planes, image.shifts, strict=True)
    )


def _alike(a: tuple[Plane, ...], b: tuple[Plane, ...]) -> Plane:
    """255 where no plane differs by more than `_SAME`."""
    most = cv2.absdiff(a[0], b[0])
    for one, other in zip(a[1:], b[1:], strict=True):
        most = cv2.max(most, cv2.absdiff(one, other))
    return np.asarray(cv2.threshold(most, _SAME, 255, cv2.THRESH_BINARY_INV)[1], np.uint8)


def _doubled(places: Plane, shape: tuple[int, ...]) -> Plane:
    return np.ascontiguousarray(places.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]])


def _window(at: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    x, y = at
    return slice(y // 2, (y + shape[0] + 1) // 2), slice(x // 2, (x + shape[1] + 1) // 2)
