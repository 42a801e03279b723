"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli._verbs import IN_OUT, PEOPLE, SETTINGS, SPEED
from streamer.inference.devices import FORMS

__all__ = ["AcceptLicence", "ConfigFile", "Device", "Force", "Gallery", "Json", "KeyFile", "Set"]

Force = Annotated[bool, typer.Option("--force", help="replace files that exist", rich_help_panel=IN_OUT)]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="all of it as JSON")]
Gallery = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        metavar="FILE",
        help="where the people are kept; without it, the user's data folder",
        rich_help_panel=PEOPLE,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="key of an encrypted gallery; or the variable STREAMER_GALLERY_KEY",
        rich_help_panel=PEOPLE,
    ),
]
Device = Annotated[str | None, typer.Option(help=FORMS, rich_help_panel=SPEED)]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="settings; see `streamer config`", rich_help_panel=SETTINGS),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="one setting, for example detector.careful=true; repeatable",
        rich_help_panel=SETTINGS,
    ),
]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence",
        "--accept-license",
        help="the use is one that the model's licence allows; `run` and `models` keep that in mind",
        rich_help_panel=SETTINGS,
    ),
]
