"""The gallery on disk: private, whole or untouched, shared by several writers, and forgetting what it should forget."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.errors import GalleryError, UsageError
from streamer.people.content import Content, checked_name
from streamer.people.gallery import Vectors
from streamer.people.store import KEY_VARIABLE, GalleryFile, default_path, find_key

MODEL = "toy-000000000000"
KEY = "a key that is long enough"


def faces(seed: int, number: int = 2, dim: int = 128) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(number, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def portraits(number: int) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(number).integers(0, 256, (number, 192, 192, 3), dtype=np.uint8))


def enrol(file: GalleryFile, name: str, seed: int, *, expires: float | None = None, model: str = MODEL) -> Content:
    return file.update(model, lambda c: c.added(name, faces(seed), now=1.0, expires=expires, consent=f"yes, {name}"))


@pytest.fixture
def file(tmp_path: Path) -> GalleryFile:
    return GalleryFile(tmp_path / "people.gallery")


def test_what_is_written_is_read(file: GalleryFile) -> None:
    pictures = portraits(2)
    file.update(MODEL, lambda c: c.added("Zoë", faces(1), now=5.0, expires=4e9, consent="wrote it", portraits=pictures))
    enrol(file, "Ann Smith", 2)
    content = GalleryFile(file.path).load()
    assert content is not None
    zoe, ann = content.gallery.people
    assert (zoe.name, zoe.added, zoe.expires, zoe.consent) == ("Zoë", 5.0, 4e9, "wrote it")
    assert (ann.name, ann.expires) == ("Ann Smith", None)
    assert np.array_equal(content.gallery.vectors_of("Zoë"), faces(1))
    assert all(np.array_equal(a, b) for a, b in zip(content.portraits_of("Zoë"), pictures, strict=True))
    assert content.portraits_of("Ann Smith") == []
    assert len(file.read(MODEL)) == 2


def test_more_of_a_person_comes_to_what_is_there(file: GalleryFile) -> None:
    enrol(file, "Ann", 1)
    file.update(MODEL, lambda c: c.added("Ann", np.concatenate([faces(1), faces(2)]), now=9.0))
    (ann,) = file.read(MODEL).people
    assert len(ann.hashes) == 4  # the two she had were not taken twice
    assert (ann.added, ann.consent) == (1.0, "yes, Ann")


def test_no_file_is_nobody(file: GalleryFile) -> None:
    assert len(file.read(MODEL)) == 0
    assert file.load() is None
    with pytest.raises(GalleryError, match="nobody is enrolled"):
        file.update(None, lambda c: c.without(["Ann"]))
    assert not file.path.exists()


def test_files_are_private(tmp_path: Path) -> None:
    file = GalleryFile(tmp_path / "a" / "people.gallery")
    enrol(file, "Ann", 1)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    file.path.chmod(0o644)
    enrol(file, "Ben", 2)
    assert [stat.S_IMODE(one.stat().st_mode) for one in file.path.parent.iterdir()] == [0o600, 0o600]


@pytest.mark.parametrize("key", [None, KEY])
def test_removal_leaves_nothing_in_the_folder(tmp_path: Path, key: str | None) -> None:
    file = GalleryFile(tmp_path / "people.gallery", key=key)
    pictures = portraits(2)
    file.update(MODEL, lambda c: c.added("Ann", faces(1), now=1.0, portraits=pictures, consent="signed on Monday"))
    enrol(file, "Ben", 2)
    stale = tmp_path / ".people.gallery.abc.tmp"  # a writer that was killed half way
    stale.write_bytes(faces(1).tobytes() + b"Ann")
    traces = [b"Ann", b"signed on Monday", faces(1)[0].tobytes(), faces(1)[1].tobytes(), pictures[0].tobytes()]
    if key is None:
        assert all(trace in file.path.read_bytes() for trace in traces)
    file.update(None, lambda c: c.without(["Ann"]))
    for path in tmp_path.iterdir():
        assert not any(trace in path.read_bytes() for trace in traces), path
    assert sorted(path.name for path in tmp_path.iterdir()) == [".people.gallery.lock", "people.gallery"]
    assert [person.name for person in file.read(MODEL).people] == ["Ben"]


def test_the_last_one_removed_leaves_an_empty_gallery_for_any_model(file: GalleryFile) -> None:
    enrol(file, "Ann", 1)
    file.update(None, lambda c: c.without(["Ann"]))
    assert len(file.read("other-111111111111")) == 0
    file.update("other-111111111111", lambda c: c.added("Ben", faces(2, dim=512), now=1.0))
    assert len(file.read("other-111111111111")) == 1


def test_a_change_of_somebody_else_makes_nobody_visible(file: GalleryFile) -> None:
    """With `who: known`, the expired go on hiding; whoever enrols or removes somebody else must not end that."""
    enrol(file, "Ann", 1, expires=time.time() - 1)
    enrol(file, "Ben", 2)
    enrol(file, "Cem", 3)
    file.update(None, lambda c: c.renamed("Cem", "Dan"))
    file.update(None, lambda c: c.without(["Dan"]))
    assert [person.name for person in file.read(MODEL).people] == ["Ann", "Ben"]
    assert file.read(MODEL).match(faces(1), now=time.time())[0].name != "Ann"
    assert file.read(MODEL).match(faces(1), now=-math.inf)[0].name == "Ann"


def test_rename(file: GalleryFile) -> None:
    enrol(file, "Ann", 1)
    enrol(file, "Ben", 2)
    file.update(None, lambda c: c.renamed("Ann", "Zoë"))
    assert [person.name for person in file.read(MODEL).people] == ["Zoë", "Ben"]
    assert np.array_equal(file.read(MODEL).vectors_of("Zoë"), faces(1))
    with pytest.raises(GalleryError, match="already enrolled"):
        file.update(None, lambda c: c.renamed("Zoë", "Ben"))
    with pytest.raises(GalleryError, match="nobody called 'Ann'"):
        file.update(None, lambda c: c.renamed("Ann", "Cem"))


def test_vectors_of_another_model_are_refused(file: GalleryFile) -> None:
    enrol(file, "Ann", 1)
    before = file.path.read_bytes()
    for use in (lambda: file.read("other-1"), lambda: enrol(file, "Ben", 2, model="other-1")):
        with pytest.raises(GalleryError, match=r"holds vectors of toy-0+, which mean nothing to other-1; take that"):
            use()
    assert file.path.read_bytes() == before
    kept = GalleryFile(file.path.with_name("kept"))
    kept.update(MODEL, lambda c: c.added("Ann", faces(1), now=1.0, portraits=portraits(2)))
    with pytest.raises(GalleryError, match="people reembed"):
        kept.read("other-1")


def damaged(data: bytes) -> dict[str, bytes]:
    middle = bytearray(data)
    middle[len(data) // 2] ^= 1
    return {
        "empty": b"",
        "cut short": data[: len(data) // 2],
        "one byte missing": data[:-1],
        "one bit": bytes(middle),
        "only the header": data.partition(b"\n")[0] + b"\n",
        "something else": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "text": b"people: none\n",
        "more behind": data + b"more",
    }


@pytest.mark.parametrize("how", list(damaged(b"header\nbody")))
@pytest.mark.parametrize("key", [None, KEY])
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, how: str, key: str | None) -> None:
    file = GalleryFile(tmp_path / "people.gallery", key=key)
    enrol(file, "Ann", 1)
    bad = damaged(file.path.read_bytes())[how]
    file.path.write_bytes(bad)
    for use in (lambda: file.read(MODEL), lambda: enrol(file, "Ben", 2)):
        with pytest.raises(GalleryError, match="it was left as it is") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert file.path.read_bytes() == bad


def test_keys(tmp_path: Path) -> None:
    file = GalleryFile(tmp_path / "people.gallery", key=KEY)
    enrol(file, "Ann", 1)
    data = file.path.read_bytes()
    assert b"Ann" not in data
    assert faces(1)[0].tobytes()[:16] not in data
    for key, message in ((None, "is encrypted; name its key"), ("a wrong but long key", "key does not fit")):
        other = GalleryFile(file.path, key=key)
        for use in (lambda f=other: f.read(MODEL), lambda f=other: enrol(f, "Ben", 2)):
            with pytest.raises(GalleryError, match=message) as caught:
                use()
            assert "wrong but long" not in str(caught.value)
    assert file.path.read_bytes() == data
    assert len(GalleryFile(file.path, key=KEY).read(MODEL)) == 1


def test_an_open_file_and_a_key(tmp_path: Path) -> None:
    file = GalleryFile(tmp_path / "people.gallery")
    enrol(file, "Ann", 1)
    with pytest.raises(GalleryError, match="not encrypted, though a key was given"):
        GalleryFile(file.path, key=KEY).read(MODEL)
    file.rekey(KEY)
    assert b"Ann" not in file.path.read_bytes()
    assert len(GalleryFile(file.path, key=KEY).read(MODEL)) == 1
    file.rekey(None)
    assert len(GalleryFile(file.path).read(MODEL)) == 1


def test_where_keys_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert find_key() is None
    path = tmp_path / "key"
    path.write_text(f"{KEY}\nanother line\n")
    assert find_key(path) == KEY
    monkeypatch.setenv(KEY_VARIABLE, "from the environment")
    assert find_key() == "from the environment"
    assert find_key(path) == KEY
    monkeypatch.setenv(KEY_VARIABLE, "short")
    with pytest.raises(UsageError, match="too short"):
        find_key()
    path.write_text("")
    with pytest.raises(UsageError, match="too short"):
        find_key(path)
    with pytest.raises(UsageError, match="cannot be read"):
        find_key(tmp_path / "none")


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from streamer.people.store import GalleryFile
file = GalleryFile(Path(sys.argv[1]))
for number in range(15):
    row = np.random.default_rng([int(sys.argv[2]), number]).normal(size=(1, 128)).astype(np.float32)
    row /= np.linalg.norm(row)
    file.update("toy-000000000000", lambda c: c.added(f"{sys.argv[2]}-{number}", row, now=1.0))
"""


