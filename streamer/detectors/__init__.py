"""Who finds faces. One file per kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self, runtime_checkable

from pydantic import BeforeValidator, Field, model_validator

from streamer.core.options import PartOptions
from streamer.core.picture import Picture
from streamer.core.types import Detection

__all__ = [
    "CAREFUL",
    "Detector",
    "DetectorOptions",
    "InputPx",
    "Scores",
    "Stepwise",
    "StillScores",
    "Verification",
    "scores_of",
]

_LEAST_PX, _MOST_PX = 160, 4096
"""Longer side of a detector's input."""
_MOST_TILES = 16


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


def _is_tiles(value: object) -> object:
    """Said here, because of a union pydantic would name each half."""
    number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_TILES
    if value is None or value == "auto" or number:
        return value
    raise ValueError(f"must be auto, null or a whole number from 1 to {_MOST_TILES}, got {value!r}")


_UNREADABLE_PX = 20
"""Longer side of faces that nobody can be recognised by; leaks are counted from here on."""
_LARGER_THAN_ANY_PX = 1000
"""Shorter side of a face that fills a picture of 1080 lines."""
InputPx = Annotated[int | None, BeforeValidator(_auto_is_none)]


class DetectorOptions(PartOptions):
    """What every detector can be told; each adds its own."""

    threshold: float = Field(0.4, ge=0.1, le=0.8, description="lowest score that starts a track")
    floor: float = Field(0.2, ge=0.05, le=0.95, description="detections below this score are ignored")
    input_px: InputPx = Field(
        960,
        ge=_LEAST_PX,
        le=_MOST_PX,
        description="longer side of the detector's input; larger finds smaller faces and costs more; auto (or null): "
        "from smallest_face_px",
    )
    smallest_face_px: int = Field(
        20, ge=6, le=1000, description="width of the smallest face to find; sets input_px: auto and tiles: auto"
    )
    tiles: Annotated[int | Literal["auto"] | None, BeforeValidator(_is_tiles)] = Field(
        None,
        description="overlapping tiles along the longer side (1 to 16), each examined at input_px; auto: from "
        "smallest_face_px; null: auto for stills, 1 (none) for video",
    )
    careful: bool = Field(
        False,
        description="test-time augmentation: also mirrored, at half size and in enlarged parts; finds more, costs "
        "ten times as much",
    )
    any_angle: bool = Field(
        True, description="also find faces that lie on their side or upside down; stills take four to ten times as long"
    )
    min_face_px: int = Field(
        0, ge=0, le=1000, description="faces smaller than this (longer side) are left VISIBLE; 0 hides every face found"
    )
    max_face_px: int | None = Field(
        None, ge=32, description="faces larger than this (shorter side) are left VISIBLE; null hides every face found"
    )
    i_accept_visible_faces: bool = Field(
        False,
        description=f"needed for a min_face_px above {_UNREADABLE_PX} and a max_face_px below {_LARGER_THAN_ANY_PX}: "
        "with them, people can be recognised in the output",
    )

    @model_validator(mode="after")
    def _report_what_counts(self) -> Self:
        # A floor above the threshold would keep back the very faces that the threshold asks for.
        if self.floor > self.threshold:
            object.__setattr__(self, "floor", self.threshold)
        if self.max_face_px is not None and self.max_face_px <= self.min_face_px:
            raise ValueError(f"max_face_px ({self.max_face_px}) must be above min_face_px ({self.min_face_px})")
        if not self.i_accept_visible_faces and (shown := self._readable()):
            raise ValueError(
                f"{shown} leaves people visible who can be recognised; if that is meant, set "
                "detector.i_accept_visible_faces=true"
            )
        return self

    def _readable(self) -> str:
        """The setting that leaves recognisable faces visible; empty when none does."""
        if self.min_face_px > _UNREADABLE_PX:
            return f"detector.min_face_px above {_UNREADABLE_PX} ({self.min_face_px})"
        if self.max_face_px is not None and self.max_face_px < _LARGER_THAN_ANY_PX:
            return f"detector.max_face_px below {_LARGER_THAN_ANY_PX} ({self.max_face_px})"
        return ""

    @property
    def needed_px(self) -> int:
        """Width in the detector's input from which on about four of five faces are found."""
        return 20

    def longer_px(self, size: tuple[int, int]) -> int:
        """Longer side of the input for a picture of this width and height.

        With `input_px: auto` the smallest face that has to be found becomes `needed_px` wide there:
        longer side of the picture * needed_px / smallest_face_px, at least 160 and at most 4096.
        """
        if self.input_px is not None:
            return self.input_px
        return min(_MOST_PX, max(_LEAST_PX, round(max(size) * self.needed_px / self.smallest_face_px)))

    def for_stills(self) -> Self:
        """The same for stills: there is time to find small faces."""
        return self if self.tiles is not None else self.model_copy(update={"tiles": "auto"})


@dataclass(frozen=True, slots=True)
class Verification:
    """Scores that tell a large face from what merely looks like one."""

    doubtful: float
    """A large, new face below this score has to be seen again."""
    upright: float
    """Least score in an upright or mirrored view."""
    turned: float
    """Least score in a view turned by a quarter."""
    beside: float
    """Least score in an upright view of what holds a face that is beyond doubt."""


@dataclass(frozen=True, slots=True)
class StillScores:
    """Scores that tell faces on stills from what merely looks like one."""

    sure: float
    """From this score on, a face is not seen again."""
    least: float
    """Below this score in the whole picture, it takes more to count."""
    kept: float
    """Least mean score in enlarged views, both ways round, in one orientation."""
    lifted: float
    """The same for what scored less than `least`, or is a face in another orientation than it was found in."""
    turned: float
    """The same for what is turned in a picture in which no face beyond doubt is turned so."""
    overexposed: float
    moved: float
    noisy: float
    """In a picture that is overexposed, blurred by motion, or noisy, what scores this much upright is a face."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector's scores mean. Measured per model, because no two agree; see docs/benchmarks."""

    sure: float
    """From this score on, a face is not detected again in a window around it."""
    again: float
    """Least score in such a window."""
    verification: Verification | None = None
    """None: a face is never doubted, however weak it is."""
    still: StillScores | None = None
    """None: the same of stills."""


CAREFUL = Scores(sure=0.65, again=0.2)
"""For a detector whose scores were not measured: re-examines more than any that was, and doubts nothing it finds."""


def scores_of(detector: Detector) -> Scores | None:
    """The measured scores of a detector, its attribute `scores`; None when nobody measured them."""
    scores: Scores | None = getattr(detector, "scores", None)
    return scores


@runtime_checkable
class Stepwise(Protocol):
    """A detector that works in several steps, each of which is a sign of life on a slow machine."""

    on_step: Callable[[], None]
    """Called after every step."""


class Detector(Protocol):
    """Finds faces. Used by one thread at a time. One whose scores were measured has an attribute `scores: Scores`."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures.

        pictures: read-only; not kept after the return. They may differ in size.
        Returns one list per picture: boxes and landmarks in that picture's pixels, score in [0, 1]; empty when there is
        no face. Reports down to its own low threshold; who counts as a face is the tracker's business.
        Raises DetectorError or any other exception when it fails; never returns None.
        """
        ...

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        ...
