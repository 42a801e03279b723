"""The documents say what is true: settings, options, links and examples are compared with the program."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import streamer
from streamer.cli.app import app
from streamer.config.parts import kinds
from streamer.config.reference import render_reference
from streamer.config.schema import SHORT_NAMES, Config
from streamer.core.report_schema import render_report_reference, report_schema
from streamer.evaluate import pictures

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SITE = ROOT / "scripts" / "site"


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


def anchors(path: Path) -> set[str]:
    """What a link may name after the `#`: the headings, in lower case and with hyphens."""
    without_code = re.sub(r"^```.*?^```", "", text_of(path), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", without_code, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    for target, _, anchor in re.findall(r"\]\(([^)#\s]*)(#([^)]*))?\)", text_of(path)):
        if "://" in target:
            continue
        wanted = path.parent / target if target else path
        assert wanted.exists(), target
        if anchor:
            assert anchor in anchors(wanted), f"{target}#{anchor}"


def test_the_code_names_documents_that_exist() -> None:
    for path in [*(ROOT / "streamer").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for name in re.findall(r"\bdocs/[\w/]+\.(?:md|jpg|png)", text_of(path)):
            assert (ROOT / name).exists(), f"{path}: {name}"


def test_the_threat_model_names_tests_that_exist() -> None:
    """In its tables: `file.py`, `file.py::name`, and `::name` for the file named before."""
    named = re.findall(r"`([\w/]*\.py)?(?:::(\w+))?`", (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    file = ""
    texts: dict[str, str] = {}
    for path, name in named:
        file = path or file
        if not file or not (path or name):
            continue
        texts[file] = texts.get(file) or (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not name or re.search(rf"(?:def|class) {name}\b", texts[file]), f"{file} has no {name}"
    assert len(texts) > 15


def test_pictures_are_small() -> None:
    for path in [*(ROOT / "docs").glob("*.jpg"), *(ROOT / "docs").glob("*.png")]:
        assert path.stat().st_size <= pictures.MOST_BYTES, path
    assert {path.name for path in (ROOT / "docs").glob("*.jpg")} == pictures.PICTURES.keys()


def test_the_picture_of_before_and_after_hides_faces(yunet: Path) -> None:
    both = pictures.before_and_after()
    before, after = both[:, : both.shape[1] // 2 - 4], both[:, both.shape[1] // 2 + 4 :]
    changed = np.abs(before.astype(np.int16) - after.astype(np.int16)).max(axis=2) > 30
    assert 0.01 < changed.mean() < 0.2


# -- the site ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all pages of the site, made as `scripts/docs` makes it."""
    folder = tmp_path_factory.mktemp("site") / "pages"
    done = subprocess.run(
        [sys.executable, str(SITE / "pages.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_lists_every_page(pages: Path) -> None:
    with (SITE / "zensical.toml").open("rb") as file:
        nav = str(tomllib.load(file)["project"]["nav"])
    listed = set(re.findall(r"'([\w./-]+\.md)'", nav))
    assert listed == {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}


def test_the_site_describes_every_command_and_public_name(pages: Path) -> None:
    commands, python = text_of(pages / "reference" / "commands.md"), text_of(pages / "reference" / "python.md")

    def described(name: str, command: Any) -> None:
        assert f"## `{name}`" in commands
        for option in options_of(name.split()[1:]):
            assert option in commands
        for word, one in getattr(command, "commands", {}).items():
            if not one.hidden:  # another spelling
                described(f"{name} {word}", one)

    described("streamer", typer.main.get_command(app))
    for public in set(streamer.__all__) - {"__version__"}:
        assert f"## `{public}`" in python


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_the_site_lead_somewhere(path: Path, pages: Path) -> None:
    place = path.relative_to(ROOT / "docs") if path.is_relative_to(ROOT / "docs") else None
    page = pages / (place or {"README.md": "index.md"}.get(path.name, path.name.lower()))
    for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)):
        assert "://" in target or (page.parent / target).exists(), target


# -- reports ----------------------------------------------------------------------------------------------------------


def test_the_page_about_reports_names_every_key(yunet: Path, tmp_path: Path) -> None:
    report = streamer.anonymize_video("demo", tmp_path / "demo.mp4", duration=0.2)
    page = text_of(ROOT / "docs" / "report.md")
    for key in report.summary:
        assert f"| `{key}` |" in page, key
    for why in ("no pass in time", "detector failed", "effect failed", "scene just began", "no plan"):
        assert f"`{why}`" in page


def options_of(words: list[str]) -> set[str]:
    """Options of the verb that a command line of the program names."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.get_command(None, word)
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


def test_effects_and_exit_codes_are_all_named() -> None:
    page = text_of(ROOT / "docs" / "running.md")
    for code in ("| 0 |", "| 1 |", "| 2 |", "| 3 |"):
        assert code in page
    help_text = text_of(ROOT / "streamer" / "cli" / "options" / "run.py")
    for kind in kinds("effects"):
        assert kind in help_text
