"""Settings that would show people: refused beyond what was measured, warned about near it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import check
from streamer.cli.app import app
from streamer.config import parts
from streamer.config.cautions import cautions, refused
from streamer.config.schema import Choice, Config
from streamer.core.errors import ConfigError
from streamer.core.options import PartOptions
from streamer.identity.evidence import IdentityOptions


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["embedder.accept=-1"], "embedder.accept: must be at least 0.42 for this model, got -1"),
        (["embedder.accept=0.41"], "embedder.accept: must be at least 0.42 for this model, got 0.41"),
        (["embedder.margin=0"], "embedder.margin: must be at least 0.05 for this model, got 0"),
        (["embedder.reject=-1"], "embedder.reject: must be at least 0.1 for this model, got -1"),
        (
            ["embedder.kind=arcface", "embedder.accept=0.2"],
            "embedder.accept: must be at least 0.3 for this model (a strict guess, which no measurement of your own "
            "can lower), got 0.2",
        ),
        (
            ["identity.who=known", "embedder.accept=1", "embedder.reject=1"],
            "embedder.reject: must be at most 0.25 for this model with identity.who: known, got 1",
        ),
    ],
)
def test_what_would_show_the_wrong_people_is_refused(items: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as told:
        Config().with_overrides(items)
    (problem,) = told.value.problems
    assert problem.startswith(words)
    assert "\n" not in problem
    # What it tells to do works.
    remedy = re.search(r"; set ([\d.]+) or (more|less), or leave it out$", problem)
    assert remedy is not None
    name = words.partition(":")[0]
    Config().with_overrides([item for item in items if not item.startswith(f"{name}=")])
    Config().with_overrides([f"{name}={remedy[1]}" if item.startswith(f"{name}=") else item for item in items])


def test_where_the_enrolled_may_be_seen_a_high_reject_only_hides_more() -> None:
    Config().with_overrides(["identity.who=unknown", "embedder.accept=1", "embedder.reject=1"])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], []),
        (["embedder.accept=0.45", "embedder.reject=0.2"], []),
        (["embedder.accept=0.43"], ["embedder.accept (0.43) is below what was measured for sface (0.45)"]),
        (["embedder.margin=0.07"], ["embedder.margin (0.07) is below"]),
        (["embedder.reject=0.15"], ["embedder.reject (0.15) is below"]),
        (["identity.who=known", "embedder.reject=0.22"], ["embedder.reject (0.22) is above"]),
        (["identity.who=unknown", "embedder.reject=0.22"], []),
        (["identity.who=known", "embedder.accept=0.43", "embedder.margin=0.07", "embedder.reject=0.15"], []),
        (["embedder.kind=facenet"], ["the thresholds of embedder facenet are guesses"]),
    ],
)
def test_near_it_there_is_a_warning(items: list[str], words: list[str], tmp_path: Path) -> None:
    config = Config().with_overrides(items)
    found = cautions(config.embedder.kind, config.embedder.options, config.identity.who)
    assert len(found) == len(words)
    assert all(one.startswith(word) for one, word in zip(found, words, strict=True))


def test_an_embedder_of_somebody_elses_has_no_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options need not be those that ours have."""

    class Mine(PartOptions):
        """Nothing to set."""

    sections = {"embedder": Choice("mine", Mine()), "identity": IdentityOptions(who="known")}
    assert refused(sections) == []
    assert cautions("mine", Mine(), "known") == []
    monkeypatch.setattr(parts, "options_type", lambda folder, kind: Mine)
    probe = check._thresholds("mine")
    assert (probe.ok, probe.finding) == (False, "mine has no thresholds of its own")


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["detector.min_face_px=21"], "min_face_px above 20 (21)"),
        (["detector.max_face_px=999"], "max_face_px below 1000 (999)"),
        (["detector.min_face_px=10", "detector.max_face_px=90"], "max_face_px below 1000 (90)"),
    ],
)
def test_recognisable_faces_are_left_visible_only_on_purpose(items: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as told:
        Config().with_overrides(items)
    (problem,) = told.value.problems
    assert words in problem
    assert "set detector.i_accept_visible_faces=true" in problem
    Config().with_overrides([*items, "detector.i_accept_visible_faces=true"])


def test_small_and_giant_faces_need_no_word() -> None:
    Config().with_overrides(["detector.min_face_px=20", "detector.max_face_px=1000"])


def test_the_command_line_tells_both(tmp_path: Path) -> None:
    """Refused with the exit code of a configuration that is wrong; near the floor, said by the check of a file."""
    near, beyond = tmp_path / "near.yaml", tmp_path / "beyond.yaml"
    near.write_text("embedder: {accept: 0.43}\ndetector: {min_face_px: 30, i_accept_visible_faces: true}\n")
    beyond.write_text("embedder: {accept: -1}\n")
    told = CliRunner().invoke(app, ["config", "--check", str(near)])
    assert told.exit_code == 0
    assert "warning: embedder.accept (0.43) is below" in told.stdout
    assert "warning: faces below 30 px are left visible" in told.stdout
    refused = CliRunner().invoke(app, ["config", "--check", str(beyond)])
    assert isinstance(refused.exception, ConfigError)
    assert refused.exception.exit_code == 2
