"""`streamer audit FILE`: is the log of who was shown still what was written?"""

from __future__ import annotations

import typer

from streamer.cli.options.people import Audit
from streamer.core.errors import InputError, printable
from streamer.people.audit import verify

__all__ = ["audit"]


def audit(asked: Audit) -> None:
    """Check the chain of hashes of an audit log."""
    try:
        found = verify(asked.file)
    except OSError as error:
        raise InputError(f"{asked.file} cannot be read: {error.strerror}") from None
    if found.problem is not None:
        print(printable(f"{asked.file}: {found.problem}; the lines before it are whole"))
        raise typer.Exit(1)
    print(f"{asked.file}: {found.lines} lines, whole; the last hash is {found.last_hash}")
    if not found.ended:
        print("note: the last run did not end in good order, it still runs, or its last lines were cut off")
