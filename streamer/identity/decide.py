"""Stage: tracks -> verdicts. Who may be seen.

A false reveal is the worst error there is. So a face is shown only after `votes` good crops of different views that
are all like one person, on a track that was beyond doubt the same face all the while. The first ambiguity revokes it,
also for frames that are held, and all votes start anew:

    crowded        another face, lost and doubtful ones among them, is so near that the two could change places
    lost, weak     a detection result does not hold it, or not surely
    jumped         its place or size changed more than a face's do
    changed        its appearance is not at all that of the result before; or its inner face jumped before it was
                   decided, or neither a match that suffices alone nor enough votes came since
    contradicted   a later crop is no match, or is like somebody else
    gallery        somebody was enrolled or removed

`IdentityCache` asks for evidence and never waits for it; time comes in with frames and results. A face that is not
decided is hidden. `seal()` checks every `Reveal` against the frame and the present gallery once more.

    continuity.py  is a track still one face: the first five ambiguities
    known.py       the votes of a track, and what follows from them
    evidence.py    for or against whom one crop speaks
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from streamer.core.clarity import gap
from streamer.core.geometry import grown, overlap, side
from streamer.core.reasons import HideReason
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
from streamer.identity.continuity import Doubt, Observation, Sighting
from streamer.identity.evidence import IdentityOptions, Rules
from streamer.identity.known import Ballot, Decided, Gathering, Known

__all__ = ["Counts", "Identity", "IdentityCache", "hide_everyone"]

_FORGET_S = 10.0
"""Seconds after its last result after which a track is forgotten."""
_ANEW_S = 2.0
"""Seconds for which a doubted face may gather votes before it counts as a new one, and is asked about less often."""
_EPOCHS_KEPT = 8
"""Frames of so many epochs before may still be held."""
Went = Mapping[int, Detection]
"""Track -> the face that went to it."""


class Identity(Protocol):
    """Decides who may be seen. All calls come from the scheduler's thread."""

    @property
    def waiting(self) -> bool:
        """Whether evidence was asked for and has not come."""
        ...

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None:
        """Take in a detection result.

        went: its faces by number of track. tracks: where every track is at its time.
        """
        ...

    def next_request(self) -> IdentityRequest | None:
        """What the embedder should examine; None when it is busy or nothing is wanted."""
        ...

    def identified(self, result: Identified | None) -> None:
        """Take in the embedder's answer; None: it failed, which is no evidence."""
        ...

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        """Must return one verdict per track, in their order; an omitted track stays visible."""
        ...


