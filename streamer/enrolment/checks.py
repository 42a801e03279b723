"""Requirements for a picture to be enrolled, and the messages of a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamer.embedders import Thresholds
from streamer.enrolment.faces import Face
from streamer.people.content import Content
from streamer.people.gallery import Vectors

__all__ = ["Refused", "Rules", "chosen_face", "stranger_to", "unfit"]

_CLEARLY_LARGER = 1.5
_ADDS_NOTHING = 0.95
"""Similarity from which two pictures count as the same picture. Of 4,151 pairs of one person in LFW, the best has 0.92.
A picture saved once more has 0.95 (median), neighbouring frames of a video 0.98."""


class Refused(Exception):
    """A picture is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits for a face that is enrolled."""

    min_face_px: float = 48.0
    """People cannot be told apart below 32 pixels. Enrolment asks for more, as every later face is compared with it."""
    min_sharpness: float = 0.11
    """1 % of the pictures of LFW lie below 0.14; blurred with a sigma of 2 pixels at a face of 56, half below 0.10."""
    min_contrast: float = 10.0
    max_yaw_deg: float = 40.0
    max_pitch_deg: float = 30.0
    largest: bool = False
    """Of several faces in a picture, take the clearly largest."""


def chosen_face(faces: Sequence[Face], rules: Rules) -> Face:
    """Choose the face to enrol. faces: sorted, largest first. Raises Refused."""
    if not faces:
        raise Refused("no face was found")
    if len(faces) == 1:
        return faces[0]
    if not rules.largest:
        raise Refused(f"shows {len(faces)} faces; cut one out, or take the clearly largest with --largest")
    if faces[0].size_px < _CLEARLY_LARGER * faces[1].size_px:
        raise Refused(f"shows {len(faces)} faces, and none is clearly the largest")
    return faces[0]


def unfit(face: Face, rules: Rules) -> str | None:
    """Why a face is not good enough to enrol; None when it is."""
    seen, turned = face.quality, face.quality.pose
    if seen.face_px < rules.min_face_px:
        return f"the face is too small: {seen.face_px:.0f} pixels wide, {rules.min_face_px:.0f} are the least"
    if seen.contrast < rules.min_contrast:
        light = "dark" if seen.brightness < 85 else "bright" if seen.brightness > 170 else "flat"
        return f"the face is too {light}: hardly any contrast"
    if seen.sharpness < rules.min_sharpness:
        return "the face is blurred"
    if abs(turned.yaw_deg) > rules.max_yaw_deg:
        return f"the face is turned aside by about {abs(turned.yaw_deg):.0f} degrees; look at the camera"
    if abs(turned.pitch_deg) > rules.max_pitch_deg:
        return f"the face looks {'up' if turned.pitch_deg > 0 else 'down'} too far; look at the camera"
    return None


def adds_nothing(vector: Vectors, own: Vectors) -> bool:
    """Whether a vector (D,) nearly equals one of (K, D)."""
    return bool(len(own)) and float((own @ vector).max()) >= _ADDS_NOTHING


def stranger_to(name: str, vector: Vectors, own: Vectors, content: Content, thresholds: Thresholds) -> str | None:
    """Why a face cannot be this person: like another person, or unlike their other pictures. None when it can.

    vector: (D,). own: (K, D), what the person has so far.
    """
    gallery = content.gallery
    scores = gallery.scores(vector[None])[0]
    others = [(float(score), p.name) for score, p in zip(scores, gallery.people, strict=True) if p.name != name]
    if others and max(others)[0] >= thresholds.accept:
        score, other = max(others)
        return f"looks like {other}, who is enrolled already (similarity {score:.2f})"
    if len(own):
        alike = float(np.max(own @ vector))
        if alike < thresholds.reject:
            return f"does not look like the other pictures of {name} (similarity {alike:.2f})"
    return None
