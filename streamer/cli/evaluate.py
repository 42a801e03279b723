"""`streamer evaluate`: how good the hiding is, in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli.terminal import Terminal
from streamer.config import Config, load, parse_overrides, spelled_out
from streamer.endpoints import parse_input
from streamer.errors import StreamerError, UsageError
from streamer.evaluate import _chart
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference
from streamer.evaluate.sweep import Row, clips, measure, usual_settings
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
    privacy: Annotated[str | None, typer.Option(metavar="PRESET", help="fast, balanced or strict")] = None,
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
        config = load(config_file) if config_file is not None else Config()
        config = config.updated({**parse_overrides(set_ or []), **spelled_out({"privacy": privacy})})
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


@app.command()
def sweep(
    files: Annotated[list[Path], typer.Argument(metavar="CLIPS...", help="clips whose faces are known")],
    reference: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder with NAME.csv for every clip: frame,id,x,y,w,h")
    ] = None,
    min_face_px: Annotated[float, typer.Option(help="faces narrower than this are not judged")] = 20,
    config_file: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="one setting; repeatable")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="only this group, for example preset; repeatable")
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="leak rate against speed")] = None,
) -> None:
    """Leak rate, needless cover, speed and delay over cadence, lookahead, input size and presets."""
    if reference is None:
        raise UsageError("name the folder with the boxes of the faces with --reference DIR")
    settings = list(usual_settings())
    if unknown := set(only or []) - {setting.group for setting in settings}:
        known = ", ".join(sorted({setting.group for setting in settings}))
        raise UsageError(f"--only {', '.join(sorted(unknown))}: there are {known}")
    for path in (json_, plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path.parent} is no folder")
    terminal = Terminal()
    base = (load(config_file) if config_file is not None else Config()).updated(parse_overrides(set_ or []))
    ctx = Context(model=Store(on_fetch=terminal.say).path, device=base.run.device)
    todo = clips(files, reference)
    rows = [
        measure(todo, setting, base, ctx, min_face_px=min_face_px, say=terminal.say)
        for setting in settings
        if not only or setting.group in only
    ]
    _print_rows(rows)
    if json_ is not None:
        json_.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    if plot is not None:
        lines: dict[str, list[_chart.Point]] = {}
        for row in rows:
            lines.setdefault(row.group, []).append((row.fps, row.leak_percent, row.name.removeprefix("every ")))
        names = {"title": "Readable faces against speed", "x_name": "frames/s", "y_name": "readable face-frames, %"}
        if not _chart.write(plot, _chart.draw(lines, **names)):
            raise StreamerError(f"plot {plot} could not be written")


def _print_rows(rows: list[Row]) -> None:
    print("| group | setting | readable | % | longest | needless cover, % | passes, % | frames/s | waits, frames |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        waits = f"{row.waits_mean_frames:.1f}, at most {row.waits_most_frames}"
        print(
            f"| {row.group} | {row.name} | {row.leaked} of {row.face_frames} | {row.leak_percent:.2f} "
            f"| {row.longest_exposure_frames} | {row.needless_cover_percent:.2f} | {row.passes_percent:.0f} "
            f"| {row.fps:.0f} | {waits} |"
        )


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
