"""Anonymized frames to feed to sinks, each with a number that can be read back after lossy coding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.core.picture import BT601, Color, Picture

__all__ = ["Read", "number_of", "numbered", "psnr", "read_video"]

_BITS = 8
_LOW, _HIGH = 60, 190


def numbered(number: int, t: float, size: tuple[int, int] = (320, 240), *, color: Color = BT601) -> AnonymizedFrame:
    """A frame with `number` (0..255) as eight bars from left to right, over a soft gradient."""
    width, height = size
    picture = Picture.blank(width, height, color=color)
    luma = picture.planes[0]
    rows, columns = luma.shape
    luma[:] = np.linspace(50, 120, rows, dtype=np.uint8)[:, None]
    for bit in range(_BITS):
        bar = luma[rows // 4 : rows * 3 // 4, columns * bit // _BITS : columns * (bit + 1) // _BITS]
        bar[:] = _HIGH if number >> bit & 1 else _LOW
    picture.planes[1][:], picture.planes[2][:] = 110, 150
    return derive(slate(number, t, size), lambda _: picture)


def number_of(picture: Picture) -> int:
    """The number drawn by `numbered()`."""
    luma = picture.planes[0]
    rows, columns = luma.shape
    middle = luma[rows * 3 // 8 : rows * 5 // 8]
    bars = [middle[:, columns * bit // _BITS : columns * (bit + 1) // _BITS].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, bar in enumerate(bars) if bar > (_LOW + _HIGH) / 2)


@dataclass(frozen=True)
class Read:
    """What another reader finds in a video file."""

    times: list[float]
    pictures: list[Picture]
    keys: list[bool]
    duration_s: float
    codec: str
    full_range: bool
    matrix: int

    @property
    def numbers(self) -> list[int]:
        """The numbers drawn in the pictures."""
        return [number_of(picture) for picture in self.pictures]


def read_video(path: Path) -> Read:
    """Decode a whole file."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        # An AVI numbers its frames; FFmpeg's guess of presentation times from that is one frame off.
        ticks = [frame.dts if path.suffix == ".avi" else frame.pts for frame in frames]
        assert stream.time_base is not None
        times = [float((tick or 0) * stream.time_base) for tick in ticks]
        return Read(
            times,
            [Picture.from_av(frame) for frame in frames],
            [bool(frame.key_frame) for frame in frames],
            (container.duration or 0) / 1e6,
            stream.codec_context.name,
            int(stream.codec_context.color_range) == 2,
            int(stream.codec_context.colorspace),
        )


def psnr(one: Picture, other: Picture) -> float:
    """Peak signal-to-noise ratio of luma in dB."""
    difference = one.planes[0].astype(np.float64) - other.planes[0].astype(np.float64)
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean(difference**2)))))
