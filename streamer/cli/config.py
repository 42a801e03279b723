"""`streamer config`: every setting in writing, or a check of a file."""

from __future__ import annotations

import json

from streamer.cli.options.machine import Settings
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


def config(asked: Settings) -> None:
    """Print every setting, or check a file."""
    if asked.check is not None:
        settings = load(asked.check)
        print(f"{asked.check}: good")
        for caution in cautions(settings.embedder.kind, settings.embedder.options, settings.identity.who):
            print(f"warning: {caution}")
        for visible in Scope.of(settings.zones, detector_options(settings)).notes():
            print(f"warning: {visible}")
        if weak := weakness(settings.effect.kind):
            print(f"note: {weak}")
    elif asked.report and asked.reference == asked.schema:
        raise UsageError("--report needs one of --reference and --schema")
    elif asked.schema:
        print(json.dumps(report_schema() if asked.report else config_schema(), indent=2))
    elif asked.reference:
        print(render_report_reference() if asked.report else render_reference(), end="")
    else:
        print(render_default_yaml(), end="")
