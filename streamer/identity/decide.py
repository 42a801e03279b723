"""Stage: tracks -> verdicts. Who may be seen.

A false reveal is the worst error there is. So a face is shown only after `votes` good crops in a row that are all like
one person, on a track that was beyond doubt the same face all the while. The first ambiguity revokes it, also for
frames that are held, and all votes start anew:

    crowded        another face, lost and doubtful ones among them, is so near that the two could change places
    lost, weak     a look at the picture did not find it, or not surely
    jumped         its place or size changed more than a face's do
    changed        what is seen around it is not at all what was seen a detection ago
    contradicted   a later crop is no match, or is like somebody else
    gallery        somebody was enrolled or removed

`IdentityCache` asks for evidence and never waits for it; time comes in with frames and passes. Whoever is not decided
is hidden. `seal()` checks every `Reveal` against the frame and the present gallery once more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streamer.core.clarity import CLOSEST, alike, gap, jumped, look_of, room
from streamer.core.geometry import grown, overlap, side
from streamer.core.types import (
    Candidate,
    Cover,
    Detection,
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
from streamer.identity.evidence import Decision, IdentityOptions, Known, Rules, Sighting

__all__ = ["Identity", "IdentityCache", "hide_everyone"]

_VOTE_SPACING_S = 0.08
"""Crops of neighbouring frames are one picture twice: votes lie at least so far apart."""
_MISS_S, _MISS_MAX_S = 0.1, 2.0
"""Who is like nobody enrolled is looked at again after this time, doubled with every time, up to the second."""
_ALONE_ROOM = 4.0
"""Without lookahead: no other face within so many face sizes, because nothing tells who comes near before the next
result."""
_ALONE_S = 0.25
"""Longest time for which a detection says something of the frames after it."""
_LONGEST_STEP_S = 0.5
"""Two detections farther apart say nothing of each other."""
_RECENT_S = 0.5
_LOOKS_SURE, _LOOKS_ALIKE, _LOOKS_CHANGED = 0.9, 0.75, 0.3
"""Correlation of what is seen around a face in two detections. Over 1,068 steps of 0.12 s in five clips, 82 % of one
face's were above the first, 92 % above the second and 99 % above the third; those of two people lay at 0.1 in the
middle. Below the second it takes a match, and so it does below the first where another face is nearby; below the third
it is another face."""
_FORGET_S = 10.0
_EPOCHS_KEPT = 8
Went = Mapping[int, Detection]
"""Track -> the face that went to it."""


class Identity(Protocol):
    """What the scheduler asks of whoever decides. All calls come from its thread."""

    @property
    def waiting(self) -> bool:
        """Evidence was asked for and has not come."""
        ...

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None:
        """A detection was taken in: its faces by track, and where every track is at its time."""
        ...

    def next_request(self) -> IdentityRequest | None:
        """What the embedder should look at; None when it is busy or nothing is wanted."""
        ...

    def identified(self, result: Identified | None) -> None:
        """The embedder has answered; None: it failed, which is no evidence."""
        ...

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        """A verdict for every track of a frame; a track left out would stay visible, so none may be."""
        ...


class _HideEveryone:
    """Cover every face; ask for nothing."""

    waiting = False

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None: ...

    def next_request(self) -> IdentityRequest | None:
        return None

    def identified(self, result: Identified | None) -> None: ...

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        return tuple((track, Cover("everyone is hidden")) for track in tracks)


hide_everyone: Identity = _HideEveryone()


class IdentityCache:
    """Evidence per track, and what follows from it.

    thresholds: of the embedder's model. version: the present version of the gallery, asked at every event.
    strong_score: detections below it may continue a track, and say nothing of whose it is. weak_score: below it they
    are none, and make no crowd.
    stills: every picture stands alone, so one match decides, and it must be better.
    counts: told what happened, for the report.
    """

    def __init__(
        self,
        options: IdentityOptions,
        thresholds: Thresholds,
        version: Callable[[], int],
        *,
        strong_score: float,
        weak_score: float,
        stills: bool = False,
        counts: Counter[str] | None = None,
    ) -> None:
        self._options = options
        self._rules = Rules(options.who, thresholds, stills)
        self._version = version
        self._strong_score = strong_score
        # A track may be continued only by better faces than start one: what starts one is a face all the more.
        self._weak_score = min(weak_score, strong_score)
        self._seen_version = version()
        self._votes = 1 if stills else options.votes
        self._stills = stills
        self.counts: Counter[str] = Counter() if counts is None else counts
        self._known: dict[tuple[int, int], Known] = {}
        self._last_result_t: dict[int, float] = {}
        self._wish: IdentityRequest | None = None
        self._in_flight: IdentityRequest | None = None

    # -- events -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """See `Identity.waiting`."""
        return self._wish is not None or self._in_flight is not None

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None:
        """See `Identity.observe`."""
        self._renew()
        step_s = result.t - self._last_result_t.get(result.epoch, result.t)
        self._last_result_t[result.epoch] = result.t
        for (epoch, track_id), known in self._known.items():
            if epoch == result.epoch and track_id not in went and known.clear_until > -math.inf:
                self._void(known, "lost")
                known.unclear()
        wanted: list[tuple[float, Candidate]] = []
        for track_id, found in went.items():
            known = self._known.setdefault((result.epoch, track_id), Known())
            self._follow(known, frame, result, track_id, went, tracks, step_s)
            if (urgency := self._urgency(known, found, result.t)) is not None:
                wanted.append((urgency, Candidate(track_id, known.generation, found)))
        wanted.sort(key=lambda one: (-one[0], one[1].track_id))
        faces = tuple(candidate for _, candidate in wanted[: self._options.budget])
        self._wish = IdentityRequest(frame, faces) if faces else None
        self._forget(result.epoch, result.t)

    def next_request(self) -> IdentityRequest | None:
        """See `Identity.next_request`."""
        if self._in_flight is not None or self._wish is None:
            return None
        self._in_flight, self._wish = self._wish, None
        for candidate in self._in_flight.faces:
            known = self._known.get((self._in_flight.frame.epoch, candidate.track_id))
            if known is not None:
                known.asked_t = self._in_flight.frame.t
        return self._in_flight

    def identified(self, result: Identified | None) -> None:
        """See `Identity.identified`."""
        self._in_flight = None
        self._renew()
        if result is None or result.gallery_version != self._seen_version:
            return
        for candidate, likeness in result.found:
            known = self._known.get((result.epoch, candidate.track_id))
            if known is None or known.generation != candidate.generation:
                self.counts["evidence came too late"] += 1
            elif likeness is None:
                self.counts["poor crops"] += 1
            else:
                self._judge(known, likeness, result.t)

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        """See `Identity.decide`."""
        self._renew()
        places = Counter(track.track_id for track in tracks)
        self.counts["track frames"] += len(places)
        elsewhere = Cover("may be elsewhere")  # what is in several places may be several people
        return tuple((one, self._verdict(frame, one) if places[one.track_id] == 1 else elsewhere) for one in tracks)

    # -- is it still the same face ------------------------------------------------------------------------------

    def _follow(
        self,
        known: Known,
        frame: Frame,
        result: DetectionResult,
        track_id: int,
        went: Went,
        tracks: Sequence[TrackBox],
        step_s: float,
    ) -> None:
        """Take in where the face is now; void what was known when that is not beyond doubt the same face."""
        found = went[track_id]
        others = [other.box for other in result.detections if other is not found and other.score >= self._weak_score]
        # Who was lost may be anywhere in where it may have gone.
        lost = [grown(track.box, track.spread_px) for track in tracks if track.track_id not in went]
        space = 0.0 if any(overlap(found.box, box) for box in lost) else gap(found.box, others)
        seen = None
        if found.landmarks is not None and side(found.box) >= self._options.min_face_px:
            seen = look_of(frame.image, found.landmarks)
        now = None if seen is None or found.landmarks is None else Sighting(result.t, found.landmarks, seen)
        before_t, why = known.clear_until, ""
        # Who nods or turns looks as before soon after: of the detections of the last half second the most alike counts.
        recent = [one for one in known.trail if result.t - one.t <= _RECENT_S]
        recent += [] if known.last is None else [known.last]
        likeness = 0.0 if now is None else max((alike(now.look, one.look) for one in recent), default=0.0)
        if now is None or found.score < self._strong_score:
            why = "weak"
        elif space < (CLOSEST if likeness >= _LOOKS_CHANGED else room(step_s)):
            why = "crowded"
        elif before_t > -math.inf:
            if step_s > _LONGEST_STEP_S:
                why = "lost"
            elif jumped(known.box, found.box, step_s):
                why = "jumped"
            elif likeness < _LOOKS_CHANGED:
                why = "changed"
        if why:
            self._void(known, why)
            known.unclear()
        elif before_t > -math.inf and likeness < (_LOOKS_ALIKE if space >= room(step_s) else _LOOKS_SURE):
            known.doubt_t, known.doubted_at = min(known.doubt_t, before_t), result.t
        if now is not None and why not in ("weak", "crowded"):
            known.clear_since, known.clear_until = min(known.clear_since, result.t), result.t
            known.trail.append(now)
            known.alone = space >= _ALONE_ROOM + room(step_s)
        known.seen_t, known.box, known.last = result.t, found.box, now

    def _void(self, known: Known, why: str) -> None:
        if known.decided is not None:
            self.counts[f"revoked: {why}"] += 1
        known.generation += 1
        known.votes.clear()
        known.decided = None
        known.doubt_t = math.inf
        known.asked_t = -math.inf
        known.why = why

    # -- whose it is --------------------------------------------------------------------------------------------

    def _urgency(self, known: Known, found: Detection, t: float) -> float | None:
        """How much evidence about a face is wanted now; None when none is."""
        if known.clear_until != t:
            return None
        if known.doubt_t < math.inf and (known.votes or known.decided is not None):
            return 1e6 + side(found.box)
        if known.decided is not None:
            wait_s = self._options.recheck_s
        elif known.votes or not known.misses:
            wait_s = _VOTE_SPACING_S
        else:
            wait_s = min(_MISS_MAX_S, _MISS_S * 2**known.misses)
        waited_s = t - known.asked_t
        return None if waited_s < wait_s else min(waited_s, 1e3) * 100 + side(found.box)

    def _judge(self, known: Known, likeness: Likeness, t: float) -> None:
        """One good crop more."""
        self.counts["good crops"] += 1
        name = self._rules.speaks_for(likeness)
        held = known.decided.name if known.decided is not None else known.votes[-1][0] if known.votes else None
        if name is None or (held is not None and name != held):
            known.misses = min(known.misses + 1, 16) if self._rules.speaks_against(likeness) else 0
            # A crop that is nearly like the same person speaks for nobody, but not against those before it.
            if known.decided is not None or self._rules.speaks_against(likeness) or likeness.name != held:
                asked_t = known.asked_t
                self._void(known, "contradicted" if held is not None else "like nobody who may be seen")
                known.asked_t = asked_t
            return
        known.misses = 0
        if known.votes and t - known.votes[-1][1] < _VOTE_SPACING_S and known.decided is None:
            return
        if t >= known.doubted_at:
            known.doubt_t = math.inf
        if known.decided is not None:
            known.decided = Decision(name, known.decided.since_t, t, likeness.score)
            return
        known.votes.append((name, t))
        if len(known.votes) >= self._votes:
            # Frames that are held since the first vote lie between crops of the same person, on a track beyond doubt.
            known.decided = Decision(name, known.votes[0][1], t, likeness.score)
            self.counts["reveals"] += 1

    def _verdict(self, frame: Frame, track: TrackBox) -> Verdict:
        known = self._known.get((frame.epoch, track.track_id))
        if known is None:
            return Cover("not decided yet")
        decided, t = known.decided, frame.t
        if decided is None:
            return Cover(known.why)
        until = known.clear_until + (_ALONE_S if known.alone and not self._stills else 0.0)
        if not (known.clear_since <= t <= until and t <= known.doubt_t):
            return Cover("not in two looks beyond doubt")
        if not known.still_looks_so(frame.image, t, _LOOKS_ALIKE):
            return Cover("looks different in this frame")
        expires_t = decided.confirmed_t + self._options.reveal_s
        if t >= expires_t:
            if t > known.clear_since:
                self._void(known, "expired")
            return Cover("expired")
        if t < decided.since_t:
            return Cover("not decided yet")
        return Reveal(decided.name, decided.since_t, expires_t, self._seen_version, decided.score)

    # -- housekeeping -------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Another gallery: nothing that was decided on the old one counts."""
        version = self._version()
        if version != self._seen_version:
            self._seen_version = version
            for known in self._known.values():
                self._void(known, "gallery")
                known.misses = 0

    def _forget(self, epoch: int, t: float) -> None:
        """Frames of the epochs before may still be held; older ones are gone."""
        since = epoch - _EPOCHS_KEPT
        self._known = {
            key: known for key, known in self._known.items() if key[0] >= since and known.seen_t >= t - _FORGET_S
        }
        self._last_result_t = {number: moment for number, moment in self._last_result_t.items() if number >= since}
