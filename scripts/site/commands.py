"""The reference of the command line, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from streamer.cli.app import app

__all__ = ["commands_page"]


def commands_page() -> str:
    """Every command with all its arguments and options, as Markdown."""
    lines = [
        "# Commands",
        "",
        "Every command and option of `streamer`, made from the program. `streamer COMMAND --help` says the same.",
        "",
        *_command("streamer", typer.main.get_command(app), None),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _command(name: str, command: Any, parent: Any) -> Iterator[str]:
    """One command, then those below it."""
    context = command.context_class(command, info_name=name.split()[-1], parent=parent)
    below = {word: one for word, one in getattr(command, "commands", {}).items() if not one.hidden}
    yield from (f"## `{name}`", "", inspect.cleandoc(command.help or ""), "")
    if below:
        yield from ("| command | what it does |", "|---|---|")
        for word, one in below.items():
            yield f"| [`{name} {word}`](#{name.replace(' ', '-')}-{word}) | {_first_paragraph(one.help)} |"
        yield ""
    else:
        yield from ("```", " ".join([name, *command.collect_usage_pieces(context)]), "```", "")
    records = [record for param in command.params if (record := param.get_help_record(context)) is not None]
    if records:
        yield from ("| argument or option | meaning |", "|---|---|")
        yield from (f"| `{said}` | {_cell(meaning)} |" for said, meaning in records)
        yield ""
    for word, one in below.items():
        yield from _command(f"{name} {word}", one, context)


def _first_paragraph(help_text: str | None) -> str:
    return _cell(inspect.cleandoc(help_text or "").split("\n\n")[0].replace("\n", " "))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
