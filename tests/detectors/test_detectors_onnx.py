"""What the detectors on ONNX Runtime share, on graphs and outputs made here, and what their options refuse."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from support.weights import weights

from streamer.config.parts import build, kinds, load
from streamer.config.schema import Config
from streamer.core.errors import ConfigError, DetectorError, ModelError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, corners
from streamer.inference.models.catalogue import CATALOGUE
from streamer.inference.onnx_graph import plain_graph


class FakeSession:
    """Gives what it is told, and remembers what it was given."""

    def __init__(self, answers: Any = None, *, batches: bool = True) -> None:
        self.seen: list[NDArray[np.float32]] = []
        self._answers = answers
        self._batches = batches

    def get_inputs(self) -> list[Any]:
        return [type("Value", (), {"name": "input"})()]

    def run(self, names: Sequence[str], inputs: dict[str, Array]) -> list[Array]:
        blob = inputs["input"]
        if len(blob) > 1 and not self._batches:
            raise RuntimeError("this graph takes one picture at a time")
        self.seen.append(blob.copy())
        return [blob.mean(axis=(1, 2, 3))]


class FakeHead:
    """Sees what `faces` holds, whatever the picture."""

    name = "Fake"
    input = Input(rgb=True, mean=(10, 20, 30), scale=0.5, padding=-7)
    outputs: tuple[str, ...] = ("mean",)
    nms_iou = 0.4
    near_px = 256

    def __init__(self, faces: list[tuple[float, list[float]]]) -> None:
        self.faces = faces
        self.sizes: list[tuple[int, int]] = []

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        return [[output[number : number + 1] for output in outputs] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        self.sizes.append(size)
        scores = np.array([score for score, _ in self.faces], np.float32)
        return Faces(scores, np.array([box for _, box in self.faces], np.float32).reshape(-1, 4))


def made(head: FakeHead, options: OnnxOptions | None = None, *, batches: bool = True) -> tuple[OnnxDetector, Any]:
    session: Any = FakeSession(batches=batches)
    detector = OnnxDetector(session, head, options or OnnxOptions(near=False))
    session.seen.clear()
    head.sizes.clear()
    return detector, session


def plain(width: int, height: int, bgr: tuple[int, int, int] = (50, 60, 70)) -> Picture:
    return Picture.from_bgr(np.full((height, width, 3), bgr, np.uint8), format="bgrp")


def test_the_input_is_padded_ordered_and_scaled() -> None:
    detector, session = made(FakeHead([]))
    detector.detect([plain(70, 40)])
    (blob,) = session.seen
    assert blob.shape == (1, 3, 64, 96)
    assert blob[0, :, :40, :70].reshape(3, -1).tolist() == [[30.0] * 2800, [20.0] * 2800, [10.0] * 2800]
    assert (blob[0, :, 40:] == -7).all()
    assert (blob[0, :, :, 70:] == -7).all()


def test_a_used_buffer_shows_nothing_of_the_picture_before() -> None:
    detector, session = made(FakeHead([]))
    detector.detect([plain(96, 64, (255, 255, 255))])
    detector.detect([plain(70, 40)])
    assert (session.seen[1][0, :, 40:] == -7).all()
    assert (session.seen[1][0, :, :, 70:] == -7).all()


def test_nearly_black_pictures_are_looked_at_once_more_made_brighter() -> None:
    head = FakeHead([(0.9, [10, 10, 30, 30])])
    head.input = Input(brightened=True)
    detector, session = made(head)
    for value, looks in ((0, [0, 0]), (3, [3, 24]), (10, [10, 40]), (19, [19, 40]), (20, [20]), (200, [200])):
        session.seen.clear()
        (found,) = detector.detect([plain(64, 32, (value, value, value))])
        assert [round(float(look.mean())) for look in session.seen[0]] == looks
        assert len(found) == 1, "what both looks see is one face"
    spots = np.full((32, 64, 3), 4, np.uint8)
    spots[4, 4] = 255
    session.seen.clear()
    detector.detect([Picture.from_bgr(spots, format="bgrp")])
    assert session.seen[0].max() == 255, "what is bright stays within its range"


def test_boxes_come_back_in_the_pictures_pixels() -> None:
    detector, _ = made(FakeHead([(0.9, [10, 20, 30, 50])]), OnnxOptions(near=False, input_px=200))
    ((one,),) = detector.detect([plain(400, 200)])
    assert one.box == (20, 40, 60, 100)
    assert one.score == pytest.approx(0.9)
    assert one.landmarks is None


def test_small_pictures_are_not_enlarged() -> None:
    detector, session = made(FakeHead([]))
    detector.detect([plain(33, 8)])
    assert session.seen[0].shape == (1, 3, 32, 64)


def test_of_overlapping_boxes_the_best_stays() -> None:
    detector, _ = made(FakeHead([(0.5, [0, 0, 20, 20]), (0.9, [1, 1, 21, 21]), (0.3, [40, 40, 60, 60])]))
    (found,) = detector.detect([plain(64, 64)])
    assert [round(one.score, 2) for one in found] == [0.9, 0.3]


def test_boxes_without_area_are_none() -> None:
    detector, _ = made(FakeHead([(0.9, [10, 10, 10, 40]), (0.8, [30, 10, 20, 40])]))
    assert detector.detect([plain(64, 64)]) == [[]]


@pytest.mark.parametrize("face", [(float("nan"), [0, 0, 9, 9]), (0.9, [0, 0, float("inf"), 9])])
def test_what_is_no_number_is_a_failure(face: tuple[float, list[float]]) -> None:
    detector, _ = made(FakeHead([face]))
    with pytest.raises(DetectorError, match="not finite"):
        detector.detect([plain(64, 64)])


def test_pictures_of_one_size_share_a_run_at_most_eight() -> None:
    detector, session = made(FakeHead([]))
    detector.detect([plain(64, 64), plain(200, 40), *[plain(64, 64)] * 9])
    assert [blob.shape[0] for blob in session.seen] == [8, 2, 1]


def test_a_graph_that_takes_one_picture_gets_one() -> None:
    detector, session = made(FakeHead([]), batches=False)
    assert detector.detect([plain(64, 64), plain(64, 64)]) == [[], []]
    assert [blob.shape[0] for blob in session.seen] == [1, 1]


def test_near_faces_are_looked_for_on_a_small_copy() -> None:
    """There, only what fills a good part of the picture counts: the rest is the full detection's business."""
    head = FakeHead([(0.9, [10, 10, 60, 60]), (0.8, [100, 10, 110, 20])])
    detector, _ = made(head, OnnxOptions(near=True, input_px=1024))
    (found,) = detector.detect([plain(1024, 512)])
    assert head.sizes == [(1024, 512), (256, 128)]
    widths = sorted(round(one.box[2] - one.box[0]) for one in found)
    assert widths == [10, 50, 200]
    made(head, OnnxOptions(near=True, input_px=400))[0].detect([plain(1024, 512)])
    assert len(head.sizes) == 1, "a small input needs no smaller one"


