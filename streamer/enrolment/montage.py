"""Montage: an anonymized picture with names, and beside it the kept crops of recognised people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame, derive
from streamer.config.schema import Config
from streamer.core.geometry import iou, stack
from streamer.core.picture import Picture
from streamer.core.reasons import HideReason
from streamer.core.types import Cover, Plan, Reveal, TrackBox, Verdict
from streamer.detectors import Detector
from streamer.effects import Effect
from streamer.enrolment.recognise import Recognised, Seen
from streamer.people.content import Content
from streamer.pipeline.still import anonymized

__all__ = ["montage"]

_SAME_FACE = 0.5
"""Overlap (IoU) from which a track is the recognised face."""
_TILE_PX = 128
_TEXT_PX = 250
_NAMED, _UNNAMED = (64, 160, 32), (60, 60, 60)


def montage(seen: Seen, content: Content, detector: Detector, effect: Effect, config: Config) -> AnonymizedFrame:
    """The anonymized picture, with names and kept faces around it.

    A face stays visible only if it was recognised beyond doubt in this picture and no other track overlaps it.
    Raises DetectorError and EffectError when faces could not be hidden.
    """
    version = content.gallery.version
    sealed = anonymized(
        seen.picture,
        detector,
        effect,
        config,
        revealing=lambda plan: _revealing(plan, seen.faces, version),
        gallery_version=version,
    )
    return sealed if sealed.covered else derive(sealed, lambda picture: _laid_out(picture, seen.faces, content))


def _revealing(plan: Plan, faces: Sequence[Recognised], version: int) -> Plan:
    """The plan with a reveal for each face that may be shown, where exactly one track is that face."""
    tracks: list[tuple[TrackBox, Verdict]] = []
    boxes = stack([track.box for track, _ in plan.tracks])
    shown: dict[int, Recognised] = {}
    for one in faces:
        if one.may_show and one.name is not None and len(boxes):
            overlaps = iou(stack([one.face.detection.box]), boxes)[0]
            touched = np.flatnonzero(overlaps > 0)
            if len(touched) == 1 and overlaps[touched[0]] >= _SAME_FACE:
                shown[int(touched[0])] = one
    for index, (track, _) in enumerate(plan.tracks):
        verdict: Verdict = Cover(HideReason.UNRECOGNISED)
        if index in shown:
            name = str(shown[index].name)
            verdict = Reveal(name, evidence_t=0.0, expires_t=1.0, gallery_version=version)
        tracks.append((track, verdict))
    return replace(plan, tracks=tuple(tracks))


def _laid_out(picture: Picture, faces: Sequence[Recognised], content: Content) -> Picture:
    """The anonymized picture with numbered boxes; on its right a row per face: number, kept face, name, score."""
    bgr = picture.laid_on(255).bgr().copy()
    scale = max(0.4, min(picture.size) / 900)
    for number, one in enumerate(faces, 1):
        x0, y0, x1, y1 = (round(v) for v in one.face.detection.box)
        color = _NAMED if one.name is not None else _UNNAMED
        cv2.rectangle(bgr, (x0, y0), (x1, y1), color, max(1, round(2 * scale)))
        text = f"{number}" if one.name is None else f"{number} {_plain(one.name)}"
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        top = max(0, y0 - height - below - 4)
        cv2.rectangle(bgr, (x0, top), (x0 + width + 6, top + height + below + 4), color, cv2.FILLED)
        _write(bgr, text, (x0 + 3, top + height + 2), scale)
    rows = max(1, len(faces))
    per_column = max(1, max(bgr.shape[0], _TILE_PX) // _TILE_PX)
    columns = -(-rows // per_column)
    side = np.full((max(bgr.shape[0], _TILE_PX), columns * (_TILE_PX + _TEXT_PX), 3), 32, np.uint8)
    for index, one in enumerate(faces):
        x, y = index // per_column * (_TILE_PX + _TEXT_PX), index % per_column * _TILE_PX
        if one.name is not None:
            kept = content.portraits_of(one.name)
            if kept:
                side[y : y + _TILE_PX, x : x + _TILE_PX] = cv2.resize(
                    kept[0][16:-16, 16:-16], (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA
                )
            lines = [f"{index + 1} {_plain(one.name)}", f"similarity {one.match.score:.2f}"]
            lines += [] if kept else ["no face was kept"]
        else:
            lines = [f"{index + 1} unknown", one.why if one.why.isascii() else _plain(one.why)]
        for line, text in enumerate(lines):
            _write(side, text[:30], (x + _TILE_PX + 8, y + 30 + 26 * line), 0.5)
    if bgr.shape[0] < side.shape[0]:
        bgr = np.pad(bgr, ((0, side.shape[0] - bgr.shape[0]), (0, 0), (0, 0)))
    return Picture.from_bgr(np.concatenate([bgr, side], axis=1), format="bgrp")


def _write(bgr: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float) -> None:
    cv2.putText(bgr, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (240, 240, 240), 1, cv2.LINE_AA)


def _plain(name: str) -> str:
    """Only what the drawn letters have: accents go, other scripts become question marks."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()
