"""British and American spelling: one key, written in two ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["plain_spelling", "respelled"]

_AMERICAN = {"colour": "color", "licence": "license", "neighbour": "neighbor", "centre": "center", "grey": "gray"}
_AMERICAN |= {"isation": "ization", "nonymise": "nonymize", "ecognise": "ecognize"}


def plain_spelling(key: str) -> str:
    """One spelling for both: keys for which this is the same are the same key.

    >>> plain_spelling("accept_licence"), plain_spelling("color")
    ('accept_license', 'color')
    """
    for british, american in _AMERICAN.items():
        key = key.replace(british, american)
    return key


def respelled(values: Mapping[str, Any], known: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Values under the names that are known; and the keys that were there in both spellings, with both."""
    names = {plain_spelling(name): name for name in known}
    found: dict[str, Any] = {}
    written: dict[str, str] = {}
    twice = []
    for key, value in values.items():
        name = names.get(plain_spelling(key), key)
        if name in written:
            twice.append(f"{written[name]} and {key}")
        found[name], written[name] = value, key
    return found, twice
