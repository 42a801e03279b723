"""The table of detectors: counting, reading, and what it says about those that are not there."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.weights import weights
from typer.testing import CliRunner

from streamer.__main__ import command
from streamer.cli.app import app
from streamer.core.errors import InputError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import DetectorOptions
from streamer.evaluate import detectors as table
from streamer.evaluate.detectors import Row, Variant, markdown, measure, read_boxes, read_pictures

BOXES = "file,x,y,w,h\na_1.png,10,10,30,30\na_1.png,60,10,30,30\nb_1.png,10,10,30,30\nb_1.png,50,50,8,8\n"


class Scripted:
    """Finds the same two faces in every picture, and a weak third."""

    closed = False

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        boxes = [((10, 10, 40, 40), 0.9), ((12, 12, 42, 42), 0.8), ((60, 10, 90, 40), 0.3)]
        return [[Detection(box, score) for box, score in boxes] for _ in pictures]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "boxes.csv").write_text(BOXES)
    for name in ("a_1.png", "b_1.png"):
        cv2.imwrite(str(tmp_path / name), np.full((100, 100, 3), 90, np.uint8))
    return tmp_path


def test_faces_and_false_alarms_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted()
    monkeypatch.setattr(table, "build_part", lambda *given: scripted)
    truth = read_boxes(folder / "boxes.csv", min_face_px=20)
    pictures = read_pictures(folder, truth)
    row = measure(
        Variant("yunet", models=("yunet",)), {"input_px": 640}, pictures, truth, [pictures["a_1.png"]], Context()
    )
    assert (row.faces, row.found) == (3, 2), "the weak one does not count, and two detections do not make two faces"
    assert row.found_in == {"a": (1, 2), "b": (1, 1)}
    assert (row.false_alarms, row.empty_pictures) == (2, 1)
    assert row.wall_ms > 0
    assert row.commercial_use
    assert scripted.closed


def test_a_detector_that_is_not_there_is_named_below_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*given: object) -> None:
        raise UsageError("detector 'hog' needs dlib")

    monkeypatch.setattr(table, "build_part", refuses)
    row = measure(Variant("hog", licence="BSL-1.0 / BSL-1.0"), {"input_px": 640}, {}, {}, [], Context())
    text = markdown([row, Row("yunet", 640, 10, 9, {}, 1, 20, 3.21, 3.3, "Apache-2.0 / MIT", True)])
    assert "| yunet | 640 | 90.0 % of 10 | 1 in 20 | 3.2 | Apache-2.0 / MIT | yes |\n\n- hog: detector 'hog'" in text


def bench(*arguments: object) -> tuple[int, str]:
    """`streamer bench ...`: its exit code, and what it printed or raised."""
    result = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    return result.exit_code, result.output if result.exception is None else str(result.exception)


def test_the_command_writes_text_and_json(folder: Path, yunet: Path) -> None:
    arguments = ["detectors", "--images", folder, "--kind", "yunet", "--input-px", 160, "--json", folder / "out.json"]
    code, text = bench(*arguments)
    assert code == 0
    assert "| yunet | 160 | 0.0 % of 3 | - |" in text
    (row,) = json.loads((folder / "out.json").read_text())
    assert (row["detector"], row["found"], row["faces"]) == ("yunet", 0, 3)


def test_without_pictures_drawn_people_are_looked_for(yunet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_DRAWN_STREETS", 1)
    pictures, truth, empty = table.drawn_people(min_face_px=30)
    assert pictures.keys() == truth.keys()
    assert all(box[2] - box[0] >= 30 for boxes in truth.values() for box in boxes)
    row = measure(
        Variant("yunet", models=("yunet",)), {"input_px": 960}, pictures, truth, empty, Context(model=weights)
    )
    assert row.faces >= 5
    assert row.found >= 0.8 * row.faces
    assert row.empty_pictures == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "eyes"], "--kind eyes: there are yunet, scrfd"),
        (["--boxes", "faces.csv"], "name their folder with --images DIR"),
        (["--set", "detect.every=2"], "--set detect.every: only settings of detectors"),
        (["--set", "detector.eyes=2"], "--set detector.eyes: none of these detectors has such a setting"),
        (["--set", "detector.tiles=0"], "detector.tiles"),
        (["--json", "/nowhere/x.json"], "/nowhere is no folder"),
    ],
)
def test_wrong_usage_of_the_command(arguments: list[str], message: str) -> None:
    code, text = bench("detectors", *arguments)
    assert code != 0
    assert message in text


def test_weights_that_are_not_free_are_measured_after_a_word_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))  # where nothing was accepted yet
    code, text = bench("detectors", "--images", folder, "--kind", "scrfd", "--input-px", 160)
    assert code == 0
    assert "- scrfd det_500m: InsightFace's model det_500m is for non-commercial research only" in text


def test_settings_reach_the_detectors_that_know_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, object]] = []

    def build_part(folder: str, kind: str, options: DetectorOptions, ctx: Context) -> Scripted:
        built.append((kind, getattr(options, "near", None)))
        assert options.careful
        return Scripted()

    monkeypatch.setattr(table, "build_part", build_part)
    arguments = ["--set", "detector.careful=true", "--set", "detector.near=false", "--kind", "hog", "--kind", "yunet"]
    code, text = bench("detectors", "--images", folder, "--input-px", 160, *arguments)
    assert (code, built) == (0, [("yunet", False), ("hog", None)]), text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--input-px", -3], "input-px"), (["--device", "coreml"], "coreml"), (["--json", "."], "is a folder")],
)
def test_wrong_wishes_are_refused_before_anything_is_measured(
    folder: Path, arguments: list[object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "measure", None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "argv", ["streamer", "bench", "detectors", "--images", str(folder), *map(str, arguments)])
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    assert command() == 2
    assert words in err.getvalue()
    assert err.getvalue().count("\n") == 1


def test_bad_input_is_one_line(folder: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv cannot be read"):
        read_boxes(folder / "nothing.csv", min_face_px=20)
    (folder / "bad.csv").write_text("file,x\na_1.png,1\n")
    with pytest.raises(InputError, match=r"bad\.csv is no table of boxes"):
        read_boxes(folder / "bad.csv", min_face_px=20)
    (folder / "boxes.csv").write_text("file,x,y,w,h\ngone.png,1,1,30,30\n")
    code, text = bench("detectors", "--images", folder)
    assert code != 0
    assert "gone.png cannot be read as a picture" in text


def test_every_variant_names_its_licences() -> None:
    for variant in table.VARIANTS:
        assert " / " in variant.licences
        assert variant.commercial_use == ("non-commercial" not in variant.licences)
