"""When pictures were captured: a source's time stamps and the moments of arrival -> the pipeline's time. Pure.

A file's clock is its own. A live source's clock is a claim, checked against arrival:

regular         the source's steps, laid so that the least delayed picture is on time; a late picture is late, no later
slow, fast      pictures that were waited for show how fast the clock really runs; that rate is taken
path got longer when all pictures of such a run are late, the clock is moved up by the least lateness
silent          no stamps, the same stamp, or a leap beyond belief: the step of arrival counts
backwards       the same, and nothing says how far apart the two pictures are: an epoch ends
early           a burst hands over seconds in no time. Its pictures are held until their time where the source sends in
                segments; elsewhere they are passed over until the source has nothing ready any more

A live picture's time is never later than its arrival, it grows, and steps are never made smaller than the source says
by more than `_SLACK_S`, without an epoch ending: masks and freshness follow time, so two pictures must not seem nearer
to each other than they were taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from streamer.core.arrivals import Run, Wait

__all__ = ["FileClock", "LiveClock", "Moment"]

_SAME_TIME_S = 1e-4
"""Steps of time smaller than this are none."""
_LEAP_S = 10.0
"""A step so much longer than the time that passed is a clock that was set, not a picture taken so much later."""
_SLACK_S = 0.1
"""So much may steps be shortened in a row, as jitter needs it; this much per second is forgiven."""
_ON_TIME_S = 0.02
_DRY_S = 0.5
"""A segmented source that was waited for, and is later than this, has run dry; fetching the next segment takes less."""
_STEP_UP_S = 0.5
"""Lag above this is made up for at once; less of it in steps that are hardly longer than the source's."""
_PASS_OVER_S = 2.0
"""Early pictures are passed over for so long; then nobody sends them live, and they are held until their time."""
_LATE_S, _LATE_FOR_GOOD_S = 0.5, 5.0
"""Where it is not known whether pictures were waited for: lateness above the one, for longer than the other, stays."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a picture was captured, and what its source's clock did."""

    t: float
    """Capture time, seconds on the pipeline's clock."""
    went_back: bool = False
    """By its source's clock it is no later than the one before it."""
    clock_broke: bool = False
    """Nothing says how far apart this picture and the one before it are."""
    early: bool = False
    """It came out of a burst before its time: to be passed over, or, from a paced clock, to be held until `t`."""
    ready: bool = False
    """It lay there already, so that more may lie behind it. False when it was waited for, or nobody knows."""


class FileClock:
    """The clock of what is read at any speed. step_s: between two pictures, where the source does not say."""

    def __init__(self, *, step_s: float) -> None:
        self._step_s = step_s
        self._last_t: float | None = None
        self._offset = 0.0
        """The pipeline's time less the source's."""

    def restart(self) -> None:
        """The source was opened again: its clock may be another."""
        self._offset = 0.0

    def read(self, source_t: float | None, now: float, waited_s: float | None = None) -> Moment:
        """When the next picture was captured."""
        last_t = self._last_t
        next_t = 0.0 if last_t is None else last_t + self._step_s
        t = next_t if source_t is None else source_t + self._offset
        back = last_t is not None and t < last_t + _SAME_TIME_S
        if back:  # whatever the source says, the pipeline's time moves on, and stays moved
            self._offset += next_t - t
            t = next_t
        self._last_t = t
        return Moment(t, went_back=back)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The last picture that was not passed over."""

    source_t: float | None
    """The last time stamp there was."""
    t: float
    now: float
    silent_s: float = 0.0
    """So long has time gone on without the source's clock."""


