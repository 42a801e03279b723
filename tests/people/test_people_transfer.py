"""Export and import, and pickles that want more than to be read."""

from __future__ import annotations

import os
import pickle
import stat
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.core.align import ARCFACE_112
from streamer.core.errors import GalleryError, UsageError
from streamer.embedders import Thresholds
from streamer.enrolment.transfer import export_to, import_from, read_pickled, reembed
from streamer.people.content import Content
from streamer.people.gallery import Vectors
from streamer.people.store import GalleryFile

MODEL = "toy-000000000000"


def faces(seed: int, number: int = 2, dim: int = 16) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(number, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def file(tmp_path: Path) -> GalleryFile:
    made = GalleryFile(tmp_path / "people.gallery")
    made.update(MODEL, lambda c: c.added("Zoë", faces(1), now=5.0, expires=9e9, consent="signed"))
    made.update(MODEL, lambda c: c.added("Ann", faces(2, 3), now=6.0))
    return made


def content_of(file: GalleryFile) -> Content:
    content = file.load()
    assert content is not None
    return content


def test_there_and_back(file: GalleryFile, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    assert export_to(path, content_of(file)) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with np.load(path, allow_pickle=False) as table:
        assert table["names"].tolist() == ["Zoë", "Zoë", "Ann", "Ann", "Ann"]
        assert np.array_equal(table["vectors"], np.concatenate([faces(1), faces(2, 3)]))
    other = GalleryFile(tmp_path / "other.gallery")
    assert import_from(path, other, model=None, now=9.0) == (["Zoë", "Ann"], 2)
    assert content_of(other).gallery.people == content_of(file).gallery.people
    import_from(path, other, model=None, now=9.0)
    assert content_of(other).gallery.people == content_of(file).gallery.people


def test_whose_time_is_over_begins_anew(file: GalleryFile, tmp_path: Path) -> None:
    export_to(tmp_path / "out.npz", content_of(file), ["Ann"])
    other = GalleryFile(tmp_path / "other.gallery")
    for name, seed in (("Ann", 7), ("Ben", 8)):
        other.update(MODEL, partial(Content.added, name=name, vectors=faces(seed), now=1.0, expires=2.0))
    import_from(tmp_path / "out.npz", other, model=None, now=9.0)
    assert content_of(other).gallery.expired(9.0) == ("Ben",)
    assert np.array_equal(content_of(other).gallery.vectors_of("Ann"), faces(2, 3))


def test_some_people_only_and_nothing_replaced(file: GalleryFile, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    export_to(path, content_of(file), ["Ann"])
    assert b"Zo" not in path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        export_to(path, content_of(file))
    export_to(path, content_of(file), force=True)
    with pytest.raises(GalleryError, match="nobody called 'Ben'"):
        export_to(tmp_path / "b.npz", content_of(file), ["Ben"])
    for bad in ("out.txt", "none/out.npz"):
        with pytest.raises(UsageError):
            export_to(tmp_path / bad, content_of(file))


def test_another_models_export_is_refused(file: GalleryFile, tmp_path: Path) -> None:
    other = GalleryFile(tmp_path / "other.gallery")
    other.update("else-111111111111", lambda c: c.added("Ben", faces(3), now=1.0))
    export_to(tmp_path / "out.npz", content_of(other))
    before = file.path.read_bytes()
    with pytest.raises(GalleryError, match="which mean nothing to else"):
        import_from(tmp_path / "out.npz", file, model=None, now=1.0)
    with pytest.raises(GalleryError, match=r"holds vectors of else.*, not of toy"):
        import_from(tmp_path / "out.npz", file, model=MODEL, now=1.0)
    assert file.path.read_bytes() == before


def save(path: Path, table: Any) -> Path:
    np.save(path, table, allow_pickle=True)
    return path


@pytest.mark.parametrize("bare", [False, True])
def test_pickled_dictionaries(tmp_path: Path, bare: bool) -> None:
    table = {"Ann": faces(1)[0] * 7, "Ben": faces(2, 3), "Cem": faces(3)[:1].astype(np.float64), "Dora": [1.0] * 16}
    path = tmp_path / "known.npy"
    path.write_bytes(pickle.dumps(table)) if bare else save(path, table)
    file = GalleryFile(tmp_path / "people.gallery")
    assert import_from(path, file, model=MODEL, now=3.0)[1] == 4
    gallery = file.read(MODEL)
    assert [len(person.hashes) for person in gallery.people] == [1, 3, 1, 1]
    assert np.allclose(gallery.vectors_of("Ann"), faces(1)[:1], atol=1e-6)
    assert gallery.match(faces(2, 3), now=4.0)[1].name == "Ben"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path: Path, protocol: int) -> None:
    found = read_pickled(pickle.dumps({"Ann": faces(1)[0]}, protocol), tmp_path / "x.npy")
    assert np.allclose(found["Ann"], faces(1)[0])


def test_names_out_of_an_array_are_names(tmp_path: Path) -> None:
    """As `dict(zip(names, vectors))` of numpy's arrays has them."""
    table = dict(zip(np.array(["Ann", "J\xf6rg"]), faces(1), strict=True))
    for protocol in (2, 4):
        found = read_pickled(pickle.dumps(table, protocol), tmp_path / "x.npy")
        assert list(found) == ["Ann", "J\xf6rg"]
        assert all(type(name) is str for name in found)
    for wrong in ({np.float32(3): faces(1)}, {3: faces(1)}):
        with pytest.raises(UsageError, match="its names are no text"):
            read_pickled(pickle.dumps(wrong), tmp_path / "x.npy")


def test_the_model_of_a_dictionary_has_to_be_named(tmp_path: Path) -> None:
    path = save(tmp_path / "known.npy", {"Ann": faces(1)[0]})
    with pytest.raises(UsageError, match="--model"):
        import_from(path, GalleryFile(tmp_path / "people.gallery"), model=None, now=1.0)


class _Runs:
    """What an attacker would put into a dictionary."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("where", ["value", "name", "whole"])
@pytest.mark.parametrize("what", ["system", "eval", "open", "getattr", "load"])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path, protocol: int, where: str, what: str) -> None:
    mark = tmp_path / "it_ran"
    trap = {
        "system": _Runs(os.system, f"touch {mark}"),
        "eval": _Runs(eval, f"open({str(mark)!r}, 'w')"),
        "open": _Runs(open, str(mark), "w"),
        "getattr": _Runs(getattr, os, "getcwd"),
        "load": _Runs(np.load, str(mark)),
    }[what]
    evil: Any = {"value": {"Ann": trap}, "name": {trap: faces(1)[0]}, "whole": trap}[where]
    path = tmp_path / "evil.npy"
    data = pickle.dumps(evil, protocol) if what != "getattr" else pickle.dumps({"a": trap._call[0]}, protocol)
    for content in (data, _as_npy(data)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"evil.npy is refused: it wants to use \S+") as caught:
            import_from(path, GalleryFile(tmp_path / "people.gallery"), model=MODEL, now=1.0)
        assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert not (tmp_path / "people.gallery").exists()


def _as_npy(pickled: bytes) -> bytes:
    """A pickle with the header of an array file before it."""
    import io

    target = io.BytesIO()
    header: Any = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(target, header)
    return target.getvalue() + pickled


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps([1, 2]),
        pickle.dumps({1: faces(1)[0]}),
        pickle.dumps({"Ann": "text"}),
        pickle.dumps({"Ann": None}),
        pickle.dumps({"Ann": faces(1)})[:-40],
        b"PK\x03\x04 no archive",
    ],
)
def test_what_is_no_dictionary(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"bad\.npy"):
        import_from(path, GalleryFile(tmp_path / "people.gallery"), model=MODEL, now=1.0)


@pytest.mark.parametrize(
    "table",
    [
        {"Ann": np.zeros(16)},
        {"Ann": np.full(16, np.nan)},
        {"Ann": np.ones(16), "Ben": np.ones(8)},
        {"a/b": np.ones(16)},
        {},
        {"Ann": np.ones((2, 3, 4))},
    ],
)
def test_dictionaries_of_nonsense(tmp_path: Path, table: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        import_from(save(tmp_path / "bad.npy", table), GalleryFile(tmp_path / "g"), model=MODEL, now=1.0)
    assert not (tmp_path / "g").exists()


def test_vectors_of_another_length_do_not_get_in(file: GalleryFile, tmp_path: Path) -> None:
    before = file.path.read_bytes()
    with pytest.raises(GalleryError, match="8 numbers, the gallery of 16"):
        import_from(save(tmp_path / "known.npy", {"Ben": np.ones(8)}), file, model=MODEL, now=1.0)
    assert file.path.read_bytes() == before


class _Mean:
    """An embedder of another model: the colour in three parts of a crop."""

    model = "mean-222222222222"
    dim = 3
    crop_px = 112
    template = ARCFACE_112
    thresholds = Thresholds(0.5, 0.2)

    def embed(self, crops: Any) -> Vectors:
        rows = np.array([crop.reshape(-1, 3).mean(axis=0) for crop in crops], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def close(self) -> None:
        pass


def test_reembedding_from_kept_faces(tmp_path: Path) -> None:
    file = GalleryFile(tmp_path / "people.gallery")
    portraits = [np.full((192, 192, 3), color, np.uint8) for color in ((200, 10, 10), (10, 200, 10))]
    file.update(MODEL, lambda c: c.added("Ann", faces(1), now=5.0, consent="signed", portraits=portraits))
    content = reembed(file, _Mean())
    assert content.gallery.model == _Mean.model
    assert [(p.name, p.added, p.consent) for p in content.gallery.people] == [("Ann", 5.0, "signed")]
    assert content.gallery.vectors_of("Ann")[0, 0] > 0.9
    assert len(content.portraits_of("Ann")) == 2
    assert file.read(_Mean.model).version > 0


def test_without_kept_faces_nothing_is_reembedded(file: GalleryFile) -> None:
    before = file.path.read_bytes()
    with pytest.raises(GalleryError, match="not all faces were kept"):
        reembed(file, _Mean())
    assert file.path.read_bytes() == before
