"""MTCNN (Zhang, Zhang, Li, Qiao: "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks",
IEEE Signal Processing Letters 2016): the code and weights of facenet-pytorch, on torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pydantic import Field

from streamer.core.errors import DetectorError
from streamer.core.extras import load_extra, without_torchvision
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection, Points5
from streamer.detectors import Detector, DetectorOptions
from streamer.detectors._input import fitted_size, unscale
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime
from streamer.inference.providers import torch_device

RUNTIME: Runtime = "torch"
_LARGEST_BATCH = 8


class Options(DetectorOptions):
    """Settings of MTCNN (scripts/extras facenet)."""

    smallest_face_px: int = Field(20, ge=12, le=1000, description="width of the smallest face to find")
    threads: int = Field(1, ge=1, le=64, description="CPU threads of torch, in the whole program")


def build(options: Options, ctx: Context) -> Detector:
    """Load the networks. Raises UsageError when a library is missing, DeviceError when the device cannot be had."""
    torch: Any = load_extra("torch", part="detector 'mtcnn'", extra="facenet")
    torch.set_num_threads(options.threads)
    with without_torchvision():
        facenet: Any = load_extra("facenet_pytorch", part="detector 'mtcnn'", extra="facenet")
    return in_views(Mtcnn(facenet.MTCNN, torch_device(ctx.device), options), options)


class Mtcnn:
    """The detector. See `Detector` for the contract."""

    def __init__(self, network: Any, device: Any, options: Options) -> None:
        self._network = network
        self._device = device
        self._options = options
        self._networks: dict[int, Any] = {}
        self._for(options.smallest_face_px)  # so that missing weights are told when the program starts

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures; see `Detector.detect`."""
        found: list[list[Detection]] = [[] for _ in pictures]
        groups: dict[tuple[tuple[int, int], tuple[int, int]], list[int]] = defaultdict(list)
        for number, picture in enumerate(pictures):
            groups[picture.size, fitted_size(picture, self._options.longer_px(picture.size))].append(number)
        for (_, size), numbers in groups.items():
            for start in range(0, len(numbers), _LARGEST_BATCH):
                together = numbers[start : start + _LARGEST_BATCH]
                faces = self._run([pictures[number] for number in together], size)
                for number, one in zip(together, faces, strict=True):
                    found[number] = one
        return found

    def warm_up(self, size: tuple[int, int]) -> None:
        """See `detect.warm_up`."""
        self.detect([Picture.blank(*size)])

    def close(self) -> None:
        """Free the networks."""
        self._networks.clear()

    def _run(self, pictures: list[Picture], size: tuple[int, int]) -> list[list[Detection]]:
        """Pictures of one size."""
        back = unscale(pictures[0], size)
        smallest = max(12, round(self._options.smallest_face_px / float(back[0])))
        images = [cv2.cvtColor(picture.bgr(size=size), cv2.COLOR_BGR2RGB) for picture in pictures]
        missing = [max(0, 2 * smallest - side) for side in images[0].shape[:2]]
        if any(missing):  # a picture smaller than the smallest face makes it fail
            images = [np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge") for image in images]
        boxes, scores, points = self._for(smallest).detect(np.stack(images), landmarks=True)
        return [
            [] if box is None else _detections(box, score, point, back)
            for box, score, point in zip(boxes, scores, points, strict=True)
        ]

    def _for(self, smallest_px: int) -> Any:
        """The networks, set to a smallest face in pixels of the input."""
        if smallest_px not in self._networks:
            self._networks.clear()
            self._networks[smallest_px] = self._network(
                keep_all=True,
                min_face_size=smallest_px,
                thresholds=[0.6, 0.7, self._options.floor],
                post_process=False,
                device=self._device,
            ).eval()
        return self._networks[smallest_px]


def _detections(boxes: Any, scores: Any, points: Any, back: Any) -> list[Detection]:
    corners = np.asarray(boxes, np.float32).reshape(-1, 2, 2) * back
    landmarks = np.asarray(points, np.float32).reshape(-1, 5, 2) * back
    certain = np.asarray(scores, np.float32)
    if not all(np.isfinite(array).all() for array in (corners, landmarks, certain)):
        raise DetectorError("MTCNN returned numbers that are not finite")
    found = []
    for ((x0, y0), (x1, y1)), score, face in zip(corners.tolist(), certain.tolist(), landmarks.tolist(), strict=True):
        if x1 > x0 and y1 > y0:
            right_eye, left_eye, nose, right_mouth, left_mouth = ((x, y) for x, y in face)
            five: Points5 = (right_eye, left_eye, nose, right_mouth, left_mouth)
            found.append(Detection((x0, y0, x1, y1), min(1.0, score), five))
    return found
