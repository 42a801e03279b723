"""Model files for tests: from the media folder when it is there, else from the user's cache or the network."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from streamer.core.errors import ModelError
from streamer.inference.models.store import Store

__all__ = ["MEDIA_ROOT", "weights"]

MEDIA_ROOT = Path(os.environ.get("STREAMER_TEST_MEDIA") or Path(__file__).parents[3] / "shared")
"""Folder with `media/` and `models/`; see the README's section on tests."""


@cache
def weights(name: str) -> Path:
    """Path of a verified model file. Skips the test, saying why, when it cannot be had."""
    models = MEDIA_ROOT / "models"
    try:
        return Store(offline=models if models.is_dir() else None).path(name)
    except ModelError as error:
        pytest.skip(f"model {name}: {error}")
