"""Faces brought to one upright pose and size by their five landmarks, and what can be told of a face's quality cheaply.

Points are in the order of `Points5`: the person's right eye first, which stands on the picture's left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.core.types import Detection, Points5

__all__ = ["ARCFACE_112", "PORTRAIT", "PORTRAIT_PX", "Pose", "Quality", "aligned", "pose", "quality", "similarity"]

ARCFACE_112: Points5 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Where the landmarks come to lie in a crop of 112 x 112 pixels (Deng et al.: "ArcFace", CVPR 2019; also SFace)."""

PORTRAIT_PX = 192
PORTRAIT: Points5 = (
    (78.2946, 91.6963),
    (113.5318, 91.5014),
    (96.0252, 111.7366),
    (81.5493, 132.3655),
    (110.7299, 132.2041),
)
"""The same size of face with 40 pixels more on every side: for people to look at, and to cut any other crop from."""

_NOSE_DEPTH = 0.55
"""How far the tip of the nose stands before the eyes, in distances between the eyes: about 35 mm of 63 mm."""
_NOSE_HEIGHT = 0.56
"""Where a level face has the tip of its nose between eyes (0) and mouth (1): the median of 1,833 faces of LFW."""
_NOSE_DEPTH_UPRIGHT = 0.45
"""The same depth in distances between eyes and mouth."""
_SMALLEST_SIDE_PX = 16


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is turned, in degrees, estimated from five points: coarse, but in the right order."""

    yaw_deg: float
    """Turned aside: 0 frontal, positive towards the picture's right; within -90..90."""
    pitch_deg: float
    """Nodding: 0 level, positive looks up; within -90..90."""
    roll_deg: float
    """Tilted: 0 upright, positive clockwise in the picture; within -180..180."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised."""

    face_px: float
    """Shorter side of the face's box in the picture; nobody can be recognised below about 32."""
    pose: Pose
    sharpness: float
    """Detail at the face's own resolution, relative to its contrast: about 0.05 badly blurred, 0.3 and more sharp."""
    brightness: float
    """Mean luma of the face, 0..255."""
    contrast: float
    """Standard deviation of the face's luma, 0..127; below about 12 there is hardly a face to see."""

    @property
    def score(self) -> float:
        """One number in [0, 1] by which faces of the same person can be ranked; best first."""
        size = min(1.0, self.face_px / 112)
        turned = math.cos(math.radians(min(90.0, math.hypot(self.pose.yaw_deg, self.pose.pitch_deg))))
        return size * turned * min(1.0, self.sharpness / 0.3) * min(1.0, self.contrast / 30)


