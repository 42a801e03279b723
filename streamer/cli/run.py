"""`streamer run`: one or more inputs, one or more outputs, until the end or until somebody stops it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from streamer.cli._runs import Outcome, check_report, run_all, write_report
from streamer.cli.discover import first_camera, has_display
from streamer.cli.options.run import Run
from streamer.cli.terminal import Terminal
from streamer.config.batch import all_jobs
from streamer.config.endpoints import Endpoint, default_output, parse_input
from streamer.config.problems import parse_yaml
from streamer.config.schema import CHOICES, SHORT_NAMES, Config, load, parse_overrides, spelled_out
from streamer.core.errors import UsageError
from streamer.core.logs import FORMATS, LEVELS, StreamLog, configure
from streamer.inference.models.catalogue import CATALOGUE
from streamer.pipeline.assembly import device_of

__all__ = ["chosen_outputs", "demo_settings", "run"]

_DEMO_S = 10


def run(asked: Run) -> None:
    """Anonymize every input into every output."""
    short = {"threshold": asked.threshold, "every": asked.every, "effect": asked.effect, "privacy": asked.privacy}
    short |= {"duration": asked.duration, "target_fps": asked.target_fps, "device": asked.device, "who": asked.who}
    short |= {"realtime": asked.realtime or None, "labels": asked.labels or None}
    paths = {"gallery": asked.gallery, "attendance": asked.attendance, "audit": asked.audit}
    short |= {name: None if path is None else str(path) for name, path in paths.items()}
    config = load(asked.config_file) if asked.config_file is not None else Config()
    config = config.updated({**parse_overrides(asked.set_ or []), **spelled_out(short)})
    if asked.strength is not None:
        config = _with_strength(config, asked.strength)
    with _terminal(asked.log_format, asked.log_level, quiet=asked.quiet, verbose=asked.verbose) as terminal:
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


def _anonymize(asked: Run, config: Config, terminal: Terminal) -> None:
    """All runs of one command."""
    if asked.accept_licence:
        config = _accepted(config, terminal)
    obtained = device_of(config)  # before anything is fetched or opened
    if config.run.device == "auto":
        terminal.say(f"device: auto took {obtained}")
    sources = [parse_input(text) for text in asked.inputs or [first_camera()]]
    wanted = [chosen_outputs(source, asked.output or [], preview=asked.preview) for source in sources]
    if sources[0].kind == "demo":
        config = demo_settings(config, wanted[0], terminal)
    if asked.report is not None:
        check_report(asked.report, (config.identity.audit, config.identity.attendance, config.identity.gallery))
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
