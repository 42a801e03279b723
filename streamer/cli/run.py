"""`streamer run`: one or more inputs, one or more outputs, until the end or until somebody stops it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli._runs import Outcome, check_report, run_all, write_report
from streamer.cli._verbs import IN_OUT, PEOPLE, PRIVACY, SAID, SETTINGS, SPEED
from streamer.cli.discover import first_camera, has_display
from streamer.cli.terminal import Terminal
from streamer.config.batch import all_jobs
from streamer.config.endpoints import Endpoint, default_output, parse_input
from streamer.config.problems import parse_yaml
from streamer.config.schema import CHOICES, SHORT_NAMES, Config, load, parse_overrides, spelled_out
from streamer.core.errors import UsageError
from streamer.core.logs import FORMATS, LEVELS, StreamLog, configure
from streamer.inference.devices import FORMS
from streamer.inference.models.catalogue import CATALOGUE
from streamer.pipeline.assembly import device_of

__all__ = ["chosen_outputs", "demo_settings", "run"]

_EFFECTS = (
    "how faces are hidden: frosted, solid, silhouette, replace, background; made of the face: mosaic_noise, blur, box, "
    "median, bilateral, pixelate"
)
_DEMO_S = 10


@dataclass(frozen=True)
class _Asked:
    """What the command line says besides settings."""

    inputs: list[str]
    outputs: list[str]
    report: Path | None
    preview: bool
    accept_licence: bool
    force: bool


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="0 (a camera), /dev/video0, rtsp://..., a video, a picture, a folder of them, or demo; "
            "without it the first camera; several videos, pictures and folders are done one after the other",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
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
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="show a window as well", rich_help_panel=IN_OUT)] = False,
    force: Annotated[bool, typer.Option("--force", help="replace existing outputs", rich_help_panel=IN_OUT)] = False,
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="stop after this many seconds", rich_help_panel=IN_OUT)
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="play a video at its own speed", rich_help_panel=IN_OUT)
    ] = False,
    privacy: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET",
            help="fast, balanced (the default) or strict: sets what is not set itself",
            rich_help_panel=PRIVACY,
        ),
    ] = None,
    effect: Annotated[str | None, typer.Option(help=_EFFECTS, rich_help_panel=PRIVACY)] = None,
    strength: Annotated[
        str | None,
        typer.Option(
            metavar="STRENGTH",
            help="how strongly the effect hides: low, medium (the default), high, or 1 to 10",
            rich_help_panel=PRIVACY,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", "-t", help="score from which a detection is taken for a face", rich_help_panel=PRIVACY
        ),
    ] = None,
    who: Annotated[
        str | None,
        typer.Option(
            metavar="WHO",
            help="who is hidden: all (the default), unknown (all but the enrolled), known",
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="the enrolled people; see `streamer people`", rich_help_panel=PEOPLE),
    ] = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="draw names and states over the anonymized picture", rich_help_panel=PEOPLE),
    ] = False,
    attendance: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="write who was seen, and for how long", rich_help_panel=PEOPLE),
    ] = None,
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="append every reveal to a chained log", rich_help_panel=PEOPLE)
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(metavar="N", help="let the detector look at every n-th frame", rich_help_panel=SPEED),
    ] = None,
    target_fps: Annotated[
        float | None, typer.Option(metavar="FPS", help="frame rate to hold, live inputs", rich_help_panel=SPEED)
    ] = None,
    device: Annotated[str | None, typer.Option(help=FORMS, rich_help_panel=SPEED)] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="write what happened as JSON", rich_help_panel=SAID)
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="say nothing but errors, and warnings about what stays visible", rich_help_panel=SAID
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="say more; tracebacks of unexpected errors", rich_help_panel=SAID),
    ] = False,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="settings; see `streamer config`", rich_help_panel=SETTINGS
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="one setting, for example detect.every=2; repeatable",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    accept_licence: Annotated[
        bool,
        typer.Option(
            "--accept-licence",
            "--accept-license",
            help="the use is one that the model's licence allows; kept in mind",
            rich_help_panel=SETTINGS,
        ),
    ] = False,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT", help="write a log to stderr instead of messages: text or json", rich_help_panel=SAID
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help="least level of that log: debug, info, warning or error", rich_help_panel=SAID
        ),
    ] = None,
) -> None:
    """Anonymize every INPUT into every OUTPUT."""
    short = {"threshold": threshold, "every": every, "effect": effect, "target_fps": target_fps}
    short |= {"duration": duration, "device": device, "realtime": realtime or None, "privacy": privacy}
    paths = {"gallery": gallery, "attendance": attendance, "audit": audit}
    short |= {"who": who, "labels": labels or None}
    short |= {name: None if path is None else str(path) for name, path in paths.items()}
    config = load(config_file) if config_file is not None else Config()
    config = config.updated({**parse_overrides(set_ or []), **spelled_out(short)})
    if strength is not None:
        config = _with_strength(config, strength)
    asked = _Asked(inputs or [], output or [], report, preview, accept_licence, force)
    with _terminal(log_format, log_level, quiet=quiet, verbose=verbose) as terminal:
        _anonymize(asked, config, terminal)


@contextmanager
def _terminal(log_format: str | None, log_level: str | None, *, quiet: bool, verbose: bool) -> Iterator[Terminal]:
    """Where messages go: to the screen, or to the log where one is asked for."""
    if log_format is None and log_level is None:
        yield Terminal(quiet=quiet, verbose=verbose)
        return
    chosen, level = log_format or "text", log_level or "info"
    for option, given, known in (("--log-format", chosen, FORMATS), ("--log-level", level, LEVELS)):
        if given not in known:
            raise UsageError(f"{option} is one of {', '.join(known)}, not {given!r}")
    handler = configure(sys.stderr, format="json" if chosen == "json" else "text", level=level)
    try:
        yield Terminal(quiet=quiet, verbose=verbose, log=StreamLog())
    finally:
        logging.getLogger("streamer").removeHandler(handler)


def _anonymize(asked: _Asked, config: Config, terminal: Terminal) -> None:
    """All runs of one command."""
    if asked.accept_licence:
        config = _accepted(config, terminal)
    obtained = device_of(config)  # before anything is fetched or opened
    if config.run.device == "auto":
        terminal.say(f"device: auto took {obtained}")
    sources = [parse_input(text) for text in asked.inputs or [first_camera()]]
    wanted = [chosen_outputs(source, asked.outputs, preview=asked.preview) for source in sources]
    if sources[0].kind == "demo":
        config = demo_settings(config, wanted[0], terminal)
    if asked.report is not None:
        check_report(asked.report)
    outcome, todo = Outcome(), all_jobs(list(zip(sources, wanted, strict=True)), force=asked.force)
    if len(todo) > 1 and config.identity.attendance is not None:
        raise UsageError(f"attendance lists who was on one video, and there are {len(todo)}: give one at a time")
    try:
        run_all(todo, config, terminal, outcome)
    finally:
        if asked.report is not None and outcome.runs:
            write_report(asked.report, outcome.runs)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def _with_strength(config: Config, text: str) -> Config:
    """Another strength of the effect that was chosen. Raises UsageError when it has none, or ConfigError."""
    if "strength" not in type(config.effect.options).model_fields:
        raise UsageError(f"--strength: effect {config.effect.kind!r} has none: it hides all of a face as it is")
    return config.updated({path: parse_yaml(text) for path in SHORT_NAMES["strength"]})


def _accepted(config: Config, terminal: Terminal) -> Config:
    """The configuration with the licences of its models accepted, and that kept in mind for the next time."""
    chosen = {f"{name}.accept_licence": getattr(config, name).options for name in CHOICES}
    asking = {key: options for key, options in chosen.items() if hasattr(options, "accept_licence")}
    for options in asking.values():
        if getattr(options, "model", None) in CATALOGUE:
            terminal.store().accept(options.model)
    return config.updated(dict.fromkeys(asking, True))


def chosen_outputs(source: Endpoint, outputs: list[str], *, preview: bool) -> list[str]:
    """The outputs asked for, or the default: a window where there is a display, else a file."""
    pictures = source.stills or source.kind == "folder"
    if preview and "window" not in outputs:
        return [*(outputs or ([default_output(source)] if pictures else [])), "window"]
    if outputs:
        return outputs
    # Pictures in a window would be gone before anybody saw them.
    return ["window"] if has_display() and not pictures else [default_output(source)]


def demo_settings(config: Config, outputs: list[str], terminal: Terminal) -> Config:
    """The drawn scene has no end and no speed of its own: shown, it plays like a camera; written, it ends."""
    if any(output in ("window", "virtual") or output.startswith("/dev/") for output in outputs):
        return config.updated({"source.demo.realtime": True})
    if config.run.duration_s is None and "duration_s" not in config.source.get("demo", {}):
        terminal.say(f"the drawn scene has no end; --duration says when to stop, otherwise after {_DEMO_S} s")
        return config.updated({"run.duration_s": _DEMO_S})
    return config
