"""Stage: request -> whom the faces are like. The embedder's own thread, one request at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from streamer.core.align import ARCFACE_112, aligned, quality
from streamer.core.channel import Channel, Closed
from streamer.core.errors import EmbedderError
from streamer.core.stats import Stats
from streamer.core.types import Candidate, Frame, Identified, IdentityRequest, Likeness
from streamer.core.views import VIEWED_PX, is_another, view_in, view_of
from streamer.embedders import Crop, Embedder, Vectors
from streamer.people.gallery import Gallery, Match

__all__ = ["Answer", "CropRules", "EmbedFailed", "embed", "work"]

_LEAST_SHARPNESS = 0.05
_LEAST_CONTRAST = 12.0
_LEAST_BRIGHTNESS, _MOST_BRIGHTNESS = 20.0, 240.0
_UNIT_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class CropRules:
    """What a crop must be to count."""

    min_face_px: float
    """Longer side of the face's box."""
    max_turn_deg: float


@dataclass(frozen=True, slots=True)
class EmbedFailed:
    """The embedder could not."""

    error: EmbedderError


Answer = Identified | EmbedFailed


def embed(
    embedder: Embedder,
    request: IdentityRequest,
    gallery: Gallery,
    version: int,
    rules: CropRules,
    stats: Stats,
    *,
    now: Callable[[], float] = time.time,
) -> Answer:
    """Answer one request. Whatever the embedder raises or returns that is no vector is a failure, and no evidence.

    now: seconds since 1970; whose time is over then is like nobody.
    """
    try:
        with stats.timed("embed"):
            found = _found(embedder, request, gallery, rules, stats, now())
    except EmbedderError as error:
        return EmbedFailed(error)
    except Exception as error:  # an embedder is a plug-in: any exception means that there is no evidence
        return EmbedFailed(EmbedderError(f"the embedder failed: {type(error).__name__}: {error}"))
    return Identified(request.frame.epoch, request.frame.t, found, version)


def _found(
    embedder: Embedder, request: IdentityRequest, gallery: Gallery, rules: CropRules, stats: Stats, now: float
) -> tuple[tuple[Candidate, Likeness | None], ...]:
    """Every candidate, and whom the crop is like; None for a poor one."""
    crops = [_crop(embedder, request, candidate, rules) for candidate in request.faces]
    good = [crop for crop in crops if crop is not None]
    vectors = _checked(embedder.embed(good), len(good), embedder.dim) if good else None
    matches = iter(gallery.match(vectors, now=now) if vectors is not None else [])
    stats.embedded(len(good))
    return tuple(
        (candidate, None if crop is None else _likeness(embedder, request.frame, candidate, crop, next(matches)))
        for candidate, crop in zip(request.faces, crops, strict=True)
    )


def _likeness(embedder: Embedder, frame: Frame, candidate: Candidate, crop: Crop, match: Match) -> Likeness:
    """What was found of a good crop, and the view that it is."""
    found = Likeness(match.name, match.score, match.second_score, match.people)
    landmarks, before = candidate.detection.landmarks, candidate.views
    if landmarks is None or before is None:
        return found
    shared = embedder.template == ARCFACE_112 and embedder.crop_px == VIEWED_PX
    view = view_in(crop) if shared else view_of(frame.image, landmarks)
    return replace(found, view=view, another=is_another(view, before))


def _crop(embedder: Embedder, request: IdentityRequest, candidate: Candidate, rules: CropRules) -> Crop | None:
    """The aligned face; None when nobody could be told from it."""
    face = candidate.detection
    if face.landmarks is None or max(face.box[2] - face.box[0], face.box[3] - face.box[1]) < rules.min_face_px:
        return None
    try:
        crop = aligned(request.frame.image, face.landmarks, embedder.template, embedder.crop_px)
        found = quality(face, crop, embedder.template)
    except ValueError:
        return None
    good = (
        max(abs(found.pose.yaw_deg), abs(found.pose.pitch_deg)) <= rules.max_turn_deg
        and found.sharpness >= _LEAST_SHARPNESS
        and found.contrast >= _LEAST_CONTRAST
        and _LEAST_BRIGHTNESS <= found.brightness <= _MOST_BRIGHTNESS
    )
    return crop if good else None


def _checked(vectors: Vectors, number: int, dim: int) -> Vectors:
    if not isinstance(vectors, np.ndarray) or vectors.shape != (number, dim):
        raise EmbedderError(f"the embedder did not return {number} vectors of {dim} numbers")
    if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) <= _UNIT_SLACK).all():  # also false for what is no number
        raise EmbedderError("the embedder returned a vector that is not of length 1")
    return vectors


def work(
    embedder: Embedder,
    gallery: Callable[[], tuple[Gallery, int]],
    requests: Channel[IdentityRequest],
    answers: Channel[Answer],
    rules: CropRules,
    stats: Stats,
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """The embedder's thread; ends when `requests` is closed, and closes the embedder.

    gallery: the present one and its version, asked before every answer. now: see `embed()`.
    """
    try:
        while True:
            if (request := requests.get()) is not None:
                people, version = gallery()
                answers.put(embed(embedder, request, people, version, rules, stats, now=now))
    except Closed:
        return
    finally:
        embedder.close()
