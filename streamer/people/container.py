"""A gallery as the bytes of a file. First a line of text that says how the rest is kept, then a zip archive of arrays
and one list in JSON, as it is or encrypted. Nothing in it is ever executed: no pickle.

    streamer-gallery 1 plain sha256=<of the rest>
    streamer-gallery 1 aes-256-gcm salt=<16 bytes> nonce=<12 bytes>
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core import install
from streamer.core.bounded import checked_archive, parse_json
from streamer.core.errors import GalleryError, UsageError
from streamer.people.arrays import array_of
from streamer.people.content import LONGEST_CONSENT, Content
from streamer.people.gallery import Gallery, Person

__all__ = [
    "EXPORT",
    "GALLERY",
    "LONGEST_HEADER",
    "Bounds",
    "decode",
    "encode",
    "is_encrypted",
    "model_of",
    "person_of",
    "read_arrays",
    "write_arrays",
]

_MAGIC = b"streamer-gallery 1 "
LONGEST_HEADER = 200
_ENTRIES = {"people.json", "names.npy", "vectors.npy", "owner.npy", "portraits.npy", "portrait_rows.npy"}

_LONGEST_MODEL = 200
_ENTRY_BYTES = 1024
"""What the headers of an array come to at most."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a file may hold, the same when it is written as when it is read: what was kept can be had again."""

    bytes: int
    list_bytes: int
    """Of the list of people: as text it is a twentieth of what it takes in memory."""
    people: int

    def check(self, bytes: int, list_bytes: int, people: int) -> None:
        """Raise ValueError for more."""
        if bytes > self.bytes or list_bytes > self.list_bytes or people > self.people:
            mb = f"{self.bytes >> 20:,} MB, {self.list_bytes >> 20} MB of it names and consents"
            raise ValueError(f"a file holds at most {self.people:,} people and {mb}")


GALLERY = Bounds((4 << 30) - 1, 64 << 20, 200_000)
EXPORT = Bounds(1 << 30, 16 << 20, 100_000)
"""Narrower, because anybody may have made it."""


def encode(content: Content, key: str | None) -> bytes:
    """The file's bytes; with a key, encrypted.

    Raises UsageError when `cryptography` is missing, GalleryError when it is more than a file may hold.
    """
    try:
        body = write_arrays(_arrays(content), _listed(content.gallery), GALLERY)
    except ValueError as error:
        raise GalleryError(f"{error}; put more people into a gallery of their own") from None
    if key is None:
        return _MAGIC + f"plain sha256={hashlib.sha256(body).hexdigest()}\n".encode() + body
    salt, nonce = os.urandom(16), os.urandom(12)
    header = _MAGIC + f"aes-256-gcm salt={salt.hex()} nonce={nonce.hex()}\n".encode()
    try:
        return header + bytes(_cipher(key, salt).encrypt(nonce, body, header))
    except OverflowError:
        raise GalleryError(
            "an encrypted file holds at most 2 GB; put more people into a gallery of their own"
        ) from None


def decode(data: bytes, key: str | None, name: str) -> Content:
    """What the bytes hold. name: of the file, for messages.

    Raises GalleryError when they are damaged, when the key is missing or does not fit, or when there is one too many.
    """
    line, newline, body = data.partition(b"\n")
    words = line.removeprefix(_MAGIC).decode("ascii", "replace").split()
    if not data.startswith(_MAGIC) or not newline or len(line) > LONGEST_HEADER or not words:
        raise GalleryError(f"{name} is no gallery of this program, or its beginning is damaged; it was left as it is")
    fields = dict(word.partition("=")[::2] for word in words[1:])
    if words[0] == "plain":
        if key is not None:
            raise GalleryError(
                f"{name} is not encrypted, though a key was given; encrypt it with `streamer people encrypt`, or take "
                "the key away"
            )
        if hashlib.sha256(body).hexdigest() != fields.get("sha256"):
            raise _damaged(name)
    elif words[0] == "aes-256-gcm":
        body = _decrypted(body, line + newline, fields, key, name)
    else:
        raise GalleryError(f"{name} was written by a newer version of this program ({words[0]})")
    try:
        arrays, listed = read_arrays(body, GALLERY)
        return _content(arrays, listed)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise _damaged(name) from error


def is_encrypted(line: bytes) -> bool:
    """Whether a file that begins with this line can be read with a key only."""
    return line.startswith(_MAGIC + b"aes-")


def write_arrays(arrays: dict[str, NDArray[Any]], listed: dict[str, Any], bounds: Bounds) -> bytes:
    """An .npz with one more entry, `people.json`. Stored, not packed: what was removed can be looked for in it.

    Raises ValueError when it is more than `bounds` allow.
    """
    people = json.dumps(listed, ensure_ascii=False, indent=1).encode()
    numbers = sum(array.nbytes + _ENTRY_BYTES for array in arrays.values())
    bounds.check(len(people) + numbers, len(people), len(listed["people"]))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("people.json", people)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    return target.getvalue()


