"""`streamer models`: which model files there are, under which licence, and where they lie."""

from __future__ import annotations

from streamer.cli.options.machine import List, PathOf, Pull, Verify
from streamer.cli.terminal import Terminal
from streamer.core.errors import ModelError
from streamer.inference.models.catalogue import CATALOGUE, Model, Package, find
from streamer.inference.models.store import FOLDER_VARIABLE, Found, Store

__all__ = ["list_", "path", "pull", "verify"]


def list_(asked: List) -> None:
    """Print every known model, its licence, and whether it is here."""
    store = Store()
    for model in CATALOGUE.values():
        path, found = store.look(model.name)
        size = f", {model.bytes / 1e6:.1f} MB" if model.bytes else ""
        print(f"{model.name:14} {model.task}; weights {model.licence_weights} ({_use(model)}){size}")
        if asked.licence:
            _tell(model, store)
        elif found is Found.PACKAGED:
            print(f"{'':14} with {model.source}")
        else:
            print(f"{'':14} {'here: ' if found is Found.GOOD else f'{found.value}: '}{path}")
    print(f"A folder named by {FOLDER_VARIABLE} is looked into first ({store.offline or 'not set'}).")


def _use(model: Model) -> str:
    return "commercial use allowed" if model.commercial_use else "no commercial use"


def _tell(model: Model, store: Store) -> None:
    """Everything known about one model, a line each."""
    said = {"code": model.licence_code, "from": str(model.source), "input": model.input, "published": model.accuracy}
    if not model.commercial_use:
        day = store.acceptances().get(model.name)
        said["accepted"] = f"on {day}" if day else f"no; streamer models pull {model.name} --accept-licence"
    for what, words in said.items():
        if words:
            print(f"{'':14} {what:10} {words}")


def pull(asked: Pull) -> None:
    """Fetch models; without names, the default ones."""
    store = Terminal().store()
    wanted = [find(name) for name in asked.names or [model.name for model in CATALOGUE.values() if model.default]]
    for model in wanted:
        _agree(model, store, asked.accept_licence)
    for model in wanted:
        print(store.path(model.name))


def _agree(model: Model, store: Store, accepted: bool) -> None:
    """Weights that are not free for every use are fetched for those only who say that theirs is allowed."""
    if model.commercial_use or isinstance(model.source, Package) or store.accepted(model.name):
        return
    if not accepted:
        raise ModelError(
            f"the weights of {model.name} are under {model.licence_weights}: no commercial use; if yours is "
            f"allowed, run streamer models pull {model.name} --accept-licence"
        )
    store.accept(model.name)


def path(asked: PathOf) -> None:
    """Print where a model's verified file lies; it is fetched when it is not here."""
    store = Terminal().store()
    if store.look(asked.name)[1] is not Found.GOOD:
        _agree(find(asked.name), store, asked.accept_licence)
    print(store.path(asked.name))


def verify(asked: Verify) -> None:
    """Compare files with the catalogue's sha256."""
    store, bad = Store(), []
    by_hand = []
    for name in asked.names or CATALOGUE:
        path, found = store.look(find(name).name)
        wanted = name in asked.names if asked.names else CATALOGUE[name].default
        if not wanted and found in (Found.ABSENT, Found.PACKAGED):
            continue
        print(f"{name:14} {found.value:8} {path}")
        if found in (Found.ABSENT, Found.DAMAGED):
            bad.append(name)
            if path.parent != store.cache:  # nothing is ever written there
                by_hand.append(str(path))
    if by_hand:
        raise ModelError(f"not good: {', '.join(bad)}; replace or remove {', '.join(by_hand)}")
    if bad:
        raise ModelError(f"not good: {', '.join(bad)}; run: streamer models pull {' '.join(bad)}")
