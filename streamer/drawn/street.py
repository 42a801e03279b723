"""A drawn street for the drawn people: houses, windows, shops, trees, pavement, and a pillar to pass behind."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUND", "HORIZON", "pillar", "street"]

Bgr = NDArray[np.uint8]

HORIZON = 0.40
"""Height of the horizon as a share of the picture, from above; far heads are there."""
GROUND = 0.585
"""Where the houses stand."""
_WALLS = ((178, 196, 210), (140, 160, 196), (196, 204, 206), (120, 148, 172), (168, 178, 160), (150, 168, 214))
_AWNINGS = ((60, 60, 180), (90, 120, 60), (150, 90, 50), (60, 150, 200))


def street(width: int, height: int, seed: int) -> Bgr:
    """The picture of a street in BGR; the same numbers give the same street."""
    rng = np.random.default_rng((seed, 101))
    art = _sky(width, height)
    ground = round(height * GROUND)
    x = -round(0.1 * width * rng.random())
    while x < width:
        wide = round(width * rng.uniform(0.17, 0.28))
        _house(art, x, wide, ground, rng)
        x += wide
    _pavement(art, ground, rng)
    for _ in range(3):
        _tree(art, round(width * rng.uniform(0.03, 0.97)), ground + round(0.012 * height), height, rng)
    grain = rng.normal(0, 2.5, (height, width, 1))
    return np.clip(art + grain, 0, 255).astype(np.uint8)


def _sky(width: int, height: int) -> Bgr:
    share = np.linspace(0, 1, height)[:, None, None] / GROUND
    sky = np.array([222, 186, 146]) * (1 - share) + np.array([236, 232, 226]) * share
    return np.ascontiguousarray(np.broadcast_to(np.clip(sky, 0, 255), (height, width, 3)).astype(np.uint8))


def _texture(height: int, width: int, rng: np.random.Generator, coarse: int, strength: float) -> NDArray[np.float64]:
    """Soft blotches around 1."""
    small = rng.normal(1, strength, (max(2, height // coarse), max(2, width // coarse)))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float64)[..., None]


def _house(art: Bgr, x: int, wide: int, ground: int, rng: np.random.Generator) -> None:
    height, width = art.shape[:2]
    top = round(height * rng.uniform(-0.1, 0.10))
    x0, x1, y0 = max(0, x), min(width, x + wide), max(0, top)
    color = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.8, 1.05)
    wall = np.broadcast_to(color, (ground - y0, x1 - x0, 3)) * _texture(ground - y0, x1 - x0, rng, 9, 0.025)
    wall = wall * np.linspace(1.05, 0.85, x1 - x0)[None, :, None]
    art[y0:ground, x0:x1] = np.clip(wall, 0, 255)
    row = max(4, round(height * 0.007))
    for y in range(y0, ground, row):  # courses of bricks
        art[y, x0:x1] = art[y, x0:x1] * 0.93
    art[y0:ground, max(0, x1 - 3) : x1] = art[y0:ground, max(0, x1 - 3) : x1] * 0.6
    shop = round(height * 0.20)
    columns = max(2, round(wide / (0.085 * width)))
    step = wide / columns
    for line in range(4):
        bottom = ground - shop - round(line * height * 0.155) - round(0.03 * height)
        for column in range(columns):
            _window(art, round(x + (column + 0.25) * step), bottom, round(step * 0.5), round(height * 0.105), rng)
    _shop(art, x, wide, ground, shop, rng)


def _window(art: Bgr, x: int, bottom: int, wide: int, high: int, rng: np.random.Generator) -> None:
    if bottom - high < 4 or wide < 6:
        return
    y = bottom - high
    glass = np.array([150, 120, 92]) * rng.uniform(0.5, 1.0)
    cv2.rectangle(art, (x - 3, y - 3), (x + wide + 3, bottom + 3), (214, 218, 220), -1)
    cv2.rectangle(art, (x, y), (x + wide, bottom), tuple(glass.tolist()), -1)
    shine = np.array([(x, bottom), (x, y + high // 3), (x + wide * 2 // 3, y), (x + wide, y)], np.int32)
    cv2.fillPoly(art, [shine], tuple((glass * 1.25).tolist()), cv2.LINE_AA)
    curtain = wide // 5
    for side in (x, x + wide - curtain):
        cv2.rectangle(art, (side, y), (side + curtain, bottom), (200, 206, 214), -1)
    cv2.line(art, (x + wide // 2, y), (x + wide // 2, bottom), (210, 214, 216), 2)
    cv2.line(art, (x, y + high * 2 // 5), (x + wide, y + high * 2 // 5), (210, 214, 216), 2)
    cv2.rectangle(art, (x - 6, bottom + 3), (x + wide + 6, bottom + 7), (150, 158, 164), -1)


def _shop(art: Bgr, x: int, wide: int, ground: int, high: int, rng: np.random.Generator) -> None:
    height = art.shape[0]
    top, pad = ground - high + round(0.02 * height), round(0.06 * wide)
    x0, x1 = x + pad, x + wide - pad
    frame = tuple((np.array([70, 62, 58]) * rng.uniform(0.7, 1.5)).tolist())
    cv2.rectangle(art, (x0, top), (x1, ground), frame, -1)
    door = x0 + round((x1 - x0) * 0.72)
    cv2.rectangle(art, (x0 + 5, top + 8), (door - 5, ground - round(0.03 * height)), (118, 104, 88), -1)
    shine = np.array([(x0 + 5, ground - 40), (x0 + 5, top + 30), (x0 + wide // 4, top + 8), (x0 + wide // 3, top + 8)])
    cv2.fillPoly(art, [shine.astype(np.int32)], (150, 136, 120), cv2.LINE_AA)
    for _ in range(7):  # wares
        cx, size = int(rng.integers(x0 + 12, max(x0 + 13, door - 12))), int(rng.integers(6, 16))
        low = ground - round(0.035 * height)
        cv2.rectangle(art, (cx, low - size * 2), (cx + size, low), tuple(rng.uniform(60, 210, 3).tolist()), -1)
    cv2.rectangle(art, (door + 3, top + 12), (x1 - 6, ground), (96, 84, 70), -1)
    color = _AWNINGS[int(rng.integers(len(_AWNINGS)))]
    stripes = 9
    for stripe in range(stripes):
        a, b = x0 - 8 + (x1 - x0 + 16) * stripe // stripes, x0 - 8 + (x1 - x0 + 16) * (stripe + 1) // stripes
        tone = color if stripe % 2 else (226, 230, 232)
        cv2.rectangle(art, (a, top - round(0.035 * height)), (b, top + round(0.012 * height)), tone, -1)
        cv2.ellipse(art, ((a + b) // 2, top + round(0.012 * height)), ((b - a) // 2, 7), 0, 0, 180, tone, -1)


def _pavement(art: Bgr, ground: int, rng: np.random.Generator) -> None:
    height, width = art.shape[:2]
    deep = height - ground
    tone = np.linspace(150, 186, deep)[:, None, None] * np.array([0.97, 1.0, 1.02])
    floor = np.broadcast_to(tone, (deep, width, 3)) * _texture(deep, width, rng, 14, 0.018)
    art[ground:] = np.clip(floor, 0, 255)
    vanish = (width / 2, height * HORIZON)
    far = ground - vanish[1]
    for k in range(-60, 61):  # joints that run away from us
        near_x = vanish[0] + k * 0.05 * width * (height - vanish[1]) / far
        far_x = vanish[0] + k * 0.05 * width
        cv2.line(art, (round(far_x), ground), (round(near_x), height), (146, 150, 152), 1, cv2.LINE_AA)
    for k in range(1, 24):  # joints across
        y = round(vanish[1] + far / (1 - k * 0.055) if k * 0.055 < 0.95 else height)
        if ground < y < height:
            cv2.line(art, (0, y), (width, y), (146, 150, 152), 1, cv2.LINE_AA)
    shade = np.linspace(0.62, 1.0, max(1, deep // 6))[:, None, None]
    art[ground : ground + len(shade)] = art[ground : ground + len(shade)] * shade


def _tree(art: Bgr, x: int, foot: int, height: int, rng: np.random.Generator) -> None:
    crown = (x, foot - round(0.36 * height))
    thick = max(2, round(0.008 * height))
    trunk = np.array([(x - thick, foot), (x - thick // 2, crown[1]), (x + thick // 2, crown[1]), (x + thick, foot)])
    cv2.fillPoly(art, [trunk.astype(np.int32)], (52, 70, 88), cv2.LINE_AA)
    spread = 0.075 * height
    for layer, tone in ((1.0, 0.55), (0.8, 0.8), (0.55, 1.05)):
        for dx, dy, size in np.clip(rng.normal(0, 1, (70, 3)), -1.7, 1.7):
            at = round(crown[0] + dx * spread * layer * 0.6), round(crown[1] + (dy * 0.8 - 0.2) * spread * layer)
            color = np.array([58, 118, 84]) * tone * rng.uniform(0.8, 1.15)
            cv2.circle(
                art, at, max(2, round(spread * (0.14 + 0.04 * abs(size)))), tuple(color.tolist()), -1, cv2.LINE_AA
            )


def pillar(width: int, height: int, seed: int) -> Bgr:
    """A stone pillar, near enough to hide people, as high as the picture."""
    rng = np.random.default_rng((seed, 103))
    x = np.linspace(-1, 1, width)
    tone = (148 - 34 * x - 30 * x**2)[None, :, None] * np.array([0.96, 1.0, 1.03])
    art = np.broadcast_to(tone, (height, width, 3)) * _texture(height, width, rng, 9, 0.03)
    joint = max(20, height // 9)
    for y in range(joint // 2, height, joint):
        art[y : y + 2] *= 0.72
    art[:, :2] *= 0.6
    art[:, -2:] *= 0.6
    return np.clip(art, 0, 255).astype(np.uint8)
