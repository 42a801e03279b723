"""`streamer bench`: what the parts find and cost, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from streamer.cli.evaluate_options import writable, write_json
from streamer.cli.options.bench import Detectors, HardCases
from streamer.cli.terminal import Terminal
from streamer.config.parts import device_for
from streamer.config.schema import Config, parse_overrides
from streamer.core.errors import DeviceError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.spelling import respelled
from streamer.core.types import Box
from streamer.evaluate import detectors, hard_cases

__all__ = ["detectors_", "hard_cases_"]


def detectors_(asked: Detectors) -> None:
    """Measure every detector that is installed, per input size."""
    chosen, settings, ctx = _chosen(asked)
    pictures: dict[str, Picture]
    truth: dict[str, list[Box]]
    nobody: list[Picture]
    if asked.images is None:
        if asked.boxes is not None:
            raise UsageError("--boxes names the faces in pictures: name their folder with --images DIR")
        pictures, truth, nobody = detectors.drawn_people(min_face_px=asked.min_face_px)
    else:
        truth = detectors.read_boxes(asked.boxes or asked.images / "boxes.csv", min_face_px=asked.min_face_px)
        pictures, nobody = detectors.read_pictures(asked.images, truth), []
    if asked.empty is not None:
        nobody = list(detectors.read_pictures(asked.empty).values())
    writable(asked.json_)
    sizes = asked.input_px or [640, 960]
    rows = [
        detectors.measure(variant, {**settings, "input_px": px}, pictures, truth, nobody, ctx)
        for variant in chosen
        for px in sizes
    ]
    print(detectors.markdown(rows), end="")
    write_json(asked.json_, [asdict(row) for row in rows])


def hard_cases_(asked: HardCases) -> None:
    """Measure what every detector finds of faces that are hard to find."""
    chosen, settings, ctx = _chosen(asked)
    todo = hard_cases.drawn_cases()
    if asked.images is not None:
        if asked.cases is None:
            raise UsageError("say with --cases CSV (file,case) which of the pictures show what")
        todo += hard_cases.real_cases(asked.images, asked.boxes or asked.images / "boxes.csv", asked.cases)
    writable(asked.json_)
    rows = [hard_cases.measure(variant, settings, todo, ctx) for variant in chosen]
    print(hard_cases.markdown(rows), end="")
    write_json(asked.json_, [asdict(row) for row in rows])


def _demand(device: str, kinds: list[str]) -> None:
    """Raise DeviceError when none of these detectors gets the device; of some, the table says so."""
    refused = []
    for kind in kinds:
        try:
            device_for("detectors", kind, device)
            return
        except DeviceError as error:
            refused.append(error)
    raise refused[0]


def _chosen(asked: Detectors | HardCases) -> tuple[list[detectors.Variant], dict[str, Any], Context]:
    """The detectors to measure, the settings for them, and where they run. Raises UsageError and ConfigError."""
    chosen = _variants(asked.kind)
    fields = [f"detector.{name}" for variant in chosen for name in detectors.fields(variant)]
    values, twice = respelled(parse_overrides(asked.set_ or []), fields)
    if twice:
        raise UsageError(f"--set {twice[0]}: one key in two spellings; keep one of them")
    _check(values, chosen)
    settings = {key.removeprefix("detector."): value for key, value in values.items()}
    if asked.accept_licence:
        settings["accept_licence"] = True
    config = Config().updated({"run.device": asked.device})
    _demand(config.run.device, [variant.kind for variant in chosen])
    return chosen, settings, Terminal().store().context(config.run.device)


def _variants(kinds: list[str] | None) -> list[detectors.Variant]:
    """The detectors of these kinds; all of them when none is named. Raises UsageError for an unknown one."""
    there = dict.fromkeys(variant.kind for variant in detectors.VARIANTS)
    if unknown := set(kinds or []) - there.keys():
        raise UsageError(f"--kind {', '.join(sorted(unknown))}: there are {', '.join(there)}")
    return [variant for variant in detectors.VARIANTS if not kinds or variant.kind in kinds]


def _check(values: dict[str, Any], chosen: list[detectors.Variant]) -> None:
    """What one of the detectors knows has to be right; what none knows is wrong. Raises UsageError and ConfigError."""
    for path in values:
        if not path.startswith("detector.") or path == "detector.kind":
            raise UsageError(f"--set {path}: only settings of detectors can be set here; --kind chooses them")
    known: set[str] = set()
    for variant in chosen:
        own = {key for key in values if key.removeprefix("detector.") in detectors.fields(variant)}
        Config().updated({"detector.kind": variant.kind, **{key: values[key] for key in own}})
        known |= own
    if strange := [key for key in values if key not in known]:
        raise UsageError(f"--set {', '.join(strange)}: none of these detectors has such a setting")
