"""Hair on drawn heads, in the units of `_faces`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.drawn.looks import Look
from streamer.drawn.paint import Painting, Points, Turn, mix, oval, path, smooth, times

__all__ = ["beard", "hair", "hair_behind"]

_BEHIND = {
    "long": "-.44 -.3, -.53 .15, -.56 .62, -.46 .98, .46 .98, .56 .62, .53 .15, .44 -.3, 0 -.72",
    "bob": "-.46 -.3, -.54 .12, -.52 .45, -.36 .56, .36 .56, .52 .45, .54 .12, .46 -.3, 0 -.72",
}
_CAP = {  # height above the middle of the head, where it ends at the sides, half its width
    "short": (-0.70, 0.02, 0.435),
    "long": (-0.72, 0.9, 0.485),
    "bob": (-0.73, 0.5, 0.495),
    "curly": (-0.86, -0.05, 0.50),
}
_SHAVED = "-.42 -.1, -.36 -.33, -.15 -.43, .15 -.43, .36 -.33, .42 -.1, .45 -.4, 0 -.75, -.45 -.4"
_BEARD = "-.42 .08, -.335 .14, -.27 .3, -.16 .315, 0 .3, .16 .315, .27 .3, .335 .14, .42 .08, .42 .7, 0 .72, -.42 .7"


def hair_behind(art: Painting, person: Look, turn: Turn) -> None:
    """What hangs behind the face."""
    shift = np.array([-0.10 * turn.sin, 0.0])
    color = times(person.hair, 0.7)
    if person.style == "curly":
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        radius = 0.58 + 0.025 * np.sin(9 * angle + person.seed) + 0.02 * np.sin(14 * angle)
        curls = np.stack([radius * np.cos(angle), -0.28 + 0.95 * radius * np.sin(angle)], axis=1)
        art.paint(curls + shift, color, soft=0.008)
    elif person.style in _BEHIND:
        shape = smooth(_BEHIND[person.style]) + shift
        art.paint(shape, color, soft=0.004)
        _strands(art, person, shape, 0.2)


def hair(art: Painting, person: Look, turn: Turn, outline: Points, skin: NDArray[np.float32]) -> None:
    """What lies on the head, with its edge on the forehead. outline: edge of the face; skin: its mask."""
    if person.style == "shaved":
        art.paint(turn(smooth(_SHAVED)), person.hair, 0.55, soft=0.03, clip=skin, inside=True)
        return
    top, end, wide = _CAP[person.style]
    back = -0.11 * turn.sin
    part = 0.12 if person.seed % 2 else -0.12
    fringe = path(
        f".385 {end}, .4 -.1, .33 -.3, {part + 0.1} -.37, {part} -.42, {part - 0.1} -.38, -.33 -.3, -.4 -.1, "
        f"-.385 {end}"
    )
    inner = _within(turn(fringe), outline)
    left, right = min(-wide + back, float(inner[-1, 0]) - 0.05), max(wide + back, float(inner[0, 0]) + 0.05)
    outer = path(
        f"{left * 1.06} {end}, {left} -.1, {left} -.28, {back - 0.3} {top + 0.1}, {back} {top}, "
        f"{back + 0.3} {top + 0.1}, {right} -.28, {right} -.1, {right * 1.06} {end}"
    )
    shape = smooth(np.concatenate([outer, inner]))
    art.paint(shape + np.array([0.0, 0.012]), (12, 8, 8), 0.35, soft=0.02, clip=skin, inside=True)
    art.paint(shape, person.hair, soft=0.006)
    _strands(art, person, shape, 0.0)


def beard(art: Painting, person: Look, turn: Turn, skin: NDArray[np.float32]) -> None:
    """On cheeks and chin, around the lips."""
    lips = art.full_mask(turn(oval(0, 0.378, person.mouth * 0.95, 0.055), 0.03), 0.008)
    color = times(person.hair, 1.1) if sum(person.hair) < 400 else times(person.hair, 0.8)
    clip = skin * (1 - lips)
    art.paint(turn(smooth(_BEARD)), color, 0.82 * person.beard, soft=0.022, clip=clip, inside=True)


def _within(points: Points, outline: Points) -> Points:
    """The points moved in sideways until they lie on the face; hair below the eyes hangs beside it."""
    middle = float(outline[:, 0].mean())
    right, left = (outline[side] for side in (outline[:, 0] > middle, outline[:, 0] <= middle))
    right, left = right[np.argsort(right[:, 1])], left[np.argsort(left[:, 1])]
    high = np.interp(points[:, 1], right[:, 1], right[:, 0]) - 0.015
    low = np.interp(points[:, 1], left[:, 1], left[:, 0]) + 0.015
    inside = np.where(points[:, 1] < 0.1, np.clip(points[:, 0], low, high), points[:, 0])
    return np.stack([inside, points[:, 1]], axis=1)


def _strands(art: Painting, person: Look, shape: Points, spread: float) -> None:
    """Lighter and darker lines inside a patch of hair, and a shine."""
    rng = np.random.default_rng((person.seed, 31))
    clip = art.full_mask(shape)
    for tint in (times(person.hair, 1.5), times(person.hair, 0.55)):
        lines = np.zeros(clip.shape, np.uint8)
        for x, sway, thick in rng.uniform((-0.5, -0.04, 0.008), (0.5, 0.04, 0.022), (13, 3)):
            middle = x * (1.05 + spread) + sway
            run = smooth(f"{x * 0.25} -.72, {x * 0.8} -.55, {middle} -.25, {middle * 1.1} .3, {middle * 1.15} 1", False)
            at = np.round(art.to_pixels(run) * 16).astype(np.int32)
            cv2.polylines(lines, [at], False, (255,), max(1, round(thick * art.scale)), cv2.LINE_AA, 4)
        share = cv2.GaussianBlur(lines, (0, 0), max(0.3, 0.005 * art.scale)).astype(np.float32) / 255
        art.lay(tint, np.asarray(share * clip * 0.4, np.float32))
    shine = mix(person.hair, (255, 244, 228), 0.35)
    art.paint(oval(-0.14, -0.58, 0.2, 0.07), shine, 0.35, soft=0.05, clip=clip, inside=True)
