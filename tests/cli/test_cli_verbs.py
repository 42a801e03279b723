"""Verbs, their spellings, their help, completion, and what starting the program costs."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from test_cli import Call, frames_in
from typer.core import TyperGroup

from streamer.cli import _verbs
from streamer.cli.app import VERBS, app
from streamer.config.schema import Config, load, parse_overrides
from streamer.core.errors import ConfigError

HEAVY = {"numpy", "cv2", "av", "onnxruntime", "pydantic", "yaml", "rich", "filelock", "platformdirs"}
_SPELLINGS = {"recognise": "recognize", "enroll": "enrol", "run": "anonymize"}


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


@pytest.fixture(scope="module")
def program() -> TyperGroup:
    made = typer.main.get_command(app)
    assert isinstance(made, TyperGroup)
    return made


def every_verb(name: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Every verb that does something, as it is called."""
    for word in group.commands:
        verb = group.get_command(None, word)
        yield from every_verb(f"{name} {word}", verb) if hasattr(verb, "commands") else [(f"{name} {word}", verb)]


def loaded(program: TyperGroup, name: str) -> Any:
    return program.get_command(typer.Context(program), name)


# -- the start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_start_loads_no_more_than_it_needs(option: str) -> None:
    """No pictures, no networks, no schemas, no laboratory: they took a second."""
    script = (
        "import sys; sys.argv[1:] = [sys.argv[1]]\n"
        "from streamer.__main__ import command\n"
        "assert command() == 0\n"
        f"heavy = {HEAVY}\n"
        "print(sorted(heavy & sys.modules.keys()), [name for name in sys.modules if name.startswith('streamer.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, option], capture_output=True, text=True, check=True, timeout=60
    )
    heavy, ours = done.stdout.splitlines()[-1].split("] ")
    assert heavy == "["
    assert set(ours.strip("[]").replace("'", "").split(", ")) == {
        "streamer.__main__", "streamer.cli", "streamer.cli._verbs", "streamer.cli.app",
        "streamer.core", "streamer.core.errors",
    }  # fmt: skip


def test_help_loads_no_work(program: TyperGroup) -> None:
    """What a verb works with is loaded when it is run: help of any of them took a second."""
    script = (
        "import sys\n"
        "from streamer.__main__ import command\n"
        "for verb in list(sys.argv[1:]):\n"
        "    sys.argv[1:] = [*verb.split(), '--help']\n"
        "    assert command() == 0\n"
        f"    assert not sys.modules.keys() & {HEAVY - {'pydantic'}}, verb\n"  # Typer itself reads options with it
    )
    asked = [context.removeprefix("streamer ") for context, _ in every_verb("streamer", program)]
    assert {"run", "people list", "evaluate leak", "bench detectors"} <= set(asked)
    subprocess.run([sys.executable, "-c", script, *asked, *VERBS], stdout=subprocess.DEVNULL, check=True, timeout=60)


@pytest.mark.parametrize("module", ["run", "people", "machine", "evaluate", "bench"])
def test_work_takes_the_options_of_its_verb(module: str) -> None:
    """It is named in writing, where no type checker looks."""
    found = vars(importlib.import_module(f"streamer.cli.options.{module}")).values()
    for options in [one for one in found if hasattr(one, "WORK")]:
        (name, taken), (_, returned) = get_type_hints(_verbs.work_of(options)).items()
        assert (name, returned) == ("asked", type(None))
        assert options is taken or options in get_args(taken)


@pytest.mark.parametrize("name", VERBS)
def test_the_list_says_what_the_verbs_say(program: TyperGroup, name: str) -> None:
    """It is written down apart, so that nothing has to be loaded for it."""
    verb = loaded(program, name)
    assert VERBS[name].help == verb.get_short_help_str(10_000)
    assert verb.hidden == VERBS[name].hidden


# -- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [[], ["people"], ["models"], ["evaluate"], ["bench"]])
def test_no_list_of_verbs_is_cut_off(call: Call, program: TyperGroup, group: list[str]) -> None:
    code, out, _ = call(*group, "--help")
    assert code == 0
    assert "..." not in out.replace("[ARGS]...", "")
    named = loaded(program, group[0]) if group else program
    words = " ".join(out.split())
    for name, verb in named.commands.items():
        if not verb.hidden:
            assert f"{name} {' '.join(verb.get_short_help_str(10_000).split())}" in words


def test_other_spellings_are_not_listed(call: Call) -> None:
    _, out, _ = call("--help")
    for other in ("recognize", "enrol ", "anonymise"):
        assert other not in out


def test_options_of_run_stand_under_headings(call: Call, program: TyperGroup) -> None:
    _, out, _ = call("run", "--help")
    places = [out.index(f"\n{panel}:\n") for panel in _verbs.PANELS]
    assert places == sorted(places)
    for param in loaded(program, "run").params:
        if param.param_type_name == "option" and param.name != "help":
            assert param.rich_help_panel in _verbs.PANELS, param.name


def test_called_without_anything_the_help_goes_where_errors_go(call: Call) -> None:
    code, out, err = call()
    assert (code, out) == (2, "")
    assert "Commands:" in err


