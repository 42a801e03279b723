"""The documents say what is true: settings, options, links and examples are compared with the program."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import streamer
from streamer.cli.app import app
from streamer.config.parts import kinds
from streamer.config.reference import render_reference
from streamer.config.schema import SHORT_NAMES, Config
from streamer.core.report_schema import render_report_reference, report_schema

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """All code blocks of one language, from every document."""
    return [
        code for path in DOCUMENTS for code in re.findall(rf"^```{language}\n(.*?)^```", text_of(path), re.M | re.S)
    ]


def test_the_reference_is_fresh() -> None:
    """Renew it: `streamer config --reference`."""
    _, marker, rest = text_of(ROOT / "docs" / "configuration.md").partition("streamer config --reference -->\n\n")
    assert marker
    assert rest == render_reference()


def test_the_reference_of_the_report_is_fresh() -> None:
    """Renew it: `streamer config --report --reference`, and `--schema` for the file beside it."""
    _, marker, rest = text_of(ROOT / "docs" / "report.md").partition("streamer config --report --reference -->\n\n")
    assert marker
    assert rest == render_report_reference()
    assert json.loads(text_of(ROOT / "docs" / "report.schema.json")) == report_schema()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text_of(path)):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def options_of(words: list[str]) -> set[str]:
    """Options of the verb that a command line of the program names."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)}


def test_options_in_examples_exist() -> None:
    for line in "".join(blocks("sh")).splitlines():
        name, *words = line.split("#")[0].split() or [""]
        if name not in ("streamer", "scripts/run"):
            continue
        known = options_of(words if name == "streamer" else ["run", *words]) | {"--help", "-h"}
        for option in re.findall(r"(?<![\w/])--?[a-z][a-z-]*", " ".join(words)):
            assert option in known, line


def test_settings_in_the_documents_exist() -> None:
    config = Config()
    known = set(Config.__dataclass_fields__)
    for path in DOCUMENTS:
        for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)`", text_of(path)):
            if section not in known or section in ("source", "sink"):
                continue
            chosen = getattr(config, section)
            options = getattr(chosen, "options", chosen)
            assert key == "kind" or key in type(options).model_fields, f"{path.name}: {section}.{key}"


def test_short_options_are_all_listed() -> None:
    listed = text_of(ROOT / "docs" / "configuration.md")
    for name, paths in SHORT_NAMES.items():
        assert f"--{name.replace('_', '-')}`" in listed
        for path in paths:
            assert f"`{path}`" in listed


def test_python_examples_are_python_and_use_what_there_is() -> None:
    examples = blocks("python")
    assert examples
    for code in examples:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module == "streamer":
                for alias in node.names:
                    assert alias.name in streamer.__all__
                    assert getattr(streamer, alias.name) is not None


def test_every_public_name_can_be_fetched() -> None:
    for name in streamer.__all__:
        assert getattr(streamer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = streamer.nonsense


def test_the_readme_names_every_effect_and_exit_code() -> None:
    readme = text_of(ROOT / "README.md")
    for code in ("| 0 |", "| 1 |", "| 2 |", "| 3 |"):
        assert code in readme
    help_text = text_of(ROOT / "streamer" / "cli" / "run.py")
    for kind in kinds("effects"):
        assert kind in help_text
