"""Pictures that stand alone: known faces that stay visible, also turned and spoiled, and what is hidden for nothing.

    python -m streamer.evaluate.stills IMAGES BOXES.csv [--nobody FOLDER] [--set KEY=VALUE] [--models FOLDER]

IMAGES, BOXES.csv: pictures, and the columns file, x, y, w, h of their faces; `file` is relative to IMAGES. A face is
missed when less than 65 % of the ellipse in its box is hidden. Every picture is examined as it is, turned by 90, 180
and 270 degrees, and overexposed, blurred by motion, and in green light. NOBODY: pictures without a face, as they are
and enlarged to 2400 and 4000 pixels.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config.schema import Config
from streamer.core.files import write_whole
from streamer.core.picture import Picture
from streamer.core.types import Box
from streamer.effects.solid import Options, build
from streamer.evaluate.detectors import read_boxes, read_pictures
from streamer.evaluate.leak import covered_share
from streamer.inference.models.store import Store
from streamer.pipeline.assembly import detector_of
from streamer.pipeline.still import anonymized

__all__ = ["CHANGES", "Judge", "Row", "markdown", "turned", "turned_box"]

Bgr = NDArray[np.uint8]

_LEAST_FACE_PX = 20
_HIDDEN = 0.65
_ENLARGED_PX = (2400, 4000)
_MOTION_PX = 25
_GREEN = (0.7, 1.0, 0.55)
"""What is left of blue, green and red under a green lamp."""


def _overexposed(bgr: Bgr) -> Bgr:
    return np.asarray(cv2.convertScaleAbs(bgr, alpha=1.9, beta=60), np.uint8)


def _blurred(bgr: Bgr) -> Bgr:
    kernel = np.full((1, _MOTION_PX), 1 / _MOTION_PX, np.float32)
    return np.asarray(cv2.filter2D(bgr, -1, kernel), np.uint8)


def _tinted(bgr: Bgr) -> Bgr:
    return np.asarray(bgr * np.array(_GREEN), np.uint8)


CHANGES: Mapping[str, Callable[[Bgr], Bgr]] = {
    "overexposed": _overexposed,
    "blurred by motion": _blurred,
    "in green light": _tinted,
}
"""What spoils a picture and moves no face."""


@dataclass(slots=True)
class Row:
    """What was seen of the pictures in one state."""

    state: str
    faces: int = 0
    missed: list[tuple[str, Box]] = field(default_factory=list)
    pictures: int = 0
    hidden: dict[str, float] = field(default_factory=dict)
    """Picture -> share of it that was hidden, where anything was."""
    cpu_ms: float = 0.0
    """Mean of all pictures, of all threads together."""


class Judge:
    """Hides the faces of pictures and counts. config: detector, masks and zones are taken from it."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._detector = detector_of(config, store.context(config.run.device), stills=True)
        self._effect = build(Options(), store.context("cpu"))
        self._number = 0

    def add(self, row: Row, name: str, bgr: Bgr, faces: list[Box]) -> None:
        """Hide the faces of one picture, and compare with those that it has."""
        picture = Picture.from_bgr(bgr, format="bgrp").frozen()
        began = time.process_time()
        self._number += 1
        sealed = anonymized(picture, self._detector, self._effect, self._config, seq=self._number)
        row.cpu_ms += (1e3 * (time.process_time() - began) - row.cpu_ms) / (row.pictures + 1)
        row.pictures += 1
        changed = np.any([a != b for a, b in zip(picture.planes, sealed.image.planes, strict=True)], axis=0)
        if changed.any():
            row.hidden[name] = float(changed.mean())
        for box in faces:
            row.faces += 1
            if covered_share(changed, box) < _HIDDEN:
                row.missed.append((name, box))


def turned(bgr: Bgr, quarters: int) -> Bgr:
    """Counter-clockwise."""
    return np.ascontiguousarray(np.rot90(bgr, quarters))


def turned_box(box: Box, size: tuple[int, int], quarters: int) -> Box:
    """Where a box of a picture (width, height) is when that is turned."""
    x0, y0, x1, y1 = box
    width, height = size
    for _ in range(quarters % 4):
        x0, y0, x1, y1 = y0, width - x1, y1, width - x0
        width, height = height, width
    return x0, y0, x1, y1


def _with_faces(judge: Judge, pictures: Mapping[str, Picture], boxes: Mapping[str, list[Box]]) -> list[Row]:
    rows = []
    for quarters in range(4):
        row = Row(f"turned by {90 * quarters}" if quarters else "as they are")
        for name, picture in pictures.items():
            faces = [turned_box(box, picture.size, quarters) for box in boxes[name]]
            judge.add(row, name, turned(picture.bgr(), quarters), faces)
        rows.append(row)
    for state, change in CHANGES.items():
        row = Row(state)
        for name, picture in pictures.items():
            judge.add(row, name, change(picture.bgr()), boxes[name])
        rows.append(row)
    return rows


def _with_nobody(judge: Judge, pictures: Mapping[str, Picture]) -> list[Row]:
    rows = []
    for longer_px in (0, *_ENLARGED_PX):
        row = Row(f"nobody, enlarged to {longer_px}" if longer_px else "nobody")
        for name, picture in pictures.items():
            bgr = picture.bgr()
            scale = longer_px / max(picture.size) if longer_px else 1.0
            larger = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if longer_px else bgr
            judge.add(row, name, np.asarray(larger, np.uint8), [])
        rows.append(row)
    return rows


def markdown(rows: list[Row]) -> str:
    """A table."""
    lines = [
        "| pictures | faces | missed | pictures with something hidden | most hidden of one | CPU ms per picture |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        most = max(row.hidden.values(), default=0.0)
        lines.append(
            f"| {row.state} | {row.faces} | {len(row.missed)} | {len(row.hidden)} of {row.pictures} "
            f"| {100 * most:.1f} % | {row.cpu_ms:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("boxes", type=Path)
    parser.add_argument("--nobody", type=Path, help="folder with pictures without a face")
    parser.add_argument("--least", type=float, default=_LEAST_FACE_PX, help="width of the smallest face that is judged")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the configuration")
    parser.add_argument("--models", type=Path, help="folder with model files")
    parser.add_argument("--markdown", type=Path, help="where to write the table")
    given = parser.parse_args()
    judge = Judge(Config().with_overrides(given.set), Store(offline=given.models))
    boxes = read_boxes(given.boxes, min_face_px=given.least)
    rows = _with_faces(judge, read_pictures(given.images, boxes), boxes)
    if given.nobody is not None:
        rows += _with_nobody(judge, read_pictures(given.nobody))
    for row in rows:
        for name, box in row.missed:
            sys.stdout.write(f"{row.state}: {name}: missed {' '.join(f'{edge:.0f}' for edge in box)}\n")
        for name, share in row.hidden.items():
            if "nobody" in row.state:
                sys.stdout.write(f"{row.state}: {name}: {100 * share:.2f} % hidden\n")
    sys.stdout.write(markdown(rows))
    if given.markdown is not None:
        write_whole(given.markdown, markdown(rows).encode())


if __name__ == "__main__":
    _main()
