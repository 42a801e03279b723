"""`streamer evaluate`: how good the hiding is, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli._verbs import group
from streamer.cli.evaluate_lookalikes import lookalikes_command
from streamer.cli.evaluate_options import print_missing, writable, write_chart, write_json
from streamer.cli.evaluate_recognition import calibrate_command, recognition_command
from streamer.cli.evaluate_reid import reid_command
from streamer.cli.evaluate_reveal import reveal_command
from streamer.cli.terminal import Terminal
from streamer.config.endpoints import parse_input
from streamer.config.schema import Config, load, parse_overrides, spelled_out
from streamer.core.errors import StreamerError, UsageError
from streamer.core.options import Context
from streamer.evaluate import _chart
from streamer.evaluate import suite as media
from streamer.evaluate.cases import CASES, FPS, glimpse, judge
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference
from streamer.evaluate.sweep import Row, clips, measure, usual_settings
from streamer.pipeline.assembly import device_of

__all__ = ["app"]

app = group("How good the hiding is, in numbers.")


app.command("reid")(reid_command)
app.command("recognition")(recognition_command)
app.command("calibrate")(calibrate_command)
app.command("lookalikes")(lookalikes_command)
app.command("reveal")(reveal_command)


@app.callback()
def _group() -> None:
    """How good the hiding is, in numbers."""


@app.command()
def leak(
    original: Annotated[str, typer.Argument(metavar="ORIGINAL", help="the clip before anonymization")],
    anonymized: Annotated[
        Path | None,
        typer.Argument(metavar="ANONYMIZED", help="the same clip made with a solid effect; without it, it is run here"),
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
    writable(json_, montage)
    faces = load_reference(reference)
    meter = LeakMeter(faces, min_face_px=min_face_px)
    if anonymized is None:
        config, ctx = _prepared(config_file, set_, privacy, Terminal())
        judge_run(parse_input(original), config, meter, ctx)
    else:
        for pair in file_pairs(Path(original), anonymized, faces):
            meter.add(pair)
    result = meter.result()
    _print(result)
    write_json(json_, result)
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
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="leak rate against CPU time")] = None,
) -> None:
    """Leak rate, needless cover, cost and delay over cadence, lookahead, input size, detectors and presets.

    A setting that fails keeps none of the others from being measured; the exit code is then that of the first failure.
    """
    if reference is None:
        raise UsageError("name the folder with the boxes of the faces with --reference DIR")
    settings = list(usual_settings())
    if unknown := set(only or []) - {setting.group for setting in settings}:
        known = ", ".join(sorted({setting.group for setting in settings}))
        raise UsageError(f"--only {', '.join(sorted(unknown))}: there are {known}")
    writable(json_, plot)
    terminal = Terminal()
    base, ctx = _prepared(config_file, set_, None, terminal)
    todo = clips(files, reference)
    rows: list[Row] = []
    exit_code = 0
    for setting in settings:
        if only and setting.group not in only:
            continue
        try:
            rows.append(measure(todo, setting, base, ctx, min_face_px=min_face_px, say=terminal.say))
        except StreamerError as error:
            terminal.error(f"{setting.group}, {setting.name}: {error}")
            rows.append(Row(setting.group, setting.name, missing=str(error)))
            exit_code = exit_code or error.exit_code
        write_json(json_, [row.as_json() for row in rows])  # hours may still come, and be cut short
    measured = [row for row in rows if not row.missing]
    _print_rows(measured)
    print_missing([(f"{row.group}, {row.name}", None, row.missing) for row in rows if row.missing])
    if plot is not None:
        _plot_rows(plot, measured)
    if exit_code:
        raise typer.Exit(exit_code)


@app.command()
def suite(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="with reference/, video/, video_noface/ and so on")],
    min_face_px: Annotated[float, typer.Option(help="faces narrower than this are not judged")] = 20,
    only: Annotated[str | None, typer.Option(metavar="NAME", help="only files with this in their name")] = None,
    privacy: Annotated[str | None, typer.Option(metavar="PRESET", help="fast, balanced or strict")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="one setting; repeatable")
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="another program, hiding faces behind a flat colour: {input} {output}"),
    ] = None,
    peer_files: Annotated[
        Path, typer.Option(metavar="DIR", help="where the other program's files are kept; done once")
    ] = Path(".cache/peer-files"),
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")] = None,
    montage: Annotated[
        Path | None, typer.Option(metavar="DIR", help="pictures of the readable faces, one per clip")
    ] = None,
) -> None:
    """Judge a folder of test media: readable faces, needless cover, and what is hidden where no face is."""
    terminal = Terminal()
    writable(json_)
    config, ctx = _prepared(config_file, set_, privacy, terminal)
    if montage is not None:
        try:
            montage.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--montage {montage} cannot be made a folder: {error.strerror}") from None
    other = None if peer is None else media.Peer(peer, peer_files)
    found = media.find(folder, only)
    result = media.measure(found, config, ctx, min_face_px=min_face_px, peer=other, montages=montage, say=terminal.say)
    _print_suite(result)
    write_json(json_, result)


@app.command()
def cases(
    privacy: Annotated[str | None, typer.Option(metavar="PRESET", help="fast, balanced or strict")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="one setting; repeatable")
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")] = None,
) -> None:
    """Drawn scenes whose truth is known: ways in, crossing, occlusion, dash, zoom, cut, and the case left open."""
    writable(json_)
    config, ctx = _prepared(config_file, set_, privacy, Terminal())
    every = config.detect.every
    open_cases = [(f"there for {frames} frames between looks", frames) for frames in range(1, every)]
    scenes = {**CASES, **{name: glimpse(every + 1, frames) for name, frames in open_cases}}
    rows = {name: judge(scene, config, ctx) for name, scene in scenes.items()}
    once = config.updated({"detect.every": 1})
    for name, frames in open_cases:
        rows[f"{name}, every: 1"] = judge(glimpse(every + 1, frames), once, ctx)
    print("| case | face-frames | readable | ms | covered whole |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        ms = 1e3 * len(row.readable) / FPS
        print(f"| {name} | {row.faces} | {len(row.readable)} | {ms:.0f} | {len(row.covered)} |")
    write_json(json_, {name: asdict(row) for name, row in rows.items()})


def _prepared(
    config_file: Path | None, set_: list[str] | None, privacy: str | None, terminal: Terminal
) -> tuple[Config, Context]:
    config = load(config_file) if config_file is not None else Config()
    config = config.updated({**parse_overrides(set_ or []), **spelled_out({"privacy": privacy})})
    device_of(config)  # before anything is fetched or opened
    return config, terminal.store().context(config.run.device)


def _print_suite(result: dict[str, Any]) -> None:
    heads = ["clip", "readable", "%", "longest, frames", "needless cover, %", "passes, %"]
    if any("peer" in row for row in result["clips"].values()):
        heads += ["peer, %", "peer needless, %"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    totals = {f"total, {name}": row for name, row in result["totals"].items()}
    for name, row in {**result["clips"], **totals}.items():
        cells = [
            f"{row['leaked']} of {row['face_frames']}",
            f"{row['leak_percent']:.2f}",
            str(row["longest_exposure_frames"]),
            f"{row['needless_cover_percent']:.2f}",
            f"{row['passes_percent']:.0f}" if "passes_percent" in row else "",
        ]
        if "peer" in row:
            cells += [f"{row['peer']['leak_percent']:.2f}", f"{row['peer']['needless_cover_percent']:.2f}"]
        elif "peer_not_judged" in row:
            cells += ["not judged", ""]
        print(f"| {name} | {' | '.join(cells)} |")
    for name, row in result["without_faces"].items():
        print(
            f"without a face: {name}: {row['covered_percent']:.3f} % of the picture hidden on average, "
            f"something in {row['frames_with_cover_percent']:.2f} % of {row['frames']} frames"
        )
    for name, percent in result["images_without_faces"].items():
        print(f"without a face: {name}: {f'{percent:.2f} % hidden' if percent else 'nothing hidden'}")


def _print_rows(rows: list[Row]) -> None:
    heads = ["group", "setting", "readable", "%", "longest", "needless cover, %", "passes, %", "CPU ms", "frames/s"]
    print(f"| {' | '.join(heads)} | waits, frames |")
    print("|---" * (len(heads) + 1) + "|")
    for row in rows:
        waits = f"{row.waits_mean_frames:.1f}, at most {row.waits_most_frames}"
        print(
            f"| {row.group} | {row.name} | {row.leaked} of {row.face_frames} | {row.leak_percent:.2f} "
            f"| {row.longest_exposure_frames} | {row.needless_cover_percent:.2f} | {row.passes_percent:.0f} "
            f"| {row.cpu_ms_per_frame:.1f} | {row.fps:.0f} | {waits} |"
        )


def _plot_rows(path: Path, rows: list[Row]) -> None:
    lines: dict[str, list[_chart.Point]] = {}
    for row in rows:
        lines.setdefault(row.group, []).append(
            (row.cpu_ms_per_frame, row.leak_percent, row.name.removeprefix("every "))
        )
    names = {
        "title": "Readable faces against cost",
        "x_name": "CPU time per frame, ms, without encoding",
        "y_name": "readable face-frames, %",
    }
    write_chart(path, _chart.draw(lines, **names))


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
