"""The first sheet of an Excel workbook (.xlsx), read by its own form: an archive of XML files, of which a few matter.

Read as trees, and with all that stands beside the sheet, 96 kB that unpack to styles without end took 4.6 GB and
minutes. Here XML is a stream of elements, of which there are only so many; what is not needed is not opened.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from xml.parsers import expat

from streamer.core.bounded import checked_archive

__all__ = ["rows_of"]

_LARGEST_BYTES = 64 << 20
"""Of all files in it, unpacked."""
_MOST_FILES = 1000
_MOST_ELEMENTS = 6_000_000
"""Of the files that are read: a hundred thousand rows of ten cells have four million."""
_DEEPEST = 64
_PIECE = 1 << 16
_LONGEST_TAG = 1 << 20
"""Bytes. What is longer is looked at again with every piece, by the versions of expat that Python comes with."""
_LONGEST_TEXT = 40_000
"""Characters of a cell that are kept; a cell has 32,767 at most."""
_PLACE = re.compile(r"([A-Z]{1,3})[0-9]*")
_ROOT = "_rels/.rels"

Begin = Callable[[str, dict[str, str]], None]


def rows_of(data: bytes, *, columns: int) -> Iterator[list[str]]:
    """The cells of the first sheet, row by row, at most so many columns; formulas count by their last result.

    Raises ValueError for what is no workbook, or too large for one.
    """
    try:
        with checked_archive(BytesIO(data), most_entries=_MOST_FILES, largest=_LARGEST_BYTES, packed=True) as archive:
            yield from _Workbook(archive).rows(columns)
    except (zipfile.BadZipFile, EOFError, RuntimeError, OverflowError, KeyError, zlib.error, expat.ExpatError) as error:
        # Of zipfile: cut off, encrypted or of a later version, beyond 2**63, a file that is not there.
        raise ValueError(str(error)) from error


class _Workbook:
    """An open archive, and how many elements may still be read of it."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = _MOST_ELEMENTS

    def rows(self, columns: int) -> Iterator[list[str]]:
        """The rows of the first sheet."""
        ((main, _),) = self._related("", _ROOT, "/officeDocument").values()
        folder, name = posixpath.split(main)
        targets = self._related(folder, f"{folder}/_rels/{name}.rels", "/worksheet", "/sharedStrings")
        listed: list[str] = []

        def begin(name: str, attributes: dict[str, str]) -> None:
            if name == "sheet":
                listed.extend(value for key, value in attributes.items() if key.endswith(" id"))

        for _ in self._read(main, begin):
            pass
        sheet = next((targets[one][0] for one in listed if one in targets and targets[one][1] == "/worksheet"), None)
        if sheet is None:
            raise ValueError("it has no sheet")
        strings = [place for place, kind in targets.values() if kind == "/sharedStrings"]
        yield from self._cells(sheet, self._strings(strings[0]) if strings else [], columns)

    def _related(self, folder: str, name: str, *kinds: str) -> dict[str, tuple[str, str]]:
        """Of what a file refers to, the identifiers, places and kinds of these kinds."""
        found: dict[str, tuple[str, str]] = {}

        def begin(name: str, attributes: dict[str, str]) -> None:
            kind = next((one for one in kinds if attributes.get("Type", "").endswith(one)), None)
            if name == "Relationship" and kind is not None:
                place = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                found[attributes.get("Id", "")] = place.lstrip("/"), kind

        for _ in self._read(name, begin):
            pass
        return found

    def _strings(self, name: str) -> list[str]:
        """The texts that cells refer to by their numbers."""
        found: list[str] = []
        text = _Text()

        def begin(name: str, attributes: dict[str, str]) -> None:
            text.begin(name)
            if name == "si":
                text.clear()

        def end(name: str) -> None:
            text.end(name)
            if name == "si":
                found.append(text.value())

        for _ in self._read(name, begin, end, text.add):
            pass
        return found

    def _cells(self, name: str, strings: list[str], columns: int) -> Iterator[list[str]]:
        sheet = _Sheet(strings, columns)
        for _ in self._read(name, sheet.begin, sheet.end, sheet.text.add):
            yield from sheet.taken()

    def _read(
        self,
        name: str,
        begin: Begin,
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> Iterator[None]:
        """Read a file of the archive piece by piece, and come back after each.

        begin, end: told the elements, without their namespaces; attributes that have one keep it. text: told what
        stands in them.
        """
        if self._archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is packed in another way than workbooks are")
        depth = 0

        def began(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth, self._left = depth + 1, self._left - 1
            if depth > _DEEPEST or self._left < 0:
                raise ValueError("it has too many elements")
            begin(name.rpartition(" ")[2], attributes)

        def ended(name: str) -> None:
            nonlocal depth
            depth -= 1
            if end is not None:
                end(name.rpartition(" ")[2])

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = began, ended
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, _no_definitions
        parser.buffer_text = True
        fed = 0
        with self._archive.open(name) as file:
            while piece := file.read(_PIECE):
                parser.Parse(piece)
                fed += len(piece)
                if fed - parser.CurrentByteIndex > _LONGEST_TAG:
                    raise ValueError("it has an element without end")
                yield
        parser.Parse(b"", True)
        yield


def _no_definitions(*arguments: object) -> None:
    raise ValueError("it defines entities, as no workbook does")


class _Text:
    """What stands in the elements of text, as far as it is kept; how it is pronounced is left out."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open = False
        self._aside = False

    def clear(self) -> None:
        """Begin anew."""
        self._parts.clear()
        self._length = 0

    def begin(self, name: str) -> None:
        """An element begins."""
        self._aside |= name == "rPh"
        self._open |= name in ("t", "v") and not self._aside

    def end(self, name: str) -> None:
        """An element ends."""
        if name == "rPh":
            self._aside = False
        elif name in ("t", "v"):
            self._open = False

    def add(self, text: str) -> None:
        """Text of an element."""
        if self._open and self._length <= _LONGEST_TEXT:
            self._parts.append(text)
            self._length += len(text)

    def value(self) -> str:
        """All of it."""
        return "".join(self._parts)


class _Sheet:
    """The rows of one sheet as they come; those between that are not there are empty."""

    def __init__(self, strings: list[str], columns: int) -> None:
        self.text = _Text()
        self._strings = strings
        self._columns = columns
        self._row: list[str] = []
        self._done: list[tuple[int, list[str]]] = []
        self._given = 0
        self._number = 0
        self._column = 0
        self._kind = "n"

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.text.begin(name)
        if name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._row, self._column = [], 0
        elif name == "c":
            self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
            self._kind = attributes.get("t", "n")
            self.text.clear()

    def end(self, name: str) -> None:
        """An element ends."""
        self.text.end(name)
        if name == "row":
            self._done.append((self._number, self._row))
        elif name == "c" and len(self._row) < self._column <= self._columns:
            self._row += [""] * (self._column - 1 - len(self._row))
            self._row.append(self._value())

    def taken(self) -> Iterator[list[str]]:
        """The rows that have come since the last time; what is set back in its number is left out."""
        done, self._done = self._done, []
        for number, row in done:
            while self._given < number - 1:
                self._given += 1
                yield []
            if self._given < number:
                self._given = number
                yield row

    def _value(self) -> str:
        """A cell as text. Raises ValueError for a text that is not there."""
        value = self.text.value()
        if self._kind == "s":
            number = int(value) if value else 0
            if not 0 <= number < len(self._strings):
                raise ValueError("a cell whose text is not there")
            return self._strings[number]
        if self._kind == "b":
            return str(value == "1")
        if self._kind == "n" and value:
            return str(float(value) if set(value) & set(".eE") else int(value))
        return value


def _column(place: str) -> int:
    """The number of a cell's column, from 1 on. Raises ValueError when it has none."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError("a cell that is nowhere")
    number = 0
    for letter in found[1]:
        number = 26 * number + ord(letter) - 64
    return number
