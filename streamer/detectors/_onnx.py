"""What all detectors on ONNX Runtime share: pictures at several sizes, batches, suppression of overlaps, the way back.

A detector of this family is a `Head`: how its network wants its input, and what its outputs mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.errors import DetectorError, ModelError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection, Points5
from streamer.detectors import DetectorOptions, Scores
from streamer.detectors._input import fitted_size, unscale
from streamer.inference.onnx_graph import plain_graph
from streamer.inference.providers import session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Faces", "Head", "Input", "OnnxDetector", "OnnxOptions", "cells", "corners", "loaded"]

Array = NDArray[np.float32]

_LARGEST_BATCH = 8
"""Pictures per run: bounds the memory, and beyond it nothing gets faster."""
_KEPT_BUFFERS = 4
"""Input buffers kept for the next call. A fresh one of several megabytes costs as much as filling it."""
_NEAR_FROM_PX = 512
"""Longer side of an input from which on a face that fills it can be too large to be seen."""
_NEAR_SHARE = 0.3
"""Least size of a face in that small input, of the input's shorter side: smaller ones belong to the full size."""


class OnnxOptions(DetectorOptions):
    """Settings of every detector on ONNX Runtime."""

    near: bool = Field(True, description="also examine a small copy, for faces that fill the picture")
    threads: int = Field(1, ge=1, le=64, description="CPU threads of one detection")


_DARK, _DIM, _MOST_GAIN = 20.0, 40.0, 8.0
"""Mean sample below which a picture is nearly black, what it is brought to, and by how much at most. Brought to 100,
YuNet finds fewer faces in the dark than without. It also finds a few in the dark picture alone, hence both."""
_SAMPLED = 8
"""Every so many rows and columns say how bright a picture is."""


@dataclass(frozen=True, slots=True)
class Input:
    """How a network wants its pictures: (sample - mean) * scale, and what stands beyond the picture."""

    rgb: bool = False
    """True: red first; False: blue first."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """In the order of `rgb`."""
    scale: float = 1.0
    padding: float = 0.0
    """Value of the network's input, after scaling, beyond the picture."""
    multiple: int = 32
    """The sides of the input are multiples of this."""
    brightened: bool = False
    """Nearly black pictures are examined once more, made brighter."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Candidates of one picture, in pixels of the network's input."""

    scores: Array
    """(N,)"""
    boxes: Array
    """(N, 4): x0, y0, x1, y1"""
    points: Array | None = None
    """(N, 5, 2)"""


class Head(Protocol):
    """What is special about one kind of network."""

    name: str
    input: Input
    outputs: tuple[str, ...]
    nms_iou: float
    """Overlap from which on two boxes are one face."""
    near_px: int
    """Longer side of the smallest input in which a face that fills it is reliably found."""

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """The outputs of a run of `batch` pictures -> those of each."""
        ...

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """Outputs for one picture -> candidates that do not score below `floor`; size: width, height of the input.

        A score that is no number has to stay in, so that it is noticed.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Scaled:
    """One picture at one size."""

    picture: int
    bgr: NDArray[np.uint8]
    unscale: Array
    smallest_px: float = 0.0
    """Smaller faces than this, in the network's input, are left to another size."""


