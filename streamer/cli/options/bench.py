"""Options of `streamer bench`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from streamer.cli._verbs import group
from streamer.cli.options.common import AcceptLicence, Json, Set

__all__ = ["Detectors", "HardCases", "app"]

_Images = Annotated[Path | None, typer.Option(metavar="DIR", help="pictures with known faces; without it, drawn ones")]
_Boxes = Annotated[
    Path | None, typer.Option(metavar="CSV", help="their faces: file,x,y,w,h (default: boxes.csv among the pictures)")
]
_Kinds = Annotated[list[str] | None, typer.Option("--kind", metavar="KIND", help="only this detector; repeatable")]
_Device = Annotated[str, typer.Option(help="where the models run")]


@dataclass(frozen=True, kw_only=True)
class Detectors:
    """Faces found, false alarms and milliseconds of every detector that is installed, per input size."""

    WORK: ClassVar = "streamer.cli.evaluate_bench:detectors_"

    images: _Images = None
    boxes: _Boxes = None
    empty: Annotated[
        Path | None, typer.Option(metavar="DIR", help="pictures without any face, to count false alarms")
    ] = None
    input_px: Annotated[
        list[int] | None,
        typer.Option(metavar="PX", min=160, max=4096, help="longer side of the input; repeatable; 640 and 960"),
    ] = None
    min_face_px: Annotated[float, typer.Option(help="narrower faces are not counted")] = 20
    kind: _Kinds = None
    set_: Set = None
    accept_licence: AcceptLicence = False
    device: _Device = "cpu"
    json_: Json = None


@dataclass(frozen=True, kw_only=True)
class HardCases:
    """Near, tiny, turned, masked and dark faces: what every detector finds of them at default and with `careful`."""

    WORK: ClassVar = "streamer.cli.evaluate_bench:hard_cases_"

    images: _Images = None
    boxes: _Boxes = None
    cases: Annotated[
        Path | None, typer.Option(metavar="CSV", help="which of the pictures show what: file,case (near, profile, ...)")
    ] = None
    kind: _Kinds = None
    set_: Set = None
    accept_licence: AcceptLicence = False
    device: _Device = "cpu"
    json_: Json = None


app = group("What the parts find and cost, in numbers.", {"detectors": Detectors, "hard-cases": HardCases})
