"""`streamer bench`: what the parts find and cost, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli._verbs import group
from streamer.cli.evaluate_options import writable, write_json
from streamer.cli.terminal import Terminal
from streamer.config.parts import device_for
from streamer.config.schema import Config, parse_overrides
from streamer.core.errors import DeviceError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.spelling import respelled
from streamer.core.types import Box
from streamer.evaluate import detectors, hard_cases

__all__ = ["app"]

app = group("What the parts find and cost, in numbers.")

_Images = Annotated[Path | None, typer.Option(metavar="DIR", help="pictures with known faces; without it, drawn ones")]
_Boxes = Annotated[
    Path | None, typer.Option(metavar="CSV", help="their faces: file,x,y,w,h (default: boxes.csv among the pictures)")
]
_Kinds = Annotated[list[str] | None, typer.Option("--kind", metavar="KIND", help="only this detector; repeatable")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="a setting, for example detector.careful=true; repeatable"),
]
_Licence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", "--accept-license", help="the use is non-commercial research: measure such models, too"
    ),
]
_Device = Annotated[str, typer.Option(help="where the models run")]
_Json = Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")]


@app.callback()
def _group() -> None:
    """What the parts find and cost, in numbers."""


@app.command(name="detectors")
def detectors_(
    images: _Images = None,
    boxes: _Boxes = None,
    empty: Annotated[
        Path | None, typer.Option(metavar="DIR", help="pictures without any face, to count false alarms")
    ] = None,
    input_px: Annotated[
        list[int] | None,
        typer.Option(metavar="PX", min=160, max=4096, help="longer side of the input; repeatable; 640 and 960"),
    ] = None,
    min_face_px: Annotated[float, typer.Option(help="narrower faces are not looked for")] = 20,
    kind: _Kinds = None,
    set_: _Set = None,
    accept_licence: _Licence = False,
    device: _Device = "cpu",
    json_: _Json = None,
) -> None:
    """Faces found, false alarms and milliseconds of every detector that is installed, per input size."""
    chosen, settings, ctx = _chosen(kind, set_, accept_licence, device)
    pictures: dict[str, Picture]
    truth: dict[str, list[Box]]
    nobody: list[Picture]
    if images is None:
        if boxes is not None:
            raise UsageError("--boxes names the faces in pictures: name their folder with --images DIR")
        pictures, truth, nobody = detectors.drawn_people(min_face_px=min_face_px)
    else:
        truth = detectors.read_boxes(boxes or images / "boxes.csv", min_face_px=min_face_px)
        pictures, nobody = detectors.read_pictures(images, truth), []
    if empty is not None:
        nobody = list(detectors.read_pictures(empty).values())
    writable(json_)
    sizes = input_px or [640, 960]
    rows = [
        detectors.measure(variant, {**settings, "input_px": px}, pictures, truth, nobody, ctx)
        for variant in chosen
        for px in sizes
    ]
    print(detectors.markdown(rows), end="")
    write_json(json_, [asdict(row) for row in rows])


@app.command(name="hard-cases")
def hard_cases_(
    images: _Images = None,
    boxes: _Boxes = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="CSV", help="which of the pictures show what: file,case (near, profile, ...)")
    ] = None,
    kind: _Kinds = None,
    set_: _Set = None,
    accept_licence: _Licence = False,
    device: _Device = "cpu",
    json_: _Json = None,
) -> None:
    """Near, tiny, turned, masked and dark faces: what every detector finds of them at default and with `careful`."""
    chosen, settings, ctx = _chosen(kind, set_, accept_licence, device)
    todo = hard_cases.drawn_cases()
    if images is not None:
        if cases is None:
            raise UsageError("say with --cases CSV (file,case) which of the pictures show what")
        todo += hard_cases.real_cases(images, boxes or images / "boxes.csv", cases)
    writable(json_)
    rows = [hard_cases.measure(variant, settings, todo, ctx) for variant in chosen]
    print(hard_cases.markdown(rows), end="")
    write_json(json_, [asdict(row) for row in rows])


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


def _chosen(
    kinds: list[str] | None, overrides: list[str] | None, accept_licence: bool, device: str
) -> tuple[list[detectors.Variant], dict[str, Any], Context]:
    """The detectors to measure, the settings for them, and where they run. Raises UsageError and ConfigError."""
    chosen = [variant for variant in detectors.VARIANTS if not kinds or variant.kind in kinds]
    if unknown := set(kinds or []) - {variant.kind for variant in detectors.VARIANTS}:
        known = ", ".join(dict.fromkeys(variant.kind for variant in detectors.VARIANTS))
        raise UsageError(f"--kind {', '.join(sorted(unknown))}: there are {known}")
    fields = [f"detector.{name}" for variant in chosen for name in detectors.fields(variant)]
    values, twice = respelled(parse_overrides(overrides or []), fields)
    if twice:
        raise UsageError(f"--set {twice[0]}: one key in two spellings; keep one of them")
    for path in values:
        if not path.startswith("detector.") or path == "detector.kind":
            raise UsageError(f"--set {path}: only settings of detectors can be set here; --kind chooses them")
    for variant in chosen:  # what one of them knows has to be right; what none knows is wrong
        known_keys = {key for key in values if key.removeprefix("detector.") in detectors.fields(variant)}
        Config().updated({"detector.kind": variant.kind, **{key: values[key] for key in known_keys}})
    if strange := [
        key for key in values if not any(key.removeprefix("detector.") in detectors.fields(v) for v in chosen)
    ]:
        raise UsageError(f"--set {', '.join(strange)}: none of these detectors has such a setting")
    settings = {key.removeprefix("detector."): value for key, value in values.items()}
    if accept_licence:
        settings["accept_licence"] = True
    config = Config().updated({"run.device": device})
    _demand(config.run.device, [variant.kind for variant in chosen])
    return chosen, settings, Terminal().store().context(config.run.device)
