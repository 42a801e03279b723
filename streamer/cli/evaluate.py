"""`streamer evaluate`: how good the hiding is, in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli.terminal import Terminal
from streamer.config import Config, load, parse_overrides
from streamer.endpoints import parse_input
from streamer.errors import UsageError
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference
from streamer.models.store import Store
from streamer.parts import Context

__all__ = ["app"]

app = typer.Typer(
    help="How good the hiding is, in numbers.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """How good the hiding is, in numbers."""


@app.command()
def leak(
    original: Annotated[str, typer.Argument(metavar="ORIGINAL", help="the clip before anonymization")],
    anonymized: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ANONYMIZED]", help="the same clip made with a solid effect; without it, it is run here"
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="boxes of all faces: frame,id,x,y,w,h")
    ] = None,
    min_face_px: Annotated[float, typer.Option(help="faces narrower than this are not judged")] = 20,
    config_file: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="one setting; repeatable")
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")] = None,
    montage: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="the readable faces, original beside emitted")
    ] = None,
) -> None:
    """Count the faces that can still be read: on two files, or on a clip that is run here with a solid effect."""
    if reference is None:
        raise UsageError("name the boxes of the faces with --reference FILE.csv")
    meter = LeakMeter(load_reference(reference), min_face_px=min_face_px)
    if anonymized is None:
        config = (load(config_file) if config_file is not None else Config()).updated(parse_overrides(set_ or []))
        store = Store(on_fetch=Terminal().say)
        judge_run(parse_input(original), config, meter, Context(model=store.path, device=config.run.device))
    else:
        for pair in file_pairs(Path(original), anonymized):
            meter.add(pair)
    result = meter.result()
    _print(result)
    if json_ is not None:
        json_.write_text(json.dumps(result, indent=2) + "\n")
    if montage is not None:
        meter.montage(montage)


def _print(result: dict[str, Any]) -> None:
    print(f"frames                  {result['frames']}, {result['frames_covered_whole']} covered whole")
    print(f"faces judged            {result['face_frames']}")
    print(f"readable                {result['leaked']} ({result['leak_percent']} %)")
    print(f"longest exposure        {result['longest_exposure_ms']} ms ({result['longest_exposure_frames']} frames)")
    if result["grazed"] is not None:
        print(f"covered below 90 %      {result['grazed']}")
    print(f"picture covered in vain {result['needless_cover_percent']} %")
    for person, delay_ms in result["late_first_cover_ms"].items():
        print(f"covered late            person {person}: {delay_ms} ms after the first appearance")
    for person, frames in result["leaked_frames"].items():
        print(f"readable in frames      person {person}: {', '.join(map(str, frames))}")