def similarity(points: Points5, template: Points5) -> NDArray[np.float64]:
    """The similarity (turn, scale, shift) that brings `points` closest to `template`: (2, 3), to be applied to x, y, 1.

    Least squares after Umeyama, IEEE PAMI 13 (1991); in the plane and without mirroring, its solution is this quotient
    of complex numbers. Raises ValueError when all points are one.
    """
    p, q = np.asarray(points, np.float64) @ (1, 1j), np.asarray(template, np.float64) @ (1, 1j)
    p_mean, q_mean = p.mean(), q.mean()
    spread = float(np.sum(np.abs(p - p_mean) ** 2))
    if not spread > 1e-6:
        raise ValueError("landmarks in one point cannot be aligned")
    turn = np.sum(np.conj(p - p_mean) * (q - q_mean)) / spread
    shift = q_mean - turn * p_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def aligned(picture: Picture, landmarks: Points5, template: Points5, crop_px: int) -> NDArray[np.uint8]:
    """The face, upright and with its landmarks at `template`: (crop_px, crop_px, 3) BGR. Black beyond the picture.

    Only the part of the picture around the face is converted. A face that has to shrink by two or more is averaged over
    areas first, because sampling it would make patterns that are not there.
    Raises ValueError when the landmarks are in one point or the crop lies wholly outside the picture.
    """
    to_crop = similarity(landmarks, template)
    shrink = 1 / math.hypot(to_crop[0, 0], to_crop[1, 0])
    corners = np.array([[0, 0, 1], [crop_px, 0, 1], [0, crop_px, 1], [crop_px, crop_px, 1]], np.float64)
    seen = corners @ cv2.invertAffineTransform(to_crop).T
    margin = math.ceil(shrink)
    x0, y0 = (math.floor(v) - margin for v in seen.min(axis=0).clip(-1e6, 1e6))
    x1, y1 = (math.ceil(v) + margin for v in seen.max(axis=0).clip(-1e6, 1e6))
    part = picture.cropped((x0, y0, x1, y1))
    origin = np.array([max(0, x0) & ~1, max(0, y0) & ~1], np.float64)  # as `cropped` has it
    full = np.array(part.size, np.float64)
    if shrink >= 2:
        # Even sizes: the planes of i420 are padded to them, and scaled with their padding.
        part = part.scaled(*(max(2, int(side // math.floor(shrink)) & ~1) for side in part.size))
    step = full / part.size
    # x of the picture = (x of the part + 1/2) * step - 1/2 + origin: pixels are areas, and their middles are counted.
    to_picture = np.array([[step[0], 0, origin[0] + step[0] / 2 - 0.5], [0, step[1], origin[1] + step[1] / 2 - 0.5]])
    to_crop = to_crop @ np.vstack([to_picture, [0, 0, 1]])
    crop = cv2.warpAffine(part.bgr(), to_crop, (crop_px, crop_px), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)


def pose(landmarks: Points5) -> Pose:
    """How the head is turned, from where the nose stands between eyes and mouth of a simple solid face."""
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    roll = math.atan2(across[1], across[0])
    x_axis = np.array([math.cos(roll), math.sin(roll)])
    y_axis = np.array([-x_axis[1], x_axis[0]])
    width, height = float(across @ x_axis), float((mouth - eyes) @ y_axis)
    nose = points[2] - (eyes + mouth) / 2
    aside = float(nose @ x_axis)
    down = float((points[2] - eyes) @ y_axis)
    yaw = math.degrees(math.atan2(aside, _NOSE_DEPTH * max(width, 1e-6)))
    pitch = math.degrees(math.atan2(_NOSE_HEIGHT * height - down, _NOSE_DEPTH_UPRIGHT * max(height, 1e-6)))
    return Pose(max(-90.0, min(90.0, yaw)), max(-90.0, min(90.0, pitch)), math.degrees(roll))


def quality(detection: Detection, crop: NDArray[np.uint8], template: Points5) -> Quality:
    """How good a face is: from the detection, which must have landmarks, and its crop aligned to `template`.

    crop: (P, P, 3) BGR. Costs about as much as the alignment. Raises ValueError without landmarks.
    """
    if detection.landmarks is None:
        raise ValueError("quality needs landmarks")
    x0, y0, x1, y1 = detection.box
    to_crop = similarity(detection.landmarks, template)
    # At the face's own resolution: a small face enlarged to the crop's size is smooth without being blurred.
    own = round(crop.shape[0] / math.hypot(to_crop[0, 0], to_crop[1, 0]))
    side = max(_SMALLEST_SIDE_PX, min(crop.shape[0], own))
    luma = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if side < crop.shape[0]:
        luma = cv2.resize(luma, (side, side), interpolation=cv2.INTER_AREA)
    edge = side // 6  # background, hair and whatever lies beyond the picture
    inner = luma[edge : side - edge // 2, edge : side - edge].astype(np.float32)
    contrast = float(inner.std())
    detail = float(np.abs(cv2.Laplacian(inner, cv2.CV_32F)).mean()) / max(contrast, 1.0)
    return Quality(min(x1 - x0, y1 - y0), pose(detection.landmarks), detail, float(inner.mean()), contrast)
