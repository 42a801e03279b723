"""`streamer models`: which model files there are, under which licence, and where they lie."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.terminal import Terminal
from streamer.errors import ModelError
from streamer.models.catalogue import CATALOGUE, find
from streamer.models.store import FOLDER_VARIABLE, Found, Store

__all__ = ["app"]

app = typer.Typer(
    help="Model files: what there is, where it lies.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

_Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="models by name")]


@app.command(name="list")
def list_() -> None:
    """Every known model, its licence, and whether it is here."""
    store = Store()
    for model in CATALOGUE.values():
        path, found = store.look(model.name)
        use = "commercial use allowed" if model.commercial_use else "no commercial use"
        print(f"{model.name:10} {model.task}; weights {model.licence_weights} ({use}), {model.bytes / 1e6:.1f} MB")
        print(f"{'':10} {'here: ' if found is Found.GOOD else f'{found.value}: '}{path}")
    print(f"A folder named by {FOLDER_VARIABLE} is looked into first ({store.offline or 'not set'}).")


@app.command()
def pull(names: _Names = None) -> None:
    """Fetch models, so that the program works without a network afterwards; without names, the default ones."""
    store = Store(on_fetch=Terminal().say)
    for name in names or [model.name for model in CATALOGUE.values() if model.default]:
        print(store.path(name))


@app.command()
def path(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Print where a model's verified file lies; it is fetched when it is not here."""
    print(Store(on_fetch=Terminal().say).path(name))


@app.command()
def verify(names: _Names = None) -> None:
    """Compare files with the catalogue's sha256; without names, the default ones and all that are here. Nothing is
    fetched or changed. Exit code 2 when one is not good."""
    store, bad = Store(), []
    for name in names or CATALOGUE:
        path, found = store.look(find(name).name)
        if not names and found is Found.ABSENT and not CATALOGUE[name].default:
            continue
        print(f"{name:10} {found.value:8} {path}")
        if found is not Found.GOOD:
            bad.append(name)
    if bad:
        raise ModelError(f"not good: {', '.join(bad)}; run: streamer models pull {' '.join(bad)}")