# -- spelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), _SPELLINGS.items())
def test_verbs_in_both_spellings(program: TyperGroup, one: str, other: str) -> None:
    first, second = loaded(program, one), loaded(program, other)
    assert first.callback.__wrapped__ is second.callback.__wrapped__
    assert [param.opts for param in first.params] == [param.opts for param in second.params]


def test_a_verb_answers_to_the_name_it_was_called_by(call: Call) -> None:
    code, _, err = call("recognize", "--nonsense")
    assert code == 2
    assert err.endswith("see streamer recognize --help\n")


def test_every_option_of_british_spelling_has_its_american_twin(program: TyperGroup) -> None:
    pairs = (("licence", "license"), ("colour", "color"), ("enrol", "enroll"), ("recognise", "recognize"))

    for _, verb in every_verb("streamer", program):
        for param in verb.params:
            for british, american in pairs:
                for option in param.opts:
                    if british in option.replace(american, ""):
                        assert option.replace(british, american) in param.opts, (verb.name, option)


@pytest.mark.parametrize(
    ("items", "section", "key", "value"),
    [
        (["effect.kind=solid", "effect.colour='#101010'"], "effect", "color", "#101010"),
        (["effect.kind=solid", "effect.color='#101010'"], "effect", "color", "#101010"),
        (["detector.kind=haar", "detector.min_neighbors=5"], "detector", "min_neighbours", 5),
        (["detector.kind=scrfd", "detector.accept_license=true"], "detector", "accept_licence", True),
    ],
)
def test_keys_in_both_spellings(items: list[str], section: str, key: str, value: object) -> None:
    config = Config().with_overrides(items)
    assert getattr(getattr(config, section).options, key) == value


def test_the_later_of_two_spellings_counts_on_the_command_line(tmp_path: Path) -> None:
    """A file has one, the command line the other: what is said later counts, as always."""
    path = tmp_path / "c.yaml"
    path.write_text("effect:\n  kind: solid\n  colour: '#101010'\n")
    changed = load(path).updated(parse_overrides(["effect.colour='#202020'"]))
    assert changed.effect.options.model_dump()["color"] == "#202020"


def test_both_spellings_at_once_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("effect:\n  kind: solid\n  colour: '#101010'\n  color: '#202020'\n")
    with pytest.raises(ConfigError, match="effect: colour and color are one key; keep one of them"):
        load(path)


# -- strength and several inputs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strength", "0"], "effect.strength: must be low, medium, high or a whole number from 1 to 10, got 0"),
        (["--strength", "none"], "effect.strength: must be low, medium, high"),
        (["--strength", "1.5"], "effect.strength: must be low, medium, high"),
        (["--strength", "high", "--effect", "solid"], "--strength: effect 'solid' has none"),
    ],
)
def test_a_strength_that_is_none(call: Call, clip: Path, arguments: list[str], words: str) -> None:
    code, _, err = call("run", clip, "-o", "null", *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_strength_is_taken(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    arguments = ["--effect", "blur", "--strength", "8", "--duration", "0.2", "-q"]
    assert call("run", clip, "-o", tmp_path / "a.mp4", *arguments) == (0, "", "")


def test_several_inputs_in_one_run(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    """One that cannot be read keeps no other from being done; the folder is made."""
    names = [tmp_path / name for name in ("one.mp4", "broken.mp4", "two.mp4")]
    for path in names:
        shutil.copy(clip, path)
    names[1].write_bytes(b"no video")
    report = tmp_path / "r.json"
    out = tmp_path / "made" / "one.mp4"
    code, _, err = call("run", *names, "-o", f"{tmp_path}/made/", "--duration", "1", "-q", "--report", report)
    assert code == 3
    assert str(names[1]) in err
    assert err.count("\n") == 1
    assert [frames_in(out), frames_in(out.with_name("two.mp4"))] == [25, 25]
    assert not out.with_name("broken.mp4").exists()
    assert report.read_text().count('"outputs"') == 2


# -- completion -----------------------------------------------------------------------------------------------------

_PROGRAM = Path(sys.executable).parent / "streamer"


@pytest.mark.skipif(shutil.which("bash") is None or not _PROGRAM.exists(), reason="bash and the command are needed")
def test_completion_can_be_installed(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    script = f"'{_PROGRAM}' --install-completion && echo done"
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (written,) = (path for path in tmp_path.rglob("*.sh") if path.is_file())
    assert "_STREAMER_COMPLETE=complete_bash" in written.read_text()
    assert str(written) in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("streamer re", ["recognise"]),
        ("streamer ", [name for name, verb in VERBS.items() if not verb.hidden]),
        ("streamer models p", ["pull", "path"]),
        ("streamer run --pri", ["--privacy"]),
    ],
)
def test_completion_offers_verbs_and_options(words: str, offered: list[str]) -> None:
    environment = {**os.environ, "_STREAMER_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(words.count(" "))
    done = subprocess.run(
        [sys.executable, "-m", "streamer"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == offered
