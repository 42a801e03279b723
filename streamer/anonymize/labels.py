"""Names and states, drawn over a picture that is anonymized already."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

import cv2

from streamer.core.picture import Picture
from streamer.core.reasons import HideReason
from streamer.core.types import Reveal, TrackBox, Verdict

__all__ = ["labelled"]

_SHOWN, _UNDECIDED, _HIDDEN = (64, 160, 32), (120, 120, 120), (40, 40, 190)
"""Blue, green, red: green is seen, grey is not decided yet, red is hidden."""
_UNDECIDED_WHY = (HideReason.UNDECIDED, HideReason.EVERYONE)


def labelled(picture: Picture, tracks: Sequence[tuple[TrackBox, Verdict]], shown: Collection[int]) -> Picture:
    """The picture with a bar above every face: name and score of who may be seen, the reason for who may not.

    shown: numbers of the tracks that are really seen. A face that is hidden never gets a name.
    """
    canvas = picture.canvas()
    for track, verdict in tracks:
        if isinstance(verdict, Reveal) and track.track_id in shown:
            name = _plain(verdict.name) or "stranger"
            _bar(canvas, track, f"{name} {verdict.score:.2f}", _SHOWN)
        elif isinstance(verdict, Reveal):
            _bar(canvas, track, "hidden", _HIDDEN)
        else:
            _bar(canvas, track, verdict.why.value, _UNDECIDED if verdict.why in _UNDECIDED_WHY else _HIDDEN)
    return canvas.frozen()


def _plain(name: str) -> str:
    """Only what the drawn letters have: accents go, other scripts become question marks."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()


def _bar(canvas: Picture, track: TrackBox, text: str, bgr: tuple[int, int, int]) -> None:
    scale = max(0.35, canvas.height / 1400)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x0 = max(0, min(int(track.box[0]), canvas.width - width - 6)) & ~1
    y0 = max(0, min(int(track.box[1]) - height - below - 8, canvas.height - height - below - 6)) & ~1
    x1, y1 = min(canvas.width, x0 + width + 6), min(canvas.height, y0 + height + below + 6)
    for plane, shift, level in zip(canvas.planes, canvas.shifts, _levels(canvas, bgr), strict=True):
        plane[y0 >> shift : (y1 + shift) >> shift, x0 >> shift : (x1 + shift) >> shift] = level
    # White letters: in 4:2:0 only the luma is drawn, they take the bar's hue.
    for plane in canvas.planes if canvas.format == "bgrp" else canvas.planes[:1]:
        at = x0 + 3, y1 - below - 2
        cv2.putText(plane, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (235,), 1, cv2.LINE_AA)


def _levels(canvas: Picture, bgr: tuple[int, int, int]) -> tuple[int, int, int]:
    """A colour as the planes hold it; BT.601, limited range, is near enough for a bar."""
    if canvas.format == "bgrp":
        return bgr
    blue, green, red = bgr
    return (
        round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )
