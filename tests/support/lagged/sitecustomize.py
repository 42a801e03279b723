"""Python imports this by itself where this folder is on its path: so programs that tests start are slowed, too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

sys.path.append(str(Path(__file__).resolve().parents[2]))


class _Slowing(Loader):
    """Loads the detector's stage as it is, and makes its looks slow."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        from support.lag import lag, slowed

        self._real.exec_module(module)
        inside = vars(module)
        inside["_detect"] = slowed(inside["_detect"], lag())


class _Finder(MetaPathFinder):
    """Only when it is imported: what a program imports is itself under test."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "streamer.stages.detect":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Slowing(spec.loader)
        return spec


sys.meta_path.insert(0, _Finder())
