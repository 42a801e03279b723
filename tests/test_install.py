"""No remedy names a package that is not ours or a known one, and all are made in one place."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamer
from streamer.cli import check
from streamer.core import install

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
_OF_OTHERS = {
    "onnxruntime-directml",  # Windows' graphics cards
    "opencv-python-headless",  # to be removed: it overwrites OpenCV's window
    "pre-commit",  # for whoever contributes
    "tensorrt-cu13",
}
"""Packages that a remedy may name though the project does not require them."""
_WORDS = re.compile(r"pip3? (?:un)?install|streamer(?:-anonymizer)?\[|streamer-anonymizer|scripts/extras [a-z]")
_COMMAND = re.compile(r"pip3? (?:un)?install(?P<words>(?: +(?:'[^']*'|\"[^\"]*\"|[^\s`|;,)#]+))*)")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z][\w.-]*)(?:\[(?P<extras>[\w,-]+)\])?(?:[<>=!~].*)?")


def _name(requirement: str) -> str:
    found = _REQUIREMENT.fullmatch(requirement)
    assert found is not None, requirement
    return found["name"].lower()


KNOWN = {
    install.DISTRIBUTION,
    *_OF_OTHERS,
    *(
        _name(one.split(";")[0])
        for one in [*PROJECT["dependencies"], *(one for some in EXTRAS.values() for one in some)]
    ),
    *(_name(word) for steps in install.LIBRARIES.values() for step in steps for word in step if word[0] != "-"),
}


def problems(command: str, folder: Path | None = None) -> list[str]:
    """What is wrong with the packages that the words after `pip install` name."""
    wrong = []
    for quoted in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", command):
        word = quoted.strip("'\"").rstrip(".,")
        if word.startswith("-") or word in ("pip", "install", "uninstall", "&&", "in", "."):
            continue
        local = re.fullmatch(rf"(?:\.|{re.escape(str(folder))})(?:\[(?P<extras>[\w,-]+)\])?", word)
        found = local or _REQUIREMENT.fullmatch(word)
        if found is None or (local is None and found["name"].lower() not in KNOWN):
            wrong.append(f"{word}: not known")
        elif local is not None or found["name"] == install.DISTRIBUTION:
            wrong += [
                f"{word}: no extra {extra}"
                for extra in (found["extras"] or "").split(",")
                if extra not in ("", *EXTRAS)
            ]
    return wrong


@pytest.fixture(params=["checkout", "installed"])
def copy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """The program as it runs from its sources, and as it was installed."""
    folder = ROOT if request.param == "checkout" else None
    monkeypatch.setattr(install, "checkout", lambda: folder)
    return folder


def test_the_names_are_one() -> None:
    assert PROJECT["name"] == install.DISTRIBUTION
    assert importlib.metadata.version(install.DISTRIBUTION) == streamer.__version__
    assert install.checkout() == ROOT


def test_every_command_names_known_packages(copy: Path | None) -> None:
    made = [install.ours(extra) for extra in EXTRAS] + [install.ours("gpu", "tensorrt-cu13"), install.again()]
    for command in made:
        assert problems(command, copy) == []
    for name in install.LIBRARIES:
        assert copy is not None or problems(install.optional(name)) == []
        assert copy is None or install.optional(name) == f"scripts/extras {name}"


def test_an_installed_copy_says_the_index_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "checkout", lambda: None)
    assert install.ours("gpu") == "pip install 'streamer-anonymizer[gpu]'"
    assert install.again() == "pip install --force-reinstall --no-deps streamer-anonymizer"
    assert install.optional("dlib").startswith("pip install --no-deps dlib-bin==")


def test_a_checkout_says_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "checkout", lambda: Path("/home/ann/my streamer"))
    assert install.ours("gpu") == "pip install --editable '/home/ann/my streamer[gpu]'"
    assert install.ours("gpu", "tensorrt-cu13").endswith(" tensorrt-cu13")


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [('[project]\nname = "streamer-anonymizer"\n', True), ('[project]\nname = "streamer"\n', False), (None, False)],
)
def test_only_this_projects_folder_is_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, is_ours: bool
) -> None:
    """An installed copy lies beside other packages, and may lie beside another project's file."""
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(streamer, "__file__", str(tmp_path / "streamer" / "__init__.py"))
    assert install.checkout.__wrapped__() == (tmp_path if is_ours else None)


