"""Short films of people of whom there are only stills: the head sways before the camera, as it does in any video.

The whole picture is moved by a similarity (shift, scale, tilt) that changes smoothly from frame to frame by fractions
of a pixel; box and landmarks follow exactly. So what an attacker gains is from several frames of one face, and nothing
is from a detector.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.geometry import center, side
from streamer.core.picture import Picture, Plane
from streamer.core.types import Box, Detection, Points5, TrackBox
from streamer.evaluate.faces import Sample, read_picture

__all__ = ["FPS", "Motion", "Shot", "film", "motion_of", "moved", "still"]

FPS = 25.0
_SHIFT_SHARE = 0.08, 0.2
"""Amplitude of the sway as shares of the face's size: 6 to 15 pixels of a face of 75."""
_SCALE, _TILT_DEG = 0.04, 4.0
"""Amplitudes of the change of size and of the tilt."""
_HERTZ = 0.3, 0.8
"""Slowest and fastest sway."""

Similarity = NDArray[np.float64]
"""(2, 3): applied to x, y, 1 in pixels."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Four sine waves: shift across and down in pixels, logarithm of the scale, tilt in radians."""

    amplitudes: tuple[float, float, float, float]
    hertz: tuple[float, float, float, float]
    phases: tuple[float, float, float, float]
    about: tuple[float, float]
    """What stays in place under scale and tilt: x, y in pixels of the still."""

    def at(self, t: float) -> Similarity:
        """From the still to the frame at time t in seconds."""
        dx, dy, grow, tilt = (
            a * math.sin(2 * math.pi * f * t + phase)
            for a, f, phase in zip(self.amplitudes, self.hertz, self.phases, strict=True)
        )
        cos, sin = math.exp(grow) * math.cos(tilt), math.exp(grow) * math.sin(tilt)
        x, y = self.about
        return np.array([[cos, -sin, x + dx - cos * x + sin * y], [sin, cos, y + dy - sin * x - cos * y]])


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a film, not hidden yet."""

    t: float
    picture: Picture
    faces: tuple[TrackBox, ...]
    """The person's comes first."""
    to_frame: Similarity
    """From the still to this frame."""


def motion_of(sample: Sample) -> Motion:
    """How this person sways: always the same for the same picture."""
    assert sample.face is not None, "nobody is in this picture"
    rng = np.random.default_rng(zlib.crc32(f"{sample.person}/{sample.path.name}".encode()))
    shifts = side(sample.face.box) * rng.uniform(*_SHIFT_SHARE, 2)
    amplitudes = float(shifts[0]), float(shifts[1]), _SCALE, math.radians(_TILT_DEG)
    hertz, phases = rng.uniform(*_HERTZ, 4).tolist(), rng.uniform(0, 2 * math.pi, 4).tolist()
    return Motion(amplitudes, tuple(hertz), tuple(phases), center(sample.face.box))


def film(sample: Sample, frames: int) -> Iterator[Shot]:
    """So many frames of one still at 25 frames per second, each with every face in it."""
    assert sample.face is not None, "nobody is in this picture"
    picture, motion = read_picture(sample.path), motion_of(sample)
    found = [sample.face, *sample.others]
    for number in range(frames):
        to_frame = motion.at(number / FPS)
        faces = tuple(_followed(i, one, to_frame) for i, one in enumerate(found))
        yield Shot(number / FPS, moved(picture, to_frame), faces, to_frame)


def still(sample: Sample) -> Shot:
    """The picture itself as a film of one frame."""
    assert sample.face is not None, "nobody is in this picture"
    picture, stays = read_picture(sample.path), np.eye(2, 3)
    return Shot(
        0.0, picture, tuple(_followed(i, one, stays) for i, one in enumerate((sample.face, *sample.others))), stays
    )


def moved(picture: Picture, to_frame: Similarity) -> Picture:
    """A picture under a similarity, of the same size; beyond its border it is mirrored. Plane by plane."""
    result = Picture.blank(*picture.size, format=picture.format, color=picture.color)
    for source, target, shift in zip(picture.planes, result.planes, picture.shifts, strict=True):
        _warp(source, _at_plane(to_frame, shift), target)
    return result.frozen()


def _warp(source: Plane, matrix: Similarity, target: Plane) -> None:
    size = source.shape[::-1]
    cv2.warpAffine(source, matrix, size, dst=target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _at_plane(matrix: Similarity, shift: int) -> Similarity:
    """The same similarity for a plane that is smaller by a power of two, whose samples lie between those of luma."""
    factor, offset = 1 << shift, ((1 << shift) - 1) / 2
    linear = matrix[:, :2]
    # x of luma = x of the plane * factor + offset, on both sides of the equation.
    return np.column_stack([linear, (linear @ [offset, offset] + matrix[:, 2] - offset) / factor])


def _followed(track_id: int, face: Detection, to_frame: Similarity) -> TrackBox:
    """The upright box turns with nothing, it moves and grows; landmarks turn, too."""
    x, y = to_frame @ [*center(face.box), 1]
    grow = math.hypot(to_frame[0, 0], to_frame[1, 0])
    half = (face.box[2] - face.box[0]) / 2 * grow, (face.box[3] - face.box[1]) / 2 * grow
    box: Box = (float(x - half[0]), float(y - half[1]), float(x + half[0]), float(y + half[1]))
    if face.landmarks is None:
        return TrackBox(track_id, box, None)
    points = np.asarray(face.landmarks) @ to_frame[:, :2].T + to_frame[:, 2]
    return TrackBox(track_id, box, cast(Points5, tuple((float(a), float(b)) for a, b in points)))
