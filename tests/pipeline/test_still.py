"""One picture: every face hidden, no original for an effect that may read faces in videos only, and no half result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fakes import SIZE, face, readable

from streamer.config.schema import Config
from streamer.core.errors import DetectorError, EffectError
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.effects import Effect, Patch
from streamer.pipeline.still import anonymized

BOX: Box = (100.0, 60.0, 164.0, 124.0)


def street() -> Picture:
    luma = np.full((SIZE[1], SIZE[0]), 110, np.uint8)
    luma[60:124, 100:164] = face()
    return Picture.from_bgr(np.repeat(luma[..., None], 3, axis=2), format="bgrp")


class Finds:
    """Finds this where the street is upright, as it is: the face is known by its samples."""

    def __init__(self, *found: Detection) -> None:
        self._found = found

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        return [list(self._found) if self._upright(picture) else [] for picture in pictures]

    @staticmethod
    def _upright(picture: Picture) -> bool:
        return np.array_equal(picture.planes[0][60:124, 100:164], face())

    def close(self) -> None:
        pass


class Breaks(Finds):
    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        raise RuntimeError("broken")


class Reads(Effect):
    """An effect that may read faces in videos."""

    reads_face = "video"

    def __init__(self) -> None:
        self.got: list[Patch] = []

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        self.got += patches


class Raises(Effect):
    def apply(self, patches: Sequence[Patch], t: float) -> None:
        raise RuntimeError("broken")


def test_a_still_is_hidden_and_read_by_no_effect() -> None:
    effect = Reads()
    hidden = anonymized(street(), Finds(Detection(BOX, 0.9)), effect, Config())
    assert not hidden.covered
    assert not readable(hidden.image, BOX)
    assert [patch.original for patch in effect.got] == [None]


def test_failures_are_raised() -> None:
    with pytest.raises(DetectorError, match="broken"):
        anonymized(street(), Breaks(), Reads(), Config())
    with pytest.raises(EffectError, match="broken"):
        anonymized(street(), Finds(Detection(BOX, 0.9)), Raises(), Config())
