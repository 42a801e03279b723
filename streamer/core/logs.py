"""The log: one tree of loggers, `streamer` and below it `streamer.<stage>`, of which every line knows its stream.

A program that embeds the streams hears nothing until it configures `logging`, for example with `configure()`. Before
any handler sees a line, from any module, three things have happened to it here: credentials are gone, also from
exceptions of libraries; what is no plain value (a picture, a vector) stands there as its type only; and a line that
came a moment ago is counted instead of repeated.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal, TextIO

from streamer.core.errors import printable, redact

__all__ = ["FORMATS", "LEVELS", "Format", "StreamLog", "configure", "stage_logger"]

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_ROOT = "streamer"
_QUIET_S = 10.0
"""The same line comes at most once in so many seconds."""
_LINES_KNOWN = 1000
_NUMBERS = re.compile(r"(?<![\w./-])\d+(?:\.\d+)?(?=[\s,;:)%]|$)")
"""Numbers that stand alone; those in names of files and cameras tell one from another."""


class StreamLog:
    """What one stream says. stream: its name, for people."""

    def __init__(self, stream: str = "") -> None:
        self.stream = stream

    def say(self, stage: str, level: int, message: str, *values: object, error: BaseException | None = None) -> None:
        """One line. error: its traceback stands with the line where debugging is on, its words always."""
        logger = stage_logger(stage)
        if error is not None:
            message, values = f"{message}: %s: %s", (*values, type(error).__name__, error)
        wanted = error if logger.isEnabledFor(logging.DEBUG) else None
        logger.log(level, message, *values, exc_info=wanted, extra={"stream": self.stream})


def stage_logger(stage: str) -> logging.Logger:
    """The logger `streamer.<stage>`. Whatever is logged with it passes the filters of this module."""
    logger = logging.getLogger(f"{_ROOT}.{stage}")
    for one in _FILTERS:
        logger.addFilter(one)  # the same one twice stays one
    return logger


def configure(stream: TextIO, *, format: Format = "text", level: str = "info") -> logging.Handler:
    """Write the log to `stream`. Returns the handler, for `logging.getLogger("streamer").removeHandler()`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonLines() if format == "json" else _TextLines())
    for one in (_clean, _without_secrets):  # once more: of loggers that were not made here
        handler.addFilter(one)
    root = logging.getLogger(_ROOT)
    root.addHandler(handler)
    root.setLevel(level.upper())
    return handler


# -- what happens to every line -------------------------------------------------------------------------------------


def _clean(record: logging.LogRecord) -> bool:
    """Put the message together; what is no plain value is named by its type."""
    if isinstance(record.args, Mapping):
        record.args = {key: _plain(value) for key, value in record.args.items()}
    elif record.args:
        record.args = tuple(_plain(value) for value in record.args)
    if not isinstance(record.msg, str):
        record.msg, record.args = str(_plain(record.msg)), None
    try:
        record.msg, record.args = record.getMessage(), None
    except (TypeError, ValueError, KeyError):  # a format that does not fit its values is no reason to lose the line
        record.args = None
    return True


def _plain(value: object) -> object:
    plain = isinstance(value, str | int | float | PurePath | BaseException) or value is None
    return value if plain else f"<{type(value).__name__}>"


def _without_secrets(record: logging.LogRecord) -> bool:
    """Redact the message, the traceback, and the stream's name."""
    record.msg = redact(str(record.msg))
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    record.exc_info = None
    if record.exc_text:
        record.exc_text = redact(record.exc_text)
    record.stream = redact(str(getattr(record, "stream", "")))
    return True


@dataclass(slots=True)
class _Said:
    at: float
    since: int = 0
    """How often it was held back since then."""


class _RateLimit:
    """Holds back a line that came a moment ago; the next one that passes says how many there were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str, int, str], _Said] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        # Numbers differ from line to line of the same message: counts, times, sizes.
        words = str(record.msg) if record.levelno >= logging.ERROR else _NUMBERS.sub("#", str(record.msg))
        key = (record.name, str(getattr(record, "stream", "")), record.levelno, words)
        with self._lock:
            said = self._said.get(key)
            if said is not None and 0 <= record.created - said.at < _QUIET_S:
                said.since += 1
                return False
            self._said.pop(key, None)
            self._said[key] = _Said(record.created)
            if len(self._said) > _LINES_KNOWN:
                del self._said[next(iter(self._said))]
        record.repeated = 0 if said is None else said.since
        return True


_FILTERS = (_clean, _without_secrets, _RateLimit())


# -- how it is written ----------------------------------------------------------------------------------------------


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _TextLines(logging.Formatter):
    """Time, level, stream, stage, message."""

    def format(self, record: logging.LogRecord) -> str:
        stage = record.name.removeprefix(f"{_ROOT}.")
        repeated = f" ({more} more like this)" if (more := getattr(record, "repeated", 0)) else ""
        stream = getattr(record, "stream", "") or "-"
        line = printable(f"{_time(record)} {record.levelname} {stream} {stage}: {record.getMessage()}{repeated}")
        lines = [line, *(printable(line) for line in (record.exc_text or "").splitlines())]
        return "\n".join(lines)


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "stream": getattr(record, "stream", ""),
            "stage": record.name.removeprefix(f"{_ROOT}."),
            "message": record.getMessage(),
        }
        if more := getattr(record, "repeated", 0):
            data["repeated"] = more
        if record.exc_text:
            data["traceback"] = record.exc_text
        return json.dumps(data)


logging.getLogger(_ROOT).addHandler(logging.NullHandler())  # silence, where nobody configured anything
