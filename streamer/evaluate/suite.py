"""One folder of test media, one table: what can be read on clips with faces, and what is hidden where there are none.

    FOLDER/reference/NAME.csv     boxes of all faces of video/NAME.*: frame,id,x,y,w,h
    FOLDER/video/NAME.*           the clips; those without a reference are left out
    FOLDER/video_noface/*         clips without any face
    FOLDER/images_noface/*        pictures without any face

What is not there is left out. Every clip is run through the pipeline with a solid effect, and every emitted frame is
judged; another program can be judged beside it, on the files that it makes.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.config.endpoints import parse_input
from streamer.config.schema import Config
from streamer.core.errors import InputError, UsageError
from streamer.core.options import Context
from streamer.evaluate.leak import LeakMeter, file_pairs, judge_run, load_reference

__all__ = ["Peer", "Suite", "find", "measure"]


@dataclass(frozen=True, slots=True)
class Suite:
    """What a folder holds."""

    clips: list[tuple[Path, Path]]
    """Clip and its reference."""
    faceless: list[Path]
    images: Path | None
    """The folder of pictures without faces."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program that hides faces.

    command: with {input} and {output}; it is to hide faces behind a flat colour.
    files: the folder where its files are kept; those that are there are not made again.
    """

    command: str
    files: Path

    def made(self, clip: Path) -> Path:
        """The clip as this program makes it. Raises InputError when it fails, UsageError when it is no command."""
        output = self.files / f"{clip.stem}.mp4"
        if not output.exists():
            self.files.mkdir(parents=True, exist_ok=True)
            unfinished = self.files / f"{clip.stem}.unfinished.mp4"
            try:
                words = [word.format(input=clip, output=unfinished) for word in shlex.split(self.command)]
                done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            except (OSError, ValueError, LookupError) as error:
                raise UsageError(f"--peer {self.command!r} cannot be run: {error}") from None
            if done.returncode or not unfinished.exists():
                raise InputError(f"{words[0]} failed with exit code {done.returncode}: {done.stderr.decode()[-300:]}")
            unfinished.rename(output)
        return output


def find(folder: Path, only: str | None = None) -> Suite:
    """What the folder holds; with `only`, what has this in its name. Raises UsageError when that is nothing."""

    def wanted(path: Path) -> bool:
        return only is None or only in path.stem

    videos = {path.stem: path for path in _files(folder / "video")}
    references = [path for path in _files(folder / "reference") if path.suffix == ".csv" and wanted(path)]
    clips = [(videos[path.stem], path) for path in references if path.stem in videos]
    faceless = [path for path in _files(folder / "video_noface") if wanted(path)]
    images = folder / "images_noface"
    suite = Suite(clips, faceless, images if images.is_dir() and wanted(images) else None)
    if not (suite.clips or suite.faceless or suite.images):
        named = "" if only is None else f" with {only!r} in its name"
        raise UsageError(f"{folder} holds nothing to judge{named}; see docs/privacy.md for what belongs there")
    return suite


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


@dataclass(slots=True)
class _Total:
    clips: list[dict[str, Any]] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        faces, leaked, frames = (sum(clip[key] for clip in self.clips) for key in ("face_frames", "leaked", "frames"))
        needless = sum(clip["frames"] * clip["needless_cover_percent"] for clip in self.clips)
        return {
            "frames": frames,
            "face_frames": faces,
            "leaked": leaked,
            "leak_percent": round(100 * leaked / max(1, faces), 3),
            "longest_exposure_frames": max((clip["longest_exposure_frames"] for clip in self.clips), default=0),
            "longest_exposure_ms": max((clip["longest_exposure_ms"] for clip in self.clips), default=0.0),
            "needless_cover_percent": round(needless / max(1, frames), 2),
        }


def measure(
    suite: Suite,
    config: Config,
    ctx: Context,
    *,
    min_face_px: float = 20,
    peer: Peer | None = None,
    montages: Path | None = None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Judge everything; the numbers, ready for JSON. Raises what a run raises.

    montages: folder for pictures of what was readable.
    """
    clips: dict[str, dict[str, Any]] = {}
    for clip, reference in suite.clips:
        faces = load_reference(reference)
        say(clip.name)
        meter = LeakMeter(faces, min_face_px=min_face_px)
        report = judge_run(parse_input(str(clip)), config, meter, ctx)
        row = clips[clip.stem] = {"people": _people(faces, min_face_px), **meter.result()}
        row["passes_percent"] = round(100 * report.summary["detector_passes"] / max(1, row["frames"]), 1)
        if montages is not None and meter.leaks:
            meter.montage(montages / f"{clip.stem}.png")
        if peer is not None:
            say(f"{clip.name}, the peer")
            theirs = LeakMeter(faces, min_face_px=min_face_px)
            made = peer.made(clip)
            try:
                for pair in file_pairs(clip, made, faces):
                    theirs.add(pair)
                row["peer"] = theirs.result()
            except InputError as error:  # it may change the rate of frames: then nobody knows which is which
                row["peer_not_judged"] = str(error)
    return {
        "clips": clips,
        "totals": dict(_totals(clips)),
        "without_faces": {clip.stem: _hidden_for_nothing(clip, config, ctx, say) for clip in suite.faceless},
        "images_without_faces": {} if suite.images is None else _pictures(suite.images, config, ctx, say),
    }


def _people(faces: dict[int, list[Any]], min_face_px: float) -> str:
    most = max((sum(f.box[2] - f.box[0] >= min_face_px for f in here) for here in faces.values()), default=0)
    return "one person" if most <= 1 else "several people"


def _totals(clips: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for people in ("one person", "several people", "all"):
        rows = [row for row in clips.values() if people in ("all", row["people"])]
        if rows:
            total = _Total(rows).result()
            if beside := [row["peer"] for row in rows if "peer" in row]:
                total["peer"] = _Total(beside).result()
            yield people, total


def _hidden_for_nothing(clip: Path, config: Config, ctx: Context, say: Callable[[str], None]) -> dict[str, Any]:
    say(clip.name)
    meter = LeakMeter({}, keep=0)
    judge_run(parse_input(str(clip)), config, meter, ctx)
    return {
        "frames": meter.frames,
        "covered_percent": round(100 * sum(meter.needless.values()) / max(1, meter.frames), 3),
        "frames_with_cover_percent": round(100 * len(meter.needless) / max(1, meter.frames), 2),
    }


def _pictures(folder: Path, config: Config, ctx: Context, say: Callable[[str], None]) -> dict[str, float]:
    """Share of each picture that was hidden, in percent."""
    say(folder.name)
    meter = LeakMeter({}, keep=0)
    judge_run(parse_input(str(folder)), config, meter, ctx)
    return {
        name or str(number): round(100 * meter.needless.get(number, 0.0), 2) for number, name in meter.names.items()
    }
