"""Options of the verbs about this machine and its settings: `streamer check`, `config` and `models`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from streamer.cli._verbs import group
from streamer.cli.options.common import AcceptLicence
from streamer.inference.devices import FORMS

__all__ = ["Check", "List", "PathOf", "Pull", "Settings", "Verify", "app"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """Try out what a run needs. Exit code 0 when faces can be hidden, from a file into a file, on DEVICE; else 1."""

    WORK: ClassVar = "streamer.cli.check:check"

    device: Annotated[str, typer.Option(help=f"{FORMS}: the device that must work")] = "cpu"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Print every setting at its default, as a configuration file to start from."""

    WORK: ClassVar = "streamer.cli.config:config"

    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="check this file instead", show_default=False)
    ] = None
    reference: Annotated[
        bool, typer.Option("--reference", help="as Markdown tables, with the parts that are not the default")
    ] = False
    schema: Annotated[bool, typer.Option("--schema", help="as a JSON Schema, for editors")] = False
    report: Annotated[
        bool, typer.Option("--report", help="with --reference or --schema: of what `run --report` writes")
    ] = False


# -- streamer models ------------------------------------------------------------------------------------------------

_Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="models by name")]


@dataclass(frozen=True, kw_only=True)
class List:
    """Every known model, its licence, and whether it is here."""

    WORK: ClassVar = "streamer.cli.models:list_"

    licence: Annotated[
        bool, typer.Option("--licence", "--license", help="licences, origin, input and published accuracy of each")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Fetch models, so that the program works without a network afterwards; without names, the default ones."""

    WORK: ClassVar = "streamer.cli.models:pull"

    names: _Names = None
    accept_licence: AcceptLicence = False


@dataclass(frozen=True, kw_only=True)
class PathOf:
    """Print where a model's verified file lies; it is fetched when it is not here."""

    WORK: ClassVar = "streamer.cli.models:path"

    name: Annotated[str, typer.Argument(metavar="NAME")]
    accept_licence: AcceptLicence = False


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Compare files with the catalogue's sha256; without names, the default ones and all that are here. Nothing is
    fetched or changed. Exit code 2 when one is not good."""

    WORK: ClassVar = "streamer.cli.models:verify"

    names: _Names = None


app = group(
    "Model files: what there is, where it lies.", {"list": List, "pull": Pull, "path": PathOf, "verify": Verify}
)
