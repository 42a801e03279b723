"""`streamer evaluate leak | sweep | suite | cases`: how good the hiding is, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from streamer.cli.evaluate_options import print_missing, settings, writable, write_chart, write_json
from streamer.cli.options.evaluate import Cases, Leak, Suite, Sweep
from streamer.cli.terminal import Terminal
from streamer.config.endpoints import parse_input
from streamer.core.errors import StreamerError, UsageError
from streamer.evaluate import _chart
from streamer.evaluate import suite as media
from streamer.evaluate.cases import CASES, FPS, glimpse, judge
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference
from streamer.evaluate.sweep import Row, clips, measure, usual_settings

__all__ = ["cases", "leak", "suite", "sweep"]


def leak(asked: Leak) -> None:
    """Count the faces that can still be read."""
    if asked.reference is None:
        raise UsageError("name the boxes of the faces with --reference FILE.csv")
    writable(asked.json_, asked.montage)
    faces = load_reference(asked.reference)
    meter = LeakMeter(faces, min_face_px=asked.min_face_px)
    if asked.anonymized is None:
        config, ctx = settings(asked.config_file, asked.set_, Terminal(), asked.privacy)
        judge_run(parse_input(asked.original), config, meter, ctx)
    else:
        for pair in file_pairs(Path(asked.original), asked.anonymized, faces):
            meter.add(pair)
    result = meter.result()
    _print(result)
    write_json(asked.json_, result)
    if asked.montage is not None:
        meter.montage(asked.montage)


def sweep(asked: Sweep) -> None:
    """Measure every setting of the usual ones."""
    if asked.reference is None:
        raise UsageError("name the folder with the boxes of the faces with --reference DIR")
    todo = list(usual_settings())
    if unknown := set(asked.only or []) - {setting.group for setting in todo}:
        known = ", ".join(sorted({setting.group for setting in todo}))
        raise UsageError(f"--only {', '.join(sorted(unknown))}: there are {known}")
    writable(asked.json_, asked.plot)
    terminal = Terminal()
    base, ctx = settings(asked.config_file, asked.set_, terminal)
    films = clips(asked.files, asked.reference)
    rows: list[Row] = []
    exit_code = 0
    for setting in todo:
        if asked.only and setting.group not in asked.only:
            continue
        try:
            rows.append(measure(films, setting, base, ctx, min_face_px=asked.min_face_px, say=terminal.say))
        except StreamerError as error:
            terminal.error(f"{setting.group}, {setting.name}: {error}")
            rows.append(Row(setting.group, setting.name, missing=str(error)))
            exit_code = exit_code or error.exit_code
        write_json(asked.json_, [row.as_json() for row in rows])  # hours may still come, and be cut short
    measured = [row for row in rows if not row.missing]
    _print_rows(measured)
    print_missing([(f"{row.group}, {row.name}", None, row.missing) for row in rows if row.missing])
    if asked.plot is not None:
        _plot_rows(asked.plot, measured)
    if exit_code:
        raise typer.Exit(exit_code)


def suite(asked: Suite) -> None:
    """Judge a folder of test media."""
    terminal = Terminal()
    writable(asked.json_)
    config, ctx = settings(asked.config_file, asked.set_, terminal, asked.privacy)
    if asked.montage is not None:
        try:
            asked.montage.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--montage {asked.montage} cannot be made a folder: {error.strerror}") from None
    other = None if asked.peer is None else media.Peer(asked.peer, asked.peer_files)
    found = media.find(asked.folder, asked.only)
    px, folder = asked.min_face_px, asked.montage
    result = media.measure(found, config, ctx, min_face_px=px, peer=other, montages=folder, say=terminal.say)
    _print_suite(result)
    write_json(asked.json_, result)


def cases(asked: Cases) -> None:
    """Judge drawn scenes whose truth is known."""
    writable(asked.json_)
    config, ctx = settings(asked.config_file, asked.set_, Terminal(), asked.privacy)
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
    write_json(asked.json_, {name: asdict(row) for name, row in rows.items()})


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
