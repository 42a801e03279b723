"""`streamer people`: who is enrolled, and how to be forgotten. No vector is ever printed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli._verbs import group
from streamer.cli.gallery import ConfigFile, Device, Gallery, KeyFile, Set, day, opened, overdue, settings
from streamer.cli.terminal import Terminal
from streamer.config.parts import build
from streamer.core.errors import UsageError, printable
from streamer.enrolment.transfer import export_to, import_from, reembed
from streamer.people.content import Content, checked_name
from streamer.people.gallery import Person
from streamer.people.store import GalleryFile, find_key

__all__ = ["app"]

app = group("The people in the gallery: who they are, and how they are forgotten.")
_Name = Annotated[str, typer.Argument(metavar="NAME")]
_Json = Annotated[bool, typer.Option("--json", help="as JSON")]


def _described(content: Content, person: Person, now: float) -> dict[str, object]:
    return {
        "name": person.name,
        "pictures": len(person.hashes),
        "faces_kept": len(content.portraits_of(person.name)),
        "added": day(person.added),
        "expires": day(person.expires),
        "expired": person.expires is not None and now >= person.expires,
        "consent": person.consent,
    }


@app.command(name="list")
def list_(gallery: Gallery = None, key_file: KeyFile = None, json_: _Json = False) -> None:
    """Everybody who is enrolled."""
    file = opened(gallery, key_file)
    content = file.load()
    now = time.time()
    people = [] if content is None else [_described(content, person, now) for person in content.gallery.people]
    if json_:
        model = None if content is None else content.gallery.model
        print(json.dumps({"gallery": str(file.path), "model": model, "people": people}, indent=2, ensure_ascii=False))
        return
    for one in people:
        state = "EXPIRED" if one["expired"] else f"expires {one['expires']}"
        kept = f", {one['faces_kept']} faces kept" if one["faces_kept"] else ""
        print(f"{one['name']}: {one['pictures']} pictures{kept}, added {one['added']}, {state}")
    model = "" if content is None else f", vectors of {content.gallery.model}"
    print(f"{len(people)} enrolled in {file.path}{model}")
    _remind(content)


@app.command()
def show(name: _Name, gallery: Gallery = None, key_file: KeyFile = None, json_: _Json = False) -> None:
    """What is kept about one person."""
    content = _loaded(opened(gallery, key_file))
    person = content.person(checked_name(name))
    described = _described(content, person, time.time())
    if json_:
        print(json.dumps({**described, "hashes": person.hashes}, indent=2, ensure_ascii=False))
        return
    for key, value in described.items():
        print(printable(f"{key.replace('_', ' '):12} {value}"))
    print(f"{'hashes':12} {' '.join(person.hashes)}")


@app.command()
def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", show_default=False)] = None,
    expired: Annotated[bool, typer.Option("--expired", help="everybody whose time is over")] = False,
    gallery: Gallery = None,
    key_file: KeyFile = None,
) -> None:
    """Forget people: names, vectors and kept faces are gone from the file, and no copy is left beside it."""
    if not names and not expired:
        raise UsageError("name who is to be forgotten, or --expired")
    file = opened(gallery, key_file)
    gone: list[str] = []

    def change(before: Content) -> Content:
        over = before.gallery.expired(time.time()) if expired else ()
        gone[:] = dict.fromkeys([*(checked_name(name) for name in names or []), *over])
        return before.without(gone)

    content = file.update(None, change)
    print(f"removed {', '.join(gone) or 'nobody'}; {len(content.gallery)} left in {file.path}")
    _remind(content)


@app.command()
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD")],
    new: Annotated[str, typer.Argument(metavar="NEW")],
    gallery: Gallery = None,
    key_file: KeyFile = None,
) -> None:
    """Another name for one person."""
    before, after = checked_name(old), checked_name(new)
    content = opened(gallery, key_file).update(None, lambda content: content.renamed(before, after))
    print(f"{before} is now {after}")
    _remind(content)


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE.npz")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="only these people")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace an existing file")] = False,
    gallery: Gallery = None,
    key_file: KeyFile = None,
) -> None:
    """Write names and vectors into an .npz file. It is not encrypted: it is as private as you keep it."""
    content = _loaded(opened(gallery, key_file))
    wanted = [checked_name(name) for name in names or []]
    number = export_to(path, content, wanted, force=force)
    print(f"{number} people written to {path}, readable for you only; it is not encrypted")


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help=".npz of `export`, or a pickled .npy: name -> vector")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="for .npy, which does not say it: what made the vectors")
    ] = None,
    gallery: Gallery = None,
    key_file: KeyFile = None,
) -> None:
    """Take in names and vectors from a file. Nothing in the file is executed."""
    file = opened(gallery, key_file)
    added, total = import_from(path, file, model=model, now=time.time())
    print(f"{len(added)} people taken in: {', '.join(added)}; {total} enrolled in {file.path}")
    _remind(file.load())


@app.command(name="reembed")
def reembed_(
    gallery: Gallery = None,
    key_file: KeyFile = None,
    config_file: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
) -> None:
    """Make all vectors anew with the embedder that is set, from the faces kept by `enroll --keep-crops`."""
    config = settings(config_file, set_, device)
    file = opened(gallery, key_file, config)
    ctx = Terminal().store().context(config.run.device)
    embedder = build("embedders", config.embedder.kind, config.embedder.options, ctx)
    try:
        content = reembed(file, embedder)
    finally:
        embedder.close()
    print(f"{len(content.gallery)} people have vectors of {content.gallery.model} now")


@app.command()
def encrypt(gallery: Gallery = None, key_file: KeyFile = None) -> None:
    """Encrypt the gallery with the key in --key-file or STREAMER_GALLERY_KEY."""
    key = find_key(key_file)
    if key is None:
        raise UsageError("name a file with the key: --key-file FILE, or put it into STREAMER_GALLERY_KEY")
    file = GalleryFile(gallery)
    if file.encrypted():
        raise UsageError(f"{file.path} is encrypted already; for another key: streamer people decrypt, then encrypt")
    file.rekey(key)
    print(f"{file.path} is encrypted; without the key it cannot be read by anybody")


@app.command()
def decrypt(gallery: Gallery = None, key_file: KeyFile = None) -> None:
    """Keep the gallery unencrypted from now on."""
    file = opened(gallery, key_file)
    file.rekey(None)
    print(f"{file.path} is no longer encrypted")


def _remind(content: Content | None) -> None:
    if (words := overdue(content, time.time())) is not None:
        print(words)


def _loaded(file: GalleryFile) -> Content:
    content = file.load()
    if content is None:
        raise UsageError(f"there is no gallery {file.path}: nobody is enrolled")
    return content
