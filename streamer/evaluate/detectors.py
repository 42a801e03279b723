"""Every detector that is installed, on pictures with known faces: what it finds, what it makes up, what it costs.

`streamer bench detectors` is its command line. A table of boxes has the columns file, x, y, w, h: one row per face, in
pixels. Without one, drawn people are looked at, of whom every face is known; some detectors know faces of flesh only. A
face is found when a detection that scores at least
the detector's threshold overlaps it by 0.3 (intersection over union; annotators disagree about foreheads and chins);
one detection finds one face. False alarms are counted on pictures without any face, because annotations are rarely
complete. The time is that of one 1280x720 picture, the shortest of several: others on the machine only make it longer.
Beside it stands the time on the clock in the JSON file; on an accelerator that is the one that counts.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.config.parts import build as build_part
from streamer.config.parts import options_type
from streamer.core.errors import InputError, StreamerError
from streamer.core.geometry import iou, stack
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.detectors import Detector, DetectorOptions
from streamer.evaluate.faces import read_picture
from streamer.inference.models.catalogue import CATALOGUE
from streamer.sources import demo

__all__ = [
    "VARIANTS",
    "Row",
    "Variant",
    "drawn_people",
    "fields",
    "found_faces",
    "made",
    "markdown",
    "measure",
    "milliseconds",
    "read_boxes",
    "read_pictures",
]

_SAME_FACE_IOU = 0.3
_TIMED_SIZE = (1280, 720)
_TIMED_RUNS = 12
_DRAWN_STREETS, _DRAWN_FRAMES, _DRAWN_STEP, _DRAWN_PEOPLE = 6, 4, 50, 7
_SEEN_WHOLE = 0.95
"""Visible share of a face from which on it has to be found."""


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
    *(Variant("scrfd", {"model": model}, (model,)) for model in ("det_500m", "det_2.5g", "det_10g")),
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


def fields(variant: Variant) -> set[str]:
    """Names of the settings that a detector knows."""
    return set(options_type("detectors", variant.kind).model_fields)


def made(variant: Variant, settings: Mapping[str, Any], ctx: Context) -> tuple[Detector, DetectorOptions]:
    """The detector with those of the settings that it knows, and its options.

    Raises StreamerError when it cannot be had: a library, a model or a licence is missing.
    """
    model = options_type("detectors", variant.kind)
    known = {key: value for key, value in settings.items() if key in fields(variant)}
    options = model.model_validate({**known, **variant.options})
    assert isinstance(options, DetectorOptions)
    return build_part("detectors", variant.kind, options, ctx), options


def drawn_people(*, min_face_px: float) -> tuple[dict[str, Picture], dict[str, list[Box]], list[Picture]]:
    """Pictures of the demo's street with the faces in them, and pictures of the same streets without anybody.

    A face counts when it is to be seen whole and at least so wide.
    """
    pictures, truth, empty = {}, {}, []
    for seed in range(1, 1 + _DRAWN_STREETS):
        street = demo.scene(demo.Options(seed=seed, faces=_DRAWN_PEOPLE))
        for n in range(0, _DRAWN_FRAMES * _DRAWN_STEP, _DRAWN_STEP):
            pictures[name := f"street{seed}_{n}"] = street.picture(n)
            faces = [face.box for face in street.truth(n) if face.visible > _SEEN_WHOLE]
            truth[name] = [box for box in faces if box[2] - box[0] >= min_face_px]
        empty.append(demo.scene(demo.Options(seed=seed, faces=0)).picture(0))
    return pictures, truth, empty


def read_boxes(path: Path, *, min_face_px: float) -> dict[str, list[Box]]:
    """Faces of at least that width per picture. Raises InputError when the file is not there or is no such table."""
    truth: dict[str, list[Box]] = defaultdict(list)
    try:
        with path.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
                truth[row["file"]] += [(x, y, x + w, y + h)] if w >= min_face_px else []
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is no table of boxes (file,x,y,w,h): {error}") from error
    return dict(truth)


def read_pictures(folder: Path, names: Iterable[str] | None = None) -> dict[str, Picture]:
    """Pictures of a folder, of these names or all. Raises InputError when one cannot be read."""
    if names is None:
        names = sorted(path.name for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return {name: read_picture(folder / name) for name in names}


def measure(
    variant: Variant,
    settings: Mapping[str, Any],
    pictures: Mapping[str, Picture],
    truth: Mapping[str, Sequence[Box]],
    empty: Sequence[Picture],
    ctx: Context,
) -> Row:
    """One row of the table; a detector that cannot be had gives a row that says why.

    settings: of the detector, as far as it knows them; `input_px` is among them.
    """
    input_px = int(settings["input_px"])
    known = Row(variant.name, input_px, licences=variant.licences, commercial_use=variant.commercial_use)
    try:
        detector, options = made(variant, settings, ctx)
    except StreamerError as error:
        return replace(known, missing=str(error))

    def sure(picture: Picture) -> list[Detection]:
        return [one for one in detector.detect([picture])[0] if one.score >= options.threshold]

    groups: dict[str, tuple[int, int]] = {}
    for name, boxes in truth.items():
        group = name.split("_")[0]
        found, faces = groups.get(group, (0, 0))
        groups[group] = found + found_faces(boxes, sure(pictures[name])), faces + len(boxes)
    cpu_ms, wall_ms = milliseconds(sure, list(pictures.values())[:3])
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


def found_faces(faces: Sequence[Box], detections: Sequence[Detection]) -> int:
    """How many faces have a detection of their own; the best overlaps are paired first."""
    overlaps = iou(stack(list(faces)), stack([one.box for one in detections]))
    pairs = 0
    while overlaps.size and overlaps.max() >= _SAME_FACE_IOU:
        face, detection = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[face, :] = overlaps[:, detection] = 0
        pairs += 1
    return pairs


def milliseconds(
    look: Callable[[Picture], object], pictures: Sequence[Picture], *, runs: int = _TIMED_RUNS
) -> tuple[float, float]:
    """Processor time and time on the clock of one look at a 1280x720 picture, the least of several."""
    times = []
    for picture in [one.scaled(*_TIMED_SIZE) for one in pictures]:
        for _ in range(max(1, runs // len(pictures))):
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
