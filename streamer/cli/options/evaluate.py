"""Options of `streamer evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from streamer.cli._verbs import group
from streamer.cli.options.common import ConfigFile, Json, Set

__all__ = ["Calibrate", "Cases", "Leak", "Lookalikes", "Recognition", "Reid", "Reveal", "Suite", "Sweep", "app"]

_PeopleFolder = Annotated[
    Path | None, typer.Option("--people", "--folder", metavar="DIR", help="one folder per person, with pictures")
]
_Embedders = Annotated[
    list[str] | None, typer.Option("--embedder", metavar="KIND", help="only this one; repeatable; default: all")
]
_Preset = Annotated[str | None, typer.Option(metavar="PRESET", help="fast, balanced or strict")]
_JudgedFrom = Annotated[float, typer.Option(help="faces narrower than this are not judged")]


@dataclass(frozen=True, kw_only=True)
class Reid:
    """Recognise people again behind every effect: as somebody who knows the method, the landmarks, and other people."""

    WORK: ClassVar = "streamer.cli.evaluate_reid:reid_command"

    people: _PeopleFolder = None
    effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:KEY=VALUE,...]", help="for example pixelate:strength=1; repeatable; default: all kinds"
        ),
    ] = None
    anonymized: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="the same pictures as another program anonymized them; repeatable"),
    ] = None
    attack: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="naive, parrot, reconstruct, reconstruct-parrot, temporal, gaussian, network, outline; repeatable; "
            "default: all",
        ),
    ] = None
    frames: Annotated[
        str, typer.Option(metavar="N,N,...", help="frames of each face that the attackers have who watch a film")
    ] = "1,20,60"
    embedder: _Embedders = None
    enrol: Annotated[
        int, typer.Option("--enrol", "--enroll", min=1, help="pictures of each person that the attacker has enrolled")
    ] = 3
    min_images: Annotated[int, typer.Option(min=2, help="who has fewer is only somebody to learn from")] = 6
    max_images: Annotated[int, typer.Option(min=2, help="no more are taken of one person under attack")] = 30
    weaker: Annotated[bool, typer.Option("--weaker", help="measure settings, too, that no configuration may have")] = (
        False
    )
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="re-identification against strength")] = None


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """Compare embedders: pairs of pictures, or everybody in a folder of people."""

    WORK: ClassVar = "streamer.cli.evaluate_recognition:recognition_command"

    folder: _PeopleFolder = None
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="pairs of pictures: same,file1,file2; same is 1 or 0")
    ] = None
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where the pairs' pictures are; default: beside the table")
    ] = None
    embedder: _Embedders = None
    detector: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="whose landmarks; repeatable; default: the configured one")
    ] = None
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="rates.png, roc.png and confusion.png, for --folder")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Calibrate:
    """Thresholds for a wanted false-accept rate, from everybody in a folder of people."""

    WORK: ClassVar = "streamer.cli.evaluate_recognition:calibrate_command"

    folder: _PeopleFolder = None
    far: Annotated[float, typer.Option(min=1e-7, max=0.5, help="wanted share of wrongly accepted pairs")] = 1e-4
    embedder: _Embedders = None
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None


@dataclass(frozen=True, kw_only=True)
class Lookalikes:
    """Strangers shown against own pictures accepted, for galleries of 1, 5, 20 and 100 people of a folder."""

    WORK: ClassVar = "streamer.cli.evaluate_lookalikes:lookalikes_command"

    folder: _PeopleFolder = None
    strangers: Annotated[float, typer.Option(min=1e-7, max=0.5, help="wanted share of strangers shown")] = 1e-4
    embedder: _Embedders = None
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None


@dataclass(frozen=True, kw_only=True)
class Reveal:
    """Count, frame by frame, who can be seen and should not, and who cannot and should: `who: unknown` unless set."""

    WORK: ClassVar = "streamer.cli.evaluate_reveal:reveal_command"

    clip: Annotated[str, typer.Argument(metavar="CLIP", help="a clip in which everybody keeps to a place of their own")]
    truth: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="whose place is where: person,x,y,w,h")] = None
    enrol_from: Annotated[
        Path | None,
        typer.Option(
            "--enrol",
            "--enroll",
            metavar="DIR",
            help="one folder of pictures per person: enrolled one after the other, alone, a run for each; default: one "
            "run with the configured gallery",
        ),
    ] = None
    person: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="with --enrol: only this one; repeatable")
    ] = None
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="boxes of the faces: frame,id,x,y,w,h, id being the person; default: found"
        ),
    ] = None
    min_face_px: _JudgedFrom = 20
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Count the faces that can still be read: on two files, or on a clip that is run here with a solid effect."""

    WORK: ClassVar = "streamer.cli.evaluate:leak"

    original: Annotated[str, typer.Argument(metavar="ORIGINAL", help="the clip before anonymization")]
    anonymized: Annotated[
        Path | None,
        typer.Argument(metavar="ANONYMIZED", help="the same clip made with a solid effect; without it, it is run here"),
    ] = None
    reference: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="boxes of all faces: frame,id,x,y,w,h")] = (
        None
    )
    min_face_px: _JudgedFrom = 20
    privacy: _Preset = None
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None
    montage: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="the readable faces, original beside emitted")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Leak rate, needless cover, cost and delay over cadence, lookahead, input size, detectors and presets.

    A setting that fails keeps none of the others from being measured; the exit code is then that of the first failure.
    """

    WORK: ClassVar = "streamer.cli.evaluate:sweep"

    files: Annotated[list[Path], typer.Argument(metavar="CLIPS...", help="clips whose faces are known")]
    reference: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder with NAME.csv for every clip: frame,id,x,y,w,h")
    ] = None
    min_face_px: _JudgedFrom = 20
    config_file: ConfigFile = None
    set_: Set = None
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="only this group, for example preset; repeatable")
    ] = None
    json_: Json = None
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="leak rate against CPU time")] = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Judge a folder of test media: readable faces, needless cover, and what is hidden where no face is."""

    WORK: ClassVar = "streamer.cli.evaluate:suite"

    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="with reference/, video/, video_noface/ and so on")]
    min_face_px: _JudgedFrom = 20
    only: Annotated[str | None, typer.Option(metavar="NAME", help="only files with this in their name")] = None
    privacy: _Preset = None
    config_file: ConfigFile = None
    set_: Set = None
    peer: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="another program, hiding faces behind a flat colour: {input} {output}"),
    ] = None
    peer_files: Annotated[
        Path, typer.Option(metavar="DIR", help="where the other program's files are kept; done once")
    ] = Path(".cache/peer-files")
    json_: Json = None
    montage: Annotated[
        Path | None, typer.Option(metavar="DIR", help="pictures of the readable faces, one per clip")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Drawn scenes whose truth is known: ways in, crossing, occlusion, dash, zoom, cut, and the case left open."""

    WORK: ClassVar = "streamer.cli.evaluate:cases"

    privacy: _Preset = None
    config_file: ConfigFile = None
    set_: Set = None
    json_: Json = None


app = group(
    "How good the hiding is, in numbers.",
    {
        "reid": Reid,
        "recognition": Recognition,
        "calibrate": Calibrate,
        "lookalikes": Lookalikes,
        "reveal": Reveal,
        "leak": Leak,
        "sweep": Sweep,
        "suite": Suite,
        "cases": Cases,
    },
)
