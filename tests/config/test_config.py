"""Configuration: good ones, and for every bad one the exact words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from streamer.config.parts import kinds
from streamer.config.presets import PRESET_NAMES, PRESETS
from streamer.config.reference import render_default_yaml
from streamer.config.schema import CHOICES, Config, load, parse_overrides, spelled_out
from streamer.core._suggest import suggest
from streamer.core.errors import ConfigError, UsageError
from streamer.inference.devices import FORMS

EFFECTS = ", ".join(kinds("effects"))
ROOT = Path(__file__).resolve().parents[2]


def problems(text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_shipped_config_is_the_defaults() -> None:
    assert load(ROOT / "config.yaml") == Config()
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == render_default_yaml()


def test_shipped_config_names_every_section_and_a_comment_for_every_key() -> None:
    text = render_default_yaml()
    assert list(yaml.safe_load(text)) == list(Config.__dataclass_fields__)
    lines = text.splitlines()
    for before, line in pairwise(lines):
        if line.startswith("  ") and "#" not in line and not line.strip().startswith("kind:"):
            assert before.strip().startswith("#"), line


@pytest.mark.parametrize("text", ["", "# nothing\n", "detect:\n", "detect: {}\nsource:\n  file:\n", "---\n{}\n"])
def test_nothing_said_is_the_defaults(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert load(tmp_path / "c.yaml") == Config()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("detect: {evry: 3}", ["detect.evry: unknown key (did you mean 'every'?)"]),
        ("detect: {every: 0}", ["detect.every: must be at least 1, got 0"]),
        ("detect: {every: 31}", ["detect.every: must be at most 30, got 31"]),
        ("detect: {every: '3'}", ["detect.every: must be a whole number, got '3'"]),
        ("detect: {every: 2.5}", ["detect.every: must be a whole number, got 2.5"]),
        ("detect: {every: true}", ["detect.every: must be a whole number, got True"]),
        ("detect: {every: null}", ["detect.every: must be a whole number, got None"]),
        ("detect: {lookahead: 1}", ["detect.lookahead: must be true or false, got 1"]),
        ("detect: {max_gap_s: 0}", ["detect.max_gap_s: must be more than 0, got 0"]),
        ("detect: {max_gap_s: .nan}", ["detect.max_gap_s: must be a finite number, got nan"]),
        ("run: {duration_s: .inf}", ["run.duration_s: must be a finite number, got inf"]),
        ("run: {device: gpu}", [f"run.device: must be one of {FORMS}, got 'gpu'"]),
        ("detect: 3", ["detect: must hold keys and values, got 3"]),
        ("detect: [every]", ["detect: must hold keys and values, got ['every']"]),
        ("- detect", ["the configuration: must hold keys and values, got ['detect']"]),
        ("text", ["the configuration: must hold keys and values, got 'text'"]),
        ("privacy: strikt", ["privacy: must be one of fast, balanced, strict, got 'strikt' (did you mean 'strict'?)"]),
        ("privacy: {every: 1}", ["privacy: must be one of fast, balanced, strict, got {'every': 1}"]),
        ("detct: {}", ["detct: unknown key (did you mean 'detect'?)"]),
        ("1: {}", [f"1: unknown key (there are {', '.join(Config.__dataclass_fields__)})"]),
        ("effect: {kind: blurr}", [f"effect.kind: must be one of {EFFECTS}, got 'blurr' (did you mean 'blur'?)"]),
        ("effect: {kind: [7]}", [f"effect.kind: must be one of {EFFECTS}, got [7]"]),
        ("effect: {sigma: 0.3}", ["effect.sigma: unknown key (there are strength, smooth, texture)"]),
        ("effect: {kind: blur, strength: 0}",
         ["effect.strength: must be low, medium, high or a whole number from 1 to 10, got 0"]),
        ("effect: {kind: blur, strength: weak}",
         ["effect.strength: must be low, medium, high or a whole number from 1 to 10, got 'weak'"]),
        ("effect: {kind: solid, color: red}", ["effect.color: must look like ^#[0-9a-fA-F]{6}$, got 'red'"]),
        ("source: {fil: {}}", ["source.fil: unknown key (did you mean 'file'?)"]),
        ("source: {file: {path: a}}", ["source.file.path: belongs on the command line, not into the configuration"]),
        ("source: {file: {realtim: true}}", ["source.file.realtim: unknown key (did you mean 'realtime'?)"]),
        ("sink: {file: {crf: 99}}", ["sink.file.crf: must be at most 51, got 99"]),
        ("detect:\n  every: 2\n  every: 3\n", ["line 3: the key 'every' stands twice"]),
        ("detect: {every: 2", ["line 1: not YAML: expected ',' or '}', but got '<stream end>'"]),
        ("detect:\n\tevery: 2", ["line 2: not YAML: found character '\\t' that cannot start any token"]),
        ("!!python/object/apply:os.system [echo]", ["line 1: not YAML: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object/apply:os.system'"]),
        ("run: {duration_s: &a [*a]}", ["run: holds something that is no plain data"]),
    ],
)  # fmt: skip
def test_bad_config(text: str, lines: list[str], tmp_path: Path) -> None:
    assert problems(text, tmp_path) == lines


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = "detect: {evry: 3, every: 0}\ntrack: 7\neffect: {kind: x}\nnonsense: 1\nsink: {file: {crf: 'low'}}\n"
    found = problems(text, tmp_path)
    assert {line.split(":")[0] for line in found} == {
        "nonsense", "detect.every", "detect.evry", "track", "effect.kind", "sink.file.crf"
    }  # fmt: skip


def test_long_values_and_secrets_are_not_repeated(tmp_path: Path) -> None:
    text = f"detect: {{every: '{'x' * 500}'}}\nrun: {{device: 'rtsp://ann:s3cret@10.0.0.7/live'}}\npassword: s3cret\n"
    found = "\n".join(problems(text, tmp_path))
    assert "x" * 100 not in found
    assert "s3cret" not in found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00d"), "is not a text file in UTF-8"),
    ],
)
def test_unreadable_file(make: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    assert callable(make)
    make(path)
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert caught.value.exit_code == 2


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbfdetect: {every: 2}\n")
    assert load(tmp_path / "c.yaml").detect.every == 2


def test_overrides() -> None:
    config = Config().with_overrides(["detect.every=2", "run.target_fps=15", "detect.max_gap_s=1e-1", "detect.every=4"])
    assert (config.detect.every, config.run.target_fps, config.detect.max_gap_s) == (4, 15, 0.1)
    assert config.with_overrides(["run.target_fps=null"]).run.target_fps is None
    assert config.with_overrides([]) == config


def test_another_kind_starts_from_its_own_defaults() -> None:
    pixelated = Config().with_overrides(["effect.kind=pixelate", "effect.strength=9"])
    colored = pixelated.with_overrides(["effect.color='#ff0000'", "effect.kind=solid"])
    assert colored.effect.options.model_dump() == {"color": "#ff0000"}
    assert pixelated.with_overrides(["effect.kind=pixelate"]) == pixelated


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("detect.every", "'detect.every': write it as key.path=value, for example detect.every=2"),
        ("=3", "'=3': write it as key.path=value, for example detect.every=2"),
        ("detect.every={", "detect.every: line 1: not YAML: expected the node content, but found '<stream end>'"),
        ("detect.evry=2", "detect.evry: unknown key (did you mean 'every'?)"),
        ("detect.every.deep=2", "detect.every: must be a whole number, got {'deep': 2}"),
        ("detect=2", "detect: must hold keys and values, got 2"),
        ("source.file.path=x", "source.file.path: belongs on the command line, not into the configuration"),
    ],
)
def test_bad_override(item: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config().with_overrides([item])
    assert caught.value.problems == [line]


def test_to_mapping_and_back() -> None:
    config = Config().with_overrides(
        ["effect={kind: solid}", "source.file.realtime=true", "detector.threshold=0.6", "sink.file.crf=20"]
    )
    assert config.source == {"file": {"realtime": True}}
    assert Config.from_mapping(config.to_mapping()) == config
    assert Config().to_mapping() == {name: {"kind": kind} for name, (_, kind) in CHOICES.items()}


# -- presets ----------------------------------------------------------------------------------------------------------


def test_a_preset_moves_defaults_and_what_is_set_counts(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("privacy: strict\ndetect: {every: 3}\nmask:\n  shape: box\n")
    config = load(tmp_path / "c.yaml")
    assert (config.privacy, config.detect.every, config.mask.shape) == ("strict", 3, "box")
    assert config.mask.margin == PRESETS["strict"]["mask"]["margin"]
    assert config.detector.options.model_dump()["threshold"] == PRESETS["strict"]["detector"]["threshold"]


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_every_key_of_a_preset_exists_and_is_taken(preset: str) -> None:
    config = Config().updated({"privacy": preset})
    assert config.privacy == preset
    for name, values in PRESETS[preset].items():
        chosen = getattr(config, name)
        options = getattr(chosen, "options", chosen).model_dump()
        assert {key: options[key] for key in values} == values


def test_balanced_is_the_default() -> None:
    assert Config().updated({"privacy": "balanced"}) == Config()
    assert Config().updated({"privacy": "strict"}).updated({"privacy": "balanced"}) == Config()


def test_presets_survive_other_changes_in_any_order() -> None:
    strict = Config().updated({"privacy": "strict"})
    assert Config.from_mapping(strict.to_mapping()) == strict
    assert strict.to_mapping() == {"privacy": "strict", **Config().to_mapping()}
    mixed = strict.updated({"detect.every": 3, "detect.lookahead": False})
    assert mixed == Config().updated({"detect.lookahead": False, "detect.every": 3, "privacy": "strict"})
    assert mixed.updated({"run.target_fps": 10}).detect.every == 3


def test_a_later_preset_moves_what_was_not_set() -> None:
    """A file that spells out the defaults must not keep the command line from being strict."""
    spelled = Config().updated({"detect.every": 3, "detect.second_looks": 2})
    strict = spelled.updated({"privacy": "strict"})
    assert (strict.detect.every, strict.detect.second_looks) == (1, 2)


@pytest.mark.parametrize("kind", kinds("detectors"))
def test_presets_suit_every_detector(kind: str) -> None:
    for preset in PRESET_NAMES:
        config = Config().updated({"privacy": preset, "detector.kind": kind})
        options = config.detector.options.model_dump()
        for key, value in PRESETS[preset].get("detector", {}).items():
            assert key not in options or options[key] == value


def test_strict_is_never_looser_than_balanced() -> None:
    strict, usual = Config().updated({"privacy": "strict"}), Config()
    assert strict.detect.every <= usual.detect.every
    assert strict.detect.max_gap_s <= usual.detect.max_gap_s
    assert strict.detect.lookahead
    assert strict.track.keep_s >= usual.track.keep_s
    assert strict.mask.margin >= usual.mask.margin
    assert strict.detector.options.model_dump()["threshold"] <= usual.detector.options.model_dump()["threshold"]


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_no_preset_shows_what_was_not_examined(preset: str) -> None:
    assert Config().updated({"privacy": preset}).detect.max_gap_s <= Config().detect.max_gap_s


def test_values_at_their_default_do_not_count_as_set() -> None:
    assert Config().with_overrides(["source.file.realtime=false"]) == Config()


def test_configurations_that_were_printed_before_still_load() -> None:
    before = {"identity": {"liveness": "none", "who": "unknown"}}
    assert Config.from_mapping(before) == Config.from_mapping({"identity": {"who": "unknown"}})
    assert Config().updated({"identity.liveness": "none"}) == Config()
    with pytest.raises(ConfigError, match=r"identity\.liveness: unknown key"):
        Config.from_mapping({"identity": {"liveness": "blink"}})


def test_options_for_joins_settings_and_address() -> None:
    config = Config().with_overrides(["sink.file.crf=20"])
    options = config.options_for("sink", "file", {"path": "a.mp4", "force": True})
    assert options.model_dump(include={"path", "crf", "force"}) == {"path": Path("a.mp4"), "crf": 20, "force": True}
    with pytest.raises(ConfigError, match=r"sink\.file\.path: is required"):
        config.options_for("sink", "file", {})
    with pytest.raises(UsageError, match="'fiel' does not exist"):
        config.options_for("sink", "fiel", {})


def test_short_names() -> None:
    assert spelled_out({"every": 2, "threshold": None}) == {"detect.every": 2}
    with pytest.raises(ConfigError, match=r"evry: unknown key \(did you mean 'every'\?\)"):
        spelled_out({"evry": 2})
    assert parse_overrides(["a.b=[1, 2]"]) == {"a.b": [1, 2]}


@pytest.mark.parametrize(("target", "name"), [(Config(), "detect"), (Config().detect, "every")])
def test_configurations_cannot_be_changed_in_place(target: object, name: str) -> None:
    with pytest.raises((AttributeError, ValueError), match=r"cannot assign|frozen"):
        setattr(target, name, 2)


def test_suggestions() -> None:
    assert suggest("evry", ["every", "lookahead"]) == " (did you mean 'every'?)"
    assert suggest("zzz", ["every", "lookahead"]) == " (there are every, lookahead)"


def test_floor_never_keeps_back_what_the_threshold_asks_for() -> None:
    config = Config().with_overrides(["detector.floor=0.9", "detector.threshold=0.3"])
    assert config.detector.options.model_dump()["floor"] == 0.3
