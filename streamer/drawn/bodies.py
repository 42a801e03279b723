"""Bodies to carry the drawn heads, in units of the face's height."""

from __future__ import annotations

import numpy as np

from streamer.drawn.looks import Look
from streamer.drawn.paint import Painting, mix, oval, path, smooth, times

__all__ = ["HIP", "SHOULDER", "SOLE", "draw_arm", "draw_leg", "draw_torso"]

SHOULDER = (0.74, 1.22)
"""Where an arm hangs, from the middle of the head; the other arm at -x."""
HIP = (0.26, 3.15)
"""Where a leg hangs."""
SOLE = 6.5
"""How far the ground lies below the middle of the head."""
_TORSO = (
    "-.2 .84, -.52 .96, -.82 1.12, -.9 1.5, -.68 2, -.58 2.5, -.62 3.05, -.6 3.4, "
    ".6 3.4, .62 3.05, .58 2.5, .68 2, .9 1.5, .82 1.12, .52 .96, .2 .84, 0 .9"
)
_NECKLINE = "-.24 .82, .24 .82, .13 1.02, 0 1.08, -.13 1.02"
_COLLAR = "-.25 .86, -.13 1.03, 0 1.09, .13 1.03, .25 .86"
_SLEEVE = "-.2 -.1, -.2 .9, -.15 1.95, .14 1.95, .19 .9, .2 -.1, 0 -.2"
_TROUSER = "-.3 -.2, -.3 .8, -.21 1.7, -.18 3.1, .17 3.1, .2 1.7, .28 .8, .3 -.2"
_SHOE = "-.18 3.08, -.2 3.34, .2 3.36, .22 3.2, .16 3.05"


def draw_torso(person: Look, scale: float, light: float) -> Painting:
    """Shoulders to hips; origin at the middle of the head. scale: pixels per unit; light: -1 from the left to 1."""
    art = Painting((-1.1, 0.7, 1.1, 3.6), scale)
    art.paint(smooth(_TORSO), person.top)
    art.paint(smooth(_NECKLINE), times(person.skin, 0.8), inside=True)
    art.paint(smooth(_COLLAR, False), times(person.top, 0.6), line=0.035, inside=True)
    rng = np.random.default_rng((person.seed, 57))
    if person.seed % 3 == 0:
        stripe = mix(person.top, (255, 255, 255), 0.75)
        for y in np.arange(1.35, 2.9, 0.26):
            art.paint(smooth(f"-1 {y}, 0 {y + 0.05}, 1 {y}", False), stripe, 0.85, line=0.07, inside=True)
    art.paint(path("-.7 2.95, .7 2.95, .7 3.5, -.7 3.5"), person.bottom, inside=True)
    for x, y, sway in rng.uniform((-0.6, 1.5, -0.15), (0.6, 2.5, 0.15), (9, 3)):
        fold = smooth(f"{x} {y}, {x + sway} {y + 0.25}, {x * 0.9} {y + 0.5}", False)
        art.paint(fold, times(person.top, 0.55), 0.4, line=0.03, soft=0.025, inside=True)
    _round(art, light, 0.9)
    return art


def draw_arm(person: Look, scale: float, light: float) -> Painting:
    """One arm, hanging; origin at the shoulder."""
    art = Painting((-0.35, -0.3, 0.35, 2.5), scale)
    art.paint(oval(0, 2.12, 0.13, 0.2), times(person.skin, 0.9))
    art.paint(smooth(_SLEEVE), times(person.top, 0.93))
    elbow = smooth("-.14 .9, 0 1, .14 .88", False)
    art.paint(elbow, times(person.top, 0.6), 0.5, line=0.03, soft=0.02, inside=True)
    _round(art, light, 0.25)
    return art


def draw_leg(person: Look, scale: float, light: float) -> Painting:
    """One leg with its shoe; origin at the hip."""
    art = Painting((-0.5, -0.3, 0.5, 3.5), scale)
    art.paint(smooth(_SHOE), (38, 34, 34))
    art.paint(smooth(_TROUSER), person.bottom)
    knee = smooth("-.2 1.55, 0 1.65, .2 1.55", False)
    art.paint(knee, times(person.bottom, 0.6), 0.5, line=0.04, soft=0.03, inside=True)
    _round(art, light, 0.3)
    return art


def _round(art: Painting, light: float, half: float) -> None:
    """Shade what was painted as something round, `half` units wide on either side."""
    x, _ = art.grid()
    art.shade(np.asarray(np.clip(0.92 + 0.30 * light * x / half - 0.16 * (x / half) ** 2, 0.4, 1.2), np.float32))
