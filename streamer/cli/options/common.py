"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli._verbs import PEOPLE, SETTINGS, SPEED
from streamer.inference.devices import FORMS

__all__ = ["ConfigFile", "Device", "Gallery", "Json", "KeyFile", "OneSetting", "PlainConfigFile", "Set"]

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
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="settings", rich_help_panel=SETTINGS)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="one setting, for example embedder.kind=arcface; repeatable",
        rich_help_panel=SETTINGS,
    ),
]
Device = Annotated[str | None, typer.Option(help=FORMS, rich_help_panel=SPEED)]

PlainConfigFile = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE")]
OneSetting = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="one setting; repeatable")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="the numbers")]
