"""The runs of one command, one after the other; their report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.cli.signals import Signals
from streamer.cli.terminal import Notes, Terminal, View, expected_frames, summary_line
from streamer.config.endpoints import Job
from streamer.config.schema import Config
from streamer.core.errors import StreamerError, UsageError, redact
from streamer.core.files import PRIVATE, make_folder, write_whole
from streamer.core.options import Context
from streamer.core.report_schema import VERSION
from streamer.people.places import at_home
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline, Status

__all__ = ["Outcome", "check_report", "run_all", "write_report"]

_POLL_S = 0.1


@dataclass
class Outcome:
    """What the runs of one command came to."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int = 0


def run_all(todo: list[Job], config: Config, terminal: Terminal, outcome: Outcome) -> None:
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


def _run(job: Job, config: Config, context: Context, terminal: Terminal, signals: Signals, outcome: Outcome) -> None:
    """One run from start to summary. Raises the error that ended it, after its report was kept."""
    pipeline = Pipeline(config, Parts.of(config, job.source, job.sinks, context))
    for sink in job.sinks:
        if sink.path is not None and sink.folder is not None:
            make_folder(sink.path.parent, within=sink.folder)
    signals.disarm()
    try:
        pipeline.start()
    except StreamerError as error:
        failed = {"input": {"name": job.source.text}, "error": f"{type(error).__name__}: {error}"}
        outcome.runs.append({"schema": VERSION, **failed})
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


def check_report(path: Path, records: Iterable[Path | None] = ()) -> None:
    """Say before the run what would only fail after it. The ending keeps a slip from overwriting a video.

    records: other files of the run, whose place the report must not take.
    """
    if path.suffix.lower() != ".json":
        raise UsageError(f"report {path}: name a file ending in .json")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"report folder {folder} does not exist; create it with: mkdir -p '{folder}'")
    if any(one is not None and at_home(one).resolve() == path.resolve() for one in records):
        raise UsageError(f"report {path} is another record of this run, too; give each its own file")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise UsageError(f"report {path} is not an ordinary file; choose another path")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"report {path} cannot be written; choose another path")


def write_report(path: Path, runs: list[dict[str, Any]]) -> None:
    """One run: its summary; a folder of videos: a list of them under `runs`. Readable for the owner only."""
    data = runs[0] if len(runs) == 1 else {"schema": VERSION, "runs": runs}
    try:
        write_whole(path, (json.dumps(data, indent=2) + "\n").encode(), mode=PRIVATE)
    except OSError as error:
        raise StreamerError(f"report {path} could not be written: {error.strerror}") from error
