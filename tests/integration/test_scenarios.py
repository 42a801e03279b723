"""Scripted scenes with the truth known exactly, and the real detector: who is seen where, and who must not be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.weights import weights
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.drawn.scene import Drawn
from streamer.evaluate.cases import CASES, GLIMPSE, Judged, judge


def judged(scene: Drawn, **settings: object) -> Judged:
    return judge(scene, Config().updated(settings), Context(model=weights))


@pytest.mark.parametrize("name", CASES)
def test_nobody_can_be_read(name: str) -> None:
    row = judged(CASES[name])
    assert row.faces >= 8
    assert row.readable == []
    assert row.covered == []


@pytest.mark.parametrize("name", ["camera swung", "a train behind"])
def test_nobody_can_be_read_without_lookahead_either(name: str) -> None:
    """Whether the camera moves or what is behind people, the pictures tell the same of both."""
    assert judged(CASES[name], **{"detect.lookahead": False}).readable == []


def test_who_is_there_only_between_two_looks_is_seen() -> None:
    """The case that skipping frames leaves open: `every - 1` frames at most. It is documented in docs/privacy.md."""
    row = judged(GLIMPSE)
    assert (row.faces, row.readable) == (2, [4, 5])


@pytest.mark.parametrize("settings", [{"detect.every": 1}, {"privacy": "strict"}])
def test_looks_at_every_frame_leave_nothing_open(settings: dict[str, object]) -> None:
    row = judged(GLIMPSE, **settings)
    assert (row.faces, row.readable) == (2, [])


def test_strict_covers_the_beginning_of_every_scene_whole() -> None:
    row = judged(CASES["cut"], privacy="strict")
    assert row.readable == []
    assert row.covered == [*range(5), *range(20, 25)]


def test_the_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "cases", "--json", str(tmp_path / "cases.json")])
    assert result.exception is None
    rows = json.loads((tmp_path / "cases.json").read_text())
    assert set(CASES) < set(rows)
    for name, row in rows.items():
        assert f"| {name} | {row['faces']} | {len(row['readable'])} |" in result.stdout
    left_open = {name: len(row["readable"]) for name, row in rows.items() if row["readable"]}
    assert left_open == {"there for 1 frames between looks": 1, "there for 2 frames between looks": 2}
