"""The sweep: what is counted is counted right, and one command gives table, numbers and plot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.clips import write_scene
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.cli.evaluate_options import write_json
from streamer.config.schema import Config
from streamer.core.errors import DetectorError, ModelError, StreamerError
from streamer.evaluate import _chart
from streamer.evaluate.sweep import Row, Setting, usual_settings, waiting_frames
from streamer.sources.demo import Options, scene

FRAMES = 20


@pytest.mark.parametrize(
    ("settings", "mean", "most"),
    [
        ({"detect.every": 1}, 0, 0),
        ({"detect.every": 3}, 1, 2),  # of three frames, the first waits for two more, the second for one
        ({"detect.every": 5}, 2, 4),
        ({"detect.every": 3, "detect.lookahead": False}, 0, 0),
        ({"detect.every": 1, "detect.look_back_s": 0.2}, 5, 5),
        ({"detect.every": 10}, 2.5, 5),  # max_gap_s wants a look at every sixth frame
    ],
)
def test_what_frames_wait_for(settings: dict[str, object], mean: float, most: int) -> None:
    got_mean, got_most = waiting_frames(Config().updated(settings), 25.0)
    assert got_mean == pytest.approx(mean, abs=0.1)
    assert got_most == most


def test_every_setting_of_the_sweep_is_a_valid_one() -> None:
    settings = list(usual_settings())
    assert len({(setting.group, setting.name) for setting in settings}) == len(settings)
    for setting in settings:
        Config().updated(setting.overrides)


def test_the_chart_shows_every_series(tmp_path: Path) -> None:
    series = {"first": [(10.0, 0.5, "a"), (20.0, 1.0, "b")], "second": [(15.0, 0.0, "c")]}
    chart = _chart.draw(series, title="t", x_name="x", y_name="y")
    empty = _chart.draw({}, title="t", x_name="x", y_name="y")
    for color in _chart._COLORS[:2]:
        assert (chart == color).all(axis=2).any()
        assert not (empty == color).all(axis=2).any()
    assert _chart.write(tmp_path / "c.png", chart)
    read = cv2.imread(str(tmp_path / "c.png"))
    assert read is not None
    assert np.array_equal(read, chart)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short drawn clip, and its truth beside it."""
    folder = tmp_path_factory.mktemp("sweep")
    write_scene(folder / "street.mp4", folder / "street.csv", scene(Options(seed=3, width=640, height=360)), FRAMES)
    return folder


def test_the_command(folder: Path, tmp_path: Path) -> None:
    clip, numbers, plot = folder / "street.mp4", tmp_path / "s.json", tmp_path / "s.png"
    command = ["evaluate", "sweep", str(clip), "--reference", str(folder), "--only", "preset"]
    result = CliRunner().invoke(app, [*command, "--json", str(numbers), "--plot", str(plot)])
    assert result.exception is None
    rows = {row["name"]: row for row in json.loads(numbers.read_text())}
    assert list(rows) == ["fast", "balanced", "strict", "balanced, file"]
    for name, row in rows.items():
        assert f"| preset | {name} | {row['leaked']} of {row['face_frames']} |" in result.stdout
        assert row["frames"] == FRAMES
        assert row["face_frames"] == 20
        assert row["leaked"] == 0
        assert row["fps"] > 0
        assert row["cpu_ms_per_frame"] > 0
    assert rows["strict"]["passes_percent"] == 100
    assert rows["strict"]["covered_whole_percent"] == 25  # 0.2 s of 0.8 s
    assert rows["fast"]["passes_percent"] < rows["balanced"]["passes_percent"] < 50
    assert rows["fast"]["waits_most_frames"] == 0
    assert cv2.imread(str(plot)) is not None


def test_a_setting_that_fails_keeps_none_of_the_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named with its reason; table, numbers and plot hold the rest, and the exit code says that one is missing."""
    numbers, plot = tmp_path / "s.json", tmp_path / "s.png"
    there_then: list[int] = []

    def measured(todo: object, setting: Setting, *rest: object, **more: object) -> Row:
        if numbers.exists():
            there_then.append(len(json.loads(numbers.read_text())))
        if setting.name == "balanced":
            raise DetectorError("it broke down")
        if setting.name == "strict":
            raise ModelError("no such weights")
        return Row(setting.group, setting.name, frames=5, leak_percent=1.0, cpu_ms_per_frame=9.0)

    monkeypatch.setattr("streamer.cli.evaluate.measure", measured)
    command = ["evaluate", "sweep", str(folder / "street.mp4"), "--reference", str(folder), "--only", "preset"]
    result = CliRunner().invoke(app, [*command, "--json", str(numbers), "--plot", str(plot)])
    assert result.exit_code == 1
    assert "streamer: error: preset, balanced: it broke down" in result.stderr
    assert "preset, balanced: not measured: it broke down" in result.stdout
    assert "| preset | fast |" in result.stdout
    assert "| preset | balanced |" not in result.stdout
    rows = {row["name"]: row["missing"] for row in json.loads(numbers.read_text())}
    assert rows == {"fast": "", "balanced": "it broke down", "strict": "no such weights", "balanced, file": ""}
    assert there_then == [1, 2, 3], "written as it goes"
    assert cv2.imread(str(plot)) is not None


def test_numbers_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.json"
    write_json(path, [1])
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StreamerError, match="cannot be written: No space left"):
        write_json(path, [1, 2])
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_go_through_a_pipe(tmp_path: Path) -> None:
    """As into /dev/stdout, which must not be replaced by a file."""
    os.mkfifo(path := tmp_path / "pipe")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_json(path, [1])
    assert json.loads(os.read(reader, 99)) == [1]
    os.close(reader)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--reference DIR"),
        (["--reference", ".", "--only", "presets"], "there are detector, input, preset, with lookahead, without"),
        (["--reference", ".", "--plot", "none/there.png"], "is no folder"),
        (["--reference", "."], "reference street.csv cannot be read"),
        (["none.mp4", "--reference", "."], "there is no clip none.mp4"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("street.mp4").touch()
    result = CliRunner().invoke(app, ["evaluate", "sweep", "street.mp4", *arguments])
    assert result.exception is not None
    assert words in str(result.exception)
