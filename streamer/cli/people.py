"""`streamer people`: who is enrolled, and how to be forgotten. No vector is ever printed."""

from __future__ import annotations

import time

from streamer.cli.gallery import day, open_gallery, overdue, settings
from streamer.cli.options.people import Decrypt, Encrypt, Export, Import, List, Reembed, Remove, Rename, Show
from streamer.cli.terminal import Terminal
from streamer.config.parts import build
from streamer.core.errors import UsageError, printable, printable_json
from streamer.enrolment.transfer import export_to, import_from, reembed
from streamer.people.content import Content, checked_name
from streamer.people.gallery import Person
from streamer.people.store import GalleryFile, find_key, for_gallery

__all__ = ["decrypt", "encrypt", "export", "import_", "list_", "reembed_", "remove", "rename", "show"]


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


def list_(asked: List) -> None:
    """Print who is enrolled."""
    file = open_gallery(asked.gallery, asked.key_file)
    content = file.load()
    now = time.time()
    people = [] if content is None else [_described(content, person, now) for person in content.gallery.people]
    if asked.json_:
        model = None if content is None else content.gallery.model
        print(printable_json({"gallery": str(file.path), "model": model, "people": people}))
        return
    for one in people:
        state = "EXPIRED" if one["expired"] else f"expires {one['expires']}"
        kept = f", {one['faces_kept']} faces kept" if one["faces_kept"] else ""
        _say(f"{one['name']}: {one['pictures']} pictures{kept}, added {one['added']}, {state}")
    model = "" if content is None else f", vectors of {content.gallery.model}"
    _say(f"{len(people)} enrolled in {file.path}{model}")
    _remind(content, file)


def show(asked: Show) -> None:
    """Print what is kept about one person."""
    content = _loaded(open_gallery(asked.gallery, asked.key_file))
    person = content.person(checked_name(asked.name))
    described = _described(content, person, time.time())
    if asked.json_:
        print(printable_json({**described, "hashes": person.hashes}))
        return
    for key, value in described.items():
        _say(f"{key.replace('_', ' '):12} {value}")
    _say(f"{'hashes':12} {' '.join(person.hashes)}")


def remove(asked: Remove) -> None:
    """Forget people."""
    if not asked.names and not asked.expired:
        raise UsageError("name who is to be forgotten, or --expired")
    file = open_gallery(asked.gallery, asked.key_file)
    gone: list[str] = []

    def change(before: Content) -> Content:
        over = before.gallery.expired(time.time()) if asked.expired else ()
        gone[:] = dict.fromkeys([*(checked_name(name) for name in asked.names or []), *over])
        return before.without(gone)

    content = file.update(None, change)
    _say(f"removed {', '.join(gone) or 'nobody'}; {len(content.gallery)} left in {file.path}")
    _remind(content, file)


def rename(asked: Rename) -> None:
    """Give one person another name."""
    before, after = checked_name(asked.old), checked_name(asked.new)
    file = open_gallery(asked.gallery, asked.key_file)
    content = file.update(None, lambda content: content.renamed(before, after))
    _say(f"{before} is now {after}")
    _remind(content, file)


def export(asked: Export) -> None:
    """Write names and vectors into an .npz file."""
    content = _loaded(open_gallery(asked.gallery, asked.key_file))
    wanted = [checked_name(name) for name in asked.names or []]
    number = export_to(asked.path, content, wanted, force=asked.force)
    _say(f"{number} people written to {asked.path}, readable for you only; it is not encrypted")


def import_(asked: Import) -> None:
    """Take in names and vectors from a file."""
    file = open_gallery(asked.gallery, asked.key_file)
    added, total = import_from(asked.path, file, model=asked.model, now=time.time())
    _say(f"{len(added)} people taken in: {', '.join(added)}; {total} enrolled in {file.path}")
    _remind(file.load(), file)


def reembed_(asked: Reembed) -> None:
    """Make all vectors anew."""
    config = settings(asked.config_file, asked.set_, asked.device)
    file = open_gallery(asked.gallery, asked.key_file, config)
    ctx = Terminal().store().context(config.run.device)
    embedder = build("embedders", config.embedder.kind, config.embedder.options, ctx)
    try:
        content = reembed(file, embedder)
    finally:
        embedder.close()
    _say(f"{len(content.gallery)} people have vectors of {content.gallery.model} now")


def encrypt(asked: Encrypt) -> None:
    """Encrypt the gallery."""
    key = find_key(asked.key_file)
    if key is None:
        raise UsageError("name a file with the key: --key-file FILE, or put it into STREAMER_GALLERY_KEY")
    file = GalleryFile(asked.gallery)
    if file.encrypted():
        decrypt = for_gallery("streamer people decrypt", file.path)
        raise UsageError(f"{file.path} is encrypted already; for another key: {decrypt}, then encrypt it again")
    file.rekey(key)
    _say(f"{file.path} is encrypted; without the key it cannot be read by anybody")


def decrypt(asked: Decrypt) -> None:
    """Keep the gallery unencrypted from now on."""
    file = open_gallery(asked.gallery, asked.key_file)
    file.rekey(None)
    _say(f"{file.path} is no longer encrypted")


def _say(text: str) -> None:
    """One line on stdout. A gallery or an export may come from anywhere, with its names and its model's."""
    print(printable(" ".join(text.splitlines())))


def _remind(content: Content | None, file: GalleryFile) -> None:
    if (words := overdue(content, file.path, time.time())) is not None:
        _say(words)


def _loaded(file: GalleryFile) -> Content:
    content = file.load()
    if content is None:
        raise UsageError(f"there is no gallery {file.path}: nobody is enrolled")
    return content
