"""One suite for every embedder: what `Embedder` promises, on noise, drawn and real faces."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from support.graphs import save_small_network
from support.weights import weights

from streamer.config.parts import build, kinds, load
from streamer.core.align import aligned
from streamer.core.errors import DeviceError, EmbedderError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.detectors import Detector
from streamer.embedders import Crop, Embedder, EmbedderOptions, Thresholds


@dataclass(frozen=True)
class Case:
    """An embedder with the options it is tested with, and what may be asked of it."""

    kind: str
    options: Callable[[Path], dict[str, Any]] = lambda folder: {}
    """Made in a folder for files; may skip the test."""
    name: str = ""
    package: str = ""
    """Library that has to be there; `scripts/test_embedders` makes an environment for each."""
    recognises: bool = True
    """False: its weights here are random, and only its way of working is tested."""

    accepts: float = 0.85
    """Least share of pairs of one person that reaches `accept`."""

    def __str__(self) -> str:
        return self.name or self.kind


def sface_as_arcface(folder: Path) -> dict[str, Any]:
    """SFace takes its faces as ArcFace does, and its own samples."""
    return {"path": weights("sface"), "mean": 0.0, "std": 1.0}


def random_arcface(folder: Path) -> dict[str, Any]:
    """A small graph of the same inputs and outputs, PRelu included, whose weights mean nothing."""
    return {"path": save_small_network(folder / "random.onnx")}


def random_facenet(folder: Path) -> dict[str, Any]:
    """The network with random weights, saved as the real ones are: with the last layer of the training."""
    import torch

    from streamer.core.extras import without_torchvision

    with without_torchvision():
        from facenet_pytorch import InceptionResnetV1
    torch.manual_seed(1)
    path = folder / "random.pt"
    torch.save(InceptionResnetV1(classify=True, num_classes=10).state_dict(), path)
    return {"path": path}


CASES = [
    Case("sface"),
    Case("arcface", sface_as_arcface, "arcface-sface"),
    Case("arcface", random_arcface, "arcface-random", recognises=False),
    Case("facenet", random_facenet, package="facenet_pytorch", recognises=False),
    Case("dlib", package="dlib", accepts=0.4),
]

SFACE = Thresholds(0.45, 0.20)
"""For its weights, whichever way they are read."""

pytestmark = pytest.mark.parametrize("embedder", CASES, ids=str, indirect=True, scope="module")


def made(case: Case, options: dict[str, Any], device: str = "cpu") -> Embedder:
    """The embedder."""
    result: Embedder = build("embedders", case.kind, options, Context(model=weights, device=device))
    return result


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """What the test's embedder was made from."""
    param: Case = request.node.callspec.params["embedder"]
    return param


@pytest.fixture(scope="module")
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    case: Case = request.param
    if case.package and find_spec(case.package) is None:
        pytest.skip(f"{case.kind} needs {case.package}, which is not installed; scripts/test_embedders runs it")
    result = made(case, case.options(tmp_path_factory.mktemp("weights")))
    yield result
    result.close()


@pytest.fixture(scope="module")
def yunet_detector() -> Iterator[Detector]:
    detector: Detector = build("detectors", "yunet", {"input_px": 320}, Context(model=weights))
    yield detector
    detector.close()


def noise(embedder: Embedder, number: int) -> list[Crop]:
    shape = (number, embedder.crop_px, embedder.crop_px, 3)
    return list(np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8))


def test_options_are_an_embedders_options(case: Case, embedder: Embedder) -> None:
    assert issubclass(load("embedders", case.kind).Options, EmbedderOptions)
    assert {one.kind for one in CASES} == set(kinds("embedders")), "every embedder goes through this suite"


def test_it_says_what_it_is(case: Case, embedder: Embedder) -> None:
    kind, _, digits = embedder.model.rpartition("-")
    assert kind == case.kind
    assert len(digits) == 12
    assert set(digits) <= set("0123456789abcdef")
    assert np.asarray(embedder.template).shape == (5, 2)
    assert np.asarray(embedder.template).min() > 0
    assert np.asarray(embedder.template).max() < embedder.crop_px
    assert -1 < embedder.thresholds.reject <= embedder.thresholds.accept < 1
    assert embedder.thresholds.margin > 0


def test_no_crop_no_vector(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dim)