class _HideEveryone:
    """Cover every face; ask for nothing."""

    waiting = False

    def observe(self, frame: Frame, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> None: ...

    def next_request(self) -> IdentityRequest | None:
        return None

    def identified(self, result: Identified | None) -> None: ...

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        return tuple((track, Cover(HideReason.EVERYONE)) for track in tracks)


hide_everyone: Identity = _HideEveryone()


@dataclass(slots=True)
class Counts:
    """What happened in a stream."""

    track_frames: int = 0
    """Tracks, summed over the frames."""
    poor_crops: int = 0
    too_late: int = 0
    """Evidence about a face that was no longer surely the same."""
    reveals: int = 0
    revoked: Counter[HideReason] = field(default_factory=Counter)


class IdentityCache:
    """Evidence per track, and what follows from it.

    thresholds: of the embedder's model. version: the present version of the gallery, asked at every event.
    strong_score: detections below it may continue a track, and say nothing of whose it is. weak_score: below it they
    are none, and make no crowd.
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
        counts: Counts | None = None,
    ) -> None:
        self._options = options
        self._rules = Rules(options.who, thresholds)
        self._version = version
        self._strong_score = strong_score
        # A track may be continued only by better faces than start one: what starts one is a face all the more.
        self._weak_score = min(weak_score, strong_score)
        self._seen_version = version()
        self.counts = Counts() if counts is None else counts
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
            if epoch == result.epoch and track_id not in went and known.continuity.clear is not None:
                self._break_off(known, HideReason.LOST)
        wanted: list[tuple[float, Candidate]] = []
        for track_id, found in went.items():
            known = self._known.setdefault((result.epoch, track_id), Known())
            observation = self._observation(frame, result, track_id, went, tracks, step_s)
            if (why := known.continuity.follow(observation)) is not None:
                self._restart(known, why)
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
        frame, faces = self._wish.frame, []
        for candidate in self._wish.faces:
            known = self._known.get((frame.epoch, candidate.track_id))
            if known is not None:
                known.asked(frame.t)
                # Only now: an answer may have brought a vote since the wish, and no other comes before this one's.
                candidate = replace(candidate, views=known.views)
            faces.append(candidate)
        self._in_flight, self._wish = IdentityRequest(frame, tuple(faces)), None
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
                self.counts.too_late += 1
            elif likeness is None:
                self.counts.poor_crops += 1
            else:
                self._judge(known, likeness, result.t)

    def decide(self, frame: Frame, tracks: Sequence[TrackBox]) -> tuple[tuple[TrackBox, Verdict], ...]:
        """See `Identity.decide`."""
        self._renew()
        places = Counter(track.track_id for track in tracks)
        self.counts.track_frames += len(places)
        elsewhere = Cover(HideReason.ELSEWHERE)  # what is in several places may be several people
        return tuple((one, self._verdict(frame, one) if places[one.track_id] == 1 else elsewhere) for one in tracks)

    # -- is it still the same face ------------------------------------------------------------------------------

    def _observation(
        self,
        frame: Frame,
        result: DetectionResult,
        track_id: int,
        went: Went,
        tracks: Sequence[TrackBox],
        step_s: float,
    ) -> Observation:
        """What a result tells of one of the faces that it found."""
        found = went[track_id]
        sighting = None
        if found.landmarks is not None and side(found.box) >= self._options.min_face_px:
            sighting = Sighting.of(frame.image, result.t, found.landmarks)
        sure, space = found.score >= self._strong_score, self._space(found, result, went, tracks)
        return Observation(result.t, step_s, found.box, sighting, sure=sure, space=space)

    def _space(self, found: Detection, result: DetectionResult, went: Went, tracks: Sequence[TrackBox]) -> float:
        """Room between a face and the nearest other, in face sizes. Who was lost may be anywhere in their cover."""
        lost = [grown(track.box, track.uncertainty_px) for track in tracks if track.track_id not in went]
        if any(overlap(found.box, box) for box in lost):
            return 0.0
        others = [other.box for other in result.detections if other is not found and other.score >= self._weak_score]
        return gap(found.box, others)

    def _break_off(self, known: Known, why: HideReason) -> None:
        """The track may be another face from now on."""
        self._restart(known, why)
        known.continuity.break_off()

    def _restart(self, known: Known, why: HideReason) -> None:
        if isinstance(known.opinion, Decided):
            self.counts.revoked[why] += 1
        known.restart(why)

    # -- whose it is --------------------------------------------------------------------------------------------

    def _urgency(self, known: Known, found: Detection, t: float) -> float | None:
        """How much evidence about a face is wanted now; None when none is."""
        return known.urgency(t, side(found.box), self._options.recheck_s)

    def _judge(self, known: Known, likeness: Likeness, t: float) -> None:
        """One good crop more."""
        doubt = known.continuity.doubt_at(t)
        # Nothing is confirmed while another face may be there: it has to be decided, and that takes more.
        again = isinstance(known.opinion, Decided) and doubt is None
        name = self._rules.speaks_for(likeness, again=again)
        if name is None or known.name not in (None, name):
            self._contradict(known, likeness)
            return
        ballot = Ballot(
            name, t, likeness.score, likeness.view, likeness.another, alone=self._rules.suffices_alone(likeness)
        )
        if doubt is not None and known.is_older_than(doubt):
            # The votes before may be a lookalike's, whom the person who is back would uncover.
            self._restart(known, HideReason.CHANGED)
        elif doubt is not None and doubt.of_face and isinstance(known.opinion, Decided) and not ballot.alone:
            self._vote_anew(known, ballot, doubt)
        elif known.agree(ballot, votes_needed=self._options.votes):
            self.counts.reveals += 1

    def _vote_anew(self, known: Known, ballot: Ballot, doubt: Doubt) -> None:
        """A match that does not suffice alone, of a face whose inner face jumped after the decision."""
        if ballot.t - doubt.face_t > _ANEW_S:
            self._restart(known, HideReason.CHANGED)
        else:
            known.vote_anew(ballot, doubt, votes_needed=self._options.votes)

    def _contradict(self, known: Known, likeness: Likeness) -> None:
        """A crop is like nobody who may be seen, or like somebody else than those before it."""
        against = self._rules.speaks_against(likeness)
        known.miss(surely=against)
        # A crop that is nearly like the same person speaks for nobody, but not against those before it.
        if isinstance(known.opinion, Decided) or against or likeness.name != known.name:
            asked_t = known.asked_t
            self._restart(known, HideReason.NOBODY if known.name is None else HideReason.CONTRADICTED)
            known.asked_t = asked_t

    def _verdict(self, frame: Frame, track: TrackBox) -> Verdict:
        known = self._known.get((frame.epoch, track.track_id))
        if known is None:
            return Cover(HideReason.UNDECIDED)
        decided, t = known.opinion, frame.t
        if isinstance(decided, Gathering):
            return Cover(decided.why)
        if not known.continuity.covers(t):
            return Cover(HideReason.DOUBTED)
        if not known.continuity.looks_the_same(frame.image, t):
            return Cover(HideReason.LOOKS_DIFFERENT)
        expires_t = decided.confirmed_t + self._options.reveal_s
        if t >= expires_t:
            if not known.continuity.begins_at(t):
                self._restart(known, HideReason.EXPIRED)
            return Cover(HideReason.EXPIRED)
        if t < decided.since_t:
            return Cover(HideReason.UNDECIDED)
        return Reveal(decided.name, decided.since_t, expires_t, self._seen_version, decided.score)

    # -- housekeeping -------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """When the gallery has changed, nothing that was decided on the old one counts."""
        version = self._version()
        if version != self._seen_version:
            self._seen_version = version
            for known in self._known.values():
                self._restart(known, HideReason.GALLERY)
                known.misses = 0

    def _forget(self, epoch: int, t: float) -> None:
        """Drop the tracks that no held frame can need: those of old epochs, and those not seen for `_FORGET_S`."""
        since, since_t = epoch - _EPOCHS_KEPT, t - _FORGET_S
        self._known = {
            key: known for key, known in self._known.items() if key[0] >= since and known.continuity.seen_t >= since_t
        }
        self._last_result_t = {number: moment for number, moment in self._last_result_t.items() if number >= since}
