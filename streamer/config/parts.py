"""Swappable parts: one file in a plural folder is one implementation, and its file name is its `kind`.

Only the chosen file is imported, so a missing optional library cannot break another choice. Every part's module has

    Options             a pydantic model with all its settings at their defaults; loads without heavy imports
    build(options, ctx) makes the part; imports what is heavy
    probe() -> Probe    optional: what `streamer check` says about it
    claims(text)        of sources and sinks: what they make of an address that is theirs (`addresses.Claim`), or None
    FORMS               of those that claim something: what, in a few words
    RUNTIME             of those that run a model: what it runs on (`devices.Runtime`)
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from streamer.core.addresses import Claim
from streamer.core.errors import UsageError
from streamer.core.options import Context, PartOptions
from streamer.inference import devices

__all__ = ["build", "claimed", "device_for", "forms", "kinds", "load", "options_type"]


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


def claimed(folder: str, text: str, *, last: Sequence[str] = ()) -> tuple[str, Claim] | None:
    """The kind that claims an address, and what it makes of it; `last`: kinds that are asked after all others."""
    for kind in sorted(kinds(folder), key=lambda kind: (last.index(kind) + 1 if kind in last else 0, kind)):
        claims: Callable[[str], Claim | None] = getattr(load(folder, kind), "claims", lambda text: None)
        if (claim := claims(text)) is not None:
            return kind, claim
    return None


def forms(folder: str, *, first: Sequence[str], last: Sequence[str] = ()) -> list[str]:
    """What addresses there are, in a few words each: of the kinds in `first`, of all others, of those in `last`."""
    others = [kind for kind in kinds(folder) if kind not in first and kind not in last]
    texts = [getattr(load(folder, kind), "FORMS", "") for kind in (*first, *others, *last)]
    return [text for text in texts if text]
