"""Draws people in front of a street, and knows how much of every face can be seen."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.core.types import Box
from streamer.drawn.bodies import HIP, SHOULDER, SOLE, draw_arm, draw_leg, draw_torso
from streamer.drawn.faces import FACE_HEIGHT, draw_head, face_box
from streamer.drawn.looks import look
from streamer.drawn.paint import Painting, oval
from streamer.drawn.sprites import Matrix, Sprite, Window, blit, coverage, placement
from streamer.drawn.street import pillar, street

__all__ = ["Bar", "Pose", "Stage", "Truth"]

_HEAD_SCALES = (80.0, 160.0)
"""Pixels per unit at which heads are painted, the first that is enough; nearer ones are enlarged."""
_BODY_SCALE = 100.0
_YAW_STEP = 5
"""Heads are painted for every so many degrees."""
_HEADS_KEPT = 96
_BACKGROUNDS_KEPT = 2
_LIGHT = -0.5
_SWING_DEGREES = 17.0


@dataclass(frozen=True, slots=True)
class Pose:
    """One person in one frame."""

    person: int
    x: float
    """Middle of the face's box, pixels."""
    y: float
    face_px: float
    """Height of the face's box, pixels. The larger, the nearer."""
    yaw: float = 0.0
    """Degrees the head is turned, positive to the right of the picture, -60..60."""
    roll: float = 0.0
    """Degrees the head is tilted clockwise."""
    stride: float | None = None
    """Phase of the walk in radians; None stands still."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where one face really is."""

    person: int
    box: Box
    """As a detector would report it, hairline to chin; may reach beyond the picture."""
    visible: float
    """Share of the box that is inside the picture and not behind anything, 0..1."""
    yaw: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A pillar across the whole height of the picture; people smaller than `face_px` pass behind it."""

    x0: int
    x1: int
    face_px: float = 1e9


class _Wardrobe:
    """Sprites of people, painted when first needed; the heads used longest ago are forgotten."""

    def __init__(self) -> None:
        self._heads: OrderedDict[tuple[int, int, float], Sprite] = OrderedDict()
        self._limbs: dict[int, tuple[Sprite, Sprite, Sprite]] = {}
        self._shadow: Sprite | None = None

    def head(self, person: int, yaw: int, unit: float) -> Sprite:
        """The head, turned by a multiple of the yaw's steps, to be shown at `unit` pixels per unit."""
        scale = next((scale for scale in _HEAD_SCALES if scale >= unit), _HEAD_SCALES[-1])
        key = person, yaw, scale
        if key not in self._heads:
            self._heads[key] = Sprite(draw_head(look(person), yaw, scale, _LIGHT))
            if len(self._heads) > _HEADS_KEPT:
                self._heads.popitem(last=False)
        self._heads.move_to_end(key)
        return self._heads[key]

    def limbs(self, person: int) -> tuple[Sprite, Sprite, Sprite]:
        """Torso, arm and leg."""
        if person not in self._limbs:
            looks = look(person)
            torso, arm, leg = (draw(looks, _BODY_SCALE, _LIGHT) for draw in (draw_torso, draw_arm, draw_leg))
            self._limbs[person] = Sprite(torso), Sprite(arm), Sprite(leg)
        return self._limbs[person]

    def shadow(self) -> Sprite:
        """A soft dark patch on the ground."""
        if self._shadow is None:
            art = Painting((-1.5, -0.5, 1.5, 0.5), 40)
            art.paint(oval(0, 0, 0.95, 0.16), (0, 0, 0), 0.42, soft=0.12)
            self._shadow = Sprite(art)
        return self._shadow


