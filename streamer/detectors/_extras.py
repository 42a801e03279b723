"""Libraries that only some detectors need."""

from __future__ import annotations

import importlib
from types import ModuleType

from streamer.errors import UsageError

__all__ = ["load_extra"]


def load_extra(module: str, *, kind: str, extra: str) -> ModuleType:
    """Import an optional library. Raises UsageError with the command that installs it when it cannot be imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
        missing = error.name or module
        raise UsageError(f"detector {kind!r} needs {missing}, which {reason}; run: scripts/extras {extra}") from error
