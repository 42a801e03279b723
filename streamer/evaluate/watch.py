"""What an attacker takes from the frames of one followed face: averages of the aligned faces, and blocks.

Averaging aligned frames is shift-and-add (Elad, Hel-Or: "A Fast Super-Resolution Reconstruction Algorithm for Pure
Translational Motion and Common Space-Invariant Blur", IEEE TIP 10, 2001): whatever an effect does to a face differently
in every frame is lost in it, and what stays is the face.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.masks import MaskOptions, Region, region
from streamer.core.align import ARCFACE_112, similarity
from streamer.core.picture import Picture, Plane
from streamer.core.types import Points5
from streamer.embedders import Crop
from streamer.evaluate.clips import Shot, Similarity

__all__ = [
    "FIELD_PX",
    "WIDE",
    "WIDE_PX",
    "BlockFrame",
    "Face",
    "Track",
    "aligned_planes",
    "hidden_of",
    "to_crop",
    "watched",
]

_BORDER_PX = 24
FIELD_PX = 112 + 2 * _BORDER_PX
"""Side of the field that is looked at, in pixels of an ArcFace crop: it holds the mask and a little around it."""
WIDE = cast(Points5, tuple((x + _BORDER_PX, y + _BORDER_PX) for x, y in ARCFACE_112))
"""Where the landmarks lie in that field."""
WIDE_PX = 104
"""Samples across the field, in luma; half as many in chroma."""
_FEWEST_MASKED = 6
"""Samples of a block that have to be hidden before it is believed."""
_MOST_CELLS = 16
"""Nobody calls finer blocks hidden."""

Face = NDArray[np.floating]
"""(3, WIDE_PX, WIDE_PX): luma and both chroma planes over the field, 0..255."""


@dataclass(frozen=True, slots=True)
class BlockFrame:
    """The flat blocks of one frame, where there are any."""

    window: tuple[int, int, int, int]
    cells: tuple[int, int]
    """Columns and rows."""
    values: NDArray[np.float32]
    """(3, rows, columns)."""
    known: NDArray[np.bool_]
    """(3, rows, columns): which of them lie in the mask."""
    noise_at: tuple[int, int]
    """Column and row of the first block in a grid that is tied to the middle of the face."""
    to_field: Similarity
    """From pixels of the frame to the field."""


@dataclass(slots=True)
class Track:
    """One followed face as somebody sees who has only the anonymized film, the landmarks, and the way of masking."""

    faces: dict[int, Face] = field(default_factory=dict)
    """By number of frames: the average of the aligned faces."""
    blocks: list[BlockFrame] = field(default_factory=list)
    """Frame by frame; a frame without a regular grid of flat blocks is left out."""
    hidden: Plane = field(default_factory=lambda: np.zeros((WIDE_PX, WIDE_PX), np.uint8))
    """(WIDE_PX, WIDE_PX) 255 where the first frame's mask hides the field."""


def watched(frames: Iterable[tuple[Shot, Picture]], counts: Sequence[int], mask: MaskOptions) -> Track:
    """One film, its originals for their geometry alone. counts: after how many frames an average is wanted."""
    track, total = Track(), np.zeros((3, WIDE_PX, WIDE_PX), np.float32)
    for number, (shot, picture) in enumerate(frames, 1):
        to_field = field_of(shot.faces[0].landmarks)
        total += aligned_planes(picture, to_field)
        if number in counts:
            track.faces[number] = (total / number).astype(np.float16)
        places = [one for face in shot.faces if (one := region(picture, face, mask)) is not None]
        if not places or places[0].track_id != shot.faces[0].track_id:
            continue
        if number == 1:
            track.hidden = hidden_of(picture, places, to_field)
        # Where the first frame shows no blocks, no other will.
        if (number == 1 or track.blocks) and (blocks := _blocks(picture, places, to_field)) is not None:
            track.blocks.append(blocks)
    return track


def field_of(landmarks: Points5 | None) -> Similarity:
    """From pixels of a picture to the field."""
    assert landmarks is not None, "a face without landmarks cannot be aligned"
    return similarity(landmarks, WIDE)


def aligned_planes(picture: Picture, to_field: Similarity, side: int = WIDE_PX) -> Face:
    """Luma and chroma over the field, (3, side, side), from a picture in i420."""
    planes = [
        _sampled(plane, to_field, shift, side) for plane, shift in zip(picture.planes, picture.shifts, strict=True)
    ]
    return np.asarray(planes, np.float32)


def hidden_of(picture: Picture, places: Sequence[Region], to_field: Similarity) -> Plane:
    """(WIDE_PX, WIDE_PX) 255 where any of these masks hides the field, be it in part."""
    whole = _covered(picture, places)
    return np.asarray((_sampled(whole, to_field, 0, WIDE_PX) > 0) * 255, np.uint8)


