"""Drawn people: heads with light and shade that a face detector takes for faces.

Everything is drawn from numbers: no photograph of anybody is in here. Lengths are in units of the face's height
(hairline to chin), the origin is the middle of the head, x to the right, y down.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.drawn.hair import beard, hair, hair_behind
from streamer.drawn.looks import Look, look
from streamer.drawn.paint import Painting, Points, Rgb, Turn, mirror, mix, oval, path, smooth, times

__all__ = ["FACE_HEIGHT", "FACE_MIDDLE", "draw_face", "draw_head", "face_box"]

_HEAD_FRAME = (-0.85, -1.0, 0.85, 1.15)
"""What the picture of a head holds: hair included."""
_TOP, _BOTTOM = -0.435, 0.615
FACE_HEIGHT = _BOTTOM - _TOP
"""Height of a face's box."""
FACE_MIDDLE = (_TOP + _BOTTOM) / 2
"""How far the middle of a face's box lies below the middle of the head."""
_NECK = "-.23 .2, -.22 .72, -.34 1, .34 1, .22 .72, .23 .2"


def face_box(yaw: float) -> tuple[float, float, float, float]:
    """Where a detector sees the face of a head turned by so many degrees: x0, y0, x1, y1.

    Measured with YuNet over 16 people, who differ by +-0.03.
    """
    turned = math.sin(math.radians(yaw))
    middle, half = 0.27 * turned, 0.385 - 0.05 * abs(turned)
    return middle - half, _TOP, middle + half, _BOTTOM