def test_scripts_extras_installs_the_same() -> None:
    script = (ROOT / "scripts" / "extras").read_text()
    for name, steps in install.LIBRARIES.items():
        part = script.partition(f"    {name}) ")[2].partition("    ;;")[0] or script.partition(f"    {name})\n")[2]
        part = part.partition(";;")[0]
        found = [line.split() for line in re.findall(r"pip ((?:--no-deps )?[^&\n]+)", part)]
        assert [tuple(words) for words in found] == list(steps), name


def _texts() -> Iterator[tuple[str, str, bool]]:
    """Where, every piece of text in the source, and whether it is a description, which is not part of a message."""
    for path in sorted((ROOT / "streamer").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value, id(node) in described


def bypasses(texts: Iterator[tuple[str, str, bool]]) -> list[str]:
    """Places where a remedy is written out."""
    return [
        where
        for where, text, described in texts
        if not described and not where.startswith("streamer/core/install.py:") and _WORDS.search(text)
    ]


def test_no_remedy_bypasses_the_module() -> None:
    assert bypasses(_texts()) == []


def test_a_bypass_is_found() -> None:
    for text in ("run: pip install x", "'streamer[gpu]'", "pip uninstall -y x", "scripts/extras dlib"):
        assert bypasses(iter([("streamer/x.py:1", text, False)])) == ["streamer/x.py:1"]


def test_every_call_names_known_packages_and_extras() -> None:
    """What the source hands to the module, word by word."""
    seen = set()
    for path in sorted((ROOT / "streamer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or getattr(called.value, "id", "") != "install":
                continue
            assert isinstance(node, ast.Call)
            words = [
                one.value
                for argument in node.args
                for one in ast.walk(argument)
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value != "cuda"
            ]
            seen.add(called.attr)
            where = f"{path.name}:{node.lineno}"
            if called.attr == "ours":
                assert words[0] in EXTRAS, where
                assert problems(" ".join(words[1:])) == [], where
            elif called.attr == "optional":
                assert not words or words[0] in install.LIBRARIES, where
            elif called.attr == "packages":
                assert problems(" ".join(f"'{word}'" for word in words)) == [], where
            elif called.attr == "without":
                assert set(words) <= {*KNOWN, "streamer"}, where
    assert seen >= {"ours", "optional", "packages", "without"}


DOCUMENTS = [
    *ROOT.glob("*.md"), ROOT / "config.yaml", *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.*"),
    *(path for path in (ROOT / "scripts").iterdir() if path.is_file()),
]  # fmt: skip


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_known_packages(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name != "CHANGELOG.md":  # it tells what was
        assert not re.search(r"(?<![\w./-])streamer\[", text)
    for found in re.findall(r"scripts/extras ([a-z]+)", text):
        assert found in install.LIBRARIES
    if path.parent.name == "scripts":
        return
    for command in _COMMAND.finditer(text):
        if path.name != "CHANGELOG.md":
            assert problems(command["words"]) == [], command[0]


def test_descriptions_in_the_source_name_what_there_is() -> None:
    for where, text, _ in _texts():
        for found in re.findall(r"scripts/extras ([a-z]+)", text):
            assert found in install.LIBRARIES, where


def test_a_wrong_package_is_found() -> None:
    assert problems("'streamer[gpu]'") == ["streamer[gpu]: not known"]
    assert problems("'streamer-anonymizer[gpus]' numpy") == ["streamer-anonymizer[gpus]: no extra gpus"]
    assert problems("-U torrents") == ["torrents: not known"]
    assert problems("'.[cpu]' 'opencv-python<5'") == []


def test_another_program_of_the_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "intruders", lambda: ["streamer 0.1.0"])
    (probe,) = check._installation()
    assert not probe.ok
    assert probe.remedy.startswith("pip uninstall -y streamer; pip install --force-reinstall --no-deps --editable ")


def test_another_program_of_the_name_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install.intruders() == []
    folder = tmp_path / "streamer-2.3.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: streamer\nVersion: 2.3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert install.intruders() == ["streamer 2.3"]
