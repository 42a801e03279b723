"""Files made to harm the person who imports them: each is refused in one line, at once, without memory or a crash."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.confined import streamer

from streamer.core.errors import GalleryError, StreamerError, UsageError
from streamer.enrolment.transfer import export_to, import_from, read_pickled
from streamer.people.container import EXPORT, Bounds, read_arrays, write_arrays
from streamer.people.content import Content
from streamer.people.store import GalleryFile

MODEL = "toy-000000000000"


def imported(path: Path) -> tuple[list[str], int]:
    return import_from(path, GalleryFile(path.parent / "people.gallery"), model=None, now=5.0)


def npy(shape: str, descr: str = "<f4", body: bytes = b"") -> bytes:
    """An array file whose header says anything."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def archive(entries: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packed) as made:
        for name, data in entries.items():
            made.writestr(name, data)
    return target.getvalue()


def listed(*names: str, **more: Any) -> bytes:
    person = {"added": 1.0, "expires": None, "consent": "", **more}
    return json.dumps({"model": MODEL, "people": [{"name": name, **person} for name in names]}).encode()


# -- pickles -------------------------------------------------------------------------------------------------------

GLOBAL, MARK, TUPLE, REDUCE, SETITEM, STOP = b"c", b"(", b"t", b"R", b"s", b"."


def pickled(call: bytes) -> bytes:
    """A dictionary with one name and what `call` makes."""
    return b"}X\x03\x00\x00\x00Ann" + call + SETITEM + STOP


NDARRAY = GLOBAL + b"numpy\nndarray\n" + MARK + b"K\x01\x85X\x01\x00\x00\x00OC\x08AAAAAAAA" + TUPLE + REDUCE
"""numpy.ndarray((1,), 'O', b'AAAAAAAA'): one object, at the address 0x4141414141414141."""
OLD_NDARRAY = NDARRAY.replace(b"C\x08", b"U\x08").replace(b"X\x01\x00\x00\x00O", b"U\x01O")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (NDARRAY + STOP, "wants to use numpy.ndarray as no gallery needs it"),
        (OLD_NDARRAY + STOP, "holds more than names and vectors"),
        (pickled(NDARRAY), "wants to use numpy.ndarray as no gallery needs it"),
    ],
    ids=["whole", "text", "value"],
)
def test_a_pointer_in_a_pickle_is_never_followed(content: bytes, why: str, tmp_path: Path) -> None:
    """The first ended the program with a segmentation fault."""
    (tmp_path / "evil.npy").write_bytes(content)
    told = streamer("people", "import", "evil.npy", "--model", MODEL, folder=tmp_path)
    assert told.returncode == 2, told
    assert told.stderr.startswith(f"streamer: error: evil.npy is refused: it {why}")
    assert len(told.stderr.splitlines()) == 1


def reconstructed(state: Any, build: str = "numpy._core.multiarray") -> bytes:
    """An array as numpy pickles it, with another state."""
    body = pickle.dumps(state, 2)[2:-1]
    head = GLOBAL + f"{build}\n_reconstruct\n".encode() + GLOBAL + b"numpy\nndarray\nK\x00\x85C\x01b\x87" + REDUCE
    return pickled(head + body + b"b")


