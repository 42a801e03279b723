"""Lists of people: one row per picture, with a name and a path or address. Every row has its own result."""

from __future__ import annotations

import csv
import http.client
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from streamer.config import parts
from streamer.core.bounded import read_at_most
from streamer.core.errors import InputError, StuckError, UsageError, redact
from streamer.core.files import PICTURES
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Captured
from streamer.core.workers import Workers
from streamer.enrolment.checks import Refused
from streamer.enrolment.enrol import Item
from streamer.enrolment.workbook import rows_of
from streamer.people.places import at_home
from streamer.sources.images import picture_of

__all__ = ["Row", "fetch", "items_of_folder", "items_of_roster", "pictures_in", "read_picture", "read_roster"]

_TIMEOUT_S = 15.0
"""Longest silence of a server."""
_LONGEST_S = 60.0
"""For one picture, whatever the server does."""
_LARGEST_BYTES = 30 << 20
_LARGEST_LIST_BYTES = 64 << 20
_MOST_ROWS, _MOST_COLUMNS = 100_000, 64
"""A workbook may claim a million rows of 16,384 cells and hold none; further columns are not looked at."""
_LONGEST_LINE, _LONGEST_CELL = 1 << 16, 32_767
"""In characters."""
_NAMES = ("name", "person")
_PLACES = ("image", "picture", "photo", "file", "path", "url", "link")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list, as it stands there."""

    number: int
    """Counted from 1, the heading included, as a spreadsheet shows it."""
    name: str
    place: str


def read_picture(path: Path) -> Picture:
    """A picture from a file, turned as its EXIF says. Raises InputError."""
    source = parts.build("sources", "images", {"path": path}, Context())
    try:
        captured = source.read()
    finally:
        source.close()
    if not isinstance(captured, Captured):
        raise InputError(f"{path} cannot be read as a picture")
    return captured.image


def pictures_in(path: Path) -> list[Path]:
    """A picture itself, or every picture in a folder and the folders below, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if one.suffix.lower() in PICTURES and not one.name.startswith("."))


def items_of_folder(folder: Path) -> list[Item]:
    """One folder per person, the pictures in it, also in folders below. Raises UsageError when there is none."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    try:
        people = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [
            Item(person.name, str(path.relative_to(folder)), partial(read_picture, path))
            for person in people
            for path in pictures_in(person)
        ]
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from None
    if not found:
        raise UsageError(f"{folder} holds no folder with pictures: it takes one folder per person")
    return found


def items_of_roster(path: Path) -> list[Item]:
    """The rows of a list; a relative path starts at the list's folder. Raises UsageError when it is not a list."""
    return [
        Item(row.name, f"row {row.number} ({_shown(row.place)})", partial(_picture_of, row, path.parent))
        for row in read_roster(path)
    ]


def read_roster(path: Path) -> list[Row]:
    """Name and place of every row that is not empty.

    With a heading, the columns are found by their names; without one, they are the first two. Raises UsageError.
    """
    table = _table(path)
    rows = [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(table, 1) if any(cells)]
    if not rows:
        raise UsageError(f"{path} has no rows")
    columns = _columns(rows[0][1], path)
    if columns is None:
        columns = 0, 1
    else:
        rows = rows[1:]
    return [
        Row(number, *(cells[column] if column < len(cells) else "" for column in columns)) for number, cells in rows
    ]


