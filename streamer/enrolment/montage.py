"""Montage: an anonymized picture with names, and beside it the kept crops of recognised people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame, derive
from streamer.config.schema import Config
from streamer.core.picture import Picture
from streamer.core.stats import Stats
from streamer.core.types import Identified, IdentityRequest
from streamer.detectors import Detector
from streamer.effects import Effect
from streamer.embedders import Embedder
from streamer.enrolment.recognise import Recognised, Seen
from streamer.identity.still import StillIdentity
from streamer.people.content import Content
from streamer.pipeline.assembly import detector_options
from streamer.pipeline.still import anonymized
from streamer.stages.embed import CropRules, embed

__all__ = ["montage"]

_TILE_PX = 128
_TEXT_PX = 250
_NAMED, _UNNAMED = (64, 160, 32), (60, 60, 60)


def montage(
    seen: Seen, content: Content, detector: Detector, embedder: Embedder, effect: Effect, config: Config
) -> AnonymizedFrame:
    """The anonymized picture, with names and kept faces around it.

    Faces stay visible that stay visible in a run with `who: unknown`: the same rules decide.
    Raises DetectorError and EffectError when faces could not be hidden.
    """
    options = config.identity.model_copy(update={"who": "unknown"})
    version, strong_score = content.gallery.version, detector_options(config).threshold
    rules = CropRules(options.min_face_px, options.max_turn_deg)

    def answer(request: IdentityRequest) -> Identified | None:
        given = embed(embedder, request, content.gallery, version, rules, Stats())
        return given if isinstance(given, Identified) else None

    sealed = anonymized(
        seen.picture,
        detector,
        effect,
        config,
        identity=StillIdentity(options, embedder.thresholds, lambda: version, strong_score=strong_score),
        answer=answer,
        gallery_version=version,
    )
    return sealed if sealed.covered else derive(sealed, lambda picture: _laid_out(picture, seen.faces, content))


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