@pytest.mark.parametrize("number", [1, 2, 3, 17, 40])
def test_a_batch_gives_what_single_crops_give(embedder: Embedder, number: int) -> None:
    crops = noise(embedder, number)
    before = [crop.copy() for crop in crops]
    together = embedder.embed(crops)
    assert together.shape == (number, embedder.dim)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for index in {0, number // 2, number - 1}:
        assert np.allclose(together[index], embedder.embed([crops[index]])[0], atol=2e-3)
    assert all(np.array_equal(a, b) for a, b in zip(crops, before, strict=True))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_crops_have_a_finite_vector_or_fail(embedder: Embedder, value: int) -> None:
    crop = np.full((embedder.crop_px, embedder.crop_px, 3), value, np.uint8)
    try:
        vector = embedder.embed([crop])
    except EmbedderError:
        return
    assert np.isfinite(vector).all()


def test_crops_of_another_size_are_refused(embedder: Embedder) -> None:
    with pytest.raises(EmbedderError, match="crops"):
        embedder.embed([np.zeros((embedder.crop_px + 1, embedder.crop_px, 3), np.uint8)])
    with pytest.raises(EmbedderError, match="crops"):
        embedder.embed([np.zeros((embedder.crop_px, embedder.crop_px, 3), np.float32)])


def test_the_thresholds_can_be_set(case: Case, embedder: Embedder) -> None:
    made = load("embedders", case.kind).Options
    calibrated = Thresholds(0.5, 0.2, 0.1, lift=0.01, alone=0.7, unlike=0.1)
    options = made(accept=0.96, reject=0.9, margin=0.3)
    assert options.thresholds(calibrated) == Thresholds(0.96, 0.9, 0.3, lift=0.01, alone=0.96, unlike=0.1)
    with pytest.raises(UsageError, match="above"):
        made(accept=0.95, reject=0.96).thresholds(calibrated)


def test_the_thresholds_have_floors(case: Case, embedder: Embedder) -> None:
    made = load("embedders", case.kind).Options
    usual, bounds = made.calibrated, made.bounds
    assert usual == embedder.thresholds
    assert bounds.accept < usual.accept <= usual.accept_among(1) < usual.accept_among(20) < usual.accept_among(100)
    assert usual.alone > usual.accept_among(5)
    assert usual.unlike <= bounds.reject <= usual.reject <= bounds.reject_known
    for key in ("accept", "margin", "reject"):
        least = getattr(bounds, key)
        assert getattr(made(**{key: least}), key) == least
        with pytest.raises(ValidationError, match="or leave it out"):
            made(**{key: least - 0.001})


@pytest.mark.timeout(400)
def test_same_people_are_alike_and_others_are_not(
    case: Case, embedder: Embedder, yunet_detector: Detector, media: Path
) -> None:
    """Pairs of LFW: nobody else reaches `accept`, most of the same do, and few of them fall below `reject`."""
    if not case.recognises:
        pytest.skip(f"{case.kind}: no trained weights here, only random ones")
    folder = media / "media/identities"
    with (folder / "lfw_pairs.csv").open() as rows:
        pairs = [(row["same"] == "1", row["file1"], row["file2"]) for row in csv.DictReader(rows)]
    pairs = [pair for same in (True, False) for pair in [pair for pair in pairs if pair[0] is same][:45]]
    vectors = {}
    for name in sorted({name for _, *names in pairs for name in names}):
        picture = Picture.from_bgr(np.asarray(cv2.imread(str(folder / "lfw" / name)), np.uint8))
        (found,) = yunet_detector.detect([picture])
        x, y = picture.width / 2, picture.height / 2
        middle = [one for one in found if one.box[0] < x < one.box[2] and one.box[1] < y < one.box[3]]
        if middle and middle[0].landmarks is not None:
            crop = aligned(picture, middle[0].landmarks, embedder.template, embedder.crop_px)
            vectors[name] = embedder.embed([crop])[0]
    scores = [(same, float(vectors[a] @ vectors[b])) for same, a, b in pairs if a in vectors and b in vectors]
    same = np.array([score for is_same, score in scores if is_same])
    other = np.array([score for is_same, score in scores if not is_same])
    assert len(same) > 40
    assert len(other) > 40
    thresholds = embedder.thresholds if case.kind != "arcface" else SFACE
    assert other.max() < thresholds.accept
    assert (same >= thresholds.accept).mean() >= case.accepts
    assert (same < thresholds.reject).mean() <= 0.05
    assert (other < thresholds.reject).mean() >= 0.8


def test_cuda_is_had_or_refused(case: Case, embedder: Embedder, tmp_path: Path) -> None:
    """Asked for and not obtained is an error, never the CPU in silence."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's ONNX Runtime offers CUDA")
    with pytest.raises(DeviceError, match=r"cuda.*--device cpu"):
        made(case, case.options(tmp_path), "cuda")


def test_closed_is_closed(case: Case, embedder: Embedder, tmp_path: Path) -> None:
    other = made(case, case.options(tmp_path))
    other.close()
    other.close()
    with pytest.raises(EmbedderError, match="closed"):
        other.embed(noise(other, 1))
