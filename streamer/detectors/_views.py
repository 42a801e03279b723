"""More than one view of a picture: overlapping tiles, mirrored and enlarged copies, merged into one answer.

`Views` is a detector around a detector. It shows the inner one several views of each picture, all in one batch, and
brings what was found there back into the picture. The picture itself is always among them, so nothing that the inner
detector finds gets lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamer.core.geometry import iou, side, stack
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.core.view import View, Window
from streamer.detectors import Detector, DetectorOptions, Stepwise, scores_of

__all__ = ["Views", "in_views"]

_SAME_FACE_IOU = 0.4
"""Overlap (intersection over union) from which on two detections are one face."""
_SAME_FACE_SHARE = 0.5
"""Share of a cut-off face that lies within a whole one from which on they are one face."""
_EDGE_SHARE = 0.1
"""A face that comes this near to the edge of its tile, in face sizes, may go on beyond it."""
_OVERLAP = 1.25
"""Overlap of tiles in sizes of the smallest face that the view of the whole picture finds: larger ones are found there,
smaller ones lie whole in one of the tiles."""
_MOST_OVERLAP = 0.5
"""The same as a share of the tile."""
_WORTH_IT = 1.05
"""Tiles that show less than this much more than the whole picture does are left out."""
_CAREFUL_FACE_PX = 12
"""Width of the smallest face that `careful` searches for, unless `smallest_face_px` is less."""
_LARGEST_ENLARGEMENT = 2.0
"""Beyond it pictures only get softer."""
_TOGETHER = 16
"""Views that are made at once: bounds the memory that a large photograph takes."""
_HALF_FROM_PX = 320
"""Pictures whose longer side is less are not examined at half size."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One way to see a picture."""

    window: Window | None = None
    """Even, except at the picture's far edges. None: all of it."""
    scale: float = 1.0
    mirrored: bool = False

    def of(self, picture: Picture) -> View:
        """A picture seen in this way."""
        return View.of(picture, self.window, scale=self.scale, mirrored=self.mirrored)


def in_views(inner: Detector, options: DetectorOptions) -> Detector:
    """The detector as `tiles` and `careful` want it; itself when they want nothing."""
    plain = options.tiles in (None, 1) and not options.careful
    return inner if plain else Views(inner, options)


class Views:
    """A detector that examines several views. See `Detector` for the contract."""

    def __init__(self, inner: Detector, options: DetectorOptions) -> None:
        self._inner = inner
        self._options = options
        self.scores = scores_of(inner)

    @property
    def on_step(self) -> Callable[[], None]:
        """See `Stepwise`: the steps are the inner detector's."""
        return self._inner.on_step if isinstance(self._inner, Stepwise) else lambda: None

    @on_step.setter
    def on_step(self, told: Callable[[], None]) -> None:
        if isinstance(self._inner, Stepwise):
            self._inner.on_step = told

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        found: list[list[tuple[Detection, bool]]] = [[] for _ in pictures]
        views = [(n, view) for n, picture in enumerate(pictures) for view in _views(picture.size, self._options)]
        for start in range(0, len(views), _TOGETHER):
            together = views[start : start + _TOGETHER]
            shown = [view.of(pictures[number]) for number, view in together]
            answers = self._inner.detect([one.image for one in shown])
            for (number, view), one, faces in zip(together, shown, answers, strict=True):
                size = pictures[number].size
                moved = [one.back(face) for face in faces]
                found[number] += [(face, _is_cut(face.box, view.window, size)) for face in moved]
        return [_merged(faces) for faces in found]

    def warm_up(self, size: tuple[int, int]) -> None:
        """See `detect.warm_up`: the inner detector's views have sizes of their own."""
        self.detect([Picture.blank(*size)])

    def close(self) -> None:
        """Close the inner detector."""
        self._inner.close()


def _views(size: tuple[int, int], options: DetectorOptions) -> list[_Wanted]:
    """How a picture of this width and height is seen; the picture itself first."""
    longer = max(size)
    whole = min(1.0, options.longer_px(size) / longer)
    tiles = list(_tiled(size, options, whole))
    if not options.careful:
        return [_Wanted(), *tiles]
    wanted = options.needed_px / min(options.smallest_face_px, _CAREFUL_FACE_PX)
    enlarged = list(_tiles(size, options, whole, min(_LARGEST_ENLARGEMENT, wanted)))
    half = [_Wanted(scale=whole / 2)] if longer * whole >= _HALF_FROM_PX else []
    upright = [_Wanted(), *tiles, *enlarged]
    return [*upright, *(replace(view, mirrored=True) for view in upright), *half]


