"""Faces that detectors are known to miss: very near, very small, turned, masked, in the dark; drawn and real.

near      the face's height is 90 % of a 1280x720 frame: somebody close to a webcam
crowd     faces of 12 pixels in a 1920x1080 picture
profile   heads turned far to the side
masked    mouth and nose covered
dark      about a fourteenth of the light, and noise: nearly black to the eye

Each is looked at with a detector's defaults and with `careful`. Real faces come from pictures whose faces are known,
and from a table `file,case` that says which of them show what; `near`, `crowd` and `dark` are made from them by
enlarging, shrinking and darkening.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import InputError, StreamerError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box
from streamer.detectors import Detector
from streamer.drawn.scene import Actor, Scene, Waypoint
from streamer.evaluate.detectors import Variant, found_faces, made, milliseconds, read_boxes, read_pictures

__all__ = ["CASES", "Case", "Row", "drawn_cases", "markdown", "measure", "real_cases"]

Bgr = NDArray[np.uint8]

CASES = ("near", "crowd", "profile", "masked", "dark")
_NEAR_SIZE, _NEAR_SHARE = (1280, 720), 0.9
_CROWD_SIZE, _CROWD_FACE_PX = (1920, 1080), 12
_ALIKE = 1.5
"""Pictures go into the crowd when their faces differ in width by this much at most."""
_LIGHT, _NOISE = 0.07, 2.0
_LEAST_FACE_PX = 20
_FACE_HEIGHT = 1.36
"""Height of a drawn face in widths."""
_PEOPLE = 12
"""Drawn people per case; thirty make the crowd."""


@dataclass(frozen=True, slots=True)
class Case:
    """Pictures of one kind, with their faces."""

    name: str
    pictures: tuple[tuple[Picture, tuple[Box, ...]], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What one detector found."""

    detector: str
    found: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Case -> faces found at default, found with `careful`, faces there."""
    cpu_ms: tuple[float, float] = (0.0, 0.0)
    """Processor time of one look at a 1280x720 picture: at default, with `careful`."""
    missing: str = ""
    """Why nothing could be measured."""


def drawn_cases() -> list[Case]:
    """The demo's people."""
    near = [_portrait(person, _NEAR_SIZE, _NEAR_SHARE * _NEAR_SIZE[1]) for person in range(_PEOPLE)]
    turned = [_portrait(person, (640, 480), 120, yaw=60 if person % 2 else -60) for person in range(_PEOPLE)]
    upright = [_portrait(person, (640, 480), 120) for person in range(_PEOPLE)]
    masked = [(_with_mask(picture, faces[0], person), faces) for person, (picture, faces) in enumerate(upright)]
    dark = [(_darkened(picture.bgr(), seed), faces) for seed, (picture, faces) in enumerate(upright)]
    places = [(100 + 180 * (n % 10), 380 + 220 * (n // 10)) for n in range(30)]
    height = _CROWD_FACE_PX * _FACE_HEIGHT
    scene = Scene(
        [Actor(n, (Waypoint(0, x, y, height),)) for n, (x, y) in enumerate(places)],
        width=_CROWD_SIZE[0],
        height=_CROWD_SIZE[1],
    )
    crowd = [(scene.picture(0), tuple(face.box for face in scene.truth(0)))]
    pictures = {"near": near, "crowd": crowd, "profile": turned, "masked": masked, "dark": dark}
    return [Case(f"{name}, drawn", tuple(pictures[name])) for name in CASES]


def real_cases(images: Path, boxes: Path, cases: Path) -> list[Case]:
    """Photographs. cases: table of `file,case`; `near` also serves for the dark.

    Raises InputError when something is not there or no such table.
    """
    truth = read_boxes(boxes, min_face_px=_LEAST_FACE_PX)
    chosen: dict[str, list[str]] = defaultdict(list)
    try:
        with cases.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                chosen[row["case"]].append(row["file"])
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{cases} is no table of cases (file,case): {error}") from error
    if strange := chosen.keys() - {"near", "profile", "masked", "dark"}:
        raise InputError(f"{cases}: there is no case {', '.join(sorted(strange))}")
    names = [name for several in chosen.values() for name in several]
    if lost := set(names) - truth.keys():
        raise InputError(f"{cases}: {boxes} knows nothing of {', '.join(sorted(lost))}")
    pictures = read_pictures(images, truth)

    def as_they_are(case: str) -> list[tuple[Picture, tuple[Box, ...]]]:
        return [(pictures[name], tuple(truth[name])) for name in chosen[case]]

    near = [_enlarged(pictures[name].bgr(), truth[name][0]) for name in chosen["near"]]
    dark = [(_darkened(pictures[name].bgr(), n), tuple(truth[name])) for n, name in enumerate(chosen["near"])]
    crowd = _crowd([(pictures[name].bgr(), found) for name, found in truth.items() if _are_alike(found)])
    made_of = {
        "near": near,
        "crowd": crowd,
        "profile": as_they_are("profile"),
        "masked": as_they_are("masked"),
        "dark": [*as_they_are("dark"), *dark],
    }
    return [Case(f"{name}, real", tuple(several)) for name, several in made_of.items() if several]


def _portrait(
    person: int, size: tuple[int, int], face_px: float, *, yaw: float = 0.0
) -> tuple[Picture, tuple[Box, ...]]:
    """One drawn person in the middle of a picture."""
    middle = Waypoint(0, size[0] / 2, size[1] / 2, face_px, yaw)
    scene = Scene([Actor(person, (middle,))], width=size[0], height=size[1], seed=person)
    return scene.picture(0), tuple(face.box for face in scene.truth(0))


def _with_mask(picture: Picture, face: Box, person: int) -> Picture:
    """The lower half of the face under a cloth."""
    bgr = picture.bgr()
    x0, y0, x1, y1 = face
    width, height = x1 - x0, y1 - y0
    shares = [(0.06, 0.5), (0.5, 0.44), (0.94, 0.5), (0.88, 0.85), (0.5, 1.02), (0.12, 0.85)]
    corners = np.array([(x0 + x * width, y0 + y * height) for x, y in shares]).round().astype(np.int32)
    color = [(235, 235, 230), (40, 40, 45), (200, 180, 120)][person % 3]
    cv2.fillPoly(bgr, [corners], color, cv2.LINE_AA)
    for share in (0.6, 0.72, 0.84):  # folds
        ends = [(round(x0 + x * width), round(y0 + share * height)) for x in (0.2, 0.8)]
        cv2.line(bgr, ends[0], ends[1], tuple(0.85 * value for value in color), max(1, round(width / 60)), cv2.LINE_AA)
    return Picture.from_bgr(bgr)


def _darkened(bgr: Bgr, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, _NOISE, bgr.shape)
    return Picture.from_bgr(np.clip(np.round(bgr * _LIGHT + noise), 0, 255).astype(np.uint8))


def _enlarged(bgr: Bgr, face: Box) -> tuple[Picture, tuple[Box, ...]]:
    """The face in the middle of the frame, as high as `near` says."""
    (width, height), (x0, y0, x1, y1) = _NEAR_SIZE, face
    scale = height * _NEAR_SHARE / (y1 - y0)
    to_frame = np.array(
        [[scale, 0, (width - scale * (x0 + x1)) / 2], [0, scale, (height - scale * (y0 + y1)) / 2]], np.float32
    )
    frame = cv2.warpAffine(bgr, to_frame, (width, height), borderMode=cv2.BORDER_REPLICATE)
    half_width, half_height = scale * (x1 - x0) / 2, scale * (y1 - y0) / 2
    box = width / 2 - half_width, height / 2 - half_height, width / 2 + half_width, height / 2 + half_height
    return Picture.from_bgr(np.asarray(frame, np.uint8)), (box,)


def _are_alike(faces: Sequence[Box]) -> bool:
    widths = [box[2] - box[0] for box in faces]
    return bool(widths) and max(widths) <= _ALIKE * min(widths)


def _crowd(pictures: Sequence[tuple[Bgr, Sequence[Box]]]) -> list[tuple[Picture, tuple[Box, ...]]]:
    """Pictures shrunk until their faces have 12 pixels, side by side in as many large ones as it takes."""
    sheets: list[tuple[Bgr, list[Box]]] = []
    x = y = row = 0
    for bgr, faces in pictures:
        scale = _CROWD_FACE_PX / float(np.median([box[2] - box[0] for box in faces]))
        small = np.asarray(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = small.shape[:2]
        if x + width > _CROWD_SIZE[0]:
            x, y, row = 0, y + row, 0
        if not sheets or y + height > _CROWD_SIZE[1]:
            sheets.append((np.full((_CROWD_SIZE[1], _CROWD_SIZE[0], 3), 110, np.uint8), []))
            x = y = row = 0
        sheet, boxes = sheets[-1]
        sheet[y : y + height, x : x + width] = small
        boxes += [(x + scale * x0, y + scale * y0, x + scale * x1, y + scale * y1) for x0, y0, x1, y1 in faces]
        x, row = x + width, max(row, height)
    return [(Picture.from_bgr(sheet), tuple(boxes)) for sheet, boxes in sheets]


def measure(variant: Variant, settings: Mapping[str, Any], cases: Sequence[Case], ctx: Context) -> Row:
    """One detector's row; one that cannot be had gives a row that says why."""
    row = Row(variant.name)
    found: dict[str, list[int]] = {case.name: [] for case in cases}
    times = []
    for careful in (False, True):
        try:
            detector, options = made(variant, {**settings, "careful": careful}, ctx)
        except StreamerError as error:
            return replace(row, missing=str(error))
        for case in cases:
            hits = 0
            for picture, faces in case.pictures:
                sure = [one for one in detector.detect([picture])[0] if one.score >= options.threshold]
                hits += found_faces(faces, sure)
            found[case.name].append(hits)
        times.append(milliseconds(_looking(detector), [cases[0].pictures[0][0]], runs=3)[0])
        detector.close()
    there = {case.name: sum(len(faces) for _, faces in case.pictures) for case in cases}
    counts = {name: (usual, careful, there[name]) for name, (usual, careful) in found.items()}
    return replace(row, found=counts, cpu_ms=(times[0], times[1]))


def _looking(detector: Detector) -> Callable[[Picture], object]:
    return lambda picture: detector.detect([picture])


def markdown(rows: Sequence[Row]) -> str:
    """Found at default / with `careful`, of how many; one line per case."""
    there = [row for row in rows if not row.missing]
    lines = []
    if there:
        lines = [f"| case | faces | {' | '.join(row.detector for row in there)} |", f"|---|---|{'---|' * len(there)}"]
        for name, (_, _, faces) in there[0].found.items():
            cells = [f"{row.found[name][0]} / {row.found[name][1]}" for row in there]
            lines.append(f"| {name} | {faces} | {' | '.join(cells)} |")
        cost = [f"{row.cpu_ms[1] / row.cpu_ms[0]:.0f} times" for row in there]
        lines.append(f"| cost of `careful` | | {' | '.join(cost)} |")
    if missing := [f"- {row.detector}: {row.missing}" for row in rows if row.missing]:
        lines += ["", *dict.fromkeys(missing)]
    return "\n".join(lines) + "\n"
