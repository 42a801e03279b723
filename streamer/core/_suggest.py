"""`did you mean ...?`"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest", "suggest"]


def nearest(word: str, choices: Iterable[str]) -> str:
    """` (did you mean 'every'?)`, to be added to a message; empty when nothing is near."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def suggest(word: str, choices: Iterable[str]) -> str:
    """What somebody who typed `word` may have meant, and otherwise what there is; to be added to a message.

    >>> suggest("evry", ["every", "lookahead"])
    " (did you mean 'every'?)"
    >>> suggest("zzz", ["every", "lookahead"])
    ' (there are every, lookahead)'
    """
    names = list(choices)
    return nearest(word, names) or f" (there are {', '.join(names)})"