def test_two_writers_at_once_lose_nothing(file: GalleryFile) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(file.path), str(number)], env=environment)
        for number in range(3)
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        seen = max(seen, len(file.read(MODEL)))  # a reader meets whole files only
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    gallery = file.read(MODEL)
    assert {person.name for person in gallery.people} == {f"{w}-{n}" for w in range(3) for n in range(15)}
    assert seen <= len(gallery)


def test_somebody_keeps_the_lock(file: GalleryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(file, "Ann", 1)
    monkeypatch.setattr("streamer.people.store._LOCK_TIMEOUT_S", 0.05)
    with file._locked(), pytest.raises(GalleryError, match="another program"):
        enrol(GalleryFile(file.path), "Ben", 2)
    enrol(file, "Ben", 2)


def test_a_change_is_noticed(file: GalleryFile) -> None:
    enrol(file, "Ann", 1)
    reader = GalleryFile(file.path)
    assert reader.changed()
    first = reader.read(MODEL)
    assert not reader.changed()
    enrol(file, "Ben", 2)
    assert not file.changed()  # its own
    assert reader.changed()
    second = reader.read(MODEL)
    assert second.version > first.version
    assert not reader.changed()
    file.path.unlink()
    assert reader.changed()
    assert len(reader.read(MODEL)) == 0
    assert not reader.changed()


def test_a_gallery_made_anew_has_a_number_of_its_own(file: GalleryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(file, "Ann", 1)
    old = file.read(MODEL).version
    file.path.unlink()
    monkeypatch.setattr(time, "time", lambda: old + 5.0)
    assert enrol(file, "Ben", 2).gallery.version > old


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "safe").mkdir()
    link = tmp_path / "people.gallery"
    link.symlink_to(tmp_path / "safe" / "real.gallery")
    enrol(GalleryFile(link), "Ann", 1)
    assert link.is_symlink()
    enrol(GalleryFile(link), "Ben", 2)
    assert link.is_symlink()
    assert len(GalleryFile(tmp_path / "safe" / "real.gallery").read(MODEL)) == 2


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="is a folder"):
        GalleryFile(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(GalleryError, match="cannot be written"):
        enrol(GalleryFile(tmp_path / "file" / "people.gallery"), "Ann", 1)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(GalleryError, match="leads nowhere"):
        GalleryFile(loop)


def test_a_failed_write_leaves_everything(file: GalleryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(file, "Ann", 1)
    before = file.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GalleryError, match="No space left"):
        enrol(file, "Ben", 2)
    monkeypatch.undo()
    assert file.path.read_bytes() == before
    assert [one.name for one in file.path.parent.glob(".*.tmp")] == []


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "streamer" / "people.gallery"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_path() == Path.home() / ".local" / "share" / "streamer" / "people.gallery"


@pytest.mark.parametrize(
    ("given", "kept"),
    [(" Ann ", "Ann"), ("Zoe\u0308", "Zoë"), ("李 小龍", "李 小龍"), ("O'Neil, Pat", "O'Neil, Pat"), ("👩‍🚀", "👩‍🚀")],
)
def test_names(given: str, kept: str) -> None:
    assert checked_name(given) == kept


@pytest.mark.parametrize("name", ["", "  ", "a/b", "..", "a\\b", "a\nb", "a\x00b", "x" * 101, "/etc/passwd"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)


def test_what_a_killed_writer_left_goes_whatever_the_file_is_called(tmp_path: Path) -> None:
    file = GalleryFile(tmp_path / "team[1].gallery")
    enrol(file, "Ann", 1)
    left = tmp_path / ".team[1].gallery.abc.tmp"
    left.write_bytes(file.path.read_bytes())
    file.update(None, lambda content: content.without(["Ann"]))
    assert not left.exists()


def test_more_than_can_be_encrypted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cipher takes two gigabytes; what holds more has no traceback for an answer."""

    class Full:
        def encrypt(self, *arguments: bytes) -> bytes:
            raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

        decrypt = encrypt

    file = GalleryFile(tmp_path / "people.gallery", key=KEY)
    enrol(file, "Ann", 1)
    before = file.path.read_bytes()
    monkeypatch.setattr("streamer.people.container._cipher", lambda key, salt: Full())
    with pytest.raises(GalleryError, match=r"the key does not fit \S+people\.gallery, or the file is damaged"):
        file.load()
    with pytest.raises(GalleryError, match="an encrypted file holds at most 2 GB; put more people into a gallery of"):
        enrol(GalleryFile(tmp_path / "other.gallery", key=KEY), "Ben", 2)
    assert file.path.read_bytes() == before
