"""Every file that is written: whole or not at all, or growing under its name; and whether a path is fit for it.

No link is followed and no name beside can be guessed, because folders may be shared with others.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from streamer.core.errors import SinkError, UsageError

__all__ = [
    "PICTURES",
    "PRIVATE",
    "append_to",
    "check_folder",
    "check_output",
    "create",
    "make_folder",
    "write_error",
    "write_whole",
]

_LONGEST_NAME = 200
"""Bytes of a file's name; most systems take 255."""
_FULL = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk quota exceeded", errno.EFBIG: "file size limit reached"}


PRIVATE = 0o600
"""Rights of a file that only its owner may read."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""File names' endings under which pictures are read and written."""


def write_whole(path: Path, data: bytes, *, mode: int = 0o666, replace: bool = True) -> None:
    """Make `path` a file with these bytes, in one step that survives a power cut: written beside it, then moved there.

    mode: rights of the file, less what the system's umask takes away; PRIVATE holds whatever the umask.
    replace: takes the place of what is there; without it, whatever is there at that very moment is an error.
    No link is followed, neither at `path`, where it is replaced, nor beside it; and what is written beside has a name
    of its own, so that several may write into one folder. Raises OSError; then `path` is as it was, and nothing lies
    beside it.
    """
    path = path.absolute()
    made = _beside(path)
    with _taken_back(made):
        with os.fdopen(_new(made, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            made.replace(path)
        else:
            _put_where_nothing_is(made, path)
    with suppress(OSError):  # elsewhere than on POSIX a folder cannot be opened; the file is whole in any case
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def create(path: Path, *, replace: bool, mode: int = 0o666) -> FileIO:
    """A new, empty file at `path` that grows there, to be written and read; everybody sees it grow.

    replace: takes the place of what is there, a link included, which is not followed. Without it, whatever is there is
    an error, also a link that leads nowhere. mode: as for `write_whole`. Raises OSError; then all is as it was.
    """
    path = path.absolute()
    if os.name == "nt" and replace:  # an open file cannot be moved there, and links are rare
        path.unlink(missing_ok=True)
        replace = False
    if not replace:
        return FileIO(_new(path, mode), "r+")
    made = _beside(path)
    with _taken_back(made):
        file = FileIO(_new(made, mode), "r+")
        try:
            made.replace(path)
        except BaseException:
            file.close()
            raise
    return file


def make_folder(folder: Path, *, within: Path) -> None:
    """Make a folder somewhere below an output folder, and those between.

    Raises SinkError naming what is in the way, also a link that leads out of the output folder.
    """
    _stay_within(folder, within)  # before: no folder is made beyond a link
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error, "cannot be made") from None
    _stay_within(folder, within)  # and after: the link may have come meanwhile


def _stay_within(folder: Path, within: Path) -> None:
    try:
        inside = folder.resolve().is_relative_to(within.resolve())
    except (OSError, RuntimeError):  # links that lead round in a circle
        inside = False
    if not inside:
        raise SinkError(f"{folder} leads out of {within}; take the link away, or choose another folder")


def append_to(path: Path, *, mode: int = 0o666) -> FileIO:
    """The file at `path`, made when there is none; what is written comes after what is there.

    mode: as for `write_whole`; PRIVATE also makes a file that is there private. Raises OSError, also for a link and for
    what is no ordinary file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _UNFOLLOWED, mode)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        _make_private(handle, mode)
        return FileIO(handle, "r+")
    except BaseException:
        os.close(handle)
        raise


_UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def _beside(path: Path) -> Path:
    """A name in the same folder that nobody else has or guesses."""
    return path.with_name(f".{_short(path.name)}.{secrets.token_hex(8)}.tmp")


def _new(path: Path, mode: int) -> int:
    """A file that was not there before, neither as a link."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _UNFOLLOWED, mode)
    _make_private(handle, mode)
    return handle


def _make_private(handle: int, mode: int) -> None:
    if mode == PRIVATE and hasattr(os, "fchmod"):
        os.fchmod(handle, mode)


def _put_where_nothing_is(made: Path, path: Path) -> None:
    """Give a finished file its name. Raises FileExistsError for whatever has that name already, a link included."""
    if os.name == "nt":
        made.rename(path)  # there it replaces nothing
        return
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names, as on memory cards: the name is taken first
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _UNFOLLOWED, PRIVATE))
        with _taken_back(path):
            made.replace(path)
        return
    made.unlink()


@contextmanager
def _taken_back(made: Path) -> Iterator[None]:
    """What was made goes away again when it does not come to its place."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            made.unlink(missing_ok=True)
        raise


def _short(name: str) -> str:
    """A name that leaves room for what is added to it."""
    return name if len(os.fsencode(name)) <= _LONGEST_NAME else "streamer"


def check_output(path: Path, *, force: bool) -> None:
    """Check a file that is to be written; a link counts as a file, wherever it leads.

    Raises UsageError naming the path and the remedy.
    """
    with _oddities_named(path):
        if path.is_dir():
            raise UsageError(f"output {path} is a folder; name a file in it")
        check_folder(path.parent)
        if not os.path.lexists(path):
            return
        if path.exists() and not path.is_file():
            raise UsageError(f"output {path} is not an ordinary file; choose another path")
        if not force:
            raise UsageError(f"output {path} exists; choose another path, or --force to replace it")
        if not path.is_symlink() and not os.access(path, os.W_OK):  # a link is replaced, wherever it leads
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