def draw_face(size_px: float, seed: int, *, yaw: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A head by itself: BGR patch (H, W, 3) and its alpha (H, W), 0..255.

    size_px: height of the face's box in pixels; seed: which person; yaw: degrees the head is turned, -60..60.
    """
    planes = draw_head(look(seed), yaw, size_px / FACE_HEIGHT).planes
    alpha = planes[3]
    colors = np.divide(planes[:3], alpha, out=np.zeros_like(planes[:3]), where=alpha > 0)
    bgr = np.ascontiguousarray(np.moveaxis(np.round(colors * 255), 0, 2).astype(np.uint8))
    return bgr, np.round(alpha * 255).astype(np.uint8)


def draw_head(person: Look, yaw: float, scale: float, light: float = -0.5) -> Painting:
    """A head with hair and neck.

    yaw: degrees, -60..60, positive to the right of the picture; scale: pixels per unit; light: -1 from the left, 1 from
    the right.
    """
    head = _Head(person, yaw, scale)
    head.behind()
    head.modelling(light)
    for side in (-1, 1):
        head.eye(side)
    head.nose(light)
    head.mouth()
    head.front()
    return head.art


def _outline(person: Look, turn: Turn) -> Points:
    """The edge of the face and skull."""
    angle = np.radians(np.linspace(0, 360, 96, endpoint=False))
    y = np.where(np.sin(angle) > 0, 0.60, 0.62) * np.sin(angle)
    low = np.clip(y / 0.60, 0, 1)
    width = 0.40 * (1 - person.jaw * low**2.2)
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.82 * width
    # The chin goes with the turn, the back of the skull against it.
    x = x + turn.sin * (0.10 + 0.14 * low - 0.16 * np.clip(-y / 0.62, 0, 1))
    return np.stack([x, y], axis=1)


class _Head:
    """One head being painted, from back to front."""

    def __init__(self, person: Look, yaw: float, scale: float) -> None:
        self.art = Painting(_HEAD_FRAME, scale)
        self._person = person
        self._turn = Turn(yaw)
        self._edge = _outline(person, self._turn)
        self._skin = self.art.full_mask(self._edge)
        self._dark = times(person.skin, 0.48)
        self._bright = mix(times(person.skin, 1.13), (255, 250, 240), 0.33)

    def _on(
        self, points: Points, color: Rgb, opacity: float = 1.0, *, soft: float = 0.0, line: float | None = None,
        out: float = 0.0, clip: NDArray[np.float32] | None = None,
    ) -> None:  # fmt: skip
        """Paint something that lies on the face, `out` units above it, turned with it."""
        clip = self._skin if clip is None else clip
        self.art.paint(self._turn(points, out), color, opacity, soft=soft, line=line, clip=clip, inside=True)

    def behind(self) -> None:
        """Hair at the back, neck, ears, and the face's plain skin."""
        art, skin, turned = self.art, self._person.skin, self._turn.sin
        hair_behind(art, self._person, self._turn)
        art.paint(smooth(_NECK) + np.array([0.05 * turned, 0.0]), times(skin, 0.82))
        art.paint(oval(0.12 * turned, 0.66, 0.27, 0.13), times(skin, 0.42), 0.75, soft=0.05, inside=True)
        # The back of the skull comes into view when the head turns.
        skull = mix(skin, self._person.hair, 0.45) if self._person.style == "shaved" else skin
        art.paint(oval(-0.16 * turned, -0.1, 0.385, 0.5), times(skull, 0.8))
        for side in (-1, 1):
            if side * turned < 0.35:
                x = side * 0.405 - 0.12 * turned
                art.paint(oval(x, 0.06, 0.055, 0.125), times(skin, 0.88))
                art.paint(oval(x, 0.06, 0.026, 0.075), times(skin, 0.6), 0.6, soft=0.012, inside=True)
        art.paint(self._edge, skin)

    def modelling(self, light: float) -> None:
        """Light and shade on the round of the head, red cheeks, sockets of the eyes."""
        x, y = self.art.grid()
        round_x, round_y = (x - 0.05 * self._turn.sin) / 0.46, (y + 0.02) / 0.72
        round_z = np.sqrt(np.clip(1 - round_x**2 - round_y**2, 0.02, 1))
        lit = 0.62 + 0.5 * (0.55 * light * round_x - 0.42 * round_y + 0.68 * round_z)
        self.art.shade(np.asarray(1 + (lit - 1) * self._skin, np.float32))
        red = mix(self._person.skin, (208, 72, 62), 0.55)
        for side in (-1, 1):
            self._on(oval(side * 0.23, 0.2, 0.11, 0.09), red, 0.30, soft=0.05)
            self._on(oval(side * self._person.eye_gap, -0.04, 0.125, 0.075), self._dark, 0.42, soft=0.03)
            self._on(oval(side * 0.30, 0.33, 0.06, 0.16), self._dark, 0.28, soft=0.05)
        self._on(oval(0.05 * np.sign(light), -0.25, 0.15, 0.06), self._bright, 0.35, soft=0.05)
        self._on(oval(0, 0.52, 0.06, 0.03), self._bright, 0.25, soft=0.025)

    def eye(self, side: int) -> None:
        """One eye and its brow. side: -1 left, 1 right in the picture."""
        person = self._person
        flip = np.array([side, 1.0])
        at = np.array([person.eye_gap * side, -0.02])
        upper = smooth("-.075 .012, -.03 -.031, .03 -.033, .078 -.002", False) * flip + at
        lower = smooth(".078 -.002, .02 .03, -.03 .028, -.075 .012", False) * flip + at
        almond = np.concatenate([upper, lower])
        opening = np.asarray(self.art.full_mask(self._turn(almond)) * self._skin, np.float32)
        x, y = float(at[0]) + 0.012 * self._turn.sin, float(at[1])
        self._on(almond, mix((236, 232, 226), person.skin, 0.12))
        self._on(oval(x, y - 0.002, 0.034, 0.034), times(person.eyes, 0.85), clip=opening)
        self._on(oval(x, y - 0.002, 0.017, 0.017), (10, 8, 8), clip=opening)
        self._on(oval(x, y - 0.035, 0.085, 0.018), (20, 14, 12), 0.45, soft=0.008, clip=opening)
        self._on(oval(x - 0.012, y - 0.014, 0.0075, 0.0075), (255, 255, 255), 0.9, clip=opening)
        self._on(upper, (26, 18, 16), 0.9, line=0.014)
        self._on(lower, self._dark, 0.5, line=0.006)
        self._on(upper - np.array([0.0, 0.026]), self._dark, 0.5, line=0.008, soft=0.003)
        half = person.brow / 2
        brow = smooth(
            f"-.095 -.118, -.04 {-0.145 - half}, .04 {-0.152 - half}, .118 -.112, .04 {-0.148 + half}, "
            f"-.04 {-0.138 + 2 * half}, -.098 {-0.108 + half}"
        )
        color = times(person.hair, 0.8 if sum(person.hair) < 400 else 0.62)
        self._on(brow * flip + at * (1, 0), color, 0.88, soft=0.006)

    def nose(self, light: float) -> None:
        """Bridge, tip and nostrils, which stand out of the face."""
        w, skin, out = self._person.nose, self._person.skin, 0.10
        away = 1.0 if light < 0 else -1.0
        side = path(f".035 -.06, .03 .08, {w} .2, {w + 0.015} .25, .02 .25, .012 0") * (away, 1)
        self._on(side, self._dark, 0.42, soft=0.018, out=out)
        self._on(mirror(side), self._dark, 0.16, soft=0.018, out=out)
        self._on(path("-.018 -.05, -.02 .16, .014 .16, .014 -.05"), self._bright, 0.4, soft=0.012, out=out)
        self._on(oval(0, 0.272, w * 1.1, 0.02), self._dark, 0.5, soft=0.014, out=out)
        for s in (-1, 1):
            self._on(oval(s * (w - 0.005), 0.222, 0.026, 0.032), times(skin, 0.78), 0.5, soft=0.012, out=out)
            self._on(oval(s * w * 0.55, 0.25, 0.02, 0.011), times(skin, 0.22), 0.85, soft=0.004, out=out)
        self._on(oval(-0.01 * away, 0.19, 0.028, 0.024), self._bright, 0.5, soft=0.012, out=out)
        self._on(path("-.012 .275, .012 .275, .016 .325, -.016 .325"), self._dark, 0.22, soft=0.01, out=out)

    def mouth(self) -> None:
        """Lips, the line between them, and the shadow below."""
        lips = mix(self._person.skin, (168, 52, 56), 0.52)
        out = 0.03
        at = np.array([0.0, 0.365])
        wide = np.array([self._person.mouth, 1.0])
        end = -0.022 * self._person.smile
        top = f"-1 {end}, -.45 -.026, -.13 -.036, 0 -.028, .13 -.036, .45 -.026, 1 {end}, .4 .004, 0 .008, -.4 .004"
        low = f"-1 {end}, -.4 .004, 0 .008, .4 .004, 1 {end}, .5 .042, 0 .058, -.5 .042"
        between = f"-1 {end}, -.45 .003, 0 .008, .45 .003, 1 {end}"
        self._on(oval(0, 0.085, 0.7, 0.02) * wide + at, self._dark, 0.4, soft=0.018, out=out)
        self._on(smooth(path(top) * wide + at), times(lips, 0.8), 0.9, soft=0.004, out=out)
        self._on(smooth(path(low) * wide + at), lips, 0.9, soft=0.004, out=out)
        shine = oval(0, 0.032, 0.4, 0.01) * wide + at
        self._on(shine, mix(lips, (255, 235, 230), 0.5), 0.5, soft=0.008, out=out)
        self._on(smooth(path(between) * wide + at, False), times(lips, 0.3), 0.9, line=0.011, soft=0.002, out=out)
        for x in (-1, 1):
            corner = oval(x * self._person.mouth, 0.365 + end, 0.018, 0.014)
            self._on(corner, self._dark, 0.5, soft=0.008, out=out)

    def front(self) -> None:
        """Beard, hair on the forehead, glasses."""
        if self._person.beard:
            beard(self.art, self._person, self._turn, self._skin)
        hair(self.art, self._person, self._turn, self._edge, self._skin)
        if self._person.glasses:
            self._glasses((30, 28, 32))

    def _glasses(self, color: Rgb) -> None:
        art, turn = self.art, self._turn
        for side in (-1, 1):
            lens = turn(oval(side * 0.175, 0.0, 0.115, 0.088), 0.03)
            art.paint(lens, (190, 210, 225), 0.12)
            art.paint(lens, color, 0.95, line=0.016)
            if side * turn.sin < 0.3:
                ear = (side * 0.405 - 0.1 * turn.sin, 0.0)
                art.paint(np.array([turn(path(f"{side * 0.29} -.01"), 0.03)[0], ear]), color, 0.9, line=0.014)
        art.paint(turn(smooth("-.06 -.01, 0 -.03, .06 -.01", False), 0.05), color, 0.95, line=0.015)
