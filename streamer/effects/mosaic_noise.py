"""Large blocks, each the average of what it hides plus a secret amount, taken from the first picture of a face.

Somebody who knows the method, and trains on blocks of other people, is misled by the noise. Two things would give it
away over time. Noise drawn anew for every frame is lost in the average of many frames. And blocks whose edges slide
over the face measure it anew in every frame, with the same noise: 60 frames of one swaying face were enough to
recognise 13 % of people. So the blocks of a followed face are computed once, and slide along with it.
The noise is drawn from a secret of this run that is never written down, and differs from face to face. A face that is
lost and found again gets new noise, and many such pictures of one person can be averaged still.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.options import Context, PartOptions
from streamer.core.picture import Plane
from streamer.effects import Effect, Patch, Reads
from streamer.effects._planes import averaged, blocks_of, each_plane, each_read, lay
from streamer.effects._strength import STRENGTH, Strength, between

_BLOCKS = 5.5, 3.0
"""Blocks across the face, from the weakest to the strongest."""
_MIN_BLOCK_PX = 8.0
"""Blocks never get smaller: with 4 px, one in ten drawn faces of 24 px could be read still."""
_NOISE = 20.0, 40.0
"""Standard deviation of the noise in grey levels, in luma and chroma, from the weakest to the strongest. With a fifth
of it in chroma, colours alone told 10 % of people apart."""
_FACES_KEPT = 1024
_Places = NDArray[np.floating[Any]]


class Options(PartOptions):
    """Settings of the effect."""

    strength: Strength = Field("medium", description=f"5.5 blocks and noise 20 to 3 blocks and noise 40: {STRENGTH}")
    smooth: bool = Field(False, description="soft transitions between the blocks; detectors see faces there more often")


def build(options: Options, ctx: Context) -> Effect:
    """Make the effect."""
    return MosaicNoise(options)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of one face, as its first picture gave them."""

    planes: tuple[Plane, ...]
    """Per plane (rows, columns), noise included."""
    corner: tuple[float, float]
    """Where the first block begins, from the middle of the face, as a share of the face's size: x, y."""
    side: tuple[float, float]
    """Width and height of a block as a share of the face's size."""


class MosaicNoise(Effect):
    """See the module."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, options: Options) -> None:
        self._blocks = between(options.strength, *_BLOCKS)
        self._noise = between(options.strength, *_NOISE)
        self._smooth = options.smooth
        self._secret = secrets.randbits(128)
        self._epoch = 0
        self._of_face: dict[tuple[int, int], _Blocks] = {}

    def enter(self, epoch: int) -> None:
        """See `Effect.enter`."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._of_face.clear()

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """See `Effect.apply`."""
        seen: dict[int, int] = {}
        for patch in patches:
            # A face that may be in one of several places has several patches, each with blocks of its own.
            place = seen[patch.track_id] = seen.get(patch.track_id, -1) + 1
            blocks = self._of((patch.track_id, place), patch)
            for (samples, mask), cells, shift in zip(each_plane(patch), blocks.planes, patch.shifts, strict=True):
                lay(self._spread(cells, blocks, patch, shift, samples.shape), mask, samples)

    def _of(self, key: tuple[int, int], patch: Patch) -> _Blocks:
        blocks = self._of_face.pop(key, None) or self._measured(key, patch)
        self._of_face[key] = blocks
        if len(self._of_face) > _FACES_KEPT:
            del self._of_face[next(iter(self._of_face))]
        return blocks

    def _measured(self, key: tuple[int, int], patch: Patch) -> _Blocks:
        """Blocks and noise of a face that is seen for the first time."""
        height, width = patch.samples[0].shape
        columns, rows = blocks_of(patch, max(_MIN_BLOCK_PX, patch.face_px / self._blocks))
        drawn = np.random.default_rng([self._secret, self._epoch & 0xFFFFFFFF, key[0] & 0xFFFFFFFF, key[1]])
        planes = []
        for face, _, _ in each_read(patch):
            cells = averaged(face, columns, rows)
            offsets = np.round(drawn.normal(0, self._noise, cells.shape)).astype(np.int16)
            noisy = cv2.add(cells, offsets, dtype=cv2.CV_8U)  # saturates
            planes.append(np.asarray(noisy, np.uint8).reshape(cells.shape))
        size = max(1.0, patch.face_px)
        corner = -patch.middle[0] / size, -patch.middle[1] / size
        return _Blocks(tuple(planes), corner, (width / columns / size, height / rows / size))

    def _spread(self, cells: Plane, blocks: _Blocks, patch: Patch, shift: int, shape: tuple[int, ...]) -> Plane:
        """Blocks moved and scaled with the face, over one plane of a patch. Beyond them the last ones go on."""
        across, down = (
            # The middle of every sample, in blocks.
            ((np.arange(length) + 0.5) * (1 << shift) - middle) / max(1.0, patch.face_px) / side - corner / side
            for length, middle, side, corner in zip(shape[::-1], patch.middle, blocks.side, blocks.corner, strict=True)
        )
        # Chroma of a small face may have fewer cells than luma.
        across *= cells.shape[1] / blocks.planes[0].shape[1]
        down *= cells.shape[0] / blocks.planes[0].shape[0]
        return _between(cells, across, down) if self._smooth else _flat(cells, across, down)


def _flat(cells: Plane, across: _Places, down: _Places) -> Plane:
    columns, rows = (
        np.clip(place, 0, count - 1).astype(np.intp)
        for place, count in ((across, cells.shape[1]), (down, cells.shape[0]))
    )
    return cells.take(columns, axis=1).take(rows, axis=0)


def _between(cells: Plane, across: _Places, down: _Places) -> Plane:
    """With soft transitions."""
    x, y = (np.float32(place - 0.5) for place in (across, down))
    grid = np.meshgrid(x, y)
    mapped = cv2.remap(cells, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(mapped, np.uint8)