def _covered(picture: Picture, places: Sequence[Region]) -> Plane:
    """At the size of the luma plane, 255 where any of these masks hides it."""
    whole = np.zeros(picture.planes[0].shape, np.uint8)
    for place in places:
        x0, y0, x1, y1 = place.window
        whole[y0:y1, x0:x1] |= place.masks((0,))[0]
    return whole


def _sampled(plane: Plane, to_field: Similarity, shift: int, side: int) -> NDArray[np.float32]:
    """One plane over the field. Pixels are areas: the middle of the first is at 0 in the plane as in the result."""
    scale = side / FIELD_PX
    matrix = to_field * scale
    matrix[:, 2] += scale / 2 - 0.5
    factor, offset = 1 << shift, ((1 << shift) - 1) / 2
    matrix = np.column_stack([matrix[:, :2] * factor, matrix[:, :2] @ [offset, offset] + matrix[:, 2]])
    shrink = 1 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source = cv2.blur(plane, (round(shrink), round(shrink))) if shrink >= 2 else plane
    warped = cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


def to_crop(face: Face, crop_px: int, template: Points5) -> Crop:
    """A crop as an embedder wants it, from planes over the field."""
    scale = WIDE_PX / FIELD_PX
    samples = np.asarray(np.clip(np.moveaxis(face, 0, -1), 0, 255), np.float32)
    # BT.601, limited range, as `read_picture` makes it (ITU-R BT.601-7).
    luma, blue, red = (samples[..., 0] - 16) * 1.16438, samples[..., 1] - 128, samples[..., 2] - 128
    bgr = np.stack([luma + 2.01723 * blue, luma - 0.39176 * blue - 0.81297 * red, luma + 1.59603 * red], axis=-1)
    matrix = similarity(WIDE, template)
    # x of the field = (x of the face + 1/2) / scale - 1/2: pixels are areas, and their middles are counted.
    offset = np.full(2, 0.5 / scale - 0.5)
    matrix = np.column_stack([matrix[:, :2] / scale, matrix[:, 2] + matrix[:, :2] @ offset])
    clipped = np.asarray(np.clip(bgr, 0, 255), np.uint8)
    return np.asarray(
        cv2.warpAffine(clipped, matrix, (crop_px, crop_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _blocks(picture: Picture, places: Sequence[Region], to_field: Similarity) -> BlockFrame | None:
    """Read a regular grid of flat blocks off the first of these faces; None where there is none."""
    place = places[0]
    x0, y0, x1, y1 = place.window
    masks = place.masks(picture.shifts)
    if len(places) > 1:  # what another face's blocks lie over is not read
        free = cv2.bitwise_not(_covered(picture, places[1:])[y0:y1, x0:x1])
        masks = tuple(
            np.bitwise_and(mask, (free[:: 1 << s, :: 1 << s])) for mask, s in zip(masks, picture.shifts, strict=True)
        )
    luma = picture.planes[0][y0:y1, x0:x1]
    columns, rows = _cells(luma, masks[0]), _cells(luma.T, masks[0].T)
    if columns < 2 or rows < 2:
        return None
    sums = []
    for plane, mask, shift in zip(picture.planes, masks, picture.shifts, strict=True):
        inside = (mask > 0).astype(np.float32)
        part = plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift]
        sums.append((_summed(part * inside, columns, rows), _summed(inside, columns, rows)))
    counts = np.stack([count for _, count in sums])
    values = np.asarray(np.stack([total for total, _ in sums]) / np.maximum(counts, 1), np.float32)
    noise_at = tuple(
        -(cells // 2) - round((middle - start) * cells / (end - start) - cells / 2)
        for cells, middle, start, end in zip((columns, rows), place.middle, (x0, y0), (x1, y1), strict=True)
    )
    return BlockFrame(
        place.window, (columns, rows), values, counts >= _FEWEST_MASKED, cast(tuple[int, int], noise_at), to_field
    )


def _cells(samples: Plane, mask: Plane) -> int:
    """Into how many columns of flat blocks a patch is cut; 0 when it is not."""
    inside = cv2.min(mask[:, 1:], mask[:, :-1])
    apart = cv2.min(cv2.absdiff(samples[:, 1:], samples[:, :-1]), inside)
    steps, seen = (cv2.reduce(one, 0, cv2.REDUCE_MAX)[0] > 0 for one in (apart, inside))
    if not 0 < steps.sum() <= _MOST_CELLS:
        return 0
    width = samples.shape[1]
    for cells in range(2, _MOST_CELLS + 1):
        edges = np.zeros(width, bool)
        edges[-(-np.arange(1, cells) * width // cells)] = True
        if np.array_equal(edges[1:] & seen, steps):
            return cells
    return 0


def _summed(samples: NDArray[Any], columns: int, rows: int) -> NDArray[np.float32]:
    """Sums over blocks as they are painted."""
    down, across = (
        -(-np.arange(cells) * length // cells) for cells, length in zip((rows, columns), samples.shape, strict=True)
    )
    return np.asarray(np.add.reduceat(np.add.reduceat(samples, down, axis=0), across, axis=1), np.float32)
