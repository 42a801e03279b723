"""Several inputs in one run: which goes where, without one result replacing another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamer.config.endpoints import (
    Endpoint,
    Job,
    default_output,
    files_in,
    jobs,
    names_path,
)
from streamer.core.addresses import VIDEOS
from streamer.core.errors import UsageError
from streamer.core.files import PICTURES

__all__ = ["all_jobs"]


def all_jobs(wanted: Sequence[tuple[Endpoint, Sequence[str]]], *, force: bool = False) -> list[Job]:
    """The runs that several inputs, each with its outputs, come to, one after the other.

    Raises UsageError for what `jobs()` refuses, for inputs after which nothing would come, and for files that would be
    written twice or read after they were written.
    """
    if len(wanted) == 1:
        ((source, outputs),) = wanted
        return jobs(source, outputs, force=force)
    made: list[Job] = []
    for source, outputs in wanted:
        if source.path is None:
            raise UsageError(f"{source.text} is not a file or folder: several inputs have to be; give it alone")
        made += jobs(source, [_as_folder(text, source) for text in outputs], force=force, batch=True)
    _refuse_collisions(made, [source.path for source, _ in wanted if source.path is not None])
    return made


def _as_folder(text: str, source: Endpoint) -> str:
    """An output of several inputs: a folder for all of them, or what is no path."""
    if not names_path(text) or text == default_output(source):
        return text
    if Path(text).suffix.lower() in VIDEOS + PICTURES and not Path(text).expanduser().is_dir():
        raise UsageError(f"output {text} is one file, and there are several inputs; name a folder")
    return text if text.endswith(os.sep) else f"{text}{os.sep}"


def _refuse_collisions(todo: Sequence[Job], inputs: Sequence[Path]) -> None:
    """No result replaces another one, or what is yet to be read."""
    by: dict[Path, str] = {}
    read = [path.resolve() for path in inputs]
    for job in todo:
        for target in (path for sink in job.sinks for path in _targets(job.source, sink)):
            if target in by:
                raise UsageError(
                    f"{by[target]} and {job.source.text} would both be written to {target}; run them one at a time"
                )
            if any(target == path or (path.is_dir() and target.is_relative_to(path)) for path in read):
                raise UsageError(f"{job.source.text} would be written to {target}, which is an input; name a folder")
            by[target] = job.source.text


def _targets(source: Endpoint, sink: Endpoint) -> Iterator[Path]:
    """The files that a run writes."""
    if sink.path is None:
        return
    path, origin = sink.path.expanduser().resolve(), source.path
    if sink.kind != "images" or origin is None or (path.suffix.lower() in PICTURES and not path.is_dir()):
        yield path
    elif origin.is_dir():
        yield from (path / one.relative_to(origin) for one in files_in(origin, PICTURES))
    else:
        yield path / origin.name
