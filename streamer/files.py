"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Make `path` a file with these bytes, in one step that survives a power cut: written beside it, then moved there.

    private: readable for its owner only; otherwise for whom the system lets read new files. A link is replaced, not
    followed. Raises OSError; then `path` is as it was, and nothing lies beside it.
    """
    path = path.absolute()
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(made, flags, 0o600 if private else 0o666)
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
