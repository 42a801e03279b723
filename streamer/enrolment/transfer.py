"""Galleries to and from other files: .npz, and the pickled .npy dictionaries (name -> vector) that are common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core.align import PORTRAIT, aligned
from streamer.core.bounded import read_at_most
from streamer.core.errors import GalleryError, UsageError
from streamer.core.files import PRIVATE, check_output, write_whole
from streamer.core.picture import Picture
from streamer.embedders import Embedder
from streamer.enrolment.pickles import table_of
from streamer.people.container import EXPORT, model_of, person_of, read_arrays, write_arrays
from streamer.people.content import Content, checked_name
from streamer.people.gallery import Gallery, Person, Vectors
from streamer.people.store import GalleryFile

__all__ = ["export_to", "import_from", "read_pickled", "reembed"]

_MOST_VECTORS = 10_000
"""Of one person."""
_MOST_ROWS = 4_000_000
"""Vectors of an export: as numbers of Python's, each takes a hundred bytes more."""


def export_to(path: Path, content: Content, names: Sequence[str] = (), *, force: bool = False) -> int:
    """Write names and vectors, without kept faces, into a private .npz; returns how many people.

    Raises UsageError for a path that cannot be written, GalleryError for somebody who is not there.
    """
    if path.suffix.lower() != ".npz":
        raise UsageError(f"{path}: an export is an .npz file")
    check_output(path.absolute(), force=force)
    wanted = {content.person(name).name for name in names}
    given = [(person, own) for person, own in content.gallery.each() if not names or person.name in wanted]
    chosen, vectors = [person for person, _ in given], [own for _, own in given]
    people = [{"name": p.name, "added": p.added, "expires": p.expires, "consent": p.consent} for p in chosen]
    arrays: dict[str, NDArray[Any]] = {
        "names": np.array([p.name for p, own in zip(chosen, vectors, strict=True) for _ in own], np.str_),
        "vectors": np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32),
    }
    try:
        data = write_arrays(arrays, {"model": content.gallery.model, "people": people}, EXPORT)
        write_whole(path, data, mode=PRIVATE, replace=force)
    except ValueError as error:
        raise UsageError(f"{path} cannot be written: {error}; export some of them by their names") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return len(chosen)


def import_from(path: Path, file: GalleryFile, *, model: str | None, now: float) -> tuple[list[str], int]:
    """Take in a file of `export_to`, or a pickled .npy; returns the names and how many people there are then.

    Raises UsageError or GalleryError when the file is not what it should be, or is of another model than the gallery.
    """
    data = _read(path)
    if data.startswith(b"PK"):
        kept_model, people = _of_npz(data, path)
        if model is not None and model != kept_model:
            raise GalleryError(f"{path} holds vectors of {kept_model}, not of {model}")
    else:
        if model is None:
            raise UsageError(f"{path} does not say which model made its vectors; name it with --model")
        kept_model, people = model, _named(read_pickled(data, path), path, now)
    names = [person.name for person, _ in people]
    if not names:
        raise UsageError(f"{path} holds nobody")

    def change(content: Content) -> Content:
        over = set(content.gallery.expired(now))
        content = content.without([name for name in names if name in over])  # they begin anew
        if len(content.gallery) and (length := people[0][1].shape[1]) != content.gallery.vectors.shape[1]:
            numbers = content.gallery.vectors.shape[1]
            raise GalleryError(f"{path} holds vectors of {length} numbers, the gallery of {numbers}")
        return content.joined(people)

    return names, len(file.update(kept_model, change).gallery)


def reembed(file: GalleryFile, embedder: Embedder) -> Content:
    """Vectors of another model, from the faces that were kept. Raises GalleryError unless every one was."""
    content = file.load()
    if content is None:
        raise GalleryError(f"there is no gallery {file.path}: nobody is enrolled")

    def change(before: Content) -> Content:
        after = Content(Gallery.empty(embedder.model, version=before.gallery.version))
        for person in before.gallery.people:
            portraits = before.portraits_of(person.name)
            if len(portraits) != len(person.hashes):
                raise GalleryError(
                    f"of {person.name} not all faces were kept, so nothing can be made anew; remove and enrol again"
                )
            pictures = [Picture.from_bgr(portrait, format="bgrp") for portrait in portraits]
            crops = [aligned(picture, PORTRAIT, embedder.template, embedder.crop_px) for picture in pictures]
            after = after.added(
                person.name,
                embedder.embed(crops),
                now=person.added,
                expires=person.expires,
                consent=person.consent,
                portraits=portraits,
            )
        return after

    return file.update(None, change)


def _read(path: Path) -> bytes:
    try:
        return read_at_most(path, EXPORT.bytes)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _of_npz(data: bytes, path: Path) -> tuple[str, list[tuple[Person, Vectors]]]:
    try:
        arrays, listed = read_arrays(data, EXPORT)
        names, vectors = arrays["names"], arrays["vectors"]
        if vectors.dtype.kind != "f" or vectors.ndim != 2 or names.shape != vectors.shape[:1]:
            raise ValueError("names and vectors do not belong together")
        if len(names) > _MOST_ROWS:
            raise ValueError("too many vectors")
        vectors = np.asarray(vectors, np.float32)
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(names.tolist()):
            rows.setdefault(str(name), []).append(row)
        known = [person_of(one) for one in listed["people"]]
        if len(known) != len(rows) or {person.name for person in known} != set(rows):
            raise ValueError("names and people do not belong together")
        people = [
            (replace(person, name=checked_name(person.name)), _unit(vectors[rows[person.name]], path))
            for person in known
        ]
        return model_of(listed), people
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise UsageError(f"{path} is no export of this program, or it is damaged; export it anew") from error


def _named(table: dict[str, NDArray[Any]], path: Path, now: float) -> list[tuple[Person, Vectors]]:
    """Names with one vector (D,) or several (K, D) each, brought to length 1."""
    people = []
    for name, numbers in table.items():
        with np.errstate(all="ignore"):  # what is too large becomes infinite, and is refused as such
            vectors = np.atleast_2d(np.squeeze(numbers).astype(np.float32))
        if vectors.ndim != 2:
            raise UsageError(f"{path}: what stands for {name!r} is no vector")
        people.append((Person(checked_name(name), now), _unit(vectors, path)))
    if len({vectors.shape[1] for _, vectors in people}) > 1:
        raise UsageError(f"{path}: its vectors are of different lengths")
    return people


def _unit(vectors: Vectors, path: Path) -> Vectors:
    if len(vectors) > _MOST_VECTORS:
        raise UsageError(f"{path} holds more than {_MOST_VECTORS:,} vectors of one person; keep the best of them")
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 1e-9)).all():
        raise UsageError(f"{path} holds a vector that is none")
    # What has that length stays bit by bit, so that taking it in twice changes nothing.
    return np.asarray(np.where(np.abs(lengths - 1) < 1e-5, vectors, vectors / lengths), np.float32)


def read_pickled(data: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """Name -> numbers, from an .npy file with one pickled dictionary in it, or from a bare pickle. Runs no code of it.

    Raises UsageError, naming what the file wanted, when it holds anything else.
    """
    try:
        return table_of(data)
    except UsageError as error:
        raise UsageError(f"{path} is refused: {error}") from None
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise UsageError(f"{path} is no dictionary of names and vectors, or it is damaged") from error
