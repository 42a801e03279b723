"""The tallies of a run."""

from __future__ import annotations

import ast
import json

from support.source import PACKAGE

from streamer.core.reasons import CoverReason, DropReason, Emission, FailingPart, HideReason
from streamer.core.stats import Stats


def test_notes_do_not_fill_the_memory() -> None:
    stats = Stats()
    for number in range(1000):
        stats.note(f"lost: {number}")
    notes = stats.summary()["notes"]
    assert notes[0] == "lost: 0"
    assert len(notes) == 201
    assert notes[-1] == "800 more notes were not kept"


def test_reasons_are_counted_under_their_texts() -> None:
    stats = Stats()
    stats.captured(0, 1.0)
    stats.covered(CoverReason.NO_PASS_IN_TIME)
    stats.dropped("capture", DropReason.PIPELINE_BUSY)
    stats.dropped("a: b", DropReason.TOO_SLOW, 2)
    stats.failed(FailingPart.DETECTOR)
    stats.emitted("a: b", 0, Emission.COVERED, 1.25)
    stats.emitted("a: b", 0, Emission.REPEAT, 9.0)
    told = json.loads(json.dumps(stats.summary()))
    assert told["covered"] == {"total": 1, "why": {"no pass in time": 1}}
    assert told["dropped"] == {"total": 3, "where": {"capture: pipeline busy": 1, "a: b: too slow": 2}}
    assert told["other"] == {"DetectorError": 1}
    assert told["emitted"] == {"a: b": {"covered": 1, "repeat": 1}}
    assert told["latency_ms"]["a: b"]["p50"] == 250.0


def test_a_snapshot_of_the_counters_stays_as_it_was() -> None:
    stats = Stats()
    before = stats.counts()
    stats.lost("cable")
    assert (before.lost, stats.counts().lost) == (0, 1)


def test_every_reason_to_hide_a_face_is_one_of_the_list() -> None:
    """Also those that are still written as texts."""
    texts = set()
    for path in (PACKAGE / "identity").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                given = [part for arg in node.args for part in ast.walk(arg)] if name in ("Cover", "_void") else []
                texts |= {
                    part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    assert texts <= set(HideReason)
