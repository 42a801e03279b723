"""The attacker who is left nothing but the masks: where they are, how large and how tilted, frame by frame.

A mask follows the box that a detector gave, and a box follows a face: its shape, and how much the box trembles. No
effect hides that, so what is found here is the floor under every effect.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.masks import MaskOptions, Region, region
from streamer.core.geometry import iou, stack
from streamer.core.picture import Picture
from streamer.core.types import Detection, TrackBox
from streamer.evaluate.clips import film
from streamer.evaluate.faces import Finder, Sample

__all__ = ["LOOK_EVERY", "outlines", "told_by"]

LOOK_EVERY = 3
"""Of the frames, every third one is looked at, as the pipeline does by default."""
_SAME_FACE_IOU = 0.3

Outline = NDArray[np.float64]
"""(looks, 5): middle x and y, half width and height in pixels, tilt in radians; a row of NaN where nobody was found."""


def outlines(sample: Sample, finder: Finder, mask: MaskOptions, frames: int) -> Outline:
    """The masks of one film, from the boxes that the detector finds in it."""
    found = []
    for number, shot in enumerate(film(sample, frames)):
        if number % LOOK_EVERY == 0:
            found.append(_outline(shot.picture, shot.faces[0], finder, mask))
    return np.asarray(found)


def _outline(picture: Picture, truth: TrackBox, finder: Finder, mask: MaskOptions) -> tuple[float, ...]:
    seen = finder.faces(picture)
    alike = iou(stack([truth.box]), stack([one.box for one in seen]))[0] if seen else np.zeros(1)
    if not seen or alike.max() < _SAME_FACE_IOU:
        return (np.nan,) * 5
    place = _placed(picture, seen[int(alike.argmax())], mask)
    return (np.nan,) * 5 if place is None else (*place.middle, *place.half, place.tilt)


def _placed(picture: Picture, face: Detection, mask: MaskOptions) -> Region | None:
    return region(picture, TrackBox(0, face.box, face.landmarks), mask)


def told_by(films: Sequence[Outline], frames: int) -> NDArray[np.float64]:
    """(films, 11): size and shape of the masks, their means and how they tremble; what is not known is the average."""
    looks = -(-frames // LOOK_EVERY)
    table = np.asarray([_features(film[:looks]) for film in films])
    known = np.isfinite(table)
    means = np.where(
        known.any(axis=0), np.nansum(np.where(known, table, 0), axis=0) / np.maximum(known.sum(axis=0), 1), 0
    )
    return np.where(known, table, means)


def _features(film: Outline) -> NDArray[np.float64]:
    film = film[np.isfinite(film).all(axis=1)]
    if not len(film):
        return np.full(11, np.nan)
    x, y, width, height, tilt = film.T
    size = np.sqrt(width * height)
    places = [np.log(size), np.log(height / width), tilt, x / size, y / size]
    # What is left of three looks in a row that a steady movement would make nothing of: the trembling of the boxes.
    shakes = [np.diff(one, 2) for one in (places[0], places[1], x / size, y / size, tilt)]
    spreads = [np.log(1e-3 + np.sqrt(np.mean(one**2))) if len(one) else np.nan for one in shakes]
    return np.array([*(one.mean() for one in places), places[1].std() if len(film) > 1 else np.nan, *spreads])
