"""The event machine between capture and render: frames, detection results and time come in, planned frames come out.

It does no input or output, starts nothing and reads no clock; `now` comes in with every event. Frames leave in the
order in which they came, each exactly once, with what is known about it or with no plan at all. Whether that is enough
to show it is judged by `seal()`, not here.

    offer(frame)    a frame was captured; it is held
    next_request()  the detector is idle: which frame should it examine
    detected(...)   the detector has answered: frames up to that moment are bracketed by results, and leave; with
                    `look_back_s`, frames up to so long before
    failed(...)     the detector could not: that frame leaves without a plan
    next_identity() somebody wants to know whose faces these are; identified(...) is the answer. Files wait for it, so
                    that every run decides alike; live frames never do, and who is not known is hidden
    expire()        time went by: what waited too long leaves, with lookahead without a plan
    finish()        no more frames will come: the last one is asked for, so that all are bracketed
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import Field

from streamer.core.options import PartOptions
from streamer.core.reasons import CoverReason
from streamer.core.types import DetectionRequest, DetectionResult, Frame, Identified, IdentityRequest, Plan, Planned
from streamer.identity.decide import Identity
from streamer.tracking.tracker import Tracker

__all__ = ["Scheduler", "SchedulerOptions"]

_QUEUE_FOR_FILES = 2
"""Requests that may wait for the detector before a file is read further."""
_FILE_LOOK_BACK_S = 0.21
"""A file can wait: for six frames at 29.97 frames per second."""
_SLACK_S = 1e-6
"""Rounding of timestamps."""


class SchedulerOptions(PartOptions):
    """Settings of the scheduler: when the detector results, and how long a frame may wait for it."""

    every: int = Field(3, ge=1, le=30, description="the detector examines every n-th frame; 1: every frame")
    second_looks: int = Field(
        4, ge=0, le=64, description="most regions re-detected per frame, enlarged, for lost and doubtful faces; 0: none"
    )
    lookahead: bool = Field(
        True, description="hold frames until the next detection, so that faces are covered before they are first found"
    )
    max_gap_s: float = Field(
        0.25,
        gt=0,
        le=0.5,
        description="a frame further than this (capture time) from every detection is covered whole; so is one between "
        "two detections further apart, if a face came or went",
    )
    cover_first_s: float = Field(
        0.0, ge=0, le=5, description="the picture stays covered whole this long after a start, a cut or a reconnection"
    )
    look_back_s: float | None = Field(
        None,
        ge=0,
        le=1,
        description="with lookahead: a new face is also covered this long before its first detection; frames wait for "
        "that; null: 0.21 for files, 0 for live sources",
    )
    max_hold_s: float = Field(
        1.0, gt=0, le=5, description="live: a frame that has waited this long for the detector leaves covered whole"
    )
    pass_timeout_s: float = Field(
        20.0, gt=0, le=600, description="a detector without answer or progress for so long has failed; the run ends"
    )


@dataclass(frozen=True, slots=True)
class _Held:
    frame: Frame
    arrived: float


@dataclass(slots=True)
class _Epoch:
    """What is known within one epoch. Nothing is carried into the next."""

    tracker: Tracker
    began_t: float
    """Capture time of its first frame."""
    results: deque[DetectionResult] = field(default_factory=lambda: deque(maxlen=512))
    failed: set[int] = field(default_factory=set)
    """Frames that the detector could not examine."""

    def around(self, t: float) -> tuple[DetectionResult | None, DetectionResult | None]:
        """The last result up to time t, and the first one after it. What is asked for is nearly always recent."""
        after = None
        for result in reversed(self.results):
            if result.t <= t:
                return result, after
            after = result
        return None, after


class Scheduler:
    """See the module.

    live: frames cannot wait for ever; a newer request replaces one that waits.
    stills: every frame is an epoch of its own, and no scene begins with it.
    most_held: frames of a live source that may wait.
    verify: large, doubtful, new faces have to be seen twice; on stills every doubtful face.
    """

    def __init__(
        self,
        options: SchedulerOptions,
        new_tracker: Callable[[], Tracker],
        identity: Identity,
        *,
        live: bool,
        stills: bool = False,
        verify: bool = False,
        most_held: int = 1000,
    ) -> None:
        self._options = options
        self._new_tracker = new_tracker
        self._identity = identity
        self._live = live
        self._cover_first_s = 0.0 if stills else options.cover_first_s
        self._verify = verify
        self._stills = stills
        self._most_held = most_held
        back_s = options.look_back_s
        if back_s is None:
            back_s = 0.0 if live else _FILE_LOOK_BACK_S
        self._look_back_s = back_s if options.lookahead else 0.0
        self._held: deque[_Held] = deque()
        self._wanted: deque[Frame] = deque()
        self._in_flight: Frame | None = None
        self._epochs: dict[int, _Epoch] = {}
        self._newest: Frame | None = None
        self._last_wanted: Frame | None = None
        self._since_wanted = 0
        self._ended = False

    # -- state the loop around it needs -------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Not live: enough frames are waiting; read no more until a detection has come back."""
        return not self._live and len(self._wanted) >= _QUEUE_FOR_FILES

    def too_many(self, frame: Frame) -> bool:
        """Live: whether so many frames wait for the detector that this one is left out. Every second one first."""
        held, busy = len(self._held), self._in_flight is not None or bool(self._wanted)
        crowded = held >= self._most_held or (held >= self._most_held / 2 and frame.seq % 2 == 1)
        return self._live and busy and crowded

    @property
    def waits_for_identity(self) -> bool:
        """Not live: no detection is taken in, and no frame leaves, until the embedder has answered."""
        return not self._live and self._identity.waiting

    @property
    def held(self) -> int:
        """How many frames are waiting."""
        return len(self._held)

    def next_expiry(self) -> float | None:
        """When the oldest held frame must leave; None when none must."""
        if not self._live or not self._held:
            return None
        return self._held[0].arrived + self._options.max_hold_s

    # -- events -------------------------------------------------------------------------------------------------

    def offer(self, frame: Frame, now: float) -> list[Planned]:
        """A frame was captured."""
        if frame.epoch not in self._epochs:
            self._begin_epoch(frame)
        self._close_gap(frame)
        self._held.append(_Held(frame, now))
        due = self._is_due(frame)
        self._newest = frame
        if due:
            self._want(frame)
        else:
            self._since_wanted += 1
        return self._release(now)

    def next_request(self) -> DetectionRequest | None:
        """What the detector should examine; None when it is busy or nothing is wanted."""
        if self._in_flight is not None or not self._wanted:
            return None
        self._in_flight = self._wanted.popleft()
        epoch = self._epochs.get(self._in_flight.epoch)
        watch = epoch.tracker.expected_at(self._in_flight.t, self._in_flight.shift) if epoch else []
        more = {"verify": self._verify, "still": self._stills}
        return DetectionRequest(self._in_flight, tuple(watch), self._options.second_looks, **more)

    def detected(self, result: DetectionResult, now: float) -> list[Planned]:
        """The detector has examined the frame asked for."""
        frame, self._in_flight = self._in_flight, None
        epoch = self._epochs.get(result.epoch)
        if epoch is not None and (not epoch.results or result.t > epoch.results[-1].t):
            # A file may jump on by seconds: what is held must not be forgotten over it.
            held_t = next((held.frame.t for held in self._held if held.frame.epoch == result.epoch), result.t)
            shift = frame.shift if frame is not None else (0.0, 0.0)
            went = epoch.tracker.observe(result, held_t, shift)
            epoch.results.append(result)
            if frame is not None:
                self._identity.observe(frame, result, went, epoch.tracker.boxes_at(result.t, shift=shift))
        return self._release(now)

    def failed(self, request: DetectionRequest, now: float) -> list[Planned]:
        """The detector could not examine the frame asked for: that frame will be covered."""
        self._in_flight = None
        frame = request.frame
        if frame.epoch in self._epochs:
            self._epochs[frame.epoch].failed.add(frame.seq)
        return self._release(now)

    def next_identity(self) -> IdentityRequest | None:
        """Of which faces the embedder should say whose they are; None when it is busy or nothing is wanted."""
        return self._identity.next_request()

    def identified(self, result: Identified | None, now: float) -> list[Planned]:
        """The embedder has answered, or failed (None)."""
        self._identity.identified(result)
        return self._release(now)

    def expire(self, now: float) -> list[Planned]:
        """Time went by."""
        return self._release(now)

    def finish(self, now: float) -> list[Planned]:
        """No more frames will come."""
        if not self._ended:
            self._ended = True
            self._close_bracket()
        return self._release(now)

    # -- how it decides -----------------------------------------------------------------------------------------

    def _begin_epoch(self, frame: Frame) -> None:
        self._close_bracket()
        self._epochs[frame.epoch] = _Epoch(self._new_tracker(), frame.t)
        self._last_wanted = None
        # Epochs without held frames are over; the newest stays.
        alive = {held.frame.epoch for held in self._held} | {frame.epoch}
        if self._in_flight is not None:
            alive.add(self._in_flight.epoch)
        self._epochs = {number: epoch for number, epoch in self._epochs.items() if number in alive}

    def _close_bracket(self) -> None:
        """Ask for a detection on the last frame held, so that those before it are bracketed."""
        last = self._held[-1].frame if self._held else None
        if last is not None and last is not self._last_wanted:
            self._want(last, keep_others=True)

    def _close_gap(self, frame: Frame) -> None:
        """Files: what stands still until this frame comes is examined, because it is looked at for so long.

        Recorders write no frame while nothing moves. Without a detection of its own, the last one before such a pause
        would be too far from the next detection, and leave covered whole.
        """
        last = self._newest
        if self._live or last is None or last is self._last_wanted or last.epoch != frame.epoch:
            return
        if frame.t - last.t > self._options.max_gap_s + _SLACK_S:
            self._want(last)

    def _is_due(self, frame: Frame) -> bool:
        if self._last_wanted is None or self._since_wanted + 1 >= self._options.every:
            return True
        # The next frame would be about as far away as this one is from the last: a detection there would come too late.
        step = frame.t - self._newest.t if self._newest is not None else 0.0
        return frame.t + step - self._last_wanted.t > self._options.max_gap_s + _SLACK_S

    def _want(self, frame: Frame, *, keep_others: bool = False) -> None:
        if self._live and not keep_others:
            # Newest wins: a detector that cannot keep up examines the present, and the gap rule covers the rest.
            # The request that closes an earlier epoch stays, it is the only one there.
            self._wanted = deque(waiting for waiting in self._wanted if waiting.epoch != frame.epoch)
        self._wanted.append(frame)
        self._last_wanted = frame
        self._since_wanted = 0

    def _release(self, now: float) -> list[Planned]:
        ready: list[Planned] = []
        while self._held and not self.waits_for_identity:
            held = self._held[0]
            epoch = self._epochs[held.frame.epoch]
            bracketed = bool(epoch.results) and epoch.results[-1].t >= held.frame.t
            waits_for_result = held.frame is self._in_flight or any(held.frame is wanted for wanted in self._wanted)
            predictable = not self._options.lookahead and not waits_for_result and self._near(held.frame, epoch)
            expired = self._live and now >= held.arrived + self._options.max_hold_s
            settled = bracketed and (epoch.results[-1].t >= held.frame.t + self._look_back_s - _SLACK_S)
            known = settled or predictable or self._hopeless(held.frame)
            if not (known or expired):
                break
            self._held.popleft()
            if known or not self._options.lookahead:
                ready.append(self._planned(held.frame, epoch))
            else:  # also when only the results to look back from are wanting: nothing is relaxed under load
                ready.append(Planned(held.frame, None, CoverReason.NO_PASS_IN_TIME))
        return ready

    def _hopeless(self, frame: Frame) -> bool:
        """No result still to come tells more of this frame: its epoch is over, and nothing later is asked for."""
        if not self._ended and self._newest is not None and frame.epoch == self._newest.epoch:
            return False
        asked = [*self._wanted, *([self._in_flight] if self._in_flight is not None else [])]
        return not any(other.epoch == frame.epoch and other.t >= frame.t for other in asked)

    def _near(self, frame: Frame, epoch: _Epoch) -> tuple[DetectionResult, ...]:
        """The detections next to a frame, before (or on) it and after it, that are near enough to rest on."""
        limit = self._options.max_gap_s + _SLACK_S
        before, after = epoch.around(frame.t)
        if before is not None and before.t == frame.t:
            after = None
        return tuple(result for result in (before, after) if result is not None and abs(result.t - frame.t) <= limit)

    def _planned(self, frame: Frame, epoch: _Epoch) -> Planned:
        if frame.seq in epoch.failed:
            return Planned(frame, None, CoverReason.DETECTOR_FAILED)
        if frame.t - epoch.began_t < self._cover_first_s - _SLACK_S:
            return Planned(frame, None, CoverReason.SCENE_BEGAN)
        # Without a later detection nobody knows who came into the picture since the last one. With lookahead, such a
        # frame is covered; without lookahead, that risk was chosen.
        bracketed = bool(epoch.results) and epoch.results[-1].t >= frame.t
        results = self._near(frame, epoch) if bracketed or not self._options.lookahead else ()
        if not results:
            return Planned(frame, None, CoverReason.NO_PASS_IN_TIME)
        if self._changed_unwatched(frame, epoch):
            return Planned(frame, None, CoverReason.CHANGED_UNWATCHED)
        tracks = self._identity.decide(frame, epoch.tracker.boxes_at(frame.t, self._look_back_s, frame.shift))
        return Planned(frame, Plan(frame.seq, frame.epoch, results, tracks))

    def _changed_unwatched(self, frame: Frame, epoch: _Epoch) -> bool:
        """Whether somebody ran in or out between two detections too far apart to tell which way.

        Cover reaches as far as people run within `max_gap_s`; over a longer time they may be anywhere.
        """
        before, after = epoch.around(frame.t)
        if after is None:
            return False
        earlier_t = -math.inf if before is None else before.t
        rare = earlier_t < frame.t and after.t - earlier_t > self._options.max_gap_s + _SLACK_S
        return rare and epoch.tracker.changed_between(earlier_t, after.t)