class OnnxDetector:
    """A detector. See `Detector` for the contract."""

    def __init__(
        self, runtime: onnxruntime.InferenceSession, head: Head, options: OnnxOptions, scores: Scores | None = None
    ) -> None:
        self.scores = scores
        self.on_step: Callable[[], None] = lambda: None
        """See `Stepwise`."""
        self._session = runtime
        self._input_name = runtime.get_inputs()[0].name
        self._head = head
        self._outputs = list(head.outputs)
        self._options = options
        self._buffers: dict[tuple[int, ...], Array] = {}
        self._batch = _LARGEST_BATCH if self._batches() else 1

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        found: list[list[Faces]] = [[] for _ in pictures]
        groups: dict[tuple[int, int], list[_Scaled]] = defaultdict(list)
        for number, picture in enumerate(pictures):
            for scaled in self._copies(number, picture):
                groups[self._padded(scaled.bgr)].append(scaled)
        for size, copies in groups.items():
            for start in range(0, len(copies), self._batch):
                together = copies[start : start + self._batch]
                for scaled, faces in zip(together, self._run(together, size), strict=True):
                    found[scaled.picture].append(faces)
                self.on_step()
        return [self._detections(faces) for faces in found]

    def warm_up(self, size: tuple[int, int]) -> None:
        """See `detect.warm_up`."""
        self.detect([Picture.blank(*size)])

    def close(self) -> None:
        """Nothing to free but the buffers: the session goes with the object."""
        self._buffers.clear()

    def _copies(self, number: int, picture: Picture) -> list[_Scaled]:
        options = self._options
        longer_px = options.longer_px(picture.size)
        if options.input_px is None:
            longer_px = max(self._head.near_px, longer_px)
        sizes = [(fitted_size(picture, longer_px), 0.0)]
        if options.near and max(sizes[0][0]) >= _NEAR_FROM_PX:
            small = fitted_size(picture, self._head.near_px)
            sizes.append((small, _NEAR_SHARE * min(small)))
        seen = [(picture.bgr(size=size), size, least) for size, least in sizes]
        if self._head.input.brightened:
            seen += [(_brightened(bgr), size, least) for bgr, size, least in seen if _is_dark(bgr)]
        return [_Scaled(number, bgr, unscale(picture, size), least) for bgr, size, least in seen]

    def _padded(self, bgr: NDArray[np.uint8]) -> tuple[int, int]:
        """Width and height of the network's input: padded, never cut off."""
        height, width = bgr.shape[:2]
        multiple = self._head.input.multiple
        return -(-width // multiple) * multiple, -(-height // multiple) * multiple

    def _run(self, copies: list[_Scaled], size: tuple[int, int]) -> list[Faces]:
        """One run of the network -> candidates of each copy, in pixels of its picture."""
        blob = self._blob(len(copies), size)
        for target, scaled in zip(blob, copies, strict=True):
            _fill(target, scaled.bgr, self._head.input)
        outputs = self._session.run(self._outputs, {self._input_name: blob})
        # What overflows is not finite, and refused below.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = self._head.split(outputs, len(copies))
            decoded = [self._head.decode(part, size, self._options.floor) for part in parts]
        return [self._in_picture(faces, scaled) for faces, scaled in zip(decoded, copies, strict=True)]

    def _in_picture(self, faces: Faces, scaled: _Scaled) -> Faces:
        points = faces.points
        if not all(np.isfinite(array).all() for array in (faces.scores, faces.boxes, points) if array is not None):
            raise DetectorError(f"{self._head.name} returned numbers that are not finite")
        sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
        good = (sides.min(axis=1) > 0) & (sides.max(axis=1) >= scaled.smallest_px)
        boxes = (faces.boxes[good].reshape(-1, 2, 2) * scaled.unscale).reshape(-1, 4)
        return Faces(faces.scores[good], boxes, None if points is None else points[good] * scaled.unscale)

    def _detections(self, found: list[Faces]) -> list[Detection]:
        """The candidates of all sizes of one picture, overlaps suppressed."""
        scores, boxes = (np.concatenate(arrays) for arrays in zip(*((f.scores, f.boxes) for f in found), strict=True))
        if not len(scores):
            return []
        as_xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(as_xywh.tolist(), scores.tolist(), 0.0, self._head.nms_iou), int).reshape(-1)
        points = [faces.points for faces in found if faces.points is not None]
        landmarks = np.concatenate(points)[kept] if points else [None] * len(kept)
        return [
            _detection(box, float(score), face)
            for score, box, face in zip(scores[kept], boxes[kept], landmarks, strict=True)
        ]

    def _blob(self, batch: int, size: tuple[int, int]) -> Array:
        shape = (batch, 3, size[1], size[0])
        if shape not in self._buffers:
            while len(self._buffers) >= _KEPT_BUFFERS:
                self._buffers.pop(next(iter(self._buffers)))
            self._buffers[shape] = np.empty(shape, np.float32)
        return self._buffers[shape]

    def _batches(self) -> bool:
        """Whether the graph gives a batch what it gives single pictures: tried, because no file says it reliably.

        Raises ModelError when the graph does not even take one picture, or its outputs are not this head's.
        """
        size = (2 * self._head.input.multiple, 3 * self._head.input.multiple)
        noise = np.random.default_rng(1).uniform(-1, 1, (2, 3, size[1], size[0])).astype(np.float32)
        try:
            single = [
                self._head.split(self._session.run(self._outputs, {self._input_name: one[None]}), 1)[0] for one in noise
            ]
            self._head.decode(single[0], size, self._options.floor)
        except Exception as error:  # whatever a graph that was made for something else makes of it
            raise ModelError(f"the model is no {self._head.name}: {error}") from error
        try:
            double = self._head.split(self._session.run(self._outputs, {self._input_name: noise}), 2)
        except Exception:  # a graph of fixed batch size: pictures go through one by one, and nothing is lost
            return False
        pairs = [pair for one, other in zip(single, double, strict=True) for pair in zip(one, other, strict=True)]
        return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-2, atol=1e-2) for a, b in pairs)


