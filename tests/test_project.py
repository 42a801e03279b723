"""What people meet who want to join: forms, checks and metadata hold together and name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def versions() -> set[str]:
    """Python's versions that the metadata names."""
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"])
    return {match[1] for match in found if match}


def test_hosted_checks_run_every_version_that_is_named() -> None:
    jobs = WORKFLOW["jobs"]
    for name in ("linux", "elsewhere"):
        assert set(jobs[name]["strategy"]["matrix"]["python"]) == versions()
    assert set(jobs["elsewhere"]["strategy"]["matrix"]["os"]) == {"macos-latest", "windows-latest"}
    assert min(versions(), key=lambda one: int(one.split(".")[1])) == PROJECT["requires-python"].removeprefix(">=")


def test_hosted_checks_name_what_there_is() -> None:
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    named = [word for command in commands for word in command.split() if word.startswith(("scripts/", "tests/"))]
    assert len(named) > 10
    for word in named:
        assert (ROOT / word).exists(), word
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in WORKFLOW["jobs"].values())


def test_tests_for_windows_import_nothing_that_windows_lacks() -> None:
    (listed,) = (step["run"] for step in WORKFLOW["jobs"]["elsewhere"]["steps"] if "pytest" in step.get("run", ""))
    for word in listed.split():
        path = ROOT / word
        for file in path.rglob("*.py") if path.is_dir() else [path] if word.startswith("tests/") else []:
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"^(import|from) (fcntl|pty|resource|termios|pwd|test_cli)\b", text, re.M), word


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_are_whole(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_whoever_reports_is_told_to_send_nobodys_picture() -> None:
    for name in ("bug.yml", "leak.yml"):
        text = (ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8").lower()
        assert "picture" in text
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "docs/privacy.md" in security
    assert "No pictures, videos, crops or links" in security


def test_hooks_use_the_projects_own_tools() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    assert entries == [".venv/bin/ruff format", ".venv/bin/ruff check", ".venv/bin/mypy"]


def test_types_are_offered() -> None:
    assert (ROOT / "streamer" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_no_address_is_invented() -> None:
    assert "urls" not in PROJECT, "name the repository in CONTRIBUTING.md, too, and in this test"
