"""Stage: the faces of one still -> verdicts. Every picture stands alone, so one view decides.

Nothing has changed places within a picture. So neighbours are no ambiguity, unless their boxes overlap: then a face may
be the other's. What a view has to be like, and how much more it takes than in a video, `evidence.py` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamer.core.geometry import overlap, side
from streamer.core.reasons import HideReason
from streamer.core.types import (
    Box,
    Candidate,
    Cover,
    DetectionResult,
    Frame,
    Identified,
    IdentityRequest,
    Likeness,
    Reveal,
    TrackBox,
    Verdict,
)
from streamer.embedders import Thresholds
from streamer.identity.decide import Counts, Went
from streamer.identity.evidence import IdentityOptions, Rules

__all__ = ["StillIdentity"]

_KEPT = 8
"""Pictures of which answers are kept: those before have left."""


@dataclass(slots=True)
class _Picture:
    """What is known of the faces of one picture."""

    boxes: dict[int, Box] = field(default_factory=dict)
    """Track -> its face."""
    likenesses: dict[int, Likeness | None] = field(default_factory=dict)
    """Track -> whom it is like; None: the crop is too poor to tell."""
    gallery_version: int | None = None
    """None: nobody has answered."""


class StillIdentity:
    """See `Identity`. thresholds: of the embedder's model. version: the present version of the gallery.

    strong_score: a detection below it says nothing of whose the face is.
    """

    def __init__(
        self,
        options: IdentityOptions,
        thresholds: Thresholds,
        version: Callable[[], int],
        *,
        strong_score: float,
        counts: Counts | None = None,
    ) -> None:
        self._options = options
        self._rules = Rules(options.who, thresholds, stills=True)
        self._version = version
        self._strong_score = strong_score
        self.counts = Counts() if counts is None else counts
        self._pictures: dict[int, _Picture] = {}
        self._wish: IdentityRequest | None = None
        self._in_flight: IdentityRequest | None = None

    @property
    def waiting(self) -> bool:
        """See `Identity.waiting`."""
        return self._wish is not None or self._in_flight is not None

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None:
        """See `Identity.observe`. Every face is asked about at once: there is no later picture to wait for."""
        self._pictures[frame.epoch] = _Picture({number: found.box for number, found in went.items()})
        asked = [
            Candidate(number, 0, found)
            for number, found in went.items()
            if found.landmarks is not None
            and found.score >= self._strong_score
            and side(found.box) >= self._options.min_face_px
        ]
        self._wish = IdentityRequest(frame, tuple(asked)) if asked else None
        while len(self._pictures) > _KEPT:
            del self._pictures[next(iter(self._pictures))]

    def next_request(self) -> IdentityRequest | None:
        """See `Identity.next_request`."""
        if self._in_flight is not None:
            return None
        self._in_flight, self._wish = self._wish, None
        return self._in_flight

    def identified(self, result: Identified | None) -> None:
        """See `Identity.identified`."""
        self._in_flight = None
        picture = None if result is None else self._pictures.get(result.epoch)
        if result is None or picture is None:
            return
        picture.gallery_version = result.gallery_version
        for candidate, likeness in result.found:
            picture.likenesses[candidate.track_id] = likeness
            self.counts.poor_crops += likeness is None

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        """See `Identity.decide`."""
        self.counts.track_frames += len(tracks)
        return tuple((track, self._verdict(frame, track, tracks)) for track in tracks)

    def _verdict(self, frame: Frame, track: TrackBox, tracks: Sequence[TrackBox]) -> Verdict:
        picture = self._pictures.get(frame.epoch)
        box = None if picture is None else picture.boxes.get(track.track_id)
        if picture is None or box is None or picture.gallery_version is None:
            return Cover(HideReason.UNDECIDED)
        if picture.gallery_version != self._version():
            return Cover(HideReason.GALLERY)
        if any(other is not track and overlap(box, other.box) for other in tracks):
            return Cover(HideReason.CROWDED)
        likenesses = picture.likenesses
        likeness = likenesses.get(track.track_id)
        if likeness is None:
            return Cover(HideReason.UNDECIDED)
        name = self._rules.speaks_for(likeness)
        if name is None:
            return Cover(HideReason.NOBODY)
        if name and sum(one is not None and self._rules.speaks_for(one) == name for one in likenesses.values()) > 1:
            return Cover(HideReason.ELSEWHERE)  # nobody is there twice, so one of them is somebody else
        self.counts.reveals += 1
        return Reveal(name, frame.t, frame.t + self._options.reveal_s, picture.gallery_version, likeness.score)
