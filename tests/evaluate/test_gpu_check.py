"""The check of a graphics card, as far as it can be tried without one: on the CPU, and where it must say no."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from streamer.core.types import Box, Detection
from streamer.evaluate import _gpu_proof, gpu
from streamer.evaluate._gpu_report import markdown
from streamer.evaluate.detectors import VARIANTS
from streamer.inference.onnx_graph import plain_graph
from streamer.inference.providers import available

SIZE = (320, 256)


def face(box: Box, score: float) -> Detection:
    return Detection(box, score)


def test_the_same_faces() -> None:
    ours = [face((10, 10, 50, 50), 0.9), face((100, 10, 140, 60), 0.41), face((200, 0, 240, 40), 0.3)]
    theirs = [face((10, 10, 50, 50.5), 0.895), face((100, 10, 140, 60), 0.395)]
    found = gpu.compared([(ours, theirs), ([], [])])
    assert found["same"]
    assert found["faces"] == 3, "both sides; what scores less than the threshold needs no partner"
    assert found["without_partner"] == 0
    assert 0.98 < found["least_iou"] < 1
    assert found["largest_score_difference"] == pytest.approx(0.015)


@pytest.mark.parametrize(
    "theirs",
    [[], [face((10, 10, 50, 50), 0.8)], [face((10, 10, 50, 60), 0.9)], [face((60, 10, 100, 50), 0.9)]],
    ids=["none", "another score", "another size", "another place"],
)
def test_other_faces(theirs: list[Detection]) -> None:
    ours = [face((10, 10, 50, 50), 0.9)]
    for pairs in ([(ours, theirs)], [(theirs, ours)]):
        assert not gpu.compared(pairs)["same"]


def test_no_face_at_all_proves_nothing() -> None:
    assert not gpu.compared([([], [])])["same"]


def test_the_cpu_runs_where_it_says(yunet: Path) -> None:
    found = _gpu_proof.proof(plain_graph(yunet), "cpu", SIZE, load_s=0.05)
    assert found["proven"]
    assert found["providers"] == ["CPUExecutionProvider"]
    assert set(found["profiled"]) == {"CPUExecutionProvider"}
    assert found["runs"] > 0


class Pretender:
    """A session that names CUDA."""

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "input"})]

    def run(self, outputs: None, feed: dict[str, Any]) -> None:
        assert feed["input"].shape == (8, 3, SIZE[1], SIZE[0])


@pytest.mark.parametrize(
    ("operators", "profiled", "before", "during", "missing"),
    [
        (100, 90, "500", [(80.0, 900.0)], []),
        (0, 90, "500", [(80.0, 900.0)], ["no operator was given to CUDAExecutionProvider"]),
        (100, 40, "500", [(80.0, 900.0)], ["CUDAExecutionProvider did not run most operators"]),
        (100, 90, "500", [(80.0, 500.0)], ["the card's memory did not grow"]),
        (100, 90, "500", [(0.0, 900.0)], ["the card had no load"]),
        (100, 90, "", [], ["the card's memory did not grow", "the card had no load"]),
    ],
)
def test_each_sign_counts(
    monkeypatch: pytest.MonkeyPatch,
    operators: int,
    profiled: int,
    before: str,
    during: list[tuple[float, float]],
    missing: list[str],
) -> None:
    monkeypatch.setattr(_gpu_proof, "session", lambda graph, device: Pretender())
    given = {"CUDAExecutionProvider": operators, "CPUExecutionProvider": 9}
    monkeypatch.setattr(_gpu_proof, "nodes_per_provider", lambda made: given)
    counted = Counter({"CUDAExecutionProvider": profiled, "CPUExecutionProvider": 50})
    monkeypatch.setattr(_gpu_proof, "runs_per_provider", lambda graph, device, size: counted)
    monkeypatch.setattr(_gpu_proof, "smi", lambda fields, index: [before] if before else [])
    monkeypatch.setattr(_gpu_proof, "watched", lambda index: nullcontext(during))
    found = _gpu_proof.proof(b"", "cuda:1", SIZE, load_s=0.01)
    assert found["because"] == missing
    assert found["proven"] == (not missing)


def test_nvidias_tool_is_asked_in_its_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\necho "$@" >>' + str(tmp_path / "asked") + '\ncase "$*" in *--loop-ms*) while :; do echo "37, 812"; '
        'sleep 0.02; done ;; *) echo "A card, 580.1, 8192" ;; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert _gpu_proof.card("cuda:1") == {"name": "A card", "driver_version": "580.1", "memory.total": "8192"}
    assert _gpu_proof.card("cpu") == {}
    with _gpu_proof.watched(1) as samples:
        time.sleep(0.3)
    assert samples
    assert set(samples) == {(37.0, 812.0)}
    assert "--id=1" in (tmp_path / "asked").read_text()


def test_all_of_it_on_the_cpu(tmp_path: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "VARIANTS", VARIANTS[:1])
    given = ["--device", "cpu", "--out", str(tmp_path), "--seconds", "0.01", "--batches", "1", "2"]
    assert gpu.main(given) == 0
    (data,), (page,) = tmp_path.glob("*.json"), tmp_path.glob("*.md")
    found = json.loads(data.read_text())
    assert data.stem == page.stem == f"gpu_check_cpu_{found['date']}"
    assert found["good"]
    assert found["boxes"][0]["faces"] > 50
    assert [row["batch"] for row in found["times"]] == [1, 2]
    assert {row["device"] for row in found["streams"]} == {"cpu"}
    assert "Nothing here was run on a graphics card" in page.read_text()


@pytest.mark.skipif("CUDAExecutionProvider" in available(), reason="CUDA can be had here")
def test_without_a_card_it_says_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cuda", "--out", str(tmp_path)]) == 2
    assert "CUDAExecutionProvider" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_a_card() -> None:
    """What only a card gives stands on its page, too."""
    row = {"network_ms": 0.5, "detector_ms": 2.0}
    found = {
        "device": "cuda", "date": "2026-01-01", "good": False, "machine": "Linux", "cores": 2, "load": 9.5,
        "python": "3.12", "pictures": 3,
        "card": {"name": "A card", "driver_version": "580.1", "memory.total": "8192"},
        "packages": {"onnxruntime-gpu": "1.31.1"},
        "proof": {
            "providers": ["CUDAExecutionProvider"], "operators": {"CUDAExecutionProvider": 100}, "profiled": {},
            "memory_mib": {"before": 1.0, "most": 2.0}, "load_percent": {"most": 0.0, "samples": 9},
            "proven": False, "because": ["the card had no load"],
        },
        "boxes": [],
        "times": [{"detector": "yunet", "batch": 8, "cuda": row, "cpu": {"network_ms": 5.0, "detector_ms": 8.0}}],
        "options": [{"variant": "TF32", "batch": 1, "ms": 0.4}, {"variant": "graph", "batch": 1, "failed": "no"}],
        "streams": [{"device": "cuda", "settings": {"detect.every": 1}, "fps": 99.0, "pass_ms": 1.0}],
    }  # fmt: skip
    page = markdown(found)
    for words in (
        "**Not as it should be.**", "busy with other things**: 9.5 processes",
        "A card, 8192 MiB, driver 580.1", "NOT PROVEN: the card had no load",
        "| yunet | 8 | 0.50 / 2.00 | 5.00 / 8.00 | 10.0 / 4.0 |", "| graph | 1 | no |", "detect.every=1 | 99.0",
    ):  # fmt: skip
        assert words in page
    assert "Nothing here was run" not in page
