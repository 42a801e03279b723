"""What a person sees while a stream runs. All of it goes to stderr, so that stdout stays free for results."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from streamer.core.errors import printable
from streamer.core.logs import StreamLog
from streamer.core.reasons import Emission
from streamer.core.types import SourceInfo
from streamer.inference.models.store import Store
from streamer.pipeline.pipeline import Status

__all__ = ["Notes", "Terminal", "Transfer", "View", "expected_frames", "live_line", "summary_line"]


class _Console(Console):
    """A console that falls silent when nobody reads it any more: a recording does not end for that."""

    def on_broken_pipe(self) -> None:
        """Rich would end the program."""
        self.quiet = True

    @contextmanager
    def if_read(self) -> Iterator[None]:
        """Around everything that writes: a terminal that is gone, a log on a full disk."""
        try:
            yield
        except OSError:
            self.quiet = True


class Terminal:
    """Where messages go. quiet: only errors and warnings; verbose: more about what was found.

    log: gets them instead of the screen, which then shows no progress either.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, log: StreamLog | None = None) -> None:
        self.log = log
        self.quiet = quiet
        self.verbose = verbose
        self.console = _Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def shows_progress(self) -> bool:
        """Whether there is a screen for it."""
        return self.console.is_terminal and not self.quiet and self.log is None

    def say(self, text: str) -> None:
        """One line, unless quiet."""
        if self.quiet:
            return
        if self.log is not None:
            if text:
                self.log.say("cli", logging.INFO, "%s", text)
            return
        with self.console.if_read():
            self.console.print(Text(printable(text)))

    def detail(self, text: str) -> None:
        """One line, only when verbose."""
        if self.verbose:
            self.say(text)

    def store(self) -> Store:
        """The model store, which says here what it fetches."""
        return Store(on_fetch=self.say, on_progress=Transfer(self))

    def warning(self, text: str) -> None:
        """One line, also when quiet: it concerns privacy."""
        if self.log is not None:
            self.log.say("cli", logging.WARNING, "%s", text)
            return
        with self.console.if_read():
            self.console.print(Text(printable(f"streamer: warning: {text}")))

    def error(self, text: str) -> None:
        """One line per problem, always."""
        for line in text.splitlines() or [text]:
            if self.log is not None:
                self.log.say("cli", logging.ERROR, "%s", line)
                continue
            with suppress(OSError):
                print(f"streamer: error: {printable(line)}", file=sys.stderr, flush=True)


class Notes:
    """Tells a stream's notes, each once."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._told = 0

    def tell(self, status: Status) -> None:
        """Those that have come since the last time. The log has them from the stream itself."""
        if self._terminal.log is not None:
            return
        for note in status.notes[self._told :]:
            if note.warning:
                self._terminal.warning(note.text)
            else:
                self._terminal.say(f"note: {note.text}")
        self._told = len(status.notes)


class Transfer:
    """A bar for what is being fetched, on a terminal only."""

    def __init__(self, terminal: Terminal) -> None:
        self._console = terminal.console
        self._active = terminal.shows_progress
        self._shown: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, here: int, total: int | None) -> None:
        """So many bytes are here, of so many; None: not known. It is over when both are the same."""
        if not self._active:
            return
        with self._console.if_read():
            if here == total:
                if self._shown is not None:
                    self._shown.stop()
                self._shown = None
                return
            if self._shown is None:
                columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
                self._shown = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
                self._task = self._shown.add_task("", total=None)
                self._shown.start()
            assert self._task is not None
            self._shown.update(self._task, completed=here, total=total)
            self._shown.refresh()


class View:
    """Progress of one stream: a bar for what has an end, a status line for what is live, nothing off a terminal.

    Nothing here starts a thread: the picture is refreshed by `show`.
    """

    def __init__(self, terminal: Terminal, info: SourceInfo, frames: int | None) -> None:
        self._console = terminal.console
        self._info = info
        self._frames = frames
        self._shown: Progress | Live | None = None
        self._task: TaskID | None = None
        self._active = terminal.shows_progress

    def __enter__(self) -> Self:
        if not self._active:
            return self
        if self._info.live:
            self._shown = Live(console=self._console, auto_refresh=False, transient=True)
        else:
            self._shown = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[fps]:.1f} fps"),
                TimeRemainingColumn(),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._shown.add_task(self._info.name, total=self._frames, fps=0.0)
        with self._console.if_read():
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown is not None:
            with self._console.if_read():
                self._shown.stop()

    def show(self, status: Status) -> None:
        """Draw how it goes now."""
        with self._console.if_read():
            self._show(status)

    def _show(self, status: Status) -> None:
        if isinstance(self._shown, Progress) and self._task is not None:
            fps = status.sealed / status.elapsed_s if status.elapsed_s > 0 else 0.0
            self._shown.update(self._task, completed=status.sealed, fps=fps)
            self._shown.refresh()
        elif isinstance(self._shown, Live):
            self._shown.update(Text(live_line(status)), refresh=True)


def live_line(status: Status) -> str:
    """The status line of a live stream."""
    latency = "-" if status.latency_s is None else f"{1e3 * status.latency_s:.0f} ms"
    camera = "" if status.camera_s is None else f" (from the camera {1e3 * status.camera_s:.0f} ms)"
    return (
        f"{status.info.name}  {status.elapsed_s:.0f} s  {status.fps:.1f} fps  dropped {status.drops}  "
        f"latency {latency}{camera}  faces {status.faces}  covered {status.covered}"
    )


def expected_frames(info: SourceInfo, duration_s: float | None) -> int | None:
    """How many frames a run will have, as far as that is known."""
    limit = round(duration_s * info.fps) if duration_s is not None and info.fps else None
    known = [frames for frames in (info.frames, limit) if frames is not None]
    return min(known, default=None)


def summary_line(summary: dict[str, Any]) -> str:
    """What a stream did, in one line."""
    frames = summary["sealed"]
    outputs = ", ".join(summary["outputs"])
    return (
        f"{summary['input']['name']}: {frames} {'frame' if frames == 1 else 'frames'} in {summary['wall_s']:.1f} s "
        f"({summary['fps']:.1f} fps), faces hidden {summary['faces_hidden']}, "
        f"frames covered whole {summary['covered']['total']}, dropped {summary['dropped']['total']}"
        f"{_filled(summary)} -> {outputs}"
    )


def _filled(summary: dict[str, Any]) -> str:
    """What outputs got in place of frames, where they did: a picture again, a slate."""
    words = {Emission.REPEAT: "shown again", Emission.SLATE: "slates"}
    numbers = {kind: sum(taken.get(kind, 0) for taken in summary["emitted"].values()) for kind in words}
    return "".join(f", {words[kind]} {number}" for kind, number in numbers.items() if number)