def read_arrays(body: bytes, bounds: Bounds) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What `write_arrays` wrote. Raises ValueError or KeyError for anything else, also for what announces too much."""
    try:
        with checked_archive(
            io.BytesIO(body), most_entries=len(_ENTRIES), largest=bounds.bytes, packed=False
        ) as archive:
            names = set(archive.namelist())
            if not names <= _ENTRIES:
                raise ValueError("it holds other files")
            bounds.check(0, archive.getinfo("people.json").file_size, 0)
            listed = parse_json(archive.read("people.json"))
            arrays = {name[:-4]: array_of(archive.read(name)) for name in sorted(names - {"people.json"})}
    except (zipfile.BadZipFile, EOFError, RuntimeError, OverflowError) as error:
        # What zipfile raises for archives that are none: cut off; encrypted, or of a later version; beyond 2**63.
        raise ValueError(str(error)) from error
    if not isinstance(listed, dict) or not isinstance(listed.get("people"), list):
        raise ValueError("people.json is no table")
    bounds.check(0, 0, len(listed["people"]))
    return arrays, listed


def model_of(listed: dict[str, Any]) -> str:
    """The model that made the vectors. Raises ValueError or KeyError when it is no name."""
    model = listed["model"]
    if not isinstance(model, str) or not model.isprintable() or len(model) > _LONGEST_MODEL:
        raise ValueError("a model that is no name")
    return model


def person_of(one: Any) -> Person:
    """An entry of the list of people. Raises ValueError, KeyError, TypeError or OverflowError when it is none."""
    added, expires = float(one["added"]), None if one["expires"] is None else float(one["expires"])
    name, consent = str(one["name"]), str(one["consent"])
    (name + consent).encode()  # halves of characters cannot be kept
    if not math.isfinite(added) or not math.isfinite(expires or 0.0) or len(consent) > LONGEST_CONSENT:
        raise ValueError("a time that is none, or too long a text")
    return Person(name, added, expires, consent)


def _listed(gallery: Gallery) -> dict[str, Any]:
    people = [{key: value for key, value in asdict(p).items() if key != "hashes"} for p in gallery.people]
    return {"version": gallery.version, "model": gallery.model, "people": people}


def _arrays(content: Content) -> dict[str, NDArray[Any]]:
    gallery = content.gallery
    arrays: dict[str, NDArray[Any]] = {"vectors": gallery.vectors, "owner": gallery.owner}
    hashes = [digits for person in gallery.people for digits in person.hashes]
    rows = [row for row, digits in enumerate(hashes) if digits in content.portraits]
    if rows:
        arrays["portraits"] = np.stack([content.portraits[hashes[row]] for row in rows])
        arrays["portrait_rows"] = np.asarray(rows, np.int64)
    return arrays


def _content(arrays: dict[str, NDArray[Any]], listed: dict[str, Any]) -> Content:
    """Raises ValueError, KeyError or TypeError when the parts do not fit together."""
    vectors, owner = np.asarray(arrays["vectors"], np.float32), np.asarray(arrays["owner"], np.int64)
    if not (np.abs(vectors) <= 1.01).all():  # their length is checked below; of larger ones it cannot be computed
        raise ValueError("vectors have length 1")
    people = [person_of(one) for one in listed["people"]]
    version, model = int(listed["version"]), model_of(listed)
    checked = Gallery(version, model, tuple(people), vectors, owner)  # that they belong together
    gallery = Gallery.of(model, checked.each(), version=version)
    hashes = [digits for person in gallery.people for digits in person.hashes]
    rows = arrays.get("portrait_rows", np.empty(0, np.int64)).tolist()
    pictures = np.asarray(arrays.get("portraits", np.empty((0, 1, 1, 3))), np.uint8)
    return Content(gallery, {hashes[row]: picture for row, picture in zip(rows, pictures, strict=True)})


def _damaged(name: str) -> GalleryError:
    return GalleryError(f"{name} is damaged; it was left as it is: put a good copy in its place, or move it away")


def _decrypted(body: bytes, header: bytes, fields: dict[str, str], key: str | None, name: str) -> bytes:
    if key is None:
        raise GalleryError(
            f"{name} is encrypted; name its key with --key-file FILE (run: --set identity.key_file=FILE), or put it "
            "into STREAMER_GALLERY_KEY"
        )
    try:
        salt, nonce = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["nonce"])
    except (KeyError, ValueError):
        raise _damaged(name) from None
    cipher = _cipher(key, salt)
    from cryptography.exceptions import InvalidTag

    try:
        return bytes(cipher.decrypt(nonce, body, header))
    except (InvalidTag, ValueError, OverflowError):  # the last: more than 2 GB, which is never written
        raise GalleryError(f"the key does not fit {name}, or the file is damaged; it was left as it is") from None


def _cipher(key: str, salt: bytes) -> Any:
    """AES-256 in Galois counter mode: it notices every changed byte (NIST SP 800-38D)."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise UsageError(f"encrypted galleries need cryptography; run: {install.ours('encryption')}") from error
    return AESGCM(_derived(key, salt))


@lru_cache(maxsize=4)
def _derived(key: str, salt: bytes) -> bytes:
    """About 0.1 s, which is what a guess at the key costs as well (scrypt, RFC 7914)."""
    return hashlib.scrypt(key.encode(), salt=salt, dklen=32, n=1 << 15, r=8, p=1, maxmem=64 << 20)
