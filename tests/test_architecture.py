"""Who may import whom, and the few things that may stand in one place only. Found by reading the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "streamer"
FILES = sorted(PACKAGE.rglob("*.py"))

_LAYERS = {
    0: "install locks _spelling "
    "_suggest _cache errors devices types picture sealed geometry associate motion align clarity masks zones labels "
    "report files videodev2 channel workers parts providers extras onnx_graph stats",
    1: "sources detectors embedders effects sinks models people evidence",
    2: "capture detect track embed identify anonymize output",
    3: "planner",
    4: "batch config _presets _problems _reference endpoints assembly flow recognition pipeline api evaluate enrolment",
    5: "cli __main__",
}
LAYER = {name: layer for layer, names in _LAYERS.items() for name in names.split()}
_PACKAGES = {"sources", "detectors", "embedders", "effects", "sinks", "models", "evaluate", "enrolment", "cli"}
_SLOW_TO_IMPORT = {"av", "onnx", "onnxruntime", "torch", "insightface", "dlib", "pyvirtualcam", "facenet_pytorch"}


def _module(path: Path) -> str:
    """Dotted name below `streamer`; empty for the package itself."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


MODULES = {_module(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_imports(module: str) -> set[str]:
    """Modules of this package that a module imports."""
    found = set()
    for name in _imports(TREES[module]):
        parts = name.split(".")
        if parts[0] != "streamer":
            continue
        while ".".join(parts[1:]) not in MODULES:
            parts.pop()
        found.add(".".join(parts[1:]))
    return found - {""}  # the package itself only holds the version and names to fetch later


def _called(tree: ast.AST) -> set[str]:
    """Last names of everything that is called: `a.b(...)` gives `b`."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        f.attr if isinstance(f, ast.Attribute) else f.id for f in functions if isinstance(f, ast.Attribute | ast.Name)
    }


def test_every_module_has_a_layer() -> None:
    assert {name.split(".")[0] for name in MODULES} - {""} - LAYER.keys() == set()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {""}))
def test_imports_go_downwards(module: str) -> None:
    top = module.split(".")[0]
    for imported in sorted(_own_imports(module)):
        other = imported.split(".")[0]
        if other == top:
            continue
        low, high = LAYER[other], LAYER[top]
        assert low <= high, f"{module} (layer {high}) imports {imported} (layer {low})"
        if top in _PACKAGES and high == 1:
            assert low == 0, f"{module}: a part imports nothing but the ground floor and its own folder, not {imported}"
        if high in (2, 3):
            assert low < high, f"{module}: stages know nothing of each other, not of {imported} either"


def test_no_cycles() -> None:
    left = {module: _own_imports(module) - {module} for module in MODULES if module}
    for module, imported in left.items():  # a part may import its folder, and its folder none of its parts
        left[module] = {name for name in imported if not name.startswith(f"{module}.")}
    while free := {module for module, imported in left.items() if not imported & left.keys()}:
        for module in free:
            del left[module]
    assert not left, f"import each other: {sorted(left)}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if LAYER.get(name.split(".")[0]) in (0, 1, 2, 3)))
def test_heavy_libraries_are_imported_where_they_are_used(module: str) -> None:
    """So that choosing one part never needs another one's library, and the program starts at once."""
    for node in TREES[module].body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not {name.split(".")[0] for name in _imports(node)} & _SLOW_TO_IMPORT


def test_anonymized_frames_are_made_in_two_files_only() -> None:
    makers = {module for module, tree in TREES.items() if "AnonymizedFrame" in _called(tree)}
    assert makers == {"sealed", "anonymize"}


def test_raw_pictures_are_not_shown_or_written_outside_sinks() -> None:
    writers = {"imshow", "imwrite", "imencode", "VideoWriter", "imsave", "tofile"}
    found = {module for module, tree in TREES.items() if _called(tree) & writers}
    # Evaluation lays originals beside results, for whoever measures on test media; no stream runs through it.
    assert {module for module in found if module.split(".")[0] not in ("sinks", "evaluate")} == set()


def test_nothing_that_runs_a_stream_knows_of_evaluation() -> None:
    users = {module for module in MODULES if any(name.startswith("evaluate") for name in _own_imports(module))}
    others = {module for module in users if not module.startswith(("evaluate", "cli.evaluate"))}
    assert others <= {"cli._people_options", "cli.bench"}


def test_models_come_from_the_store_only() -> None:
    """Put together elsewhere, a context forgets the device, or which licences were accepted."""
    makers = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Context"
        and any(word.arg == "model" for word in node.keywords)
    }
    assert makers == {"models.store"}


def test_threads_and_processes_start_in_one_place() -> None:
    starters = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "start_new_thread", "fork"}
    assert {module for module, tree in TREES.items() if _called(tree) & starters} == {"workers"}


def test_only_the_command_line_prints() -> None:
    printing = {module for module, tree in TREES.items() if "print" in _called(tree)}
    # A measurement is run by hand; its output is its result.
    assert {module for module in printing if module.split(".")[0] not in ("cli", "evaluate")} == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_hold_one_idea(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 350
