"""Every detector that is installed, on pictures with known faces: what it finds, what it makes up, what it costs.

    python -m streamer.evaluate.detectors --images DIR --boxes CSV [--empty DIR] [--input-px 640 960] [--json FILE]

CSV has the columns file, x, y, w, h: one row per face, in pixels. A face is found when a detection that scores at least
the detector's threshold overlaps it by 0.3 (intersection over union; annotators disagree about foreheads and chins);
one detection finds one face. False alarms are counted on pictures without any face, because annotations are rarely
complete. The time is that of one 1280x720 picture, the shortest of several: others on the machine only make it longer.
Beside it stands the time on the clock in the JSON file; on an accelerator that is the one that counts.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamer.detectors import Detector
from streamer.errors import InputError, StreamerError
from streamer.geometry import iou, stack
from streamer.models.catalogue import CATALOGUE
from streamer.models.store import Store
from streamer.parts import Context, options_type
from streamer.parts import build as build_part
from streamer.picture import Picture
from streamer.types import Box, Detection

__all__ = ["VARIANTS", "Row", "Variant", "main", "markdown", "measure", "read_boxes", "read_pictures"]

_SAME_FACE_IOU = 0.3
_TIMED_SIZE = (1280, 720)
_TIMED_RUNS = 12


@dataclass(frozen=True, slots=True)
class Variant:
    """One detector with one model."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    """Names in the catalogue, which knows the licences."""
    licence: str = ""
    """Code / weights, where the catalogue does not say it."""

    @property
    def name(self) -> str:
        """For people: `yunet`, `scrfd det_2.5g`."""
        return " ".join([self.kind, *(model for model in self.models if "model" in self.options)])

    @property
    def licences(self) -> str:
        """Of the code and of the weights, as SPDX names."""
        of = [f"{CATALOGUE[name].licence_code} / {CATALOGUE[name].licence_weights}" for name in self.models]
        return self.licence or of[0]

    @property
    def commercial_use(self) -> bool:
        """Whether the weights may be used commercially."""
        return all(CATALOGUE[name].commercial_use for name in self.models)


VARIANTS = (
    Variant("yunet", models=("yunet",)),
    *(
        Variant("scrfd", {"model": model, "accept_licence": True}, (model,))
        for model in ("det_500m", "det_2.5g", "det_10g")
    ),
    Variant("retinaface", models=("retinaface",)),
    Variant("centerface", models=("centerface",)),
    Variant("mtcnn", licence="MIT / MIT"),
    Variant("haar", licence="Apache-2.0 / Intel-OpenCV (BSD)"),
    Variant("hog", licence="BSL-1.0 / BSL-1.0"),
)
"""What is measured when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one variant at one input size."""

    detector: str
    input_px: int
    faces: int = 0
    """Annotated faces that were looked for."""
    found: int = 0
    found_in: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Group of pictures (the name up to the first `_`) -> faces found, faces there."""
    false_alarms: int | None = None
    """Detections on pictures without a face; None when there were no such pictures."""
    empty_pictures: int = 0
    cpu_ms: float = 0.0
    """Processor time for one 1280x720 picture, of all threads together."""
    wall_ms: float = 0.0
    """Time on the clock for the same."""
    licences: str = ""
    commercial_use: bool = False
    missing: str = ""
    """Why nothing could be measured."""


def read_boxes(path: Path, *, min_face_px: float) -> dict[str, list[Box]]:
    """Faces of at least that width per picture. Raises InputError when the file is not there or is no such table."""
    truth: dict[str, list[Box]] = defaultdict(list)
    try:
        with path.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
                truth[row["file"]] += [(x, y, x + w, y + h)] if w >= min_face_px else []
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no table of boxes (file,x,y,w,h): {error}") from error
    return dict(truth)