def loaded(path: Path, ctx: Context, options: OnnxOptions) -> onnxruntime.InferenceSession:
    """A session for a model file. Raises ModelError when it is no graph, DeviceError when the device cannot be had."""
    return session(plain_graph(path), ctx.device, threads=options.threads)


def _is_dark(bgr: NDArray[np.uint8]) -> bool:
    """Whether a picture is nearly black."""
    return float(bgr[::_SAMPLED, ::_SAMPLED].mean()) < _DARK


def _brightened(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A nearly black picture made as bright as a dim room."""
    return np.asarray(cv2.convertScaleAbs(bgr, alpha=min(_MOST_GAIN, _DIM / max(1.0, float(bgr.mean())))), np.uint8)


def _fill(target: Array, bgr: NDArray[np.uint8], wanted: Input) -> None:
    """Write a picture into one (3, height, width) input."""
    height, width = bgr.shape[:2]
    target[:, height:] = wanted.padding
    target[:, :height, width:] = wanted.padding
    planes: Sequence[Any] = cv2.split(bgr)
    for channel, (plane, mean) in enumerate(zip(planes[::-1] if wanted.rgb else planes, wanted.mean, strict=True)):
        inside = target[channel, :height, :width]
        inside[:] = plane
        if mean:
            inside -= mean
        if wanted.scale != 1:
            inside *= wanted.scale


@lru_cache(maxsize=32)
def cells(size: tuple[int, int], stride: int) -> Array:
    """The (x, y) of every cell of a feature map, row by row: (cells, 2)."""
    grid = np.meshgrid(np.arange(size[0] // stride), np.arange(size[1] // stride))
    result = np.stack(grid, axis=-1).reshape(-1, 2).astype(np.float32)
    result.flags.writeable = False
    return result


def corners(centers: Array, sides: Array) -> Array:
    """Centres and sides, (N, 2) each -> boxes, (N, 4)."""
    return np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)


def _detection(box: Array, score: float, points: Array | None) -> Detection:
    x0, y0, x1, y1 = box.tolist()
    landmarks: Points5 | None = None
    if points is not None:
        right_eye, left_eye, nose, right_mouth, left_mouth = ((float(x), float(y)) for x, y in points)
        landmarks = (right_eye, left_eye, nose, right_mouth, left_mouth)
    return Detection((x0, y0, x1, y1), min(1.0, score), landmarks)
