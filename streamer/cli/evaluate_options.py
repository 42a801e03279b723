"""What the evaluations share: configuration, detectors, files, messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.config.schema import Config, load, parse_overrides, spelled_out
from streamer.core.errors import StreamerError, UsageError
from streamer.core.files import write_whole
from streamer.core.options import Context
from streamer.evaluate import _chart
from streamer.evaluate.faces import Finder
from streamer.pipeline.assembly import device_of


def needed(folder: Path | None) -> Path:
    """The folder of people."""
    if folder is None:
        raise UsageError("name the folder of people with --people DIR")
    return folder


def writable(*paths: Path | None) -> None:
    """Long measurements do not end with a folder that is not there."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path.parent} is no folder")
        if path is not None and path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it")


def settings(
    config_file: Path | None, set_: list[str] | None, terminal: Terminal, privacy: str | None = None
) -> tuple[Config, Context]:
    """The configuration and where its models come from."""
    config = load(config_file) if config_file is not None else Config()
    config = config.updated({**parse_overrides(set_ or []), **spelled_out({"privacy": privacy})})
    device_of(config)  # before anything is fetched or opened
    return config, terminal.store().context(config.run.device)


def finder_of(config: Config, ctx: Context, kind: str | None = None) -> Finder:
    """The configured detector, or another kind at its defaults."""
    if kind is None or kind == config.detector.kind:
        kind, options = config.detector.kind, config.detector.options
    else:
        try:
            options = parts.options_type("detectors", kind)()
        except ValidationError as error:
            raise UsageError(f"detector {kind}: {error.errors()[0]['msg']}") from None
    return Finder(parts.build("detectors", kind, options, ctx), options.model_dump()["threshold"])


def print_missing(found: Sequence[tuple[str, object, str]]) -> None:
    """What could not be measured, and why."""
    for kind, one, why in found:
        if one is None:
            print(f"\n{kind}: not measured: {why}")


def write_json(path: Path | None, numbers: Any) -> None:
    """Where it was asked for, whole or not at all. Raises StreamerError."""
    if path is None:
        return
    try:
        data = (json.dumps(numbers, indent=2) + "\n").encode()
        if path.exists() and not path.is_file():  # a pipe, /dev/stdout
            path.write_bytes(data)
        else:
            write_whole(path, data)
    except OSError as error:
        raise StreamerError(f"{path} cannot be written: {error.strerror}") from None


def write_chart(path: Path, chart: NDArray[np.uint8]) -> None:
    """Raises StreamerError when it cannot be written."""
    if not _chart.write(path, chart):
        raise StreamerError(f"{path} could not be written")
