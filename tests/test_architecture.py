"""Who may import whom, found by reading the source. What may stand in one place only: test_single_places.py."""

from __future__ import annotations

import pytest
from support.source import MODULES, own_imports

_LAYERS = """__main__
cli
evaluate
api enrolment
pipeline
config
stages
identity sinks detection
anonymize tracking sources detectors embedders
inference people effects drawn
core
"""
HEIGHT = {folder: -line for line, folders in enumerate(_LAYERS.split("\n")) for folder in folders.split()}
NEEDS = {  # all that a part may import besides its own folder
    "sources": {"core", "drawn"},
    "detectors": {"core", "inference"},
    "embedders": {"core", "inference"},
    "effects": {"core"},
    "sinks": {"core", "anonymize"},
}


def _folder(module: str) -> str:
    return module.split(".")[0]


def test_every_folder_has_a_layer() -> None:
    assert {_folder(module) for module in MODULES} - {""} == HEIGHT.keys()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {""}))
def test_imports_go_downwards(module: str) -> None:
    own = _folder(module)
    for imported in sorted(own_imports(module)):
        other = _folder(imported)
        low_enough = HEIGHT[other] < HEIGHT[own] if other != own else own != "stages"
        assert low_enough, f"{module} imports {imported}: only lower layers and, but for stages, its own folder"
        assert other == own or other in NEEDS.get(own, HEIGHT), f"{module} is a part and does not need {imported}"


def test_no_cycles() -> None:
    left = {module: own_imports(module) - {module} for module in MODULES if module}
    for module, imported in left.items():  # a part may import its folder, and its folder none of its parts
        left[module] = {name for name in imported if not name.startswith(f"{module}.")}
    while free := {module for module, imported in left.items() if not imported & left.keys()}:
        for module in free:
            del left[module]
    assert not left, f"import each other: {sorted(left)}"


def test_nothing_that_runs_a_stream_knows_of_evaluation() -> None:
    users = {module for module in MODULES if any(name.startswith("evaluate") for name in own_imports(module))}
    assert not [module for module in users if not module.startswith(("evaluate", "cli.evaluate"))]