@pytest.mark.parametrize(
    "state",
    [
        (1, (1,), "O", False, b"AAAAAAAA"),
        (1, (1,), None, False, b"AAAAAAAA"),
        (1, (1 << 50,), 4, False, b""),
        (1, (-1,), 4, False, b"AAAA"),
        (1, (1,), 4, False, [1]),
        (1, "AAAA", 4, False, b"AAAA"),
        (1, (1.5,), 4, False, b"AAAA"),
        (),
    ],
)
def test_states_of_arrays_that_no_numpy_writes(state: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.npy"):
        read_pickled(reconstructed(state), tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", ["O", "V8", "O8", "f4,O", "S8", "M8", "U8", "(1000000,1000000)f4"])
def test_only_types_of_numbers_count(dtype: str, tmp_path: Path) -> None:
    made = GLOBAL + b"numpy\ndtype\nX" + struct.pack("<I", len(dtype)) + dtype.encode() + b"\x89\x88\x87" + REDUCE
    scalar = GLOBAL + b"numpy._core.multiarray\nscalar\n" + made + b"C\x08AAAAAAAA\x86" + REDUCE
    with pytest.raises(UsageError, match=r"what stands for 'Ann' is no vector"):
        read_pickled(pickled(scalar), tmp_path / "x.npy")


def test_one_list_in_a_thousand_places_is_counted_in_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand lists of a thousand of the one before, three times: a million million numbers in 10 kB."""
    monkeypatch.setattr("streamer.enrolment.pickles._MOST_STEPS", 100_000)
    inner: Any = [1.0] * 1000
    for _ in range(3):
        inner = [inner] * 1000
    with pytest.raises(UsageError, match=r"too many single numbers|no vector"):
        read_pickled(pickle.dumps({"Ann": inner}), tmp_path / "x.npy")


def test_one_array_under_many_names_is_counted_under_each(tmp_path: Path) -> None:
    vector = np.ones(1 << 20, np.float32)
    with pytest.raises(UsageError, match=r"more than 67,108,864 numbers; divide it"):
        read_pickled(pickle.dumps({f"name {i}": vector for i in range(100)}), tmp_path / "x.npy")


def test_endless_instructions_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.enrolment.pickles._MOST_STEPS", 1000)
    with pytest.raises(UsageError, match="too many single numbers"):
        read_pickled(b"}" + b"K\x010" * 1000 + STOP, tmp_path / "x.npy")


# -- exports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vectors",
    [
        npy("(999999999999, 128)"),
        npy("(1, 1 << 50)"),
        npy("(1, 128)", "O", b"A" * 8),
        npy("(1, 128)", "<f4", b"A" * 4),
        npy("(1000000000000, 0)"),
        npy("(" + "1, " * 60 + ")"),
        npy("(1,)", "<f4', 'descr': 'O"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"",
    ],
)
def test_arrays_that_announce_more_than_they_hold(vectors: bytes, tmp_path: Path) -> None:
    """The first is 466 TiB in 500 bytes."""
    path = tmp_path / "bomb.npz"
    path.write_bytes(
        archive({"people.json": listed("Ann"), "names.npy": npy("(1,)", "<U3", b"A" * 12), "vectors.npy": vectors})
    )
    with pytest.raises(UsageError, match=r"bomb\.npz is no export of this program"):
        imported(path)


def test_466_tib_in_the_program_itself(tmp_path: Path) -> None:
    data = {
        "people.json": listed("Ann"),
        "names.npy": npy("(1,)", "<U3", b"A" * 12),
        "vectors.npy": npy("(999999999999, 128)"),
    }
    (tmp_path / "bomb.npz").write_bytes(archive(data))
    told = streamer("people", "import", "bomb.npz", folder=tmp_path)
    assert told.returncode == 2, told
    assert told.stderr == "streamer: error: bomb.npz is no export of this program, or it is damaged; export it anew\n"


def test_a_list_of_people_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """People as spaces: 80 kB that become 75 MB, and two gigabytes in memory."""
    path = tmp_path / "bomb.npz"
    entries = {"people.json": b'{"people": [' + b"{}," * (25 << 20) + b"{}]}", "names.npy": b"", "vectors.npy": b""}
    path.write_bytes(archive(entries, zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 200_000
    told = streamer("people", "import", path.name, folder=tmp_path, seconds=90, memory=2 << 30)
    assert told.returncode == 2, told
    assert "bomb.npz is no export of this program" in told.stderr


def test_many_people_take_time_in_proportion(tmp_path: Path) -> None:
    """Every person was compared with all names, and the whole gallery made anew for each."""
    names = [f"p{i}" for i in range(20_000)]
    vectors = np.zeros((len(names), 2), np.float32)
    vectors[:, 0] = 1
    data = write_arrays({"names": np.array(names), "vectors": vectors}, json.loads(listed(*names)), EXPORT)
    (tmp_path / "many.npz").write_bytes(data)
    told = streamer("people", "import", "many.npz", folder=tmp_path, seconds=90)
    assert told.returncode == 0, told
    assert "20000" in told.stdout + told.stderr


@pytest.mark.parametrize(
    "people",
    [
        b"[" * 100_000,
        b'{"model": "m", "people": ' + b"[" * 100_000,
        b'{"model": "m", "people": [{"name": "Ann", "added": 1e999, "expires": null, "consent": ""}]}',
        b'{"model": "m", "people": [{"name": "Ann", "added": NaN, "expires": null, "consent": ""}]}',
        b'{"model": "m", "people": [{"name": "Ann", "added": ' + b"9" * 4000 + b', "expires": null, "consent": ""}]}',
        b'{"model": "m", "people": [{"name": "Ann", "added": 1, "expires": null, "consent": "'
        + b"x" * 20_000
        + b'"}]}',
        b'{"model": "m", "people": [' + b"{}," * 200_000 + b"{}]}",
        b'{"model": "m", "people": {"Ann": 1}}',
        b'"people"',
    ],
)
def test_lists_of_people_that_are_none(people: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    one = {
        "names.npy": npy("(1,)", "<U3", "Ann".encode("utf-32-le")),
        "vectors.npy": npy("(1, 1)", "<f4", b"\0\0\x80?"),
    }
    path.write_bytes(archive({"people.json": people, **one}))
    with pytest.raises(UsageError, match=r"bad\.npz is no export"):
        imported(path)
    path.write_bytes(archive({"people.json": listed("Ann"), **one}))
    assert imported(path) == (["Ann"], 1)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"model": "m\x1b[2J"}, "a model that no terminal should be told"),
        ({"model": "m\nstreamer: error: forged"}, "a second line"),
        ({"model": "m" * 201}, "a model without end"),
        ({"model": ["m"]}, "no text"),
        ({"consent": "\ud800"}, "half a character, which cannot be kept"),
    ],
)
def test_text_that_cannot_be_kept_or_told(more: dict[str, Any], why: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    people = json.loads(listed("Ann"))
    people["people"][0] |= {"consent": more["consent"]} if "consent" in more else {}
    people |= {"model": more["model"]} if "model" in more else {}
    one = {
        "names.npy": npy("(1,)", "<U3", "Ann".encode("utf-32-le")),
        "vectors.npy": npy("(1, 1)", "<f4", b"\0\0\x80?"),
    }
    path.write_bytes(archive({"people.json": json.dumps(people).encode(), **one}))
    with pytest.raises(UsageError, match=r"bad\.npz is no export"):
        imported(path)


def test_numbers_that_would_grow_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte for each number becomes four, and a row of one number a hundred bytes of Python's."""
    path = tmp_path / "grow.npz"
    name = {"people.json": listed("Ann"), "names.npy": npy("(2,)", "<U3", "AnnAnn".encode("utf-32-le"))}
    path.write_bytes(archive({**name, "vectors.npy": npy("(2, 1)", "|u1", b"\1\1")}))
    with pytest.raises(UsageError, match=r"grow\.npz is no export"):
        imported(path)
    monkeypatch.setattr("streamer.enrolment.transfer._MOST_ROWS", 1)
    path.write_bytes(archive({**name, "vectors.npy": npy("(2, 1)", "<f4", b"\0\0\x80?" * 2)}))
    with pytest.raises(UsageError, match=r"grow\.npz is no export"):
        imported(path)


def test_an_archive_whose_entry_lies_beyond_everything(tmp_path: Path) -> None:
    """Its place is a number of 64 bits in an extra field, larger than any file's."""
    data = bytearray(archive({"people.json": listed("Ann")}))
    at = data.index(b"PK\x01\x02")
    name = data[at + 46 : at + 57]
    extra = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
    entry = data[at : at + 30] + struct.pack("<H", len(extra)) + data[at + 32 : at + 42] + b"\xff" * 4 + name + extra
    end = data[data.index(b"PK\x05\x06") :]
    end[12:16] = struct.pack("<I", len(entry))
    (tmp_path / "far.npz").write_bytes(data[:at] + entry + end)
    with pytest.raises(ValueError, match=r"int|large"):
        read_arrays((tmp_path / "far.npz").read_bytes(), EXPORT)
    with pytest.raises(UsageError, match=r"far\.npz is no export"):
        imported(tmp_path / "far.npz")


def test_a_pickle_that_names_without_end(tmp_path: Path) -> None:
    name = b"X" + struct.pack("<I", 100_000) + b"a\nb!" * 25_000
    with pytest.raises(UsageError) as caught:
        read_pickled(b"\x80\x04" + name + name + b"\x93.", tmp_path / "x.npy")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


def test_archives_that_are_odd(tmp_path: Path) -> None:
    path, good = tmp_path / "odd.npz", {"people.json": listed("Ann")}
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as made:
        made.writestr("people.json", listed("Ann"))
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("people.json", listed("Ben"))
    for data in (
        twice.getvalue(),
        archive({**good, "other.npy": b""}),
        archive({f"{i}.npy": b"" for i in range(2000)}),
        archive(good, zipfile.ZIP_LZMA),
        archive(good) + b"more",
        archive(good).replace(b"PK\x05\x06", b"PK\x06\x07"),
        b"PK\x03\x04",
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"odd\.npz is no export"):
            imported(path)


def test_a_million_vectors_of_one_person(tmp_path: Path) -> None:
    vectors = np.ones((10_001, 1), np.float32)
    data = write_arrays(
        {"names": np.array(["Ann"] * len(vectors)), "vectors": vectors}, json.loads(listed("Ann")), EXPORT
    )
    (tmp_path / "one.npz").write_bytes(data)
    with pytest.raises(UsageError, match="more than 10,000 vectors of one person; keep the best"):
        imported(tmp_path / "one.npz")


@pytest.mark.parametrize("what", ["/dev/zero", "sparse"])
def test_files_without_end(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device has no size, and a file may have any."""
    path = Path(what)
    if what == "sparse":
        path = tmp_path / "sparse.npz"
        with path.open("wb") as file:
            file.truncate(1 << 40)
    small = Bounds(1 << 20, 1 << 10, 10)
    monkeypatch.setattr("streamer.enrolment.transfer.EXPORT", small)
    monkeypatch.setattr("streamer.people.store.GALLERY", small)
    with pytest.raises(UsageError, match=r"cannot be read: it is larger than 1 MB, the most that is read"):
        import_from(path, GalleryFile(tmp_path / "people.gallery"), model=MODEL, now=5.0)
    with pytest.raises(StreamerError, match=r"cannot be read: it is larger than 1 MB"):
        GalleryFile(path).load()


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits hold for both ways, or a gallery that grew beyond them would be lost."""
    file = GalleryFile(tmp_path / "people.gallery")
    for name in ("Ann", "Ben"):
        file.update(MODEL, partial(Content.added, name=name, vectors=np.eye(1, 4, dtype=np.float32), now=1.0))
    before = file.path.read_bytes()
    content = file.load()
    assert content is not None
    monkeypatch.setattr("streamer.people.container.GALLERY", Bounds(1 << 20, 1 << 10, 2))
    monkeypatch.setattr("streamer.enrolment.transfer.EXPORT", Bounds(1 << 20, 1 << 10, 1))
    with pytest.raises(GalleryError, match=r"at most 2 people .*; put more people into a gallery of their own"):
        file.update(MODEL, lambda c: c.added("Cem", np.eye(1, 4, dtype=np.float32), now=1.0))
    assert file.path.read_bytes() == before
    with pytest.raises(UsageError, match=r"out.npz cannot be written: .*; export some of them by their names"):
        export_to(tmp_path / "out.npz", content)
    assert export_to(tmp_path / "out.npz", content, ["Ann"]) == 1
    with pytest.raises(UsageError, match=r"the consent of Dora has more than 10,000 characters; shorten it"):
        content.added("Dora", np.eye(1, 4, dtype=np.float32), now=1.0, consent="x" * 10_001)
