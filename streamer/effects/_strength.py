"""`strength: low | medium | high | 1..10`, the one knob that effects share."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator

__all__ = ["STRENGTH", "Strength", "between"]

_WORDS = {"low": 1, "medium": 4, "high": 7}
_WEAKEST, _STRONGEST = 1, 10
STRENGTH = "low (1), medium (4), high (7) or a number from 1 to 10; 1 is the least that hides faces, less is refused"
"""What a field of this type says about itself."""


def _checked(value: object) -> int | str:
    if isinstance(value, str) and value in _WORDS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and _WEAKEST <= value <= _STRONGEST:
        return value
    raise ValueError(
        f"must be {', '.join(_WORDS)} or a whole number from {_WEAKEST} to {_STRONGEST}, got {value!r:.40}"
    )


Strength = Annotated[int | str, PlainValidator(_checked)]


def between(strength: int | str, weakest: float, strongest: float) -> float:
    """The value for a strength: `weakest` at 1, `strongest` at 10, equal ratios between neighbours."""
    number = _WORDS[strength] if isinstance(strength, str) else strength
    return float(weakest * (strongest / weakest) ** ((number - _WEAKEST) / (_STRONGEST - _WEAKEST)))
