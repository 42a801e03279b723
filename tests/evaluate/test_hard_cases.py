"""Faces that are hard to find: what the cases show, and that near faces are found by every detector for webcams."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.weights import weights
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.parts import build
from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.detectors import Detector, DetectorOptions
from streamer.evaluate import hard_cases
from streamer.evaluate.detectors import Variant, found_faces
from streamer.evaluate.hard_cases import CASES, Case, drawn_cases, markdown, measure, real_cases

LIST = Path(__file__).parents[1] / "data/hard_cases.csv"


@cache
def drawn() -> dict[str, Case]:
    return {case.name.removesuffix(", drawn"): case for case in drawn_cases()}


@cache
def detector(kind: str, **options: Any) -> tuple[Detector, float]:
    licence = {"accept_licence": True} if kind == "scrfd" else {}
    made: Detector = build("detectors", kind, {**licence, **options}, Context(model=weights))
    return made, DetectorOptions().threshold


@pytest.fixture(scope="module", autouse=True)
def _detectors_end_here() -> Iterator[None]:
    """Other tests ask whether a model's session goes with its last user."""
    yield
    detector.cache_clear()


def found(case: Case, kind: str, **options: Any) -> tuple[int, int]:
    """Faces found, faces there."""
    made, threshold = detector(kind, **options)
    hits = 0
    for picture, faces in case.pictures:
        hits += found_faces(faces, [one for one in made.detect([picture])[0] if one.score >= threshold])
    return hits, sum(len(faces) for _, faces in case.pictures)


def test_the_cases_are_what_they_say() -> None:
    cases = drawn()
    assert tuple(cases) == CASES
    for picture, ((_, y0, _, y1),) in cases["near"].pictures:
        assert picture.size == (1280, 720)
        assert y1 - y0 == pytest.approx(0.9 * 720, abs=2)
    ((crowd, faces),) = cases["crowd"].pictures
    assert crowd.size == (1920, 1080)
    assert len(faces) == 30
    assert float(np.mean([box[2] - box[0] for box in faces])) == pytest.approx(12, abs=1)
    for picture, _ in cases["dark"].pictures:
        assert 0 < float(picture.bgr().mean()) < 16
    for (masked, ((x0, y0, x1, y1),)), (bare, _) in zip(cases["masked"].pictures, _upright(), strict=True):
        mouth = slice(round(y0 + 0.65 * (y1 - y0)), round(y1 - 4)), slice(round(x0 + 12), round(x1 - 12))
        eyes = slice(round(y0), round(y0 + 0.4 * (y1 - y0))), slice(round(x0), round(x1))
        difference = cv2.absdiff(masked.bgr(), bare.bgr()).max(axis=2)
        assert (difference[mouth] > 3).mean() > 0.8
        assert (difference[eyes] > 3).mean() < 0.1


def _upright() -> list[tuple[Picture, tuple[Box, ...]]]:
    return [hard_cases._portrait(person, (640, 480), 120) for person in range(12)]


@pytest.mark.parametrize("kind", ["yunet", "scrfd", "centerface", "retinaface"])
def test_a_face_that_fills_most_of_the_frame_is_found_at_default(kind: str) -> None:
    """Drawn people whose face is 90 % of a 1280x720 frame high."""
    hits, there = found(drawn()["near"], kind)
    assert hits == there


def test_most_faces_in_the_dark_are_found_at_default() -> None:
    usual, there = found(drawn()["dark"], "yunet")
    as_it_is, _ = found(drawn()["dark"], "yunet", brighten=False)
    assert usual >= 0.8 * there
    assert usual > as_it_is


@pytest.mark.parametrize("kind", ["yunet", "scrfd", "centerface", "retinaface"])
def test_real_faces_that_fill_most_of_the_frame_are_found_at_default(kind: str, media: Path) -> None:
    near = real(media)["near"]
    hits, there = found(near, kind)
    assert there == 8
    assert hits == there


def test_careful_finds_a_crowd_of_real_faces_of_12_px(media: Path) -> None:
    crowd = real(media)["crowd"]
    usual, there = found(crowd, "yunet")
    careful, _ = found(crowd, "yunet", careful=True)
    assert there > 100
    assert usual < 0.3 * there
    assert careful > 0.9 * there


@cache
def real(media: Path) -> dict[str, Case]:
    folder = media / "media/images_annotated"
    return {case.name.removesuffix(", real"): case for case in real_cases(folder, folder / "boxes.csv", LIST)}


class Scripted:
    """Finds one face in the middle of every picture, and a second beside it when it is careful."""

    def __init__(self, careful: bool) -> None:
        self._careful = careful

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        found = [Detection((10, 10, 40, 40), 0.9), Detection((60, 10, 90, 40), 0.9 if self._careful else 0.3)]
        return [found for _ in pictures]

    def close(self) -> None:
        pass


def test_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_part(folder: str, kind: str, options: DetectorOptions, ctx: Context) -> Scripted:
        return Scripted(options.careful)

    monkeypatch.setattr("streamer.evaluate.detectors.build_part", build_part)
    case = Case("two", ((Picture.blank(100, 100).frozen(), ((10, 10, 40, 40), (60, 10, 90, 40))),))
    row = measure(Variant("yunet", models=("yunet",)), {}, [case], Context())
    assert row.found == {"two": (1, 2, 2)}
    refused = hard_cases.Row("hog", missing="detector 'hog' needs dlib")
    text = markdown([row, refused])
    assert text.startswith("| case | faces | yunet |\n|---|---|---|\n| two | 2 | 1 / 2 |\n| cost of `careful` |")
    assert text.endswith("- hog: detector 'hog' needs dlib\n")
    assert markdown([refused]) == "\n- hog: detector 'hog' needs dlib\n"


def test_pictures_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, from a folder with a table of faces and one of cases to text and numbers."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 100, 3), 90, np.uint8))
    (tmp_path / "boxes.csv").write_text("file,x,y,w,h\na.png,10,10,30,40\n")
    (tmp_path / "cases.csv").write_text("file,case\na.png,near\na.png,profile\n")
    monkeypatch.setattr(hard_cases, "drawn_cases", list)
    arguments = ["bench", "hard-cases", "--images", str(tmp_path), "--kind", "yunet"]
    tables = ["--cases", str(tmp_path / "cases.csv"), "--json", str(tmp_path / "out.json")]
    weights("yunet")
    result = CliRunner().invoke(app, [*arguments, *tables])
    assert result.exit_code == 0, result.output
    assert [line.split(" | ")[0] for line in result.output.splitlines()[2:6]] == [
        "| near, real",
        "| crowd, real",
        "| profile, real",
        "| dark, real",
    ]
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert row["found"]["near, real"] == [0, 0, 1]
    refused = CliRunner().invoke(app, arguments)
    assert "say with --cases CSV" in str(refused.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,what\na.png,near\n", "is no table of cases"),
        ("file,case\na.png,upside down\n", "there is no case upside down"),
        ("file,case\nb.png,near\n", "knows nothing of b.png"),
    ],
)
def test_a_bad_table_of_cases(text: str, message: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 100, 3), 90, np.uint8))
    (tmp_path / "boxes.csv").write_text("file,x,y,w,h\na.png,10,10,30,40\n")
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        real_cases(tmp_path, tmp_path / "boxes.csv", tmp_path / "cases.csv")
