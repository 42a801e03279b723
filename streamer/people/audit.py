"""Audit log of reveals: JSON lines, each with the hash of the line before.

Every line is written at once and whole. A crash of the program loses none of them; a crash of the machine loses those
since the last `sync()`. A line that was changed, removed or moved breaks the chain. Lines cut off at the end leave the
last run without its `end`; keep the last hash elsewhere to notice that, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.core.errors import StreamerError, UsageError
from streamer.core.files import PRIVATE, append_to
from streamer.core.locks import locked
from streamer.core.types import Reveal
from streamer.people.places import at_home

__all__ = ["AuditLog", "Finding", "verify"]

_FIRST = "0" * 64
_LOCK_TIMEOUT_S = 0.5
_LONGEST_LINE = 1 << 16
"""Bytes; a record has some hundreds."""

Key = tuple[int, int]
"""Epoch and number of a track."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking a log."""

    lines: int
    last_hash: str
    problem: str | None = None
    """First fault, with its line number; None when the chain is whole."""
    ended: bool = True
    """False: the last run still runs, crashed, or its last lines were cut off."""


@dataclass(slots=True)
class _Shown:
    name: str
    from_t: float
    to_t: float
    score: float


class AuditLog:
    """Append to one private file, which stays locked. Times are seconds since the stream's first frame.

    model: of the embedder. config: hash of the settings. clock: seconds since 1970.
    Raises UsageError when the file cannot be written, is used by another run, or its chain is broken.
    """

    def __init__(self, path: Path, *, model: str, config: str, clock: Callable[[], float] = time.time) -> None:
        self._path = at_home(path).absolute()
        self._clock = clock
        self._began_t: float | None = None
        self._shown: dict[Key, _Shown] = {}
        self._handle: int | None = None
        self._unsafe = False
        self._syncing = threading.Lock()
        self._stack = ExitStack()
        try:
            beside = self._path.with_name(f".{self._path.name}.lock")
            self._stack.enter_context(locked(beside, timeout_s=_LOCK_TIMEOUT_S, private=True))
            self._handle = self._stack.enter_context(append_to(self._path, mode=PRIVATE)).fileno()
            found = verify(self._path)
        except TimeoutError:
            raise UsageError(f"audit log {path} is being written by another run; choose another path") from None
        except OSError as error:
            self._stack.close()
            raise UsageError(f"audit log {path} cannot be written: {error.strerror}") from None
        if found.problem is not None:
            self._stack.close()
            raise UsageError(f"audit log {path} is damaged, {found.problem}; keep it, and choose another path")
        self._hash, self._number = found.last_hash, found.lines
        self._write("start", model=model, config=config)

    def on_frame(self, t: float, shown: Mapping[Key, Reveal]) -> None:
        """Record a frame that was emitted. t: its capture time in seconds. shown: the visible faces.

        Raises StreamerError when the record cannot be written.
        """
        self._began_t = t if self._began_t is None else self._began_t
        for key, reveal in shown.items():
            known = self._shown.get(key)
            if known is not None and known.name != reveal.name:
                self._hidden(key)
                known = None
            if known is None:
                self._shown[key] = _Shown(reveal.name, t, t, reveal.score)
                self._write("shown", **self._record(key))
            else:
                known.to_t, known.score = t, max(known.score, reveal.score)
        for key in self._shown.keys() - shown.keys():
            self._hidden(key)

    def sync(self) -> None:
        """Flush the records to disk (fsync). It may take long; any thread may call it.

        Raises StreamerError when it fails.
        """
        with self._syncing:
            if self._handle is None or not self._unsafe:
                return
            self._unsafe = False  # before it is done: what is written meanwhile is kept the next time
            try:
                os.fsync(self._handle)
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        """Write the last line and close the file. May be called twice. Raises StreamerError."""
        if self._handle is None:
            return
        try:
            for key in sorted(self._shown):
                self._hidden(key)
            self._write("end")
            self.sync()
        finally:
            with self._syncing:
                self._handle = None
                self._stack.close()

    def _hidden(self, key: Key) -> None:
        self._write("hidden", **self._record(key))
        del self._shown[key]

    def _record(self, key: Key) -> dict[str, Any]:
        one, began = self._shown[key], self._began_t or 0.0
        times = {"from_s": round(one.from_t - began, 3), "to_s": round(one.to_t - began, 3)}
        return {"name": one.name, "track": f"{key[0]}.{key[1]}", **times, "score": round(one.score, 4)}

    def _write(self, event: str, **values: Any) -> None:
        assert self._handle is not None, "written to after the end"
        self._number += 1
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        record = {"n": self._number, "time": moment, "event": event, **values, "before": self._hash}
        self._hash = _digest(record)
        line = (json.dumps({**record, "hash": self._hash}, ensure_ascii=False) + "\n").encode()
        try:
            if os.write(self._handle, line) != len(line):
                raise OSError(28, "disk full")
        except OSError as error:
            raise self._unwritable(error) from error
        self._unsafe = True

    def _unwritable(self, error: OSError) -> StreamerError:
        """The error that ends the run, because a reveal must not happen unrecorded."""
        return StreamerError(f"audit log {self._path} could not be written: {error.strerror}")


def verify(path: Path) -> Finding:
    """Check a log's chain from its first line to its last. Raises OSError when it cannot be read."""
    before, number, event = _FIRST, 0, "end"
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            try:
                record = json.loads(line)
                claimed = record.pop("hash")
                whole = line.endswith(b"\n")
                fits = record["before"] == before and record["n"] == number and _digest(record) == claimed
                happened = record["event"]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return Finding(number, before, f"line {number} is no record", False)
            if not fits or not whole:
                return Finding(
                    number, before, f"line {number} is not what was written, or lines before it are gone", False
                )
            before, event = claimed, happened
    return Finding(number, before, None, event == "end")


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