def test_input_auto_follows_the_smallest_face() -> None:
    head = FakeHead([])
    for smallest, expected in ((20, 1280), (40, 640), (80, 320)):
        detector, _ = made(head, OnnxOptions(near=False, input_px=None, smallest_face_px=smallest))
        detector.detect([plain(1280, 640)])
        assert head.sizes == [(expected, expected // 2)]


def test_input_auto_can_be_written() -> None:
    assert Config.from_mapping({"detector": {"input_px": "auto"}}).detector.options == load(
        "detectors", "yunet"
    ).Options(input_px=None)
    with pytest.raises(ConfigError, match=r"detector\.input_px: must be at least 160, got 3"):
        Config.from_mapping({"detector": {"input_px": 3}})
    with pytest.raises(ConfigError, match=r"detector\.input_px: must be a whole number"):
        Config.from_mapping({"detector": {"input_px": "big"}})


def test_cells_run_row_by_row_and_corners_are_around_centres() -> None:
    assert cells((24, 16), 8).tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]
    centers, sides = np.array([[10, 20]], np.float32), np.array([[4, 8]], np.float32)
    assert corners(centers, sides).tolist() == [[8, 16, 12, 24]]


def a_graph(path: Path, outputs: int) -> Path:
    """An ONNX file that takes a picture and gives it back so many times."""
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 32, 32])
    names = [f"out{number}" for number in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], [name]) for name in names],
        "identity",
        [value],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 32, 32]) for name in names],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"", "no ONNX file"), (b"no graph at all " * 50, "no ONNX file")],
)
def test_files_that_are_no_graph(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "mine.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        build("detectors", "scrfd", {"path": path}, Context())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    whole = weights("det_500m").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="no ONNX file"):
        build("detectors", "scrfd", {"path": path}, Context())


@pytest.mark.parametrize(("outputs", "message"), [(1, "it has 1 outputs"), (9, "no SCRFD")])
def test_a_graph_made_for_something_else(tmp_path: Path, outputs: int, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build("detectors", "scrfd", {"path": a_graph(tmp_path / "other.onnx", outputs)}, Context())


def test_a_file_of_ones_own_needs_no_licence_and_gives_the_same() -> None:
    path = weights("det_500m")
    picture = Picture.from_bgr(np.random.default_rng(3).integers(0, 255, (96, 96, 3), dtype=np.uint8))
    mine = build("detectors", "scrfd", {"path": path}, Context())
    named = build("detectors", "scrfd", {"accept_licence": True}, Context(model=weights))
    assert mine.detect([picture]) == named.detect([picture])


def test_the_detector_of_an_insightface_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found where insightface keeps its packs; nothing else in them is a detector."""
    monkeypatch.setenv("HOME", str(tmp_path))
    pack = tmp_path / ".insightface/models/buffalo_sc"
    pack.mkdir(parents=True)
    options = {"pack": "buffalo_sc", "accept_licence": True}
    with pytest.raises(ModelError, match="holds no detector"):
        build("detectors", "scrfd", options, Context())
    (pack / "w600k_mbf.onnx").write_bytes(b"")
    (pack / "det_500m.onnx").symlink_to(weights("det_500m"))
    picture = Picture.blank(64, 64).frozen()
    assert build("detectors", "scrfd", options, Context()).detect([picture]) == [[]]
    (pack / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match=r"pack buffalo_sc says in its manifest\.json"):
        build("detectors", "scrfd", options, Context())
    with pytest.raises(ModelError, match="InsightFace's model buffalo_sc is for non-commercial research only"):
        build("detectors", "scrfd", {"pack": "buffalo_sc"}, Context())


def test_a_pack_that_is_not_there_is_insightfaces_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"pack": "buffalo_l", "accept_licence": True}
    monkeypatch.setitem(sys.modules, "insightface", None)
    monkeypatch.setitem(sys.modules, "insightface.utils.storage", None)
    with pytest.raises(UsageError, match=r"needs insightface.*scripts/extras insightface"):
        build("detectors", "scrfd", options, Context())

    def ensure_available(kind: str, name: str, root: str) -> str:
        raise ConnectionError(f"no route to {name} for {root}\nand a second line")

    fake = SimpleNamespace(ensure_available=ensure_available)
    monkeypatch.setitem(sys.modules, "insightface", SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, "insightface.utils", SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, "insightface.utils.storage", fake)
    with pytest.raises(
        ModelError, match=r"could not fetch its pack buffalo_l: no route to buffalo_l.*unpack it"
    ) as told:
        build("detectors", "scrfd", options, Context())
    assert "\n" not in str(told.value)


def test_what_is_not_free_has_to_be_accepted() -> None:
    asked: list[str] = []

    def model(name: str) -> Path:
        asked.append(name)
        raise ModelError(name)

    for name in ("det_500m", "det_2.5g", "det_10g"):
        assert not CATALOGUE[name].commercial_use
        with pytest.raises(ModelError, match=r"non-commercial research only.*detector.accept_licence=true"):
            build("detectors", "scrfd", {"model": name}, Context(model=model))
    assert asked == []


def test_every_other_detector_takes_free_models_only() -> None:
    asked: list[str] = []

    def model(name: str) -> Path:
        asked.append(name)
        return weights(name)

    for kind in set(kinds("detectors")) - {"scrfd", "mtcnn", "haar", "hog"}:
        build("detectors", kind, {}, Context(model=model))
    assert sorted(asked) == ["centerface", "retinaface", "yunet"]
    assert all(CATALOGUE[name].commercial_use for name in asked)


def test_quantised_weights_are_worked_out_once() -> None:
    graph = onnx.load_from_string(plain_graph(weights("yunet"))).graph
    assert "DequantizeLinear" not in {node.op_type for node in graph.node}
