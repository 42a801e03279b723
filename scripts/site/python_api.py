"""The reference of the Python API, made from the docstrings of everything public."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import streamer

__all__ = ["python_page"]

_OWN = "__init__", "__enter__", "__exit__"


def python_page() -> str:
    """Every public name with its signature and docstring, as Markdown."""
    names = [name for name in streamer.__all__ if name != "__version__"]
    lines = [
        "# Python API",
        "",
        "Everything that `import streamer` offers, made from the docstrings.",
        "[Use it from Python](../python.md) has examples.",
        "",
        "| name | what it is |",
        "|---|---|",
        *(f"| [`{name}`](#{name.lower()}) | {_first(getattr(streamer, name))} |" for name in names),
        "",
    ]
    for name in names:
        lines += _described(name, getattr(streamer, name))
    return "\n".join(lines).rstrip("\n") + "\n"


def _described(name: str, what: Any) -> Iterator[str]:
    yield from (f"## `{name}`", "")
    if not inspect.isclass(what):
        yield from (*_code(name, what), _doc(what), "")
        return
    if not issubclass(what, Exception) and not dataclasses.is_dataclass(what):
        yield from _code(name, what)
    yield from (_doc(what), "")
    yield from _fields(what)
    for member, value in vars(what).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            yield from (f"### `{name}.{member}`", "", _doc(value), "")
        elif callable(value) or isinstance(value, classmethod | staticmethod):
            yield from (f"### `{name}.{member}()`", "", *_code(member, getattr(what, member)), _doc(value), "")


def _code(name: str, what: Any) -> Iterator[str]:
    """A signature as it is written, one parameter a line where it is long."""
    signature = inspect.signature(what)
    signature = signature.replace(parameters=[one for one in signature.parameters.values() if one.name != "self"])
    text = f"{name}{signature}".replace("'", "")
    if len(text) > 100:
        said = [
            str(one).replace("<built-in function monotonic>", "time.monotonic") for one in signature.parameters.values()
        ]
        keyword = [n for n, one in enumerate(signature.parameters.values()) if one.kind is one.KEYWORD_ONLY]
        said[min(keyword, default=0) : min(keyword, default=0)] = ["*"] if keyword else []
        ending = str(signature.replace(parameters=[])).removeprefix("()")
        text = "\n".join([f"{name}(", *(f"    {one}," for one in said), f"){ending}"]).replace("'", "")
    yield from ("```python", text, "```", "")


def _fields(what: type) -> Iterator[str]:
    """The fields of a dataclass, with the strings that stand below them."""
    if not dataclasses.is_dataclass(what):
        return
    said = _field_docs(what)
    yield from ("| field | type | meaning |", "|---|---|---|")
    for field in dataclasses.fields(what):
        kind = str(field.type).replace("|", "\\|")
        yield f"| `{field.name}` | `{kind}` | {said.get(field.name, '')} |".replace("\\|", "or")
    yield ""


def _field_docs(what: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(what))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for node, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value) if isinstance(below.value, ast.Constant) else ""
            found[node.target.id] = " ".join(str(text).split())
    return found


def _doc(what: Any) -> str:
    return inspect.getdoc(what) or ""


def _first(what: Any) -> str:
    return _doc(what).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
