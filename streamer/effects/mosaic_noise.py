"""Large blocks, each the average of what it hides plus a secret amount that stays the same for one face.

Somebody who knows the method, and trains on blocks of other people, is misled by the noise. Noise drawn anew for every
frame would be lost in the average of many frames. So it is drawn once for each face that is followed, from a secret of
this run that is never written down, and it keeps its place in the face: frames of the same face add nothing. It differs
from face to face: whoever knows one person's true picture learns nothing about the noise of others. A face that is lost
and found again gets new noise, and many such pictures of one person can be averaged still.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.effects import Effect, Patch
from streamer.effects._planes import averaged, blocks_of, each_plane, lay, spread, stretched
from streamer.effects._strength import STRENGTH, Strength, between
from streamer.parts import Context, PartOptions

_BLOCKS = 5.5, 3.0
"""Blocks across the face, from the weakest to the strongest."""
_MIN_BLOCK_PX = 8.0
"""Blocks never get smaller: with 4 px, one in ten drawn faces of 24 px could be read still."""
_NOISE = 20.0, 40.0
"""Standard deviation of the noise in grey levels, from the weakest to the strongest."""
_CHROMA_NOISE = 0.2
"""Share of it in the chroma planes: their range is smaller."""
_TILE = 32
"""The noise repeats after so many blocks."""
_FACES_KEPT = 256


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"5.5 blocks and noise 20 to 3 blocks and noise 40: {STRENGTH}")
    smooth: bool = Field(False, description="soft transitions between the blocks; detectors see faces there more often")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return MosaicNoise(options)


class MosaicNoise(Effect):
    """See the module."""

    def __init__(self, options: Options) -> None:
        self._blocks = between(options.strength, *_BLOCKS)
        self._noise = between(options.strength, *_NOISE)
        self._fill = stretched if options.smooth else spread
        self._secret = secrets.randbits(128)
        self._epoch = 0
        self._of_face: dict[int, NDArray[np.int16]] = {}

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._of_face.clear()

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        for patch in patches:
            columns, rows = blocks_of(patch, max(_MIN_BLOCK_PX, patch.face_px / self._blocks))
            noise = self._around(patch, columns, rows)
            for (samples, mask), offsets in zip(each_plane(patch), noise, strict=True):
                cells = averaged(samples, columns, rows)
                offsets = offsets[: cells.shape[0], : cells.shape[1]]
                noisy = cv2.add(cells, offsets, dtype=cv2.CV_8U)  # saturates
                lay(self._fill(np.asarray(noisy, np.uint8).reshape(cells.shape), samples.shape), mask, samples)

    def _around(self, patch: Patch, columns: int, rows: int) -> NDArray[np.int16]:
        """(planes, rows, columns) of noise; the block in the middle of the face has the middle of the tile."""
        height, width = patch.samples[0].shape
        down, across = (
            # At the border of the picture the middle of the face is not the middle of the window.
            _indices(cells, -(cells // 2) - round(middle * cells / length - cells / 2))
            for cells, length, middle in ((rows, height, patch.middle[1]), (columns, width, patch.middle[0]))
        )
        return self._tile(patch.track_id, patch.shifts).take(down, axis=1).take(across, axis=2)

    def _tile(self, track_id: int, shifts: tuple[int, ...]) -> NDArray[np.int16]:
        if (tile := self._of_face.get(track_id)) is None:
            if len(self._of_face) >= _FACES_KEPT:
                self._of_face.clear()  # they come out the same when they are drawn again
            drawn = np.random.default_rng([self._secret, self._epoch & 0xFFFFFFFF, track_id & 0xFFFFFFFF])
            share = np.array([_CHROMA_NOISE if shift else 1.0 for shift in shifts])
            noise = drawn.normal(0, self._noise, (len(shifts), _TILE, _TILE)) * share[:, None, None]
            tile = self._of_face[track_id] = np.round(noise).astype(np.int16)
        return tile


@lru_cache(maxsize=512)
def _indices(cells: int, first: int) -> NDArray[np.intp]:
    return np.arange(first, first + cells) % _TILE
