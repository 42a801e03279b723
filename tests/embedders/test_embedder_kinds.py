"""What is special about each embedder: its files, its refusals, and that its numbers are those of the original."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.graphs import save_small_network
from support.weights import weights

from streamer.config.parts import build, load
from streamer.core.errors import DeviceError, EmbedderError, ModelError, UsageError
from streamer.core.options import Context
from streamer.inference.onnx_graph import plain_graph
from streamer.inference.providers import session


def crops(number: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    return list(np.random.default_rng(7).integers(0, 256, (number, 112, 112, 3), dtype=np.uint8))


def test_sface_is_what_opencv_computes() -> None:
    """The same file through OpenCV's own reader of ONNX: the restored weights and the split PRelu change nothing."""
    net = cv2.dnn.readNetFromONNX(str(weights("sface")))
    ours = build("embedders", "sface", {}, Context(model=weights)).embed(crops(3))
    for crop, vector in zip(crops(3), ours, strict=True):
        net.setInput(cv2.dnn.blobFromImage(crop, swapRB=True), "data")
        theirs = net.forward()[0]
        assert np.allclose(vector, theirs / np.linalg.norm(theirs), atol=1e-4)


def test_a_split_prelu_is_a_prelu(tmp_path: Path) -> None:
    path = save_small_network(tmp_path / "small.onnx")
    faces = np.random.default_rng(1).normal(size=(2, 3, 112, 112)).astype(np.float32)
    plain, split = (
        session(plain_graph(path, split_prelu=how), "cpu").run(None, {"faces": faces})[0] for how in (False, True)
    )
    assert np.allclose(plain, split, atol=1e-5)


def test_a_graph_for_one_face_gets_one_at_a_time(tmp_path: Path) -> None:
    """Its own shape is made free, and where it does not stay true for several, they go one by one."""
    several = build("embedders", "arcface", {"path": save_small_network(tmp_path / "many.onnx")}, Context())
    alone = build("embedders", "arcface", {"path": save_small_network(tmp_path / "one.onnx", batch=1)}, Context())
    assert np.allclose(several.embed(crops(5)), alone.embed(crops(5)), atol=1e-5)
    assert several.model != alone.model  # another file


def test_rgb_mean_and_std_are_the_files_own(tmp_path: Path) -> None:
    path = save_small_network(tmp_path / "small.onnx")
    red_first = build("embedders", "arcface", {"path": path}, Context()).embed(crops(1))
    blue_first = build("embedders", "arcface", {"path": path, "rgb": False}, Context()).embed(
        [np.ascontiguousarray(crop[..., ::-1]) for crop in crops(1)]
    )
    other = build("embedders", "arcface", {"path": path, "mean": 0.0}, Context()).embed(crops(1))
    assert np.allclose(red_first, blue_first, atol=1e-6)
    assert not np.allclose(red_first, other, atol=1e-2)
    models = [
        build("embedders", "arcface", {"path": path, **more}, Context()).model
        for more in ({}, {"rgb": False}, {"mean": 0.0}, {"std": 128.0}, {"threads": 2})
    ]
    assert len(set(models[:4])) == 4, "vectors that mean nothing to each other have models of different names"
    assert models[4] == models[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, r"embedder\.path or embedder\.pack"),
        ({"path": "x.onnx", "pack": "buffalo_l"}, UsageError, "either"),
        ({"pack": "buffalo_l"}, ModelError, "non-commercial research only"),
        ({"path": "none.onnx"}, ModelError, "cannot be read"),
    ],
)
def test_arcface_says_what_it_needs(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build("embedders", "arcface", options, Context())


def test_arcface_finds_the_recogniser_of_a_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("embedders", "arcface"), "_PACKS", tmp_path)
    pack = tmp_path / "mine"
    pack.mkdir()
    for name in ("det_10g.onnx", "1k3d68.onnx", "2d106det.onnx", "genderage.onnx"):
        (pack / name).write_bytes(b"another network")
    options = {"pack": "mine", "accept_licence": True}
    with pytest.raises(ModelError, match="holds 0 recognisers"):
        build("embedders", "arcface", options, Context())
    save_small_network(pack / "w600k_small.onnx")
    assert build("embedders", "arcface", options, Context()).dim == 32
    save_small_network(pack / "another.onnx")
    with pytest.raises(ModelError, match=r"holds 2 recognisers.*embedder\.path"):
        build("embedders", "arcface", options, Context())


@pytest.mark.parametrize("content", [b"", b"no graph at all " * 50])
def test_files_that_are_no_embedder(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="no ONNX file"):
        build("embedders", "arcface", {"path": path}, Context())


def test_a_detector_is_no_embedder() -> None:
    with pytest.raises((ModelError, DeviceError)):
        build("embedders", "arcface", {"path": weights("yunet")}, Context())


def test_a_vector_that_is_none_is_a_failure(tmp_path: Path) -> None:
    embedder = build("embedders", "arcface", {"path": save_small_network(tmp_path / "s.onnx")}, Context())
    for bad in (np.nan, 0.0):
        embedder._run = lambda crops, bad=bad: np.full((len(crops), 32), bad, np.float32)
        with pytest.raises(EmbedderError, match="a vector that is none"):
            embedder.embed(crops(2))


@pytest.mark.parametrize("kind", ["facenet", "dlib"])
def test_a_missing_library_is_named_with_its_remedy(kind: str) -> None:
    if find_spec("torch" if kind == "facenet" else "dlib") is not None:
        pytest.skip(f"the library of {kind} is installed here")
    with pytest.raises(UsageError, match=rf"embedder '{kind}' needs \w+.*scripts/extras {kind}"):
        build("embedders", kind, {}, Context())


def test_facenet_refuses_other_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="facenet needs torch; scripts/test_embedders runs it")
    other = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(3)}, other)
    with pytest.raises(ModelError, match="another network"):
        build("embedders", "facenet", {"path": other}, Context())
    for content in (b"", b"no weights"):
        other.write_bytes(content)
        with pytest.raises(ModelError, match="no file of weights"):
            build("embedders", "facenet", {"path": other}, Context())
    with pytest.raises(ModelError, match="cannot be read"):
        build("embedders", "facenet", {"path": tmp_path / "none.pt"}, Context())


def test_facenet_without_weights_and_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="facenet needs torch; scripts/test_embedders runs it")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=rf"could not fetch.*{tmp_path}.*embedder\.path"):
        build("embedders", "facenet", {}, Context())


def test_dlib_refuses_other_weights(tmp_path: Path) -> None:
    pytest.importorskip("dlib", reason="dlib is not installed; scripts/test_embedders runs it")
    path = tmp_path / "x.dat"
    with pytest.raises(ModelError, match="cannot be read"):
        build("embedders", "dlib", {"path": path}, Context())
    path.write_bytes(b"no network")
    with pytest.raises(ModelError, match="no face recognition network"):
        build("embedders", "dlib", {"path": path}, Context())
