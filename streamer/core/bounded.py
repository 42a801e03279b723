"""Reading files that anybody may have made: never more than was said, however much they announce."""

from __future__ import annotations

import errno
import json
import zipfile
from pathlib import Path
from typing import BinaryIO

__all__ = ["SETTINGS_BYTES", "checked_archive", "parse_json", "read_at_most", "read_text_at_most"]

SETTINGS_BYTES = 1 << 18
"""Of a configuration, a key or a playlist: what people write by hand."""
_PIECE = 1 << 20
_END_BYTES = 22
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_BYTES_PER_ENTRY = 400
"""Of an archive's list of contents."""


def read_at_most(path: Path, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes. Raises OSError, in words that may follow "cannot be read".

    What counts is what is read, because pipes, devices and growing files have no size, or another one a moment later.
    """
    data = bytearray()
    with path.open("rb") as file:
        # Piece by piece: for all at once, Python makes room for `largest` before it reads anything.
        while len(data) <= largest and (piece := file.read(min(_PIECE, largest + 1 - len(data)))):
            data += piece
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {_size(largest)}, the most that is read; name the right file")
    return bytes(data)


def read_text_at_most(path: Path, largest: int = SETTINGS_BYTES) -> str:
    """A text in UTF-8, with or without a byte order mark. Raises OSError as `read_at_most`, or UnicodeDecodeError."""
    return read_at_most(path, largest).decode("utf-8-sig")


def _size(number: int) -> str:
    return f"{number >> 20} MB" if number >= 1 << 20 else f"{number >> 10} kB"


def parse_json(text: bytes | str) -> object:
    """Plain data. Raises ValueError for everything else, nesting without end included."""
    try:
        found: object = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def checked_archive(file: BinaryIO, *, most_entries: int, largest: int, packed: bool) -> zipfile.ZipFile:
    """A zip archive that announces no more than it may. Raises ValueError or zipfile.BadZipFile.

    largest: bytes of all entries together, unpacked. packed: entries may be compressed.
    The list of contents is measured before it is read: it can hold millions of entries.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - 20))
    tail = file.read()
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or end[:4] != _END or end[20:] != b"\0\0":
        raise ValueError("it is no plain zip archive")
    if tail[:4] == _END_64:
        raise ValueError("it is an archive of more than 4 GB")
    if int.from_bytes(end[12:16], "little") > most_entries * _BYTES_PER_ENTRY:
        raise ValueError("it holds too many files")
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    if len(entries) > most_entries or len({entry.filename for entry in entries}) != len(entries):
        raise ValueError("it holds too many files, or one twice")
    if not packed and any(
        entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries
    ):
        raise ValueError("its content is compressed")
    if sum(entry.file_size for entry in entries) > largest:
        raise ValueError(f"it unpacks to more than {_size(largest)}")
    return archive
