"""A picture instead of the face, scaled and turned with it. Through its transparent parts shows a flat colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.bounded import read_at_most
from streamer.core.decoding import LARGEST_BYTES, decoded
from streamer.core.errors import UsageError
from streamer.core.options import Context, PartOptions
from streamer.effects import Effect, Patch
from streamer.effects._color import PATTERN, bgr_of
from streamer.effects._drawings import smile
from streamer.effects._stamp import Stamp

_SIDE = 512
"""Pictures are brought to this size once; larger faces show them enlarged."""


class Options(PartOptions):
    """Settings of the effect."""

    image: Path | None = Field(
        None, description="picture with or without transparency (PNG, WebP, JPEG ...); null: a drawn smile"
    )
    color: str | None = Field(
        None,
        pattern=PATTERN,
        description="what shows where the picture is transparent, as #rrggbb; null: its mean colour",
    )


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect. Raises UsageError when the picture cannot be read."""
    return Replace(options)


class Replace(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        bgra = smile() if options.image is None else _read(options.image)
        alpha = (bgra[:, :, 3:] / np.float32(255)).astype(np.float32)
        ground = _mean(bgra, alpha) if options.color is None else bgr_of(options.color)
        # Laid on its ground once and for all: no transparency is left when it meets a face.
        opaque = np.round(bgra[:, :, :3] * alpha + np.array(ground, np.float32) * (1 - alpha)).astype(np.uint8)
        self._stamp = Stamp(opaque, ground)

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            self._stamp.lay(patch)


def _read(path: Path) -> NDArray[np.uint8]:
    """(512, 512, 4) BGRA; a picture that is not square gets transparent stripes."""
    try:
        image = decoded(read_at_most(path, LARGEST_BYTES), cv2.IMREAD_UNCHANGED)
    except OSError as error:
        raise UsageError(f"effect.image: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"effect.image: {path} {error}") from None
    if image is None:
        raise UsageError(f"effect.image: {path} is not a picture that can be read")
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1 / 257)
    art = np.asarray(image, np.uint8)
    if art.dtype != image.dtype:
        raise UsageError(f"effect.image: {path} has samples of type {image.dtype}; save it with 8 bits")
    if art.ndim == 2 or art.shape[2] == 1:
        art = np.asarray(cv2.cvtColor(art, cv2.COLOR_GRAY2BGR))
    if art.shape[2] == 3:
        art = np.dstack([art, np.full(art.shape[:2], 255, np.uint8)])
    height, width = art.shape[:2]
    share = _SIDE / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    art = np.asarray(cv2.resize(art, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR))
    square = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    x, y = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
    square[y : y + size[1], x : x + size[0]] = art
    return square


def _mean(bgra: NDArray[np.uint8], alpha: NDArray[np.float32]) -> tuple[int, int, int]:
    """The mean colour of what is not transparent."""
    total = max(1e-6, float(alpha.sum()))
    blue, green, red = (round(float((bgra[:, :, i] * alpha[:, :, 0]).sum()) / total) for i in range(3))
    return blue, green, red