def read_pictures(folder: Path, names: Iterable[str] | None = None) -> dict[str, Picture]:
    """Pictures of a folder, of these names or all. Raises InputError when one cannot be read."""
    if names is None:
        names = sorted(path.name for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = {}
    for name in names:
        bgr = cv2.imread(str(folder / name))
        if bgr is None:
            raise InputError(f"{folder / name} cannot be read as a picture")
        pictures[name] = Picture.from_bgr(np.asarray(bgr, np.uint8))
    return pictures


def measure(
    variant: Variant,
    input_px: int,
    pictures: Mapping[str, Picture],
    truth: Mapping[str, Sequence[Box]],
    empty: Sequence[Picture],
    ctx: Context,
) -> Row:
    """One row of the table; a detector that cannot be had gives a row that says why."""
    known = Row(variant.name, input_px, licences=variant.licences, commercial_use=variant.commercial_use)
    try:
        options = options_type("detectors", variant.kind).model_validate({**variant.options, "input_px": input_px})
        detector: Detector = build_part("detectors", variant.kind, options, ctx)
    except StreamerError as error:
        return replace(known, missing=str(error))
    threshold: float = options.model_dump()["threshold"]

    def sure(picture: Picture) -> list[Detection]:
        return [one for one in detector.detect([picture])[0] if one.score >= threshold]

    groups: dict[str, tuple[int, int]] = {}
    for name, boxes in truth.items():
        group = name.split("_")[0]
        found, faces = groups.get(group, (0, 0))
        groups[group] = found + _found(boxes, sure(pictures[name])), faces + len(boxes)
    cpu_ms, wall_ms = _milliseconds(sure, list(pictures.values())[:3])
    row = replace(
        known,
        faces=sum(faces for _, faces in groups.values()),
        found=sum(found for found, _ in groups.values()),
        found_in=groups,
        false_alarms=sum(len(sure(picture)) for picture in empty) if empty else None,
        empty_pictures=len(empty),
        cpu_ms=cpu_ms,
        wall_ms=wall_ms,
    )
    detector.close()
    return row


def _found(faces: Sequence[Box], detections: Sequence[Detection]) -> int:
    """How many faces have a detection of their own; the best overlaps are paired first."""
    overlaps = iou(stack(list(faces)), stack([one.box for one in detections]))
    pairs = 0
    while overlaps.size and overlaps.max() >= _SAME_FACE_IOU:
        face, detection = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[face, :] = overlaps[:, detection] = 0
        pairs += 1
    return pairs


def _milliseconds(look: Callable[[Picture], object], pictures: Sequence[Picture]) -> tuple[float, float]:
    """Processor time and time on the clock of one look."""
    times = []
    for picture in [one.scaled(*_TIMED_SIZE) for one in pictures]:
        for _ in range(_TIMED_RUNS // len(pictures)):
            start = time.process_time(), time.perf_counter()
            look(picture)
            times.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    cpu, wall = zip(*times, strict=True)
    return 1000 * min(cpu), 1000 * min(wall)


def markdown(rows: Sequence[Row]) -> str:
    """The table for people; detectors that could not be had are named below it."""
    lines = [
        "| detector | input px | faces found | false alarms | CPU ms, 720p | licence: code / weights | commercial |",
        "|---|---|---|---|---|---|---|",
    ]
    missing = {}
    for row in rows:
        if row.missing:
            missing[row.detector] = row.missing
            continue
        share = f"{100 * row.found / row.faces:.1f} % of {row.faces}" if row.faces else "-"
        alarms = "-" if row.false_alarms is None else f"{row.false_alarms} in {row.empty_pictures}"
        use = "yes" if row.commercial_use else "no"
        lines.append(
            f"| {row.detector} | {row.input_px} | {share} | {alarms} | {row.cpu_ms:.1f} | {row.licences} | {use} |"
        )
    if missing:
        lines += ["", *(f"- {name}: {reason}" for name, reason in missing.items())]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures with known faces")
    parser.add_argument("--boxes", type=Path, required=True, help="their faces: file,x,y,w,h")
    parser.add_argument("--empty", type=Path, help="folder of pictures without a face")
    parser.add_argument("--input-px", type=int, nargs="+", default=[640, 960])
    parser.add_argument("--min-face-px", type=float, default=20)
    parser.add_argument("--kinds", nargs="+", help="only these detectors")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        truth = read_boxes(options.boxes, min_face_px=options.min_face_px)
        pictures = read_pictures(options.images, truth)
        empty = list(read_pictures(options.empty).values()) if options.empty else []
        ctx = Context(model=Store().path)
        chosen = [variant for variant in VARIANTS if options.kinds is None or variant.kind in options.kinds]
        rows = [measure(v, px, pictures, truth, empty, ctx) for v in chosen for px in options.input_px]
    except StreamerError as error:
        raise SystemExit(str(error)) from None
    sys.stdout.write(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
