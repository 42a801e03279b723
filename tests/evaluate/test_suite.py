"""The suite of test media: what a folder holds is found, judged and printed, with another program beside."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from support.clips import write_pictures, write_truth
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.core.picture import Picture
from streamer.sources.demo import Options, scene

FRAMES = 12
DRAWN = scene(Options(seed=3, width=640, height=360))


def write(path: Path, pictures: Sequence[Picture]) -> None:
    path.parent.mkdir(exist_ok=True)
    write_pictures(path, pictures)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street with its truth, an empty street, one that is not empty, and a grey picture."""
    folder = tmp_path_factory.mktemp("suite")
    street = [DRAWN.picture(n) for n in range(FRAMES)]
    write(folder / "video" / "street.mp4", street)
    empty = scene(Options(seed=3, width=640, height=360, faces=0))
    write(folder / "video_noface" / "empty.mp4", [empty.picture(n) for n in range(FRAMES)])
    write(folder / "video_noface" / "crowded.mp4", street)
    (folder / "reference").mkdir()
    write_truth(folder / "reference" / "street.csv", DRAWN, FRAMES)
    (folder / "images_noface").mkdir()
    cv2.imwrite(str(folder / "images_noface" / "grey.png"), empty.picture(0).bgr()[:100, :100])
    return folder


COPY = f"{shlex.quote(sys.executable)} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])' {{input}} {{output}}"


def test_everything_is_judged(folder: Path, tmp_path: Path) -> None:
    """Beside it, a program that hides nothing: each of its faces is readable."""
    command = ["evaluate", "suite", str(folder), "--peer", COPY, "--peer-files", str(tmp_path / "peer")]
    result = CliRunner().invoke(app, [*command, "--json", str(tmp_path / "s.json"), "--montage", str(tmp_path / "m")])
    assert result.exception is None
    numbers = json.loads((tmp_path / "s.json").read_text())
    row = numbers["clips"]["street"]
    assert row["face_frames"] > 5
    assert row["leaked"] == 0
    assert row["peer"]["leaked"] == row["face_frames"]
    assert row["peer"]["needless_cover_percent"] == 0
    assert numbers["totals"]["all"]["face_frames"] == row["face_frames"]
    assert numbers["totals"]["all"]["peer"]["leak_percent"] == 100
    assert numbers["without_faces"]["empty"]["frames"] == FRAMES
    assert list(numbers["images_without_faces"]) == ["grey.png"]
    assert f"| street | 0 of {row['face_frames']} | 0.00 | 0 |" in result.stdout
    assert "| 100.00 | 0.00 |" in result.stdout
    assert (tmp_path / "peer" / "street.mp4").exists()
    assert not list((tmp_path / "m").iterdir())  # nothing to show


def test_what_is_hidden_where_nobody_is(folder: Path, tmp_path: Path) -> None:
    """A clip with people among those that should have none: all of its cover is for nothing."""
    command = ["evaluate", "suite", str(folder), "--only", "crowded", "--json", str(tmp_path / "s.json")]
    result = CliRunner().invoke(app, command)
    assert result.exception is None
    row = json.loads((tmp_path / "s.json").read_text())["without_faces"]["crowded"]
    assert row["covered_percent"] > 1
    assert row["frames_with_cover_percent"] == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing-like-it"], "holds nothing to judge with 'nothing-like-it'"),
        (["--peer", f"{sys.executable} -c raise(SystemExit(7)) {{input}} {{output}}"], "exit code 7"),
    ],
)
def test_wrong_usage(folder: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", "suite", str(folder), "--peer-files", str(tmp_path), *arguments])
    assert result.exception is not None
    assert words in str(result.exception)
