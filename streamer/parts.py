"""Swappable parts: one file in a plural folder is one implementation, and its file name is its `kind`.

Only the chosen file is imported, so a missing optional library cannot break another choice. Every part's module has

    Options             a pydantic model with all its settings at their defaults; loads without heavy imports
    build(options, ctx) makes the part; imports what is heavy
    probe() -> Probe    optional: what `streamer check` says about it
    RUNTIME             of those that run a model: what it runs on (`devices.Runtime`)
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from streamer import devices
from streamer.errors import UsageError

__all__ = ["Context", "PartOptions", "Probe", "build", "device_for", "kinds", "load", "options_type"]


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


def kinds(folder: str) -> list[str]:
    """Names of the implementations in a plural folder, for example kinds("effects")."""
    package = importlib.import_module(f"streamer.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def load(folder: str, kind: str) -> ModuleType:
    """Import one implementation. Raises UsageError, naming the choices, when there is none of that name."""
    if kind not in kinds(folder):
        raise UsageError(
            f"{folder.removesuffix('s')} {kind!r} does not exist; choose one of {', '.join(kinds(folder))}"
        )
    return importlib.import_module(f"streamer.{folder}.{kind}")


def options_type(folder: str, kind: str) -> type[PartOptions]:
    """The `Options` of one implementation."""
    options: type[PartOptions] = load(folder, kind).Options
    return options


def build(folder: str, kind: str, options: PartOptions | Mapping[str, Any], ctx: Context) -> Any:
    """Make one part. A mapping is checked against the part's `Options` first.

    A part that runs a model gets the device that was obtained for it; DeviceError before anything else is tried.
    """
    module = load(folder, kind)
    if not isinstance(options, PartOptions):
        options = module.Options(**options)
    return module.build(options, replace(ctx, device=device_for(folder, kind, ctx.device)))


def device_for(folder: str, kind: str, device: str) -> str:
    """The device one part gets when `device` is asked for; `auto` becomes the best for it. Raises DeviceError."""
    runtime: devices.Runtime | None = getattr(load(folder, kind), "RUNTIME", None)
    if runtime is None:
        return device
    return devices.obtained(device, runtime, who=f"{folder.removesuffix('s')} {kind!r}")
