"""Files that appear whole or not at all; and whether a path is fit to be written to, said before it is touched."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamer.core.errors import SinkError, UsageError

__all__ = ["PICTURES", "PRIVATE", "check_folder", "check_output", "write_error", "write_whole"]

_LONGEST_NAME = 200
"""Bytes of a file's name; most systems take 255."""
_FULL = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk quota exceeded", errno.EFBIG: "file size limit reached"}


PRIVATE = 0o600
"""Rights of a file that only its owner may read."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""File names' endings under which pictures are read and written."""


def write_whole(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Make `path` a file with these bytes, in one step that survives a power cut: written beside it, then moved there.

    mode: rights of the file, less what the system's umask takes away. No link is followed, neither at `path`, where it
    is replaced, nor beside it; and what is written beside has a name of its own, so that several may write into one
    folder. Raises OSError; then `path` is as it was, and nothing lies beside it.
    """
    path = path.absolute()
    made = path.with_name(f".{_short(path.name)}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(made, flags, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except BaseException:
        with suppress(OSError):
            made.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # elsewhere than on POSIX a folder cannot be opened; the file is whole in any case
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _short(name: str) -> str:
    """A name that leaves room for what is added to it."""
    return name if len(os.fsencode(name)) <= _LONGEST_NAME else "streamer"


def check_output(path: Path, *, force: bool) -> None:
    """Check a file that is to be written. Raises UsageError naming the path and the remedy."""
    with _oddities_named(path):
        if path.is_dir():
            raise UsageError(f"output {path} is a folder; name a file in it")
        check_folder(path.parent)
        if not path.exists():
            return
        if not path.is_file():
            raise UsageError(f"output {path} is not an ordinary file; choose another path")
        if not force:
            raise UsageError(f"output {path} exists; choose another path, or --force to replace it")
        if not os.access(path, os.W_OK):
            raise UsageError(f"output {path} may not be written; choose another path, or change its permissions")


def check_folder(folder: Path) -> None:
    """Check a folder in which files are to be made. Raises UsageError naming it and the remedy."""
    with _oddities_named(folder):
        if not folder.exists():
            raise UsageError(f"output folder {folder} does not exist; create it with: mkdir -p '{folder}'")
        if not folder.is_dir():
            raise UsageError(f"output folder {folder} is not a folder; choose another path")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"output folder {folder} may not be written; choose another, or change its permissions")


def write_error(path: Path, error: BaseException, what: str = "cannot write") -> SinkError:
    """One line about a file that could not be written; `what` failed unless the error says that there is no room."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return SinkError(f"{_FULL[error.errno]}: {path}")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return SinkError(f"{path}: {what} ({reason})")


@contextmanager
def _oddities_named(path: Path) -> Iterator[None]:
    """A path that cannot even be looked at: too long a name, a folder that may not be entered."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"output {path} cannot be used ({reason}); choose another path") from None