def _table(path: Path) -> list[list[str]]:
    """The cells of a list, row by row. Raises UsageError when it cannot be read."""
    try:
        data = read_at_most(path, _LARGEST_LIST_BYTES)
        rows = _sheet(path, data) if path.suffix.lower() == ".xlsx" else _separated(data.decode("utf-8-sig"))
        return list(_limited(rows, path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"{path} is no list: it takes .xlsx, or .csv in UTF-8") from None


def _limited(rows: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    """The same rows. Raises UsageError when there are more of them, or longer ones, than any list of people has."""
    for number, row in enumerate(rows, 1):
        if number > _MOST_ROWS:
            raise UsageError(f"{path} has more than {_MOST_ROWS:,} rows; take the empty ones away, or divide it")
        if any(len(cell) > _LONGEST_CELL for cell in row):
            raise UsageError(f"{path}: row {number} has a cell of more than {_LONGEST_CELL:,} characters; shorten it")
        yield row[:_MOST_COLUMNS]


def _separated(text: str) -> Iterator[list[str]]:
    """The cells of a .csv; its first line says what lies between them: semicolons, tabs or commas."""
    first = text[:_LONGEST_LINE].partition("\n")[0]
    delimiter = ";" if ";" in first else "\t" if "\t" in first else ","
    lines = re.finditer(r"[^\r\n]*(?:\r\n|\r|\n|$)", text)  # one at a time, and not at the odder ends of lines
    return csv.reader(map(_bounded, lines), delimiter=delimiter)


def _bounded(line: re.Match[str]) -> str:
    if line.end() - line.start() > _LONGEST_LINE:
        raise csv.Error("a line without end")
    return line[0]


def _columns(first: list[str], path: Path) -> tuple[int, int] | None:
    """Where a heading says that names and places stand; None when the first row is no heading.

    Raises UsageError when it names only one of the two.
    """
    heading = [cell.casefold() for cell in first]
    name = next((heading.index(word) for word in _NAMES if word in heading), None)
    place = next((heading.index(word) for word in _PLACES if word in heading), None)
    if name is None and place is None:
        return None
    if name is None or place is None:
        missing = f"column {' or '.join(_NAMES if name is None else _PLACES)}"
        raise UsageError(f"{path}: the heading has no {missing}; it takes a name and a picture")
    return name, place


def _sheet(path: Path, data: bytes) -> Iterator[list[str]]:
    """The first sheet of an Excel file; formulas count by their last result."""
    try:
        yield from rows_of(data, columns=_MOST_COLUMNS)
    except ValueError as error:
        raise UsageError(f"{path} is no Excel file (.xlsx) that can be read, or too large for a list") from error


def _shown(place: str) -> str:
    """The address without credentials and query."""
    if "://" not in place:
        return place or "no picture"
    try:
        address = urllib.parse.urlsplit(redact(place))
    except ValueError:
        return "no address"
    return f"{address.scheme}://{address.netloc}{address.path}"


def _picture_of(row: Row, folder: Path) -> Picture:
    if not row.place:
        raise Refused("names no picture")
    if "://" in row.place:
        return fetch(row.place)
    return read_picture(folder / at_home(Path(row.place)))


def fetch(url: str, *, timeout_s: float = _TIMEOUT_S, longest_s: float = _LONGEST_S) -> Picture:
    """A picture from the web, of at most 30 MB. Proxies are taken from the environment. Raises Refused, in words.

    timeout_s: longest silence of the server. longest_s: for all of it, the name, the headers and redirections included.
    """
    if url.partition("://")[0].lower() not in ("http", "https"):
        raise Refused("only http:// and https:// addresses are fetched")
    outcome: list[bytes | str] = []
    given_up = threading.Event()
    # A thread of its own, because no timeout of a socket bounds a server that sends a byte now and then.
    worker = Workers(on_failure=lambda error: None)
    worker.spawn("fetch", lambda: outcome.append(_bytes_at(url, timeout_s, given_up)))
    try:
        worker.join(longest_s)
    except StuckError:
        given_up.set()
        raise Refused(f"takes longer than {longest_s:g} s") from None
    (data,) = outcome
    if isinstance(data, str):
        raise Refused(data)
    try:
        return picture_of(data)[0]  # in memory: no file of a raw picture is left when the program is killed
    except ValueError:
        raise Refused("is no picture that can be read") from None


def _bytes_at(url: str, timeout_s: float, given_up: threading.Event) -> bytes | str:
    """The bytes behind an address, or the reason why they could not be fetched."""
    data = bytearray()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "streamer"})
        with _opener().open(request, timeout=timeout_s) as answer:
            while not given_up.is_set() and len(data) <= _LARGEST_BYTES and (piece := answer.read1(1 << 16)):
                data += piece
    except urllib.error.HTTPError as error:
        return redact(f"the server answered {error.code} {error.reason}").splitlines()[0]
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"cannot be fetched: {redact(str(reason) or type(reason).__name__)}"
    return bytes(data) if len(data) <= _LARGEST_BYTES else f"is larger than {_LARGEST_BYTES >> 20} MB"


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follow redirections to http and https only, and never from https to http."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        """See `HTTPRedirectHandler`."""
        asked, scheme = arguments[0], urllib.parse.urlsplit(arguments[-1]).scheme.lower()
        if scheme not in ("http", "https"):
            raise urllib.error.URLError("it leads to an address that is not of the web")
        if asked.type == "https" and scheme == "http":
            raise urllib.error.URLError("it leads from https to http, where anybody on the way may change the picture")
        return super().redirect_request(*arguments)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_WebOnly)
