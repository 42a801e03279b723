"""`streamer config`: every setting in writing, or a check of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.config.reference import render_default_yaml, render_reference
from streamer.config.schema import load
from streamer.effects._measured import weakness

__all__ = ["config"]


def config(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="check this file instead", show_default=False)
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="as Markdown tables, with the parts that are not the default")
    ] = False,
) -> None:
    """Print every setting at its default, as a configuration file to start from."""
    if check is not None:
        settings = load(check)
        print(f"{check}: good")
        if weak := weakness(settings.effect.kind):
            print(f"note: {weak}")
        return
    print(render_reference() if reference else render_default_yaml(), end="")
