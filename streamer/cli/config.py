"""`streamer config`: every setting in writing, or a check of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streamer.config.cautions import cautions
from streamer.config.json_schema import config_schema
from streamer.config.reference import render_default_yaml, render_reference
from streamer.config.schema import load
from streamer.core.errors import UsageError
from streamer.core.report_schema import render_report_reference, report_schema
from streamer.effects._measured import weakness
from streamer.pipeline.assembly import detector_options
from streamer.stages.detect import Scope

__all__ = ["config"]


def config(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="check this file instead", show_default=False)
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="as Markdown tables, with the parts that are not the default")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="as a JSON Schema, for editors")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="with --reference or --schema: of what `run --report` writes")
    ] = False,
) -> None:
    """Print every setting at its default, as a configuration file to start from."""
    if check is not None:
        settings = load(check)
        print(f"{check}: good")
        for caution in cautions(settings.embedder.kind, settings.embedder.options, settings.identity.who):
            print(f"warning: {caution}")
        for visible in Scope.of(settings.zones, detector_options(settings)).notes():
            print(f"warning: {visible}")
        if weak := weakness(settings.effect.kind):
            print(f"note: {weak}")
    elif report and reference == schema:
        raise UsageError("--report needs one of --reference and --schema")
    elif schema:
        print(json.dumps(report_schema() if report else config_schema(), indent=2))
    elif reference:
        print(render_report_reference() if report else render_reference(), end="")
    else:
        print(render_default_yaml(), end="")
