"""Options of `streamer run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from streamer.cli._verbs import IN_OUT, PEOPLE, PRIVACY, SAID, SPEED
from streamer.cli.options.common import AcceptLicence, ConfigFile, Device, Force, Gallery, Set

__all__ = ["Run"]

# -- input and output -----------------------------------------------------------------------------------------------

_Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        help="0 (a camera), /dev/video0, rtsp://..., a video, a picture, a folder of them, or demo; "
        "without it the first camera; several videos, pictures and folders are done one after the other",
        show_default=False,
    ),
]
_Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUTPUT",
        help="window, virtual, /dev/videoN, null, or a path: .mp4 .mkv .mov .avi .webm .jpg .png ..., a folder; "
        "may be given several times",
        show_default=False,
        rich_help_panel=IN_OUT,
    ),
]
_Preview = Annotated[bool, typer.Option("--preview", help="show a window as well", rich_help_panel=IN_OUT)]
_Duration = Annotated[
    float | None, typer.Option(metavar="S", help="stop after this many seconds", rich_help_panel=IN_OUT)
]
_Realtime = Annotated[bool, typer.Option("--realtime", help="play a video at its own speed", rich_help_panel=IN_OUT)]

# -- privacy --------------------------------------------------------------------------------------------------------

_Privacy = Annotated[
    str | None,
    typer.Option(
        metavar="PRESET",
        help="fast, balanced (the default) or strict: sets what is not set itself",
        rich_help_panel=PRIVACY,
    ),
]
_Effect = Annotated[
    str | None,
    typer.Option(
        help="how faces are hidden: frosted, solid, silhouette, replace, background; made of the face: mosaic_noise, "
        "blur, box, median, bilateral, pixelate",
        rich_help_panel=PRIVACY,
    ),
]
_Strength = Annotated[
    str | None,
    typer.Option(
        metavar="STRENGTH",
        help="how strongly the effect hides: low, medium (the default), high, or 1 to 10",
        rich_help_panel=PRIVACY,
    ),
]
_Threshold = Annotated[
    float | None,
    typer.Option("--threshold", "-t", help="score from which a detection is taken for a face", rich_help_panel=PRIVACY),
]

# -- people ---------------------------------------------------------------------------------------------------------

_Who = Annotated[
    str | None,
    typer.Option(
        metavar="WHO",
        help="who is hidden: all (the default), unknown (all but the enrolled), known",
        rich_help_panel=PEOPLE,
    ),
]
_Labels = Annotated[
    bool,
    typer.Option("--labels", help="draw names and states over the anonymized picture", rich_help_panel=PEOPLE),
]
_Attendance = Annotated[
    Path | None,
    typer.Option(metavar="FILE.csv", help="write who was seen, and for how long", rich_help_panel=PEOPLE),
]
_Audit = Annotated[
    Path | None, typer.Option(metavar="FILE", help="append every reveal to a chained log", rich_help_panel=PEOPLE)
]

# -- speed ----------------------------------------------------------------------------------------------------------

_Every = Annotated[
    int | None, typer.Option(metavar="N", help="let the detector examine every n-th frame", rich_help_panel=SPEED)
]
_TargetFps = Annotated[
    float | None, typer.Option(metavar="FPS", help="frame rate to hold, live inputs", rich_help_panel=SPEED)
]

# -- output of the program ------------------------------------------------------------------------------------------

_Report = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="write what happened as JSON", rich_help_panel=SAID)
]
_Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="say nothing but errors, and warnings about what stays visible", rich_help_panel=SAID
    ),
]
_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="say more; tracebacks of unexpected errors", rich_help_panel=SAID)
]
_LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help="write a log to stderr instead of messages: text or json", rich_help_panel=SAID
    ),
]
_LogLevel = Annotated[
    str | None,
    typer.Option(metavar="LEVEL", help="least level of that log: debug, info, warning or error", rich_help_panel=SAID),
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Anonymize every INPUT into every OUTPUT."""

    WORK: ClassVar = "streamer.cli.run:run"

    inputs: _Inputs = None
    output: _Outputs = None
    preview: _Preview = False
    force: Force = False
    duration: _Duration = None
    realtime: _Realtime = False
    privacy: _Privacy = None
    effect: _Effect = None
    strength: _Strength = None
    threshold: _Threshold = None
    who: _Who = None
    gallery: Gallery = None
    labels: _Labels = False
    attendance: _Attendance = None
    audit: _Audit = None
    every: _Every = None
    target_fps: _TargetFps = None
    device: Device = None
    report: _Report = None
    quiet: _Quiet = False
    verbose: _Verbose = False
    config_file: ConfigFile = None
    set_: Set = None
    accept_licence: AcceptLicence = False
    log_format: _LogFormat = None
    log_level: _LogLevel = None