def _tiled(size: tuple[int, int], options: DetectorOptions, whole: float) -> Iterator[_Wanted]:
    """The tiles that `tiles` asks for."""
    if options.tiles == "auto":
        yield from _tiles(size, options, whole, min(1.0, options.needed_px / options.smallest_face_px))
    elif options.tiles is not None and options.tiles > 1:
        longer = max(size)
        overlap = _overlap_px(longer / options.tiles, options, whole)
        yield from _grid(size, longer / options.tiles + overlap, overlap, 1.0)


def _tiles(size: tuple[int, int], options: DetectorOptions, whole: float, scale: float) -> Iterator[_Wanted]:
    """Tiles in which the picture is seen at this scale; none when the view of the whole picture sees it as large.

    whole: scale of the view of the whole picture.
    """
    if scale <= whole * _WORTH_IT:
        return
    tile_px = options.longer_px(size) / scale
    yield from _grid(size, tile_px, _overlap_px(tile_px, options, whole), max(1.0, scale))


def _overlap_px(tile_px: float, options: DetectorOptions, whole: float) -> float:
    return min(_MOST_OVERLAP * tile_px, _OVERLAP * options.needed_px / whole)


def _grid(size: tuple[int, int], tile_px: float, overlap_px: float, scale: float) -> Iterator[_Wanted]:
    """Windows of at most about tile_px, evenly spread, that overlap by at least overlap_px and together hold all."""
    columns, rows = (_spans(length, tile_px, overlap_px) for length in size)
    for y0, y1 in rows:
        for x0, x1 in columns:
            yield _Wanted((x0, y0, x1, y1), scale)


def _spans(length: int, tile_px: float, overlap_px: float) -> list[tuple[int, int]]:
    """Beginnings and ends along one side; beginnings are even, because chroma samples are shared by two pixels."""
    if length <= tile_px:
        return [(0, length)]
    count = math.ceil((length - overlap_px) / max(1.0, tile_px - overlap_px))
    step = (length - overlap_px) / count
    starts = [math.floor(step * number) & ~1 for number in range(count)]
    return [(start, min(length, math.ceil(start + step + overlap_px) + 2)) for start in starts]


def _is_cut(box: Box, window: Window | None, size: tuple[int, int]) -> bool:
    """Whether a face may go on beyond the edge of its tile, where that is not the picture's own edge."""
    if window is None:
        return False
    near = _EDGE_SHARE * side(box)
    low = any(window[axis] > 0 and box[axis] < window[axis] + near for axis in (0, 1))
    return low or any(window[2 + axis] < size[axis] and box[2 + axis] > window[2 + axis] - near for axis in (0, 1))


def _merged(found: list[tuple[Detection, bool]]) -> list[Detection]:
    """One detection per face: of those that overlap the best, and none that is cut off where there is a whole one.

    A face cut off by its tile's edge may score higher than the whole one; it must not take its place, because half of
    the face would be left out. The face that stays gets the highest score of them all, so that none counts for less
    than what was seen of it.
    """
    if len(found) < 2:
        return [face for face, _ in found]
    found = sorted(found, key=lambda one: (one[1], -one[0].score))
    boxes = stack([face.box for face, _ in found])
    overlaps = iou(boxes, boxes)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    # intersection = iou * (a + b) / (1 + iou); as a share of the second box
    within = overlaps * (areas[:, None] + areas[None, :]) / (1 + overlaps) / np.maximum(areas[None, :], 1e-9)
    left = np.ones(len(found), bool)
    kept = []
    for number, (face, _) in enumerate(found):
        if not left[number]:
            continue
        cut = np.array([one[1] for one in found])
        same = left & ((overlaps[number] >= _SAME_FACE_IOU) | (cut & (within[number] >= _SAME_FACE_SHARE)))
        same[number] = True
        left &= ~same
        kept.append(replace(face, score=max(found[other][0].score for other in np.flatnonzero(same))))
    return sorted(kept, key=lambda one: -one.score)
