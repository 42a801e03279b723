"""The source of the program as a tree, for the tests that read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "streamer"
FILES = sorted(PACKAGE.rglob("*.py"))


def _module(path: Path) -> str:
    """Dotted name below `streamer`; empty for the package itself."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


MODULES = {_module(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    """Modules of this package that a module imports."""
    found = set()
    for name in imports(TREES[module]):
        parts = name.split(".")
        if parts[0] != "streamer":
            continue
        while ".".join(parts[1:]) not in MODULES:
            parts.pop()
        found.add(".".join(parts[1:]))
    return found - {""}  # the package itself only holds the version and names to fetch later


def called(tree: ast.AST) -> set[str]:
    """Last names of everything that is called: `a.b(...)` gives `b`."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        f.attr if isinstance(f, ast.Attribute) else f.id for f in functions if isinstance(f, ast.Attribute | ast.Name)
    }
