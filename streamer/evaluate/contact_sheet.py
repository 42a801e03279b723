"""One picture of all effects at all strengths, on drawn faces: docs/effects.jpg.

    python -m streamer.evaluate.contact_sheet docs/effects.jpg

Effects without a strength are shown with three masks: an ellipse, a rounded box, and the whole head with a soft edge.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions
from streamer.config.parts import kinds, load
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Points5, TrackBox
from streamer.drawn.faces import FACE_HEIGHT, draw_face, face_box
from streamer.effects import Effect
from streamer.evaluate import _chart

__all__ = ["drawn", "main", "room", "sheet"]

_CELL = 132
"""Pixels of one picture of the sheet, which is square."""
_FACE_PX = 66
_LABEL_PX = 130
_POSES = (0.0, 0.0), (25.0, -0.1), (0.0, 0.35)
"""Yaw in degrees and tilt in radians, column by column."""
_STRENGTHS = "low", "medium", "high"
_MASKS: tuple[dict[str, Any], ...] = ({}, {"shape": "rounded_box"}, {"coverage": "head", "feather": 0.15})


def room(width: int, height: int, seed: int = 3) -> NDArray[np.uint8]:
    """(height, width, 3) BGR: a wall with irregular detail, so that it is seen where it was replaced."""
    chance = np.random.default_rng(seed)
    wall = np.full((height, width, 3), (166, 152, 138), np.float32)
    for cell, contrast in ((48, 40), (14, 24), (5, 14)):
        size = max(2, width // cell), max(2, height // cell)
        spots = chance.normal(0, contrast / 2, (size[1], size[0])).astype(np.float32)
        wall += cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)[:, :, None]
    return np.clip(wall, 0, 255).astype(np.uint8)


def drawn(
    bgr: NDArray[np.uint8], at: tuple[float, float], size_px: float, seed: int, *, yaw: float = 0, tilt: float = 0
) -> TrackBox:
    """Draw a head into a BGR picture, in place.

    at: the middle of the head, in pixels; size_px: height of the face; seed: which person; yaw in degrees, tilt in
    radians.
    Returns where the face is.
    """
    head, alpha = draw_face(size_px, seed, yaw=yaw)
    scale = size_px / FACE_HEIGHT
    cos, sin = np.cos(tilt), np.sin(tilt)
    # The middle of the head lies 0.85 and 1.0 units from the corner of its drawing.
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    turn[:, 2] = np.array(at) - turn[:, :2] @ np.array([0.85 * scale, scale])
    size = bgr.shape[1], bgr.shape[0]
    laid = cv2.warpAffine(head, turn, size, flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(alpha, turn, size, flags=cv2.INTER_LINEAR).astype(np.float32)[:, :, None] / 255
    bgr[:] = np.round(laid * share + bgr * (1 - share)).astype(np.uint8)

    def on(x: float, y: float) -> tuple[float, float]:
        return float(at[0] + scale * (cos * x - sin * y)), float(at[1] + scale * (sin * x + cos * y))

    x0, y0, x1, y1 = face_box(yaw)
    corners = np.array([on(x, y) for x in (x0, x1) for y in (y0, y1)])
    # The box of the oval, which is smaller than that of its turned corners.
    wide, high = (x1 - x0) / 2, (y1 - y0) / 2
    half = np.hypot(cos * wide, sin * high), np.hypot(sin * wide, cos * high)
    x, y = corners.mean(axis=0)
    box = float(x - half[0] * scale), float(y - half[1] * scale), float(x + half[0] * scale), float(y + half[1] * scale)
    off = 0.27 * float(np.sin(np.radians(yaw)))
    eyes_and_mouth: Points5 = (
        on(off - 0.17, -0.02), on(off + 0.17, -0.02), on(off, 0.2), on(off - 0.11, 0.365), on(off + 0.11, 0.365)
    )  # fmt: skip
    return TrackBox(seed, box, eyes_and_mouth)


def sheet() -> NDArray[np.uint8]:
    """(H, W, 3) BGR."""
    rows = [_row("original", [_cell(None, {}, pose) for pose in _POSES])]
    for kind in kinds("effects"):
        settings: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, mask) for mask in _MASKS]
        if "strength" in load("effects", kind).Options.model_fields:
            settings = [({"strength": strength}, {}) for strength in _STRENGTHS]
        looks = zip(settings, _POSES, strict=True)
        rows.append(_row(kind, [_cell(_made(kind, options), mask, pose) for (options, mask), pose in looks]))
    return np.concatenate(rows)


def _made(kind: str, options: dict[str, Any]) -> Effect:
    module = load("effects", kind)
    effect: Effect = module.build(module.Options(**options), Context())
    wall = Picture.from_bgr(room(_CELL, _CELL))
    effect.enter(0)
    for step in range(20):  # an effect that learns sees the empty room first
        effect.learn(wall, [], step * 0.25)
    return effect


def _cell(effect: Effect | None, mask: dict[str, Any], pose: tuple[float, float]) -> NDArray[np.uint8]:
    bgr = room(_CELL, _CELL)
    face = drawn(bgr, (_CELL / 2, _CELL * 0.48), _FACE_PX, seed=11, yaw=pose[0], tilt=pose[1])
    if effect is None:
        return bgr
    return paint(Picture.from_bgr(bgr), [face], effect, MaskOptions(**mask), 5.0).bgr()


def _row(label: str, cells: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    text = np.full((_CELL, _LABEL_PX, 3), 255, np.uint8)
    cv2.putText(text, label, (8, _CELL // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([text, *cells], axis=1)


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="where to: .jpg, .png or .webp")
    options = parser.parse_args(arguments)
    if not _chart.write(options.file, sheet(), quality=88):
        parser.error(f"{options.file} cannot be written")


if __name__ == "__main__":
    main()