class Stage:
    """Draws poses in front of a street. width, height: pixels, at least 16."""

    def __init__(self, width: int, height: int, *, seed: int = 0, bars: Sequence[Bar] = ()) -> None:
        self.width, self.height = width, height
        self._seed = seed
        self._wardrobe = _Wardrobe()
        self._bars = [(bar, Picture.from_bgr(pillar(bar.x1 - bar.x0, height, seed))) for bar in bars]
        self._backgrounds: OrderedDict[int, Picture] = OrderedDict()

    def draw(self, poses: Sequence[Pose], background: int = 0) -> Picture:
        """The picture. background: number of the street."""
        canvas = self._background(background).canvas()
        planes = canvas.planes
        for item in self._in_order(poses):
            if isinstance(item, Pose):
                for sprite, matrix in self._figure(item):
                    blit(planes, sprite, matrix)
            else:
                bar, picture = item
                for target, source, shift in zip(planes, picture.planes, picture.shifts, strict=True):
                    target[:, bar.x0 >> shift : (bar.x0 >> shift) + source.shape[1]] = source
        return canvas.frozen()

    def truth(self, poses: Sequence[Pose]) -> list[Truth]:
        """Where the faces of these poses are, and how much of each can be seen."""
        found = []
        items = self._in_order(poses)
        for place, item in enumerate(items):
            if isinstance(item, Pose):
                yaw = _stepped(item.yaw)
                box = _face(item, yaw)
                visible = self._visible(box, items[place + 1 :])
                if visible is not None:
                    found.append(Truth(item.person, box, visible, float(yaw)))
        return found

    def seen(self, poses: Sequence[Pose]) -> dict[int, tuple[Window, NDArray[np.float32]]]:
        """Person -> a window of the picture that holds the face, and how much of each sample can be seen, 0 to 1.

        1 inside of the ellipse in the face's box where nothing stands before it.
        """
        found = {}
        items = self._in_order(poses)
        for place, item in enumerate(items):
            if not isinstance(item, Pose):
                continue
            box = _face(item, _stepped(item.yaw))
            if (there := self._seen(box, items[place + 1 :])) is not None:
                (x0, y0, x1, y1), seen = there
                columns, rows = np.arange(x0, x1) + 0.5, np.arange(y0, y1)[:, None] + 0.5
                across = (2 * columns - box[0] - box[2]) / (box[2] - box[0])
                down = (2 * rows - box[1] - box[3]) / (box[3] - box[1])
                found[item.person] = (x0, y0, x1, y1), np.asarray(seen * (across**2 + down**2 <= 1), np.float32)
        return found

    def _background(self, number: int) -> Picture:
        if number not in self._backgrounds:
            self._backgrounds[number] = Picture.from_bgr(street(self.width, self.height, self._seed + number))
            if len(self._backgrounds) > _BACKGROUNDS_KEPT:
                self._backgrounds.popitem(last=False)
        return self._backgrounds[number]

    def _in_order(self, poses: Sequence[Pose]) -> list[Pose | tuple[Bar, Picture]]:
        """From far to near."""
        items: list[Pose | tuple[Bar, Picture]] = [*poses, *self._bars]
        return sorted(items, key=lambda item: item.face_px if isinstance(item, Pose) else item[0].face_px)

    def _figure(self, pose: Pose) -> list[tuple[Sprite, Matrix]]:
        """The parts of one person, from back to front."""
        unit = pose.face_px / FACE_HEIGHT
        yaw = _stepped(pose.yaw)
        head = self._wardrobe.head(pose.person, yaw, unit)
        torso, arm, leg = self._wardrobe.limbs(pose.person)
        x, y = _head_middle(pose, yaw)
        narrow = 1 - 0.22 * abs(math.sin(math.radians(yaw)))
        swing = 0.0 if pose.stride is None else math.sin(pose.stride)
        parts = [(self._wardrobe.shadow(), placement(x, y + (SOLE - 0.1) * unit, unit))]
        for side in (-1, 1):
            lift = 0.0 if pose.stride is None else 0.12 * unit * max(0.0, side * math.cos(pose.stride))
            hip = x + side * HIP[0] * narrow * unit, y + HIP[1] * unit - lift
            parts.append((leg, placement(*hip, unit, degrees=side * swing * _SWING_DEGREES)))
        for side in (-1, 1):
            shoulder = x + side * SHOULDER[0] * narrow * unit, y + SHOULDER[1] * unit
            bend = -side * 4 - side * swing * _SWING_DEGREES
            parts.append((arm, placement(*shoulder, unit, degrees=bend)))
        parts.insert(5 if yaw < 0 else 4, (torso, placement(x, y, unit, narrow=narrow)))
        parts.append((head, placement(x, y, unit, degrees=pose.roll)))
        return parts

    def _visible(self, box: Box, nearer: Sequence[Pose | tuple[Bar, Picture]]) -> float | None:
        """Share of a box that can be seen; None when it lies outside the picture."""
        x0, y0, x1, y1 = (math.floor(v) & ~1 for v in box)
        there = self._seen(box, nearer)
        return None if there is None else min(1.0, float(there[1].sum()) / ((x1 + 2 - x0) * (y1 + 2 - y0)))

    def _seen(
        self, box: Box, nearer: Sequence[Pose | tuple[Bar, Picture]]
    ) -> tuple[Window, NDArray[np.float32]] | None:
        """A window that holds a box, and how much of each sample can be seen; None when it lies outside the picture."""
        x0, y0, x1, y1 = (math.floor(v) & ~1 for v in box)
        window = max(0, x0), max(0, y0), min(self.width & ~1, x1 + 2), min(self.height & ~1, y1 + 2)
        if window[2] <= window[0] or window[3] <= window[1]:
            return None
        seen = np.ones((window[3] - window[1], window[2] - window[0]), np.float32)
        for item in nearer:
            if isinstance(item, Pose):
                for sprite, matrix in self._figure(item)[1:]:
                    _hide(seen, window, coverage(sprite, matrix, window))
            else:
                left, right = item[0].x0 - window[0], item[0].x1 - window[0]
                seen[:, max(0, left) : max(0, right)] = 0
        return window, seen


def _stepped(yaw: float) -> int:
    """The nearest turn for which heads are painted."""
    return round(yaw / _YAW_STEP) * _YAW_STEP


def _hide(seen: NDArray[np.float32], window: Window, cover: tuple[Window, NDArray[np.uint8]] | None) -> None:
    if cover is not None:
        (x0, y0, x1, y1), alpha = cover
        part = seen[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]
        part *= 1 - alpha.astype(np.float32) / 255


def _head_middle(pose: Pose, yaw: float) -> tuple[float, float]:
    """Where the middle of the head is, so that the middle of the face's box is where the pose says."""
    unit = pose.face_px / FACE_HEIGHT
    x0, y0, x1, y1 = face_box(yaw)
    a, b, _, d, e, _ = placement(0, 0, unit, degrees=pose.roll)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return pose.x - a * x - b * y, pose.y - d * x - e * y


def _face(pose: Pose, yaw: float) -> Box:
    """The box of the face in the picture."""
    unit = pose.face_px / FACE_HEIGHT
    x0, y0, x1, y1 = face_box(yaw)
    half_w, half_h = (x1 - x0) / 2 * unit, (y1 - y0) / 2 * unit
    return pose.x - half_w, pose.y - half_h, pose.x + half_w, pose.y + half_h
