"""Small drawn videos in any shape a test needs: every frame carries its number, and a white mark in the top left. And
drawn scenes with the truth about their faces, as evaluations want them."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.drawn.scene import Scene
from support.frames import numbered

__all__ = [
    "MARK",
    "join",
    "make_clip",
    "make_sound",
    "numbered_bgr",
    "turn_clip",
    "write_pictures",
    "write_scene",
    "write_truth",
]

MARK = 0.2
"""Share of the picture's shorter side that the white square in the top left corner takes."""


def numbered_bgr(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frame `number` (0..255) as BGR; `support.frames.number_of` reads it back. size: width and height."""
    picture = numbered(number, 0.0, (max(32, size[0]), max(32, size[1]))).image.bgr().copy()
    picture = picture[: size[1], : size[0]]
    side = max(1, round(MARK * min(size)))
    picture[:side, :side] = 255
    return np.ascontiguousarray(picture)


def make_clip(
    path: Path,
    *,
    frames: int = 30,
    size: tuple[int, int] = (160, 120),
    fps: int = 25,
    first: int = 0,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    sound: bool = False,
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Write a video and return its path.

    first: the number of the first frame; times: seconds of each frame instead of an even rate; aspect: width of a pixel
    over its height; sound: with a silent track.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=codec_options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        base = Fraction(1, 1000) if times else Fraction(1, fps)
        stream.codec_context.time_base = base
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        noise = container.add_stream("aac", rate=8000) if sound else None
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_bgr((first + n) % 256, size), format="bgr24")
            frame.pts = round(times[n] * 1000) if times else n
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if noise is not None:
            _silence(container, noise, frames / fps)
    return path


def write_pictures(path: Path, pictures: Iterable[Picture], *, crf: int = 18) -> Path:
    """Write pictures of one size as a video of 25 frames per second, and return its path."""
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "preset": "veryfast"}
        stream: Any = container.add_stream("libx264", rate=Fraction(25), options=options)
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = *picture.size, "yuv420p"
            container.mux(stream.encode(picture.to_av()))
        container.mux(stream.encode())
    return path


def write_truth(path: Path, scene: Scene, frames: int) -> None:
    """Write where the faces of a drawn scene are that are hardly hidden by anything."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "id", "x", "y", "w", "h"])
        for n in range(frames):
            for face in scene.truth(n):
                x0, y0, x1, y1 = face.box
                if face.visible > 0.9:
                    rows.writerow([n, face.person, x0, y0, x1 - x0, y1 - y0])


def write_scene(clip: Path, truth: Path, scene: Scene, frames: int, *, crf: int = 18) -> Path:
    """Write a drawn scene as a video, and where its faces are; returns the video's path."""
    write_truth(truth, scene, frames)
    return write_pictures(clip, (scene.picture(n) for n in range(frames)), crf=crf)


def make_sound(path: Path, *, seconds: float = 1.0) -> Path:
    """Write a file with sound only."""
    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=8000), seconds)
    return path


def _silence(container: av.container.OutputContainer, stream: Any, seconds: float) -> None:
    for start in range(0, round(seconds * 8000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def join(target: Path, *parts: Path) -> Path:
    """Write the bytes of several files one after the other, as recorders of transport streams do."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def turn_clip(path: Path, clockwise: int, *, mirrored: bool = False) -> None:
    """Have players turn an MP4 by 0, 90, 180 or 270 degrees clockwise; mirrored: after swapping left and right.

    Writes the matrix of the track header by hand, after the QuickTime file format: a point (x, y) of the stored picture
    is shown at (a x + c y + tx, b x + d y + ty), y downwards.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: flags, times, id, duration, layer, group, volume come before
    fixed = 1 << 16
    width, height = struct.unpack(">II", data[at + 36 : at + 44])
    a, b, c, d, tx, ty = {
        0: (fixed, 0, 0, fixed, 0, 0),
        90: (0, fixed, -fixed, 0, height, 0),
        180: (-fixed, 0, 0, -fixed, width, height),
        270: (0, -fixed, fixed, 0, 0, width),
    }[clockwise]
    if mirrored:  # x becomes width - x
        tx, ty = tx + a // fixed * width, ty + b // fixed * width
        a, b = -a, -b
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, tx, ty, 1 << 30)
    path.write_bytes(data)
