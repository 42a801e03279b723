"""What may leave the program. A sink accepts nothing but an `AnonymizedFrame`.

`AnonymizedFrame(` is written in three places only, and a test walks the source to keep it so: here in `slate()` (a flat
picture with no camera pixels in it), here in `derive()` (made from an anonymized picture alone), and in
`anonymize.seal()`, the one door through which camera pixels pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2

from streamer.core.picture import Picture
from streamer.core.reasons import CoverReason

__all__ = ["AnonymizedFrame", "derive", "slate"]

_SLATE_LUMA = 48
_TEXT_LUMA = 200


@dataclass(frozen=True, slots=True)
class AnonymizedFrame:
    """A picture in which every face that may not be seen is hidden."""

    seq: int
    """The captured frame it shows; -1 for a slate that belongs to none."""
    t: float
    """Capture time on the pipeline's clock, seconds; for a slate, the moment it stands for."""
    image: Picture
    covered: bool
    """True when the whole frame is hidden."""
    name: str | None = None
    """Stills: the picture's path relative to the input."""
    why: CoverReason | None = None
    """Why it is covered, where that is known."""
    gallery_version: int | None = None
    """On which a face in it may be seen; None when none is. An output covers it when the gallery is another by then."""


def slate(
    seq: int,
    t: float,
    size: tuple[int, int],
    text: str = "",
    *,
    below: str = "",
    name: str | None = None,
    why: CoverReason | None = None,
) -> AnonymizedFrame:
    """A covered frame: flat dark grey with `text` in the middle. size: width and height in pixels.

    below: a line of smaller text. name: of the still that it stands for.
    """
    return AnonymizedFrame(seq, t, _slate_picture(size, text, below), covered=True, name=name, why=why)


@lru_cache(maxsize=2)
def _slate_picture(size: tuple[int, int], text: str, below: str) -> Picture:
    """Drawn once: a slate is shown for long."""
    width, height = size
    image = Picture.blank(width, height, luma=_SLATE_LUMA)
    if min(size) >= 32:
        # Hershey capitals are about 21 px high at scale 1.
        _write_on(image, text, height // 2, height / 360)
        _write_on(image, below, height * 3 // 4, height / 720)
    return image.frozen()


def _write_on(image: Picture, text: str, middle: int, scale: float) -> None:
    """One line, in the middle of the width, of which it takes at most 80 %."""
    if not text:
        return
    scale = max(0.2, scale)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, 0.8 * image.width / max(1, width))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    origin = ((image.width - width) // 2, middle + height // 2)
    thickness = max(1, round(image.height / 360))
    cv2.putText(image.planes[0], text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (_TEXT_LUMA,), thickness, cv2.LINE_AA)


def derive(
    frame: AnonymizedFrame, image: Callable[[Picture], Picture] | None = None, *, t: float | None = None
) -> AnonymizedFrame:
    """Another anonymized frame made from `frame` alone: letterboxed, labelled, or given another time.

    image: a function of the anonymized picture. It is called here, so it never sees a raw one.
    """
    picture = frame.image if image is None else image(frame.image)
    return AnonymizedFrame(
        frame.seq,
        frame.t if t is None else t,
        picture.frozen(),
        covered=frame.covered,
        name=frame.name,
        why=frame.why,
        gallery_version=frame.gallery_version,
    )
