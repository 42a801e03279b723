"""The JSON Schema of the configuration says the same as the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.config.json_schema import config_schema
from streamer.config.schema import Config
from streamer.core.errors import ConfigError
from streamer.core.report_schema import report_schema

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).resolve().parents[2]


def accepted(schema: dict[str, Any], data: Any) -> bool:
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    return bool(validator(schema).is_valid(data))


def test_the_shipped_file_is_accepted() -> None:
    assert accepted(config_schema(), yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "detect:",
        "privacy: strict",
        "detector: {kind: scrfd, threshold: 0.4}",
        "detector: {threshold: 0.4}",
        "effect: {kind: solid, color: '#00ff00'}",
        "source: {file: {realtime: true}}",
        "sink: {file: {crf: 20}}",
        "zones: {cover: [[[0, 0], [0.5, 0], [0.5, 0.5]]]}",
        "identity: {who: unknown, attendance: who.csv}",
        "privacy: strikt",
        "detct: {}",
        "detect: {evry: 2}",
        "detect: {every: 0}",
        "detect: {every: 2.5}",
        "detect: 3",
        "detector: {kind: yunett}",
        "effect: {kind: solid, strength: 3}",
        "source: {file: {path: a}}",
        "source: {fil: {}}",
        "sink: {file: {crf: 99}}",
    ],
)
def test_the_schema_and_the_program_agree(text: str) -> None:
    data = yaml.safe_load(text)
    try:
        Config.from_mapping(data)
    except ConfigError:
        assert not accepted(config_schema(), data)
    else:
        assert accepted(config_schema(), data)


@pytest.mark.parametrize("data", [{"schema": 2, "runs": []}, {"schema": 1, "runs": [{"input": {"name": "a"}}]}, {}])
def test_what_is_no_report_is_refused(data: Any) -> None:
    assert not accepted(report_schema(), data)


def test_a_batch_is_a_report() -> None:
    failed = {"schema": 1, "input": {"name": "a.mp4"}, "error": "InputError: a.mp4 does not exist"}
    assert accepted(report_schema(), {"schema": 1, "runs": [failed]})
