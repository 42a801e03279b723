"""What is known of one track within one epoch: whether it is still one face, and who may be seen. No clock.

gathering   no votes, or too few: the face is hidden
decided     enough votes in a row for the same person: the face may be shown where the track is beyond doubt one face

A crop is a vote when it is another view of the face than those before: three crops of one view are one vote, because
the embedder errs about all of them alike. Only crops that are far above every error count without another view.

gathering --agree(): the last vote needed--> decided
decided   --agree(): one match more-->       decided, confirmed anew
decided   --vote_anew(): the inner face jumped, and this match does not suffice alone--> decided, and doubted
any       --restart()-->                     gathering, without votes, for this reason
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from streamer.core.reasons import HideReason
from streamer.core.views import View
from streamer.identity.continuity import Continuity, Doubt

__all__ = ["Ballot", "Decided", "Gathering", "Known"]

_VOTE_SPACING_S = 0.08
"""Crops of neighbouring frames are one picture twice: votes lie at least so far apart."""
_MISS_S, _MISS_MAX_S = 0.1, 2.0
"""Seconds until a face that is like nobody enrolled is compared again: doubled every time, up to the second value."""
_MOST_MISSES = 16
_REPEAT_MAX_S = 0.4
"""Seconds until a face that shows no other view is compared again, at most: doubled from the spacing of votes."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What a good crop says that is like somebody who may be seen. It is a vote when it shows another view."""

    name: str
    t: float
    """Capture time in seconds."""
    score: float
    view: View | None = field(repr=False)
    another: bool
    """Whether the view is none of the votes before."""
    alone: bool = False
    """So clear that it takes no other view."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """The face is hidden."""

    why: HideReason = HideReason.UNDECIDED
    votes: tuple[Ballot, ...] = ()
    """All for the same person, each another view, oldest first."""
    last_t: float = -math.inf
    """Of the last crop, whether it was another view or not."""
    alone: int = 0
    """Crops in a row that were so clear that they take no other view."""
    repeats: int = 0
    """Crops in a row that were no other view."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The face may be shown. Capture times in seconds; the name is empty for a stranger who may be seen."""

    name: str
    since_t: float
    """Of its first vote."""
    confirmed_t: float
    score: float
    anew: tuple[Ballot, ...] = ()
    """Votes since the inner face jumped, each another view: until they are enough, the face is doubted."""


@dataclass(slots=True)
class Known:
    """The state of one track within one epoch, since the last ambiguity."""

    continuity: Continuity = field(default_factory=Continuity)
    opinion: Gathering | Decided = field(default_factory=Gathering)
    generation: int = 0
    """+1 with every restart: evidence about an earlier one is void."""
    asked_t: float | None = None
    """Capture time of the last crop that the embedder was asked about since the restart."""
    misses: int = 0
    """Crops in a row that were surely like nobody who may be seen."""

    @property
    def name(self) -> str | None:
        """For whom the evidence speaks so far; None when there is none."""
        if isinstance(self.opinion, Decided):
            return self.opinion.name
        return self.opinion.votes[-1].name if self.opinion.votes else None

    @property
    def views(self) -> tuple[View | None, ...] | None:
        """Those that were counted so far; None when it is decided, and nothing is doubted."""
        if isinstance(self.opinion, Gathering):
            return tuple(vote.view for vote in self.opinion.votes)
        doubt = self.continuity.doubt_at(math.inf)
        return None if doubt is None else tuple(vote.view for vote in _since(doubt, self.opinion.anew))

    def asked(self, t: float) -> None:
        """The embedder was asked about the face in the frame of time t."""
        self.asked_t = t

    def agree(self, ballot: Ballot, *, votes_needed: int) -> bool:
        """A crop is like the same person as those before it. Returns whether that decides it."""
        self.misses = 0
        before = self.opinion
        if isinstance(before, Decided):
            self.continuity.settle(ballot.t)
            self.opinion = replace(before, name=ballot.name, confirmed_t=ballot.t, score=ballot.score)
            return False
        if ballot.t - before.last_t < _VOTE_SPACING_S:
            return False
        self.continuity.settle(ballot.t)
        self.opinion = now = _counted(before, ballot)
        if max(len(now.votes), now.alone) < votes_needed:
            return False
        # Frames that are held since the first vote lie between crops of the same person, on a track beyond doubt.
        self.opinion = Decided(ballot.name, now.votes[0].t, ballot.t, ballot.score)
        return True

    def vote_anew(self, ballot: Ballot, doubt: Doubt, *, votes_needed: int) -> None:
        """A decided face whose inner face jumped is like the same person, and not so clearly that one view suffices.

        A lookalike has one such match soon. Only as many votes as for a decision settle the doubt.
        """
        before = self.opinion
        if not isinstance(before, Decided) or ballot.t < doubt.face_t:  # it jumped once more since
            return
        anew = _since(doubt, before.anew)
        if not anew or (ballot.another and ballot.t - anew[-1].t >= _VOTE_SPACING_S):
            anew = (*anew, ballot)
        self.opinion = replace(before, anew=anew)
        if len(anew) >= votes_needed:
            self.agree(ballot, votes_needed=votes_needed)

    def is_older_than(self, doubt: Doubt) -> bool:
        """Whether the votes begin before the inner face jumped."""
        return isinstance(self.opinion, Gathering) and any(vote.t < doubt.face_t for vote in self.opinion.votes)

    def miss(self, *, surely: bool) -> None:
        """A crop is not like the person before. surely: it is like nobody who may be seen."""
        self.misses = min(self.misses + 1, _MOST_MISSES) if surely else 0
        if isinstance(self.opinion, Gathering):
            self.opinion = replace(self.opinion, alone=0)

    def restart(self, why: HideReason) -> None:
        """All evidence is void. The face is hidden, and votes start anew."""
        self.opinion = Gathering(why)
        self.generation += 1
        self.continuity.drop_doubt()
        self.asked_t = None

    def wait_s(self, recheck_s: float) -> float:
        """How long after one crop the next is wanted, in seconds. recheck_s: for who is decided."""
        if isinstance(self.opinion, Decided):
            return recheck_s
        if self.opinion.votes or not self.misses:
            return min(_REPEAT_MAX_S, _VOTE_SPACING_S * 2.0 ** max(0, self.opinion.repeats - 1))
        return min(_MISS_MAX_S, _MISS_S * 2.0**self.misses)

    def urgency(self, t: float, size_px: float, recheck_s: float) -> float | None:
        """How much a crop of the result of time t is wanted, larger is more; None when it is not."""
        if not self.continuity.is_clear_at(t):
            return None
        if self.continuity.is_doubted and self.name is not None:
            return 1e6 + size_px
        waited_s = math.inf if self.asked_t is None else t - self.asked_t
        return None if waited_s < self.wait_s(recheck_s) else min(waited_s, 1e3) * 100 + size_px


def _since(doubt: Doubt, votes: tuple[Ballot, ...]) -> tuple[Ballot, ...]:
    """Those of the face that is there since it jumped last."""
    return tuple(vote for vote in votes if vote.t >= doubt.face_t)


def _counted(before: Gathering, ballot: Ballot) -> Gathering:
    """The votes with one crop more."""
    return replace(
        before,
        votes=(*before.votes, ballot) if ballot.another else before.votes,
        last_t=ballot.t,
        alone=before.alone + 1 if ballot.alone else 0,
        repeats=0 if ballot.another else before.repeats + 1,
    )
