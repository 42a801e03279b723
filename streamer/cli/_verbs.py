"""Verbs whose work is loaded when it is run, their groups, and help that leaves nothing out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from importlib import import_module
from typing import Any, ClassVar, Protocol, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = [
    "IN_OUT", "PANELS", "PEOPLE", "PRIVACY", "SAID", "SETTINGS", "SPEED", "Later", "Options", "Verb", "Verbs", "group",
    "work_of",
]  # fmt: skip

IN_OUT = "Input and output"
PRIVACY = "Privacy"
PEOPLE = "People"
SPEED = "Speed"
SAID = "Output of the program"
SETTINGS = "Settings"
PANELS = (IN_OUT, PRIVACY, PEOPLE, SPEED, SAID, SETTINGS)
"""Headings of options, in this order; options without one come last."""


@dataclass(frozen=True, slots=True)
class Later:
    """A verb whose options are loaded when somebody runs it or asks for its help."""

    where: str
    """`module:name` of its options, or of a group."""
    help: str
    """Its first sentence: a list of verbs is to cost no import."""
    hidden: bool = False
    """True for another spelling."""


class Options(Protocol):
    """The options of a verb: a dataclass whose fields have the types and defaults that Typer reads."""

    WORK: ClassVar[str]
    """`module:name` of the function that takes them and does the work; loaded when the verb is run."""


class Verb(TyperCommand):
    """A verb whose help has its options under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then `PANELS`."""
        _write_options(self.get_params(ctx), ctx, formatter)


class _Commands(dict[str, Any]):
    """Name -> verb, loaded when somebody takes it out. To name them all loads nothing."""

    def __init__(self, later: dict[str, Later], others: Any) -> None:
        super().__init__({**dict.fromkeys(later), **others})
        self._later = later

    def __getitem__(self, name: str) -> Any:
        if super().__getitem__(name) is None:
            self[name] = _loaded(name, self._later[name])
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def values(self) -> Any:
        return [self[name] for name in self]

    def items(self) -> Any:
        return [(name, self[name]) for name in self]


class Verbs(TyperGroup):
    """A group of verbs. Those in `later` are loaded when they are used."""

    later: ClassVar[dict[str, Later]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._listing = False
        self.commands = _Commands(self.later, self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb, loaded; while all are listed, what is known of it without that."""
        if self._listing and (verb := self.later.get(cmd_name)) is not None:
            return TyperCommand(cmd_name, help=verb.help, hidden=verb.hidden)
        return self.commands.get(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all verbs, in order."""
        return list(self.commands)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, and every verb with its whole first sentence."""
        _write_options(self.get_params(ctx), ctx, formatter)
        with self._only_listed():
            named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        if rows := [(name, verb.get_short_help_str(10_000)) for name, verb in named if not verb.hidden]:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names of verbs, without loading them."""
        with self._only_listed():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _only_listed(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False


def group(help: str, verbs: Mapping[str, type[Options]]) -> typer.Typer:
    """A group of verbs below the program's: name -> options."""
    made = typer.Typer(cls=Verbs, help=help, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    for name, options in verbs.items():
        made.command(name)(_function(options))
    return made


def work_of(options: type[Options]) -> Callable[[Any], None]:
    """The function that does a verb's work; its modules are loaded now."""
    module, _, name = options.WORK.partition(":")
    found: Callable[[Any], None] = getattr(import_module(module), name)
    return found


@cache
def _function(options: type[Options]) -> Callable[..., None]:
    """A function as Typer wants it: a parameter for each option, and their docstring."""

    @wraps(options, assigned=("__doc__",), updated=())
    def verb(**given: Any) -> None:
        work_of(options)(options(**given))

    verb.__annotations__ = get_type_hints(options, include_extras=True)
    return verb


def _loaded(name: str, verb: Later) -> Any:
    module, _, attribute = verb.where.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        options, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name, cls=Verb)(_function(options))
    command: Any = typer.main.get_command(found)
    command.name, command.hidden = name, verb.hidden
    return command


def _write_options(params: list[Any], ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{panel: [] for panel in PANELS}, "Options": []}
    for param in params:
        if (record := param.get_help_record(ctx)) is not None:
            panel = getattr(param, "rich_help_panel", None) or "Options"
            sections["Arguments" if param.param_type_name == "argument" else panel].append(record)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