class LiveClock:
    """The clock of a live source.

    step_s: between two pictures, where neither clock nor arrival says. paced: the source sends in segments; its early
    pictures are held until their time, by the caller.
    """

    def __init__(self, *, step_s: float, paced: bool = False) -> None:
        self._step_s = step_s
        self.paced = paced
        """Early pictures are to be held, not passed over. It may become so: see `_PASS_OVER_S`."""
        self._last: _Anchor | None = None
        self._last_t = -math.inf
        self._run = Run()
        self._owed_s = 0.0
        """Steps were shortened by so much lately."""
        self._early_since: float | None = None
        self._late_since: float | None = None
        self._least_late = 0.0

    def restart(self) -> None:
        """The source was opened again: its clock may be another."""
        self._last = self._late_since = self._early_since = None
        self._run = Run()
        self._owed_s = 0.0

    def read(self, source_t: float | None, now: float, waited_s: float | None = None) -> Moment:
        """When a picture was captured that arrived now.

        waited_s: how long the source had to be waited for; None when that is not known.
        """
        last = self._last
        if last is None:
            return self._settled(source_t, max(now, self._last_t + _SAME_TIME_S), now)
        passed = max(0.0, now - last.now)
        wait = Wait.of(waited_s, passed)
        moment = self._moment(source_t, now, last, passed, wait)
        return replace(moment, ready=wait.long is False)

    @property
    def rate(self) -> float:
        """Seconds that pass while the source's clock goes on by one."""
        return self._run.rate

    def _moment(self, source_t: float | None, now: float, last: _Anchor, passed: float, wait: Wait) -> Moment:
        step, back = self._source_step(source_t, last, passed)
        if step is None:
            return self._silent(source_t, now, passed, last, back=back)
        due = last.t + step
        if due > now:
            return self._early(source_t, now, due, passed, wait)
        self._early_since = None
        t, broke = self._late(source_t, now, due, passed, wait)
        return self._settled(source_t, t, now, broke=broke)

    def _source_step(self, source_t: float | None, last: _Anchor, passed: float) -> tuple[float | None, bool]:
        """How much later than the last picture this one was taken, by the source; None when it does not say.

        The second: its clock ran backwards.
        """
        if source_t is None or last.source_t is None:
            return None, False
        ticked = source_t - last.source_t
        if ticked <= -_SAME_TIME_S:
            return None, True
        step = ticked * self._run.rate
        if step >= last.silent_s + self._step_s / 2:  # it went on where it would be, had it not stood still
            step -= last.silent_s
        if ticked < _SAME_TIME_S or step > passed + _LEAP_S:
            return None, False
        return step, False

    def _silent(self, source_t: float | None, now: float, passed: float, last: _Anchor, *, back: bool) -> Moment:
        """The source's clock says nothing, or nonsense: the step of arrival counts."""
        self._run.clear()
        self._late_since = None
        t = last.t + max(passed, self._step_s)
        if not self.paced:
            t = min(t, now)
        stands = source_t is None or source_t == last.source_t
        silent_s = last.silent_s + passed if stands else 0.0
        stamp = last.source_t if source_t is None else source_t
        moment = self._settled(stamp, t, now, broke=back, silent_s=silent_s)
        return Moment(moment.t, back, back, early=self.paced and moment.t > now)

    def _early(self, source_t: float | None, now: float, due: float, passed: float, wait: Wait) -> Moment:
        """By the source's clock this picture's time has not come yet."""
        self._late_since = None
        if self.paced:
            moment = self._settled(source_t, due, now)
            return Moment(moment.t, early=True)
        owed_s = max(0.0, self._owed_s - _SLACK_S * passed) + due - now
        if wait.long is False and owed_s > _SLACK_S:
            self._early_since = now if self._early_since is None else self._early_since
            if now - self._early_since <= _PASS_OVER_S and due - now <= _LEAP_S:
                return Moment(due, early=True)
            self.paced = True
        self._early_since = None
        broke = owed_s > _SLACK_S
        self._owed_s = 0.0 if broke else owed_s
        if due - now > _SLACK_S:
            self._run.clear()  # its clock leapt, or what came before was late
        self._note_arrival(source_t, now, wait)
        self._run.adapt()
        return self._settled(source_t, now, now, broke=broke)

    def _late(self, source_t: float | None, now: float, due: float, passed: float, wait: Wait) -> tuple[float, bool]:
        """A picture that came on time or late. Returns its time, and whether the step to it is unknown."""
        self._owed_s = max(0.0, self._owed_s - _SLACK_S * passed)
        if wait.long is None:
            more = self._late_for_good(now - due, now)
            return due + more, more > 0
        self._note_arrival(source_t, now, wait)
        if self.paced:  # it ran dry: from here on it is shown so much later, and runs dry no more
            return (now if wait.long and now - due > _DRY_S else due), False
        self._run.adapt()
        lag = self._run.least_lag(due)
        if lag <= _ON_TIME_S:
            return due, False
        return due + (lag if lag > _STEP_UP_S else min(lag, max(passed / 2, lag / 2))), False

    def _note_arrival(self, source_t: float | None, now: float, wait: Wait) -> None:
        if wait.long is not None and source_t is not None:
            self._run.add(source_t, now, wait)

    def _late_for_good(self, late: float, now: float) -> float:
        """By how much the clock has to be moved up, because all pictures have been late for long."""
        if late <= _LATE_S:
            self._late_since = None
            return 0.0
        if self._late_since is None:
            self._late_since, self._least_late = now, late
        self._least_late = min(self._least_late, late)
        if now - self._late_since <= _LATE_FOR_GOOD_S:
            return 0.0
        self._late_since = None
        return self._least_late

    def _settled(
        self, source_t: float | None, t: float, now: float, *, broke: bool = False, silent_s: float = 0.0
    ) -> Moment:
        """This is its time; the next picture's is reckoned from it."""
        self._last_t = t = max(t, self._last_t + _SAME_TIME_S)
        self._last = _Anchor(source_t, t, now, silent_s)
        return Moment(t, broke, broke)
