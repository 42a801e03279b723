"""Time stamps and arrivals -> capture times: spacing is kept, lag is bounded, nothing lies in the future."""

from __future__ import annotations

import os
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stamps import PATTERNS, Pattern, Sent, read

from streamer.core.clock import LiveClock

EXAMPLES = int(os.environ.get("STREAMER_CLOCK_EXAMPLES") or 100)
"""More of them look for rarer cases: `STREAMER_CLOCK_EXAMPLES=5000`."""


class Followed:
    """What a clock made of a pattern."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.clock = LiveClock(step_s=0.04, paced=pattern.paced)
        self.kept: list[tuple[float, float, float, int]] = []
        """Taken, time, moment at which it is handed on, number of the epoch."""
        self.early = self.breaks = 0
        held = 0.0

        def until(now: float) -> float:
            return max(now, held)

        for one in read(pattern, until=until):
            moment = self.clock.read(one.stamp, one.now, one.waited_s)
            self.breaks += moment.clock_broke
            held = one.now
            if moment.early and not self.clock.paced:
                self.early += 1
                continue
            held = max(one.now, moment.t) if self.clock.paced else one.now
            self.kept.append((one.taken, moment.t, held, self.breaks))

    def settled(self, taken: float) -> bool:
        return any(start <= taken - 100 < end for start, end in self.pattern.settled_s)

    def spacing_error(self) -> float:
        """Over neighbours, of what steps say and what they were, where the clock has settled."""
        neighbours = [(a, b) for a, b in pairwise(self.kept) if self.settled(a[0]) and self.settled(b[0])]
        return max((abs(b[1] - a[1] - (b[0] - a[0])) for a, b in neighbours if a[3] == b[3]), default=0.0)

    def understated(self) -> float:
        """Over all pairs of an epoch: by how much two pictures seem nearer than they were taken, beyond a second's."""
        worst = 0.0
        spans: dict[int, float] = {}
        for taken, t, _, epoch in self.kept:
            if not self.settled(taken):
                continue
            behind = taken - t
            least = spans.setdefault(epoch, behind)
            worst = max(worst, behind - least)
            spans[epoch] = min(least, behind)
        return worst

    def lag(self) -> float:
        """Largest lag behind arrival, where the clock has settled; real delay included."""
        return max(at - t for taken, t, at, _ in self.kept if self.settled(taken))

    def too_old(self) -> float:
        """The same without real delay: how much older pictures seem than they were when they came the quickest way."""
        return max(taken + 0.05 - t for taken, t, _, _ in self.kept if self.settled(taken))


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name: str) -> None:
    pattern = PATTERNS[name]
    followed = Followed(pattern)
    spacing, lag, nearer = followed.spacing_error(), followed.lag(), followed.understated()
    kept = len(followed.kept) / len(pattern.sent)
    old = followed.too_old()
    sys.stdout.write(
        f"\n{name:34} too old by {1e3 * old:5.0f} ms, spacing off by {1e3 * spacing:5.0f} ms, lag {1e3 * lag:5.0f} ms, "
        f"nearer by {1e3 * nearer:4.0f} ms, epochs {followed.breaks}, kept {kept:.0%}"
    )
    assert all(b[1] > a[1] for a, b in pairwise(followed.kept))
    assert all(t <= at + 1e-9 for _, t, at, _ in followed.kept)
    assert spacing <= pattern.spacing_s + 1e-9
    assert lag <= pattern.jitter_s + 0.1
    assert old <= 0.1
    assert nearer <= 0.1
    assert followed.breaks <= pattern.breaks
    assert kept >= pattern.kept


@st.composite
def honest(draw: st.DrawFn) -> Pattern:
    """A source whose stamps are true, over a network that does what it likes, and a reader that is slow at times."""
    steps = st.sampled_from([1 / 60, 0.04, 0.04, 0.04, 0.1, 0.5])
    delays = st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 4))
    taken, there, sent = 100.0, 0.0, []
    for step, number, delay in draw(st.lists(st.tuples(steps, st.integers(1, 30), delays), min_size=1, max_size=12)):
        for _ in range(number):
            taken += step
            there = max(there, taken + 0.05 + delay)
            sent.append(Sent(taken, taken - 90, there))
    return Pattern(tuple(sent), cost_s=draw(st.sampled_from([0.001, 0.01, 0.05])), paced=draw(st.booleans()))


@settings(max_examples=EXAMPLES, deadline=None)
@given(honest())
def test_pictures_never_seem_much_nearer_than_they_were_taken(pattern: Pattern) -> None:
    kept = Followed(pattern).kept
    assert all(b[1] > a[1] for a, b in pairwise(kept))
    assert all(t <= at + 1e-9 for _, t, at, _ in kept)
    farthest: dict[int, float] = {}
    for taken, t, _, epoch in kept:
        behind = taken - t
        assert behind - farthest.setdefault(epoch, behind) <= 0.1 + 0.1 * (taken - kept[0][0])
        farthest[epoch] = min(farthest[epoch], behind)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.just(0.04), st.just(0.0), st.floats(-20, 20), st.floats(-1e6, 1e6)),
            st.one_of(st.just(0.04), st.floats(0.001, 3)),
            st.one_of(st.none(), st.just(0.0), st.just(0.03)),
        ),
        max_size=200,
    ),
    st.booleans(),
)
def test_whatever_the_clock_says_time_grows_and_lies_in_the_past(
    given: list[tuple[float | None, float, float | None]], paced: bool
) -> None:
    clock, stamp, now, last_t = LiveClock(step_s=0.04, paced=paced), 7.0, 100.0, 0.0
    for step, passed, waited_s in given:
        stamp, now = stamp + (step or 0.0), now + passed
        moment = clock.read(None if step is None else stamp, now, waited_s)
        if moment.early and not clock.paced:
            continue
        assert moment.t > last_t
        assert moment.t <= now or moment.early
        now, last_t = max(now, moment.t), moment.t


def test_a_clock_that_stands_or_runs_at_a_tenth_is_not_believed() -> None:
    """Whatever the stamps say for a second, after it no two pictures seem nearer than they came."""
    for rate in (0.0, 0.1, 0.5, 0.9):
        clock = LiveClock(step_s=0.04)
        times = [clock.read(7 + n * 0.1 * rate, 100 + n * 0.1, 0.05).t for n in range(100)]
        steps = [b - a for a, b in pairwise(times[10:])]
        assert min(steps) > 0.08
