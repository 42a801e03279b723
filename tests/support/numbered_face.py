"""A drawn face whose pictures carry their number through lossy coding, and a detector that knows it."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from fakes import FACE_PX, MovingFace, readable

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection

__all__ = ["NumberedFace", "SlowFinder", "number_of", "readable_in", "ts_segments"]

_ROWS = 24
_LOWER = 50
_BITS = 10
_LOW, _HIGH = 60, 190


class NumberedFace(MovingFace):
    """As `MovingFace` lower down, with the number as bars along the top, where no mask ever is."""

    def box(self, n: int) -> Box | None:
        box = super().box(n)
        return None if box is None else (box[0], box[1] + _LOWER, box[2], box[3] + _LOWER)

    def picture(self, n: int) -> Picture:
        image = super().picture(n).canvas()
        width = self.size[0] // _BITS
        for bit in range(_BITS):
            image.planes[0][:_ROWS, bit * width : (bit + 1) * width] = _HIGH if n >> bit & 1 else _LOW
        return image.frozen()


def number_of(picture: Picture) -> int | None:
    """The number along the top; None where there is none, as on a slate."""
    luma = picture.planes[0].astype(int)
    width = luma.shape[1] // _BITS
    bars = [luma[4 : _ROWS - 4, bit * width + 4 : (bit + 1) * width - 4] for bit in range(_BITS)]
    means = [float(bar.mean()) for bar in bars]
    if any(min(abs(mean - _LOW), abs(mean - _HIGH)) > 15 for mean in means):
        return None
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 125)


def readable_in(frames: Sequence[AnonymizedFrame], truth: MovingFace) -> list[int]:
    """Numbers of the pictures in which the face can be read. Slates have no number, and no face."""
    found = []
    for frame in frames:
        n = number_of(frame.image)
        if n is not None and (box := truth.box(n)) is not None and readable(frame.image, box):
            found.append(n)
    return found


class SlowFinder:
    """Finds the drawn face below the number, and takes its time. delay_s: for each picture."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """See `Detector.detect`."""
        time.sleep(self._delay_s)
        return [find(picture) for picture in pictures]

    def close(self) -> None:
        """See `Detector.close`."""


def find(picture: Picture) -> list[Detection]:
    """The drawn face."""
    different = np.abs(picture.planes[0][_ROWS:].astype(int) - 120) > 25
    rows, columns = different.sum(axis=1) > 8, different.sum(axis=0) > 8
    if not rows.any() or not columns.any():
        return []
    x0, y0 = float(np.flatnonzero(columns)[0]), float(np.flatnonzero(rows)[0]) + _ROWS
    return [Detection((x0, y0, x0 + FACE_PX, y0 + FACE_PX), 0.9)]


def ts_segments(pictures: Sequence[Picture], per_segment: int, fps: int = 25) -> list[bytes]:
    """MPEG-TS segments of a stream, each beginning with a key frame."""
    import av

    segments = []
    for first in range(0, len(pictures), per_segment):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.width, stream.height = pictures[0].size
            stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, fps)
            stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "14", "g": str(per_segment)}
            for n, picture in enumerate(pictures[first : first + per_segment]):
                frame = picture.to_av()
                frame.pts, frame.time_base = first + n, Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        segments.append(buffer.getvalue())
    return segments
