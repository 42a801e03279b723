"""The nouns that travel through the pipeline. All frozen: a stage makes a new one, it never edits one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.core.reasons import CoverReason, DropReason, HideReason

__all__ = [
    "Box",
    "Candidate",
    "Captured",
    "Command",
    "Cover",
    "Detection",
    "DetectionRequest",
    "DetectionResult",
    "Frame",
    "Identified",
    "IdentityRequest",
    "Likeness",
    "Plan",
    "Planned",
    "Points5",
    "Reveal",
    "SourceInfo",
    "TrackBox",
    "Verdict",
]

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the frame, origin top left; may reach beyond the frame."""

Points5 = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Right eye, left eye, nose tip, right and left corner of the mouth (the person's right), x and y in pixels."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source turned out to be when it was opened."""

    name: str
    """For people: a file name, a camera, a URL without its credentials."""
    width: int
    height: int
    live: bool
    """True: frames come at their own time and are lost when nobody reads. False: the source waits."""
    fps: float | None = None
    """Nominal frames per second; None when unknown."""
    frames: int | None = None
    """How many frames there will be, as far as the container knows."""
    duration_s: float | None = None
    stills: bool = False
    """True: every picture stands by itself; nothing learned on one serves the next."""
    has_sound: bool = False
    segmented: bool = False
    """Live: it sends several seconds at once (HLS, DASH), so that pictures come long before the next ones are due."""
    detail: str = ""
    """For people: codec, pixel format, what the camera really gave."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One picture as a source gives it."""

    t: float | None
    """Presentation time in seconds on the source's own clock; None when the source does not know."""
    image: Picture
    name: str | None = None
    """Stills: the picture's path relative to the input, with `/`; None otherwise."""
    waited_s: float | None = None
    """Live: how long the source had to be waited for; hardly at all for what lay there already. None: not known."""
    left_out: tuple[tuple[DropReason, int], ...] = ()
    """Live: so many pictures before this one the source left out, and why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured picture. It is raw: it must not leave the program."""

    seq: int
    """+1 per frame captured; a gap means frames were dropped."""
    epoch: int
    """+1 per (re)connection, change of size, or still; nothing learned survives an epoch."""
    t: float
    """Capture time, seconds on the pipeline's clock."""
    image: Picture
    name: str | None = None
    shift: tuple[float, float] = (0.0, 0.0)
    """How far what stands still has moved in the picture since the epoch began, in pixels: the camera's doing."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One face found in one picture.

    Raises ValueError unless every number is finite and the box has an area: a detector that returns nonsense has
    failed, and a failed detector covers the frame.
    """

    box: Box
    score: float
    landmarks: Points5 | None = None

    def __post_init__(self) -> None:
        numbers = (*self.box, self.score, *(c for point in self.landmarks or () for c in point))
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a detection holds a number that is not finite")
        if self.box[2] <= self.box[0] or self.box[3] <= self.box[1]:
            raise ValueError("a detection's box has no area")


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """The scheduler's request: find the faces of this frame."""

    frame: Frame
    watch: tuple[Box, ...] = ()
    """Where known faces should be: detected again, enlarged, where the detection on the whole frame finds none."""
    redetections: int = 0
    """How many such enlarged windows there may be."""
    verify: bool = False
    """Whether a large, doubtful face where none was known has to be seen again, in other views, to count. On a still,
    every doubtful face."""
    still: bool = False
    """Whether the picture stands alone: faces at any angle are searched for, and there is time to."""


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """What the detector found in one frame."""

    seq: int
    epoch: int
    t: float
    """Capture time of the frame that was examined, not the time of the detection."""
    detections: tuple[Detection, ...]
    full: bool = True
    """True when the whole frame was examined: only such a result is evidence that a face is absent."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One face of a detection result of which somebody wants to know whose it is."""

    track_id: int
    generation: int
    """The track's; evidence about an earlier one is void, because the track may have changed to another face since."""
    detection: Detection
    views: tuple[NDArray[np.float32] | None, ...] | None = field(default=None, compare=False, repr=False)
    """Those that count as votes so far, see `streamer.core.views`; None: it is decided, and none is needed."""


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """The wish: whose faces are these?"""

    frame: Frame
    faces: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Whom an aligned, good crop of a face is most like. Similarities in [-1, 1]."""

    name: str | None
    """None: there is nobody to compare with."""
    score: float
    second_score: float
    """Of the most similar other person; -1 when there is none."""
    people: int
    """How many it was compared with: the more there are, the more chances a stranger has."""
    view: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """Which view of the face the crop is."""
    another: bool = False
    """Whether it is another than `Candidate.views`. Comparing takes long, so the embedder's thread does it."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The answer to an `IdentityRequest`."""

    epoch: int
    t: float
    """Capture time of the frame in which the faces were, not the time of the answer."""
    found: tuple[tuple[Candidate, Likeness | None], ...]
    """None: no evidence, because the face is too small, turned, blurred or dark to be told."""
    gallery_version: int


@dataclass(frozen=True, slots=True)
class TrackBox:
    """Where one tracked face is at one moment."""

    track_id: int
    box: Box
    landmarks: Points5 | None
    uncertainty_px: float = 0.0
    """How far the truth may lie outside `box`, on every side; grows with the time since the face was last seen."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Hide this face."""

    why: HideReason


@dataclass(frozen=True, slots=True)
class Reveal:
    """Show this face, because of positive and fresh evidence about this very track."""

    name: str
    """Who it is; empty for a stranger who may be seen because only the enrolled are hidden."""
    evidence_t: float
    expires_t: float
    gallery_version: int
    score: float = 0.0
    """Similarity of the last confirmation."""


Verdict = Cover | Reveal


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known about one frame: facts only. Whether they are fresh enough is judged by `seal()`."""

    seq: int
    epoch: int
    results: tuple[DetectionResult, ...]
    tracks: tuple[tuple[TrackBox, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A frame on its way to being anonymized, with what is known about it; no plan means: cover all of it."""

    frame: Frame
    plan: Plan | None
    why: CoverReason | None = None
    """Without a plan: the reason, for the statistics."""


class Command(Enum):
    """What a person at a window may ask for."""

    QUIT = "quit"
    TOGGLE_COVER = "toggle_cover"
    NEXT_EFFECT = "next_effect"
