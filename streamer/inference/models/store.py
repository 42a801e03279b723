"""Name of a model -> path of its verified file.

Order: the folder named by STREAMER_MODELS, the user's cache, then the network. Whatever is handed out has the
catalogue's sha256, checked at every call: the files are small, and a detector with damaged weights finds no faces
without telling anybody.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from streamer.core._cache import cache_root
from streamer.core.bounded import SETTINGS_BYTES, parse_json, read_at_most
from streamer.core.errors import ModelError
from streamer.core.files import write_whole
from streamer.core.locks import locked
from streamer.core.options import Context
from streamer.inference.models.catalogue import CATALOGUE, Model, Package, find
from streamer.inference.models.fetch import OnProgress, brought, sha256_of, unpacked, work_folder

__all__ = ["FOLDER_VARIABLE", "Found", "Store", "default_cache"]

FOLDER_VARIABLE = "STREAMER_MODELS"
"""Environment variable naming a folder with model files; it is only read."""
_ACCEPTED = "accepted-licences.json"


class Found(Enum):
    """What a look for one file came to."""

    GOOD = "good"
    ABSENT = "absent"
    DAMAGED = "damaged"
    PACKAGED = "packaged"
    """A package's own business; there is no file to look for."""


def default_cache() -> Path:
    """Where fetched models are kept: `$XDG_CACHE_HOME/streamer/models`, usually `~/.cache/streamer/models`."""
    return cache_root() / "models"


class Store:
    """Model files on this machine. Safe to use from many processes at once.

    cache: folder for fetched files, made when needed; None takes the user's.
    offline: folder that is looked into first and never written; None takes STREAMER_MODELS.
    on_fetch: told, in words for people, before something is fetched from the network.
    on_progress: told how it comes along; when both numbers are the same it is over.
    """

    def __init__(
        self,
        cache: Path | None = None,
        offline: Path | None = None,
        *,
        on_fetch: Callable[[str], None] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        named = os.environ.get(FOLDER_VARIABLE, "")
        self.cache = cache if cache is not None else default_cache()
        self.offline = offline if offline is not None else Path(named).expanduser() if named else None
        self._say = on_fetch if on_fetch is not None else lambda text: None
        self._on_progress = on_progress if on_progress is not None else lambda here, total: None

    def context(self, device: str = "cpu") -> Context:
        """What parts may ask of this store, for parts that run on `device`."""
        return Context(model=self.path, accepted=self.accepted, device=device)

    def path(self, name: str) -> Path:
        """The model's verified file, fetched when it is nowhere here.

        Raises ModelError, with the remedy, when it cannot be had; a damaged file is never handed out.
        """
        model = find(name)
        path, found = self.look(name)
        if found is Found.GOOD:
            return path
        if found is Found.PACKAGED:
            raise ModelError(f"the model {name} has no file of its own; it comes with {model.source}")
        if found is Found.DAMAGED and path.parent != self.cache:
            raise ModelError(f"{path} is damaged: its sha256 is not {model.sha256}; put the right file there")
        self._fetch(model)
        return self.cache / model.file

    def look(self, name: str) -> tuple[Path, Found]:
        """Where the model's file is or would be, and its state. Nothing is fetched or changed."""
        model = find(name)
        if isinstance(model.source, Package):
            return Path(model.file), Found.PACKAGED
        if self.offline is not None:
            path = self.offline / model.file
            if (found := _state(path, model)) is not Found.ABSENT:
                return path, found
        path = self.cache / model.file
        return path, _state(path, model)

    # -- licences -----------------------------------------------------------------------------------------------

    def accept(self, name: str) -> None:
        """Keep in mind that the licence of these weights was accepted. Raises ModelError when that cannot be kept."""
        kept = self.acceptances()
        if name in kept:
            return
        kept[name] = datetime.now(UTC).date().isoformat()
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            write_whole(self.cache / _ACCEPTED, (json.dumps(kept, indent=2) + "\n").encode())
        except OSError as error:
            raise self._unwritable(error) from error

    def accepted(self, name: str) -> bool:
        """Whether the licence of these weights was accepted on this machine."""
        return name in self.acceptances()

    def acceptances(self) -> dict[str, str]:
        """Name of a model -> the day on which its licence was accepted."""
        try:
            kept = parse_json(read_at_most(self.cache / _ACCEPTED, SETTINGS_BYTES))
        except (OSError, ValueError):
            return {}
        return {str(name): str(day) for name, day in kept.items()} if isinstance(kept, dict) else {}

    # -- fetching -----------------------------------------------------------------------------------------------

    def _fetch(self, model: Model) -> None:
        """Put the origin's catalogued files into the cache, each in one step, so that nobody sees half a file."""
        try:
            folder = work_folder(self.cache, model)
            waiting = f"another process is fetching {model.source.origin}; waiting for it"
            with locked(folder / "lock", on_wait=lambda: self._say(waiting)):
                path = self.cache / model.file
                if _state(path, model) is Found.GOOD:  # by the process that held the lock before
                    return
                path.unlink(missing_ok=True)
                self._say(f"fetching {model.source.origin} for the model {model.name}")
                try:
                    self._bring(model, folder)
                finally:
                    self._on_progress(0, 0)
                _clear(folder, keep={"lock"})
        except OSError as error:
            raise self._unwritable(error, model) from error

    def _bring(self, model: Model, folder: Path) -> None:
        _clear(folder, keep={"lock", "download.part"})
        resumed = (folder / "download.part").exists()
        try:
            self._unpack(model, folder)
        except ModelError as error:
            kept = {"lock", "download.part"}
            _clear(folder, keep=kept)
            if not resumed or (folder / "download.part").exists():
                raise _missing(model, str(error)) from None
            self._say("what had been fetched before does not fit; fetching all of it")
            try:
                self._unpack(model, folder)
            except ModelError as again:
                _clear(folder, keep=kept)
                raise _missing(model, str(again)) from None

    def _unpack(self, model: Model, folder: Path) -> None:
        fetched = brought(model, folder, self._on_progress)
        siblings = [other for other in CATALOGUE.values() if other.source.origin == model.source.origin]
        for sibling in [model, *(other for other in siblings if other.name != model.name)]:
            unpacked(sibling, fetched, folder).replace(self.cache / sibling.file)

    def _unwritable(self, error: OSError, model: Model | None = None) -> ModelError:
        what = f"model {model.name}" if model is not None else "an accepted licence"
        by_hand = f", or put {model.file} into the folder named by {FOLDER_VARIABLE}" if model is not None else ""
        return ModelError(
            f"{what} cannot be stored in {self.cache}: {error.strerror or error}; set XDG_CACHE_HOME to a folder that "
            f"can be written and has room{by_hand}"
        )


def _clear(folder: Path, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _state(path: Path, model: Model) -> Found:
    """Compare a file with the catalogue. Raises ModelError when it is there and cannot be read."""
    try:
        digest = sha256_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found.ABSENT
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    return Found.GOOD if digest == model.sha256 else Found.DAMAGED


def _missing(model: Model, reason: str) -> ModelError:
    return ModelError(
        f"model {model.name} is not on this machine and could not be fetched ({reason}); run "
        f"`streamer models pull {model.name}` with a network, or put {model.file} "
        f"(sha256 {model.sha256[:12]}..., {model.source}) into the folder named by {FOLDER_VARIABLE}"
    )
