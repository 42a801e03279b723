"""Attendance list as a CSV file: first and last time, duration. Strangers are counted; nothing of them is kept."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streamer.core.errors import StreamerError, UsageError
from streamer.core.files import PRIVATE, write_whole
from streamer.core.types import Reveal
from streamer.people.places import at_home

__all__ = ["Attendance"]

_LONGEST_FRAME_S = 0.5
"""Seconds. A longer gap between two frames is an interruption and adds no time."""
_LEAST_FRAMES = 5
_OVER_S = 60.0
"""Seconds after which an unseen track is forgotten, because streams run for months."""

Key = tuple[int, int]
"""Epoch and number of a track."""


@dataclass(slots=True)
class _Row:
    first_t: float
    last_t: float
    visible_s: float = 0.0
    best_score: float = 0.0


@dataclass(slots=True)
class _Track:
    frames: int = 0
    last_t: float = 0.0
    known: bool = False
    """An enrolled person was seen on it."""


class Attendance:
    """The list of one stream; every write replaces the file. Times are seconds since the stream's first frame.

    One thread calls `on_frame()`, any thread `write()`. `on_frame()` never waits for the disk.
    least_frames: a stranger's track with fewer frames is not counted. Take 1 for stills, where each stands alone.
    Raises UsageError when the file exists or cannot be made.
    """

    def __init__(self, path: Path, *, least_frames: int = _LEAST_FRAMES) -> None:
        self._least_frames = least_frames
        self._path = at_home(path).absolute()
        if os.path.lexists(self._path):
            raise UsageError(f"attendance {path} exists; choose another path")
        if not self._path.parent.is_dir() or not os.access(self._path.parent, os.W_OK):
            raise UsageError(f"attendance {path} cannot be written: {self._path.parent} is no folder to write to")
        self._ours = False
        """The file there is one that this list wrote."""
        self._rows: dict[str, _Row] = {}
        self._tracks: dict[Key, _Track] = {}
        self._tidied_t = 0.0
        self._strangers = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._began_t: float | None = None
        self._last_t: float | None = None

    def on_frame(self, t: float, shown: Mapping[Key, Reveal], tracks: Iterable[Key]) -> None:
        """Record a frame that was emitted. t: its capture time in seconds. shown: the visible faces; tracks: all."""
        with self._lock:
            self._take_in(t, shown, tracks)

    def _take_in(self, t: float, shown: Mapping[Key, Reveal], tracks: Iterable[Key]) -> None:
        self._began_t = t if self._began_t is None else self._began_t
        step_s = 0.0 if self._last_t is None else t - self._last_t
        self._last_t = t
        for key in tracks:
            self._count(key, t)
        if t > self._tidied_t + _OVER_S:
            self._tidied_t = t
            self._tracks = {key: track for key, track in self._tracks.items() if t - track.last_t <= _OVER_S}
        for key, reveal in shown.items():
            if reveal.name:
                self._know(key, t)
                self._list(reveal, t, step_s)

    def _count(self, key: Key, t: float) -> None:
        """Count a track as a stranger's after some frames, unless it is known."""
        track = self._tracks.setdefault(key, _Track())
        track.frames, track.last_t = track.frames + 1, t
        self._strangers += track.frames == self._least_frames and not track.known

    def _know(self, key: Key, t: float) -> None:
        """Take the track out of the strangers."""
        track = self._tracks.setdefault(key, _Track(last_t=t))
        if not track.known:
            track.known = True
            self._strangers -= track.frames >= self._least_frames

    def _list(self, reveal: Reveal, t: float, step_s: float) -> None:
        """Add step_s (since the frame before) to an enrolled person's time; once per frame, however many tracks."""
        row = self._rows.setdefault(reveal.name, _Row(t, t))
        if row.last_t < t and step_s <= _LONGEST_FRAME_S:
            row.visible_s += step_s
        row.last_t = t
        row.best_score = max(row.best_score, reveal.score)

    def write(self) -> None:
        """Replace the file by the list as it is now, readable by its owner only. Raises StreamerError."""
        with self._writing:  # the later of two calls writes more
            with self._lock:
                text = self._text()
            try:
                write_whole(self._path, text.encode(), mode=PRIVATE, replace=self._ours)
                self._ours = True
            except OSError as error:
                raise StreamerError(f"attendance {self._path} could not be written: {error.strerror}") from error

    def _text(self) -> str:
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["name", "first_seen_s", "last_seen_s", "visible_s", "best_score"])
        began = self._began_t or 0.0
        for name, row in sorted(self._rows.items()):
            # A name that begins like a formula would be one in a spreadsheet.
            shown = f"'{name}" if name[:1] in "=+-@\t" else name
            first, last = f"{row.first_t - began:.2f}", f"{row.last_t - began:.2f}"
            table.writerow([shown, first, last, f"{row.visible_s:.2f}", f"{row.best_score:.3f}"])
        table.writerow([f"(tracks of strangers: {self._strangers})", "", "", "", ""])
        return text.getvalue()
