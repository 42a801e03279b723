"""The file the enrolled people are kept in: private, written in one step, and never by two at once."""

from __future__ import annotations

import glob
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamer.core._cache import data_root
from streamer.core.bounded import read_at_most, read_text_at_most
from streamer.core.errors import GalleryError, UsageError
from streamer.core.files import PRIVATE, write_whole
from streamer.core.locks import locked
from streamer.people.container import GALLERY, LONGEST_HEADER, decode, encode, is_encrypted
from streamer.people.content import Content
from streamer.people.gallery import Gallery
from streamer.people.places import at_home

__all__ = ["KEY_VARIABLE", "GalleryFile", "default_path", "find_key", "for_gallery"]

KEY_VARIABLE = "STREAMER_GALLERY_KEY"
"""Environment variable with the key of an encrypted gallery."""

_SHORTEST_KEY = 12
_LOCK_TIMEOUT_S = 10.0

_Stamp = tuple[int, int, int] | None


def default_path() -> Path:
    """Where the gallery is kept: `$XDG_DATA_HOME/streamer/people.gallery`, usually below `~/.local/share`."""
    return data_root() / "people.gallery"


def for_gallery(command: str, path: Path) -> str:
    """A command for people to type, with `--gallery` unless the gallery is the default one.

    >>> for_gallery("streamer people list", Path("staff.gallery"))
    'streamer people list --gallery staff.gallery'
    """
    usual = default_path()
    return command if path in (usual, usual.resolve()) else f"{command} --gallery {shlex.quote(str(path))}"


def find_key(file: Path | None = None) -> str | None:
    """The key of an encrypted gallery: the first line of `file`, else STREAMER_GALLERY_KEY; None when there is none.

    Raises UsageError when it cannot be read or is too short.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if file is not None:
        try:
            key = (read_text_at_most(at_home(file)).splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the key file {file} cannot be read: {getattr(error, 'strerror', 'no text')}") from None
    if not key and file is None:
        return None
    if len(key) < _SHORTEST_KEY:
        where = f"in {file}" if file is not None else f"in {KEY_VARIABLE}"
        raise UsageError(f"the key {where} is too short: {_SHORTEST_KEY} characters are the least")
    return key


class GalleryFile:
    """One gallery on disk. Used by one thread at a time; several programs may use the file at once.

    path: of the file; links are followed, so that the file they lead to is changed, not the link. None: the user's.
    key: encrypts it; None: it is kept as it is, readable for its owner only. Raises GalleryError when it is a folder.
    """

    def __init__(self, path: Path | None = None, *, key: str | None = None) -> None:
        try:
            self.path = (path if path is not None else default_path()).expanduser().resolve()
        except (OSError, RuntimeError):
            raise GalleryError(
                f"{path} leads nowhere: its links go round in a circle, or its home is unknown"
            ) from None
        self._key = key
        self._seen: _Stamp = None
        if self.path.is_dir():
            raise GalleryError(f"{self.path} is a folder; a gallery is a file")

    # -- reading ------------------------------------------------------------------------------------------------

    def load(self) -> Content | None:
        """What is in the file; None when there is no file. Raises GalleryError when it cannot be used."""
        self._seen = self._stamp()  # before the reading: a change meanwhile is then noticed later
        try:
            data = read_at_most(self.path, GALLERY.bytes + LONGEST_HEADER)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise GalleryError(f"{self.path} cannot be read: {error.strerror}") from None
        return decode(data, self._key, str(self.path))

    def read(self, model: str) -> Gallery:
        """The people, for an embedder's model; nobody when there is no file or nobody in it.

        Raises GalleryError when the file cannot be used or its vectors were made by another model.
        """
        content = self.load()
        if content is None:
            return Gallery.empty(model)
        if not len(content.gallery):
            return Gallery.empty(model, version=content.gallery.version)
        self._check_model(content, model)
        return content.gallery

    def encrypted(self) -> bool:
        """Whether it takes a key to read the file; False when there is none."""
        try:
            with self.path.open("rb") as file:
                return is_encrypted(file.readline(LONGEST_HEADER))
        except OSError:
            return False

    def changed(self) -> bool:
        """Whether the file is another than at the last reading; costs one look into the file system."""
        return self._stamp() != self._seen

    # -- writing ------------------------------------------------------------------------------------------------

    def update(self, model: str | None, change: Callable[[Content], Content]) -> Content:
        """Change the file's content: read, change, write, while nobody else does.

        Whose time is over stays until somebody removes them: where the enrolled are the ones to be hidden, they would
        become visible otherwise, by a change of somebody else.
        model: of the vectors that the change adds; None when it adds none, and then the file has to be there.
        The file is replaced in one step; on any error it stays as it was. Nothing of its old content is left in the
        folder. Raises GalleryError; whatever `change` raises goes through.
        """
        with self._locked():
            content = self.load()
            if content is None:
                if model is None:
                    raise GalleryError(f"there is no gallery {self.path}: nobody is enrolled")
                # A gallery made anew must never have a number that an older one had: a running stream compares them.
                content = Content(Gallery.empty(model, version=int(time.time())))
            elif model is not None and not len(content.gallery):
                content = Content(Gallery.empty(model, version=content.gallery.version))
            elif model is not None:
                self._check_model(content, model)
            after = change(content)
            after = replace(after, gallery=replace(after.gallery, version=content.gallery.version + 1))
            self._write(encode(after, self._key))
            self._seen = self._stamp()
        return after

    def rekey(self, key: str | None) -> None:
        """Encrypt the file with another key, or keep it as it is from now on."""
        with self._locked():
            content = self.load()
            if content is None:
                raise GalleryError(f"there is no gallery {self.path}: nobody is enrolled")
            self._write(encode(content, key))
            self._key = key
            self._seen = self._stamp()

    def _check_model(self, content: Content, model: str) -> None:
        if content.gallery.model == model:
            return
        reason = f"{self.path} holds vectors of {content.gallery.model}, which mean nothing to {model}"
        hashes = [digits for person in content.gallery.people for digits in person.hashes]
        if all(digits in content.portraits for digits in hashes):
            raise GalleryError(
                f"{reason}; the faces were kept: run `{for_gallery('streamer people reembed', self.path)}`"
            )
        raise GalleryError(f"{reason}; take that embedder, or enrol anew into another gallery")

    def _stamp(self) -> _Stamp:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _write(self, data: bytes) -> None:
        """Replace the file by a private one with these bytes."""
        folder, name = self.path.parent, self.path.name
        for left in folder.glob(f".{glob.escape(name)}.*.tmp"):  # of a writer that was killed; we hold the lock
            left.unlink(missing_ok=True)
        write_whole(self.path, data, mode=PRIVATE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of this gallery, a file beside it, because the gallery itself is replaced."""
        beside = self.path.with_name(f".{self.path.name}.lock")
        try:
            self.path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            with locked(beside, timeout_s=_LOCK_TIMEOUT_S, private=True):
                yield
        except TimeoutError:
            raise GalleryError(f"{self.path} is being changed by another program; try again") from None
        except OSError as error:
            raise GalleryError(f"{self.path} cannot be written: {error.strerror or error}") from error
