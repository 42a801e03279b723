"""What two encoders made of the same picture: PSNR where neither program hid anything.

What this program hides is known exactly: the run is repeated beside the files, without an encoder. What the other one
hides is told from its file: samples that differ by more than any codec makes them. Around both a margin is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.endpoints import Endpoint
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.picture import Plane
from streamer.core.types import Captured, Command
from streamer.inference.models.store import Store
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sinks import StreamFormat

__all__ = ["psnr_of_both"]

_MARGIN_PX = 24
"""Samples nearer to a mask than this are not compared."""
_HIDDEN_LUMA = 20
"""Mean difference over 9 x 9 samples from which the other program hid something."""


class _Meter:
    """A sink that compares, frame by frame, what was captured with what two files show. See `Sink`."""

    live = False
    main_thread = False

    def __init__(self, clip: Path, ours: Path, peer: Path) -> None:
        ctx = Context()
        self._sources = [build("sources", "file", {"path": str(path)}, ctx) for path in (clip, ours, peer)]
        self._squares = [0.0, 0.0]
        self._samples = 0

    def open(self, format: StreamFormat) -> None:
        """Nothing to get ready."""

    def write(self, frame: AnonymizedFrame) -> None:
        """Compare one frame. Raises InputError when a file has ended."""
        original, *made = (_luma(source) for source in self._sources)
        emitted = frame.image.planes[0]
        hidden = (original != emitted).astype(np.uint8)
        for luma in made:
            hidden |= (cv2.blur(cv2.absdiff(original, luma), (9, 9)) > _HIDDEN_LUMA).astype(np.uint8)
        shown = cv2.dilate(hidden, np.ones((2 * _MARGIN_PX + 1,) * 2, np.uint8)) == 0
        self._samples += int(shown.sum())
        for number, luma in enumerate(made):
            self._squares[number] += float(np.square(_difference(original, luma, shown)).sum())

    def poll(self) -> list[Command]:
        """Nobody asks for anything."""
        return []

    def close(self) -> None:
        """Let go of the files."""
        for source in self._sources:
            source.close()

    def result(self) -> Iterator[float]:
        """PSNR in dB of our file and of the peer's."""
        for squares in self._squares:
            mean = squares / max(1, self._samples)
            yield math.inf if mean == 0 else round(10 * math.log10(255**2 / mean), 2)


def _luma(source: Any) -> Plane:
    while (item := source.read()) is not None:
        if isinstance(item, Captured):
            return item.image.planes[0]
    raise InputError("a file has fewer frames than the clip it was made from")


def _difference(a: Plane, b: Plane, where: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.asarray(a[where].astype(np.int32) - b[where])


def psnr_of_both(clip: Path, ours: Path, peer: Path, preset: str) -> tuple[float, float]:
    """PSNR in dB of luma where neither file hides anything: ours, then the peer's. Frames are paired by number.

    Raises InputError when a file has too few frames, and what a run raises.
    """
    config = Config().updated({"privacy": preset})
    named = Parts.of(config, Endpoint("file", {"path": str(clip)}), [], Store().context(config.run.device))
    meter = _Meter(clip, ours, peer)
    pipeline = Pipeline(config, Parts(named.source, named.detector, named.effect, [("meter", lambda: meter)]))
    pipeline.start()
    pipeline.join()
    first, second = meter.result()
    return first, second
