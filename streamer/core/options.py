"""What every swappable part is given: its options, and what it may ask of the program around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from streamer.core.errors import UsageError

__all__ = ["Context", "PartOptions", "Probe"]


class PartOptions(BaseModel):
    """Base of every part's `Options`: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of `streamer check`."""

    ok: bool
    finding: str
    remedy: str = ""
    """What to do when it is not ok: a command to type where there is one."""


def _no_models(name: str) -> Path:
    raise UsageError(f"model {name!r} was asked for, but no model store was given")


@dataclass(frozen=True, slots=True)
class Context:
    """What a part may ask of the program around it."""

    model: Callable[[str], Path] = field(default=_no_models)
    """Name of a catalogued model -> path of its verified file. Raises ModelError."""
    accepted: Callable[[str], bool] = field(default=lambda name: False)
    """Whether the licence of a model's weights was accepted on this machine."""
    device: str = "cpu"
    """What the user asked for; see `devices.FORMS`."""
