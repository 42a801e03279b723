"""`streamer audit FILE`: is the log of who was shown still what was written?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.core.errors import InputError, printable
from streamer.people.audit import verify

__all__ = ["audit"]


def audit(file: Annotated[Path, typer.Argument(metavar="FILE", help="a log that `run --audit` has written")]) -> None:
    """Check the chain of hashes of an audit log. Exit code 0 when it is whole; else 1."""
    try:
        found = verify(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    if found.problem is not None:
        print(printable(f"{file}: {found.problem}; the lines before it are whole"))
        raise typer.Exit(1)
    print(f"{file}: {found.lines} lines, whole; the last hash is {found.last_hash}")
    if not found.ended:
        print("note: the last run did not end in good order, it still runs, or its last lines were cut off")
