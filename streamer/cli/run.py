"""`streamer run`: one or more inputs, one or more outputs, until the end or until somebody stops it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli._verbs import IN_OUT, PEOPLE, PRIVACY, SAID, SETTINGS, SPEED
from streamer.cli.discover import first_camera, has_display
from streamer.cli.signals import Signals
from streamer.cli.terminal import Notes, Terminal, View, expected_frames, summary_line
from streamer.config.batch import all_jobs
from streamer.config.endpoints import Endpoint, Job, default_output, parse_input
from streamer.config.problems import parse_yaml
from streamer.config.schema import CHOICES, SHORT_NAMES, Config, load, parse_overrides, spelled_out
from streamer.core.errors import StreamerError, UsageError, redact
from streamer.core.files import write_whole
from streamer.core.options import Context
from streamer.inference.devices import FORMS
from streamer.inference.models.catalogue import CATALOGUE
from streamer.pipeline.assembly import Parts, device_of
from streamer.pipeline.pipeline import Pipeline, Status

__all__ = ["chosen_outputs", "demo_settings", "run"]

_EFFECTS = (
    "how faces are hidden: frosted, solid, silhouette, replace, background; made of the face: mosaic_noise, blur, box, "
    "median, bilateral, pixelate"
)
_POLL_S = 0.1
_DEMO_S = 10


@dataclass
class _Outcome:
    """What the runs of one command came to."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int = 0


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
) -> None:
    """Anonymize every INPUT into every OUTPUT."""
    terminal = Terminal(quiet=quiet, verbose=verbose)
    short = {"threshold": threshold, "every": every, "effect": effect, "target_fps": target_fps}
    short |= {"duration": duration, "device": device, "realtime": realtime or None, "privacy": privacy}
    paths = {"gallery": gallery, "attendance": attendance, "audit": audit}
    short |= {"who": who, "labels": labels or None}
    short |= {name: None if path is None else str(path) for name, path in paths.items()}
    config = load(config_file) if config_file is not None else Config()
    config = config.updated({**parse_overrides(set_ or []), **spelled_out(short)})
    if strength is not None:
        config = _with_strength(config, strength)
    if accept_licence:
        config = _accepted(config, terminal)
    obtained = device_of(config)  # before anything is fetched or opened
    if config.run.device == "auto":
        terminal.say(f"device: auto took {obtained}")
    sources = [parse_input(text) for text in inputs or [first_camera()]]
    wanted = [chosen_outputs(source, output or [], preview=preview) for source in sources]
    if sources[0].kind == "demo":
        config = demo_settings(config, wanted[0], terminal)
    if report is not None:
        _check_report(report)
    outcome, todo = _Outcome(), all_jobs(list(zip(sources, wanted, strict=True)), force=force)
    if len(todo) > 1 and config.identity.attendance is not None:
        raise UsageError(f"attendance lists who was on one video, and there are {len(todo)}: give one at a time")
    try:
        _run_all(todo, config, terminal, outcome)
    finally:
        if report is not None and outcome.runs:
            _write_report(report, outcome.runs)
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


def _run_all(todo: list[Job], config: Config, terminal: Terminal, outcome: _Outcome) -> None:
    """One run after the other. A video that fails does not keep the next one from being done."""
    context = terminal.store().context(config.run.device)
    with Signals() as signals:
        for job in todo:
            try:
                _run(job, config, context, terminal, signals, outcome)
            except UsageError:
                raise
            except StreamerError as error:
                if len(todo) == 1:
                    terminal.error(str(error))
                else:
                    terminal.error(f"{job.source.text}: {error}")
                outcome.exit_code = outcome.exit_code or error.exit_code
            if signals.count:
                break


def _run(job: Job, config: Config, context: Context, terminal: Terminal, signals: Signals, outcome: _Outcome) -> None:
    """One run from start to summary. Raises the error that ended it, after its report was kept."""
    pipeline = Pipeline(config, Parts.of(config, job.source, job.sinks, context))
    for sink in job.sinks:
        if sink.path is not None and sink.kind == "file":  # folders of a batch; others were checked to be there
            sink.path.parent.mkdir(parents=True, exist_ok=True)
    signals.disarm()
    try:
        pipeline.start()
    except StreamerError as error:
        outcome.runs.append({"input": {"name": job.source.text}, "error": f"{type(error).__name__}: {error}"})
        raise
    signals.arm()
    told = Notes(terminal)
    try:
        _watch(pipeline, config, terminal, signals, told)
        pipeline.join()
    except BaseException as error:
        pipeline.stop()  # whatever went wrong, also in showing how it goes: the outputs are finished
        with suppress(StreamerError):
            pipeline.join()
        outcome.runs.append({**pipeline.report().summary, "error": redact(f"{type(error).__name__}: {error}")})
        raise
    summary = pipeline.report().summary
    outcome.runs.append(summary)
    told.tell(status := pipeline.status())
    for text in summary["notes"][len(status.notes) :]:  # how many more there were
        terminal.say(f"note: {text}")
    terminal.say(summary_line(summary))
    if (missing := _left_out(status, summary)) > 0:
        raise StreamerError(f"{missing} of the pictures in {job.source.text} could not be read; the notes name them")


def _left_out(status: Status, summary: dict[str, Any]) -> int:
    """Pictures of a folder that were played to its end and not taken."""
    if not status.info.stills or summary["stopped"] or status.info.frames is None:
        return 0
    return status.info.frames - status.captured


def _watch(pipeline: Pipeline, config: Config, terminal: Terminal, signals: Signals, told: Notes) -> None:
    """Keep the windows alive and the progress fresh until the end; obey signals; tell the notes as they come."""
    status = pipeline.status()
    info, obeyed = status.info, 0
    terminal.say(f"input: {info.name} {info.width}x{info.height}{f' {info.fps:g} fps' if info.fps else ''}")
    terminal.detail(f"input is {info.detail}" if info.detail else "")
    told.tell(status)
    if info.has_sound:
        terminal.say("note: the input has sound; this version drops it")
    with View(terminal, info, expected_frames(info, config.run.duration_s)) as view:
        while status.running and obeyed < 2:
            status = pipeline.poll(_POLL_S)
            view.show(status)
            told.tell(status)
            if signals.count > obeyed:
                obeyed = min(2, signals.count)
                pipeline.stop(abort=obeyed == 2)
                terminal.say("stopping; once more to stop at once" if obeyed == 1 else "stopping at once")


def _check_report(path: Path) -> None:
    """Say before the run what would only fail after it. The ending keeps a slip from overwriting a video."""
    if path.suffix.lower() != ".json":
        raise UsageError(f"report {path}: name a file ending in .json")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"report folder {folder} does not exist; create it with: mkdir -p '{folder}'")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"report {path} cannot be written; choose another path")


def _write_report(path: Path, runs: list[dict[str, Any]]) -> None:
    """One run: its summary; a folder of videos: a list of them under `runs`."""
    data = runs[0] if len(runs) == 1 else {"runs": runs}
    try:
        write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
    except OSError as error:
        raise StreamerError(f"report {path} could not be written: {error.strerror}") from error
