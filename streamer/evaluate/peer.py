"""Whole-process time, file size, picture quality and leaks beside another program, on the same clip.

    python -m streamer.evaluate.peer CLIP --peer 'deface {input} -o {output}' [--peer-solid COMMAND] [--reference CSV]
                                     [--seconds 60] [--rounds 3] [--json FILE]

All programs run as a user runs them, from start to finished file, alternately and in another order every round. Times
on shared machines drift, so only the ratio of neighbouring runs means something. A short clip is repeated, so that
starting up does not decide. What is quality, cost and a leak: `_quality.py`, `_cost.py`, `leak.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.errors import StreamerError
from streamer.core.files import write_whole
from streamer.evaluate._cost import detector_cost
from streamer.evaluate._loop import looped
from streamer.evaluate._quality import psnr_of_both
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference
from streamer.inference.models.store import Store

__all__ = ["main", "print_table"]

PRESETS = ("balanced", "fast")
_PEER = "peer"


@dataclass(slots=True)
class _Program:
    """One program's runs."""

    command: list[str]
    output: Path
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Once, from start to finished file. Ends the program when the command fails."""
        start = perf_counter()
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_s = perf_counter() - start
            if process.returncode:
                words.seek(0)
                said = words.read().decode(errors="replace")[-400:]
                raise SystemExit(f"{self.command[0]} failed with exit code {process.returncode}: {said}")
        self.wall_s.append(wall_s)
        self.cpu_s.append(used.ru_utime + used.ru_stime)


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--peer", required=True, help="the other program's command, with {input} and {output}")
    parser.add_argument("--peer-solid", help="the same with a flat colour over every face: for its leak rate")
    parser.add_argument("--reference", type=Path, help="boxes of the faces; ../reference/NAME.csv if it is there")
    parser.add_argument("--seconds", type=float, default=60, help="the clip is repeated to at least this length")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    reference = options.reference or options.clip.parent.parent / "reference" / f"{options.clip.stem}.csv"
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = _measured(options, reference if reference.exists() else None, Path(folder))
    except StreamerError as error:
        raise SystemExit(str(error)) from None
    print_table(result)
    if options.json:
        write_whole(options.json, (json.dumps(result, indent=2) + "\n").encode())


def _measured(options: argparse.Namespace, reference: Path | None, folder: Path) -> dict[str, Any]:
    clip, frames = looped(options.clip, folder / f"looped{options.clip.suffix}", options.seconds)
    programs = {_PEER: _Program(_words(options.peer, clip, folder / "peer.mp4"), folder / "peer.mp4")}
    for preset in PRESETS:
        output = folder / f"{preset}.mp4"
        ours = [sys.executable, "-m", "streamer", "run", str(clip), "-o", str(output), "--force", "--quiet"]
        command = [*ours, "--privacy", preset, "--report", str(folder / f"{preset}.json")]
        programs[preset] = _Program(command, output)
    for number in range(options.rounds):
        names = list(programs)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            programs[name].run()
    passes = {name: json.loads((folder / f"{name}.json").read_text())["detector_passes"] for name in PRESETS}
    theirs = programs[_PEER].output
    quality = {preset: psnr_of_both(clip, programs[preset].output, theirs, preset) for preset in PRESETS}
    return {
        "clip": options.clip.name,
        "frames": frames,
        "rounds": options.rounds,
        "programs": {name: _row(program, frames) for name, program in programs.items()},
        "beside_the_peer": {preset: _ratios(programs[preset], programs[_PEER]) for preset in PRESETS},
        "psnr_untouched_db": {preset: {"ours": ours, "peer": theirs} for preset, (ours, theirs) in quality.items()},
        "passes_percent": {preset: round(100 * passes[preset] / frames, 1) for preset in PRESETS},
        "detector_cost_percent": {preset: detector_cost(options.clip, preset) for preset in PRESETS},
        "leaks": {} if reference is None else _leaks(options.clip, reference, options.peer_solid, folder),
    }


def _words(command: str, clip: Path, output: Path) -> list[str]:
    return [word.format(input=clip, output=output) for word in shlex.split(command)]


def _row(program: _Program, frames: int) -> dict[str, Any]:
    return {
        "wall_s": [round(seconds, 2) for seconds in program.wall_s],
        "cpu_ms_per_frame": round(1e3 * statistics.median(program.cpu_s) / frames, 2),
        "fps": round(frames / statistics.median(program.wall_s), 1),
        "bytes": program.output.stat().st_size,
    }


def _ratios(ours: _Program, peer: _Program) -> dict[str, Any]:
    ratios = [theirs / mine for mine, theirs in zip(ours.wall_s, peer.wall_s, strict=True)]
    return {
        "peer_time_over_ours": {
            "min": round(min(ratios), 2),
            "median": round(statistics.median(ratios), 2),
            "max": round(max(ratios), 2),
        },
        "peer_cpu_over_ours": round(statistics.median(peer.cpu_s) / statistics.median(ours.cpu_s), 2),
        "our_bytes_over_peer": round(ours.output.stat().st_size / peer.output.stat().st_size, 2),
    }


def _leaks(clip: Path, reference: Path, peer_solid: str | None, folder: Path) -> dict[str, dict[str, Any]]:
    faces = load_reference(reference)
    meters = {preset: LeakMeter(faces, keep=0) for preset in PRESETS}
    for preset, meter in meters.items():
        config = Config().updated({"privacy": preset})
        judge_run(Endpoint("file", {"path": str(clip)}), config, meter, Store().context(config.run.device))
    if peer_solid is not None:
        program = _Program(_words(peer_solid, clip, folder / "solid.mp4"), folder / "solid.mp4")
        program.run()
        meters[_PEER] = LeakMeter(faces, keep=0)
        for pair in file_pairs(clip, program.output, faces):
            meters[_PEER].add(pair)
    keys = ("face_frames", "leaked", "leak_percent", "longest_exposure_frames", "needless_cover_percent")
    return {name: {key: meter.result()[key] for key in keys} for name, meter in meters.items()}


def print_table(result: Mapping[str, Any]) -> None:
    """For people."""
    sys.stdout.write("\n".join(_lines(result)) + "\n")


def _lines(result: Mapping[str, Any]) -> Sequence[str]:
    lines = [f"{result['clip']}: {result['frames']} frames, {result['rounds']} rounds, run alternately"]
    for name, row in result["programs"].items():
        leaks = result["leaks"].get(name)
        readable = "" if leaks is None else f"  readable {leaks['leaked']} of {leaks['face_frames']}"
        lines.append(
            f"  {name:9} {statistics.median(row['wall_s']):7.2f} s  {row['fps']:6.1f} frames/s  "
            f"{row['cpu_ms_per_frame']:6.1f} ms CPU per frame  {row['bytes'] / 1e6:6.2f} MB{readable}"
        )
    for preset, row in result["beside_the_peer"].items():
        ratio, quality = row["peer_time_over_ours"], result["psnr_untouched_db"][preset]
        lines.append(
            f"  {preset}: the peer takes {ratio['median']} times as long (min {ratio['min']}, max {ratio['max']}), "
            f"{row['peer_cpu_over_ours']} times the CPU"
        )
        lines.append(
            f"    file {row['our_bytes_over_peer']} times as large; untouched area {quality['ours']:.2f} dB, "
            f"the peer's {quality['peer']:.2f} dB"
        )
        lines.append(
            f"    looks at {result['passes_percent'][preset]} % of the frames; all detector work costs "
            f"{result['detector_cost_percent'][preset]} % of a look at 1280 px in every frame"
        )
    return lines


if __name__ == "__main__":
    main()
