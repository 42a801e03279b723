"""The two loops between the channels: frames and detection results into the scheduler, planned frames to the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness, MaskOptions, seal, shown
from streamer.anonymize.zones import ZoneOptions, zoned_out
from streamer.core.channel import Closed
from streamer.core.errors import EffectError, StreamerError, StuckError, redact
from streamer.core.reasons import FailingPart
from streamer.core.run import RunContext
from streamer.core.stats import Stats
from streamer.core.types import Planned, Reveal, TrackBox, Verdict
from streamer.effects import Effect
from streamer.pipeline.channels import Channels
from streamer.stages.detect import DetectionFailed, DetectionOutcome
from streamer.stages.embed import Answer, EmbedFailed
from streamer.stages.scheduler import Scheduler

__all__ = ["Hiding", "Observer", "Render", "SchedulerLoop", "Settings"]

_TICK_S = 0.5
"""Seconds after which the scheduler wakes at the latest, to notice a detector that does not answer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What may change while the stream runs. Immutable; a change swaps the whole snapshot between two frames."""

    effect: str
    cover_all: bool = False


class _Failures:
    """Counts failures in a row of one part; its frames are covered, and too many end the run."""

    def __init__(self, part: FailingPart, run: RunContext) -> None:
        self._part = part
        self._limit = run.max_failures
        self._stats = run.stats
        self._in_a_row = 0

    def succeeded(self) -> None:
        """The part did its work: failures before it count no more."""
        self._in_a_row = 0

    def failed(self, error: StreamerError) -> None:
        """The part failed. Raises the error when it did so too often in a row."""
        self._in_a_row += 1
        self._stats.failed(self._part)
        if self._in_a_row == 1:
            self._stats.note(str(error), stage=self._part.stage)
        if self._in_a_row >= self._limit:
            raise error


class SchedulerLoop:
    """The scheduler's thread: whatever happens goes in as an event, and what was decided goes out in order."""

    def __init__(self, scheduler: Scheduler, channels: Channels, run: RunContext, *, pass_timeout_s: float) -> None:
        self._scheduler = scheduler
        self._raw = channels.raw
        self._requests = channels.requests
        self._results = channels.results
        self._decided = channels.decided
        self._identity = channels.identity
        self._changed = channels.changed
        self._stats = run.stats
        self._clock = run.clock
        self._failures = _Failures(FailingPart.DETECTOR, run)
        self._pass_timeout_s = pass_timeout_s
        self._embedder_failures = _Failures(FailingPart.EMBEDDER, run)
        self._asked_at: float | None = None
        self._wished_at: float | None = None
        self._finished = False

    def work(self) -> None:
        """The thread; ends when the last held frame has left. Raises what ends the run."""
        try:
            while not self._results.drained:  # it is only after an abort
                with self._changed:
                    self._changed.wait_for(self._something, timeout=self._until_expiry())
                now = self._clock()
                ready = [*self._scheduler.expire(now), *self._event(now)]
                self._ask(now)
                for planned in ready:
                    self._decided.put(planned)
                if self._finished and self._scheduler.held == 0:
                    return
        except Closed:
            return
        finally:
            self._requests.close()
            if self._identity is not None:
                self._identity.requests.close()
            self._decided.close()

    def detector_answers(self) -> None:
        """Called by the detector's thread within a request: it takes long, and is not stuck."""
        self._asked_at = self._clock()

    # -- what happened ------------------------------------------------------------------------------------------

    @property
    def _answered(self) -> bool:
        return self._identity is not None and len(self._identity.answers) > 0

    @property
    def _detected(self) -> bool:
        return len(self._results) > 0 and not self._scheduler.waits_for_identity

    @property
    def _captured(self) -> bool:
        return len(self._raw) > 0 and not self._scheduler.full

    @property
    def _at_end(self) -> bool:
        return self._raw.drained and not self._finished

    def _something(self) -> bool:
        return self._answered or self._detected or self._captured or self._at_end

    def _until_expiry(self) -> float:
        expiry = self._scheduler.next_expiry()
        return _TICK_S if expiry is None else min(_TICK_S, max(0.0, expiry - self._clock()))

    def _event(self, now: float) -> list[Planned]:
        """Take in one thing that happened; answers and results first, because held frames wait for them."""
        if self._answered and self._identity is not None and (answer := self._identity.answers.get(0)) is not None:
            return self._take_answer(answer, now)
        if self._detected and (result := self._results.get(0)) is not None:
            return self._take_result(result, now)
        if self._captured and (frame := self._raw.get(0)) is not None:
            return self._scheduler.offer(frame, now)
        if self._at_end:
            self._finished = True
            return self._scheduler.finish(now)
        return []

    def _take_answer(self, answer: Answer, now: float) -> list[Planned]:
        self._wished_at = None
        if isinstance(answer, EmbedFailed):
            self._embedder_failures.failed(answer.error)
            return self._scheduler.identified(None, now)
        self._embedder_failures.succeeded()
        return self._scheduler.identified(answer, now)

    def _take_result(self, result: DetectionOutcome, now: float) -> list[Planned]:
        self._asked_at = None
        if isinstance(result, DetectionFailed):
            self._failures.failed(result.error)
            return self._scheduler.failed(result.request, now)
        self._failures.succeeded()
        self._stats.passed()
        return self._scheduler.detected(result, now)

    # -- what is wanted -----------------------------------------------------------------------------------------

    def _ask(self, now: float) -> None:
        if (request := self._scheduler.next_request()) is not None:
            self._asked_at = now
            self._requests.put(request)
        elif self._asked_at is not None and now - self._asked_at > self._pass_timeout_s:
            raise StuckError(f"the detector did not answer for {self._pass_timeout_s:g} s")
        if self._identity is not None and (wish := self._scheduler.next_identity()) is not None:
            self._wished_at = now
            self._identity.requests.put(wish)
        elif self._wished_at is not None and now - self._wished_at > self._pass_timeout_s:
            raise StuckError(f"the embedder did not answer for {self._pass_timeout_s:g} s")


class Observer(Protocol):
    """Is told of every frame that leaves, by the thread that seals it."""

    def on_frame(
        self,
        frame: AnonymizedFrame,
        epoch: int,
        tracks: Sequence[tuple[TrackBox, Verdict]],
        shown: Sequence[tuple[TrackBox, Reveal]],
    ) -> AnonymizedFrame:
        """A frame was sealed, in which these faces can be seen. Returns it, with labels where they are wanted.

        tracks: all that do not lie in a zone.
        """
        ...

    def on_end(self) -> None:
        """No more frames will come."""
        ...


@dataclass(frozen=True, slots=True)
class Hiding:
    """How faces are hidden in one stream."""

    new_effect: Callable[[str], Effect]
    """Makes the effect of that kind."""
    settings: Callable[[], Settings]
    """The present snapshot."""
    mask: MaskOptions
    zones: ZoneOptions
    rules: Callable[[], Freshness]
    """What a plan must fulfil at this moment."""


class _PresentEffect:
    """The effect that the settings name; the one before it where that cannot be made."""

    def __init__(self, effect: Effect, hiding: Hiding, stats: Stats) -> None:
        self.effect = effect
        self._hiding = hiding
        self._stats = stats
        self._kind = self._asked_for = hiding.settings().effect
        self._not_had: set[str] = set()

    def renew(self) -> None:
        """Before every frame: another effect, when the settings name one by now."""
        wanted = self._hiding.settings().effect
        if wanted == self._asked_for:
            return
        self._asked_for = wanted  # not tried again with every frame
        try:
            self.effect = self._hiding.new_effect(wanted)
            self._kind = wanted
        except Exception as error:  # whatever it is, it is no reason to end a stream that hides its faces
            self._could_not(wanted, error)

    def _could_not(self, wanted: str, error: Exception) -> None:
        if wanted not in self._not_had:
            self._not_had.add(wanted)
            reason = str(error) if isinstance(error, StreamerError) else redact(f"{type(error).__name__}: {error}")
            self._stats.note(f"effect {wanted} cannot be had ({reason}); {self._kind} stays", stage="render")


class _LastShown:
    """Which faces could be seen in the last frame, and under which epoch and gallery."""

    def __init__(self) -> None:
        self._tracks: set[int] = set()
        self._under: tuple[int, int] | None = None

    def revokes(self, planned: Planned, rules: Freshness) -> bool:
        """Whether a face that was shown is hidden now, or the gallery is another. The next frame is compared to this.

        A new epoch also says yes; whose track has ended is not revoked.
        """
        tracks = () if planned.plan is None else planned.plan.tracks
        seen = {track.track_id for track, _ in shown(tracks, planned.frame.t, rules)}
        there = {track.track_id for track, _ in tracks}
        under = planned.frame.epoch, rules.gallery_version
        revoked = under != self._under or bool(self._tracks & (there - seen))
        self._tracks, self._under = seen, under
        return revoked


class Render:
    """The render thread: every planned frame goes through `seal()`, and what comes out goes to every sink.

    effect: the first one; when the settings name another, it is made before the next frame, and told of in a note when
    it cannot be.
    """

    def __init__(self, channels: Channels, run: RunContext, hiding: Hiding, effect: Effect, observer: Observer) -> None:
        self._decided = channels.decided
        self._sinks = channels.sinks
        self._stats = run.stats
        self._failures = _Failures(FailingPart.EFFECT, run)
        self._hiding = hiding
        self._present = _PresentEffect(effect, hiding, run.stats)
        self._last_shown = _LastShown()
        self._observer = observer

    def work(self) -> None:
        """The thread; ends when `decided` is closed. Raises EffectError when the effect fails too often in a row."""
        try:
            while True:
                if (planned := self._decided.get()) is not None:
                    self._render(planned)
        except Closed:
            return
        finally:
            for sink in self._sinks:
                sink.close()
            self._observer.on_end()

    def _render(self, planned: Planned) -> None:
        self._present.renew()
        rules = self._hiding.rules()
        sealed, failure = self._sealed(planned, rules)
        sealed = self._observed(sealed, planned, rules)
        for sink in self._sinks:
            sink.put(sealed)
        if failure is not None:
            self._failures.failed(failure)
        else:
            self._failures.succeeded()

    def _sealed(self, planned: Planned, rules: Freshness) -> tuple[AnonymizedFrame, EffectError | None]:
        """The frame that may be shown, and what the effect failed of."""
        failed: list[EffectError] = []
        revoked = self._last_shown.revokes(planned, rules)
        with self._stats.timed("seal"):
            sealed = seal(
                planned.frame,
                planned.plan,
                effect=self._present.effect,
                mask=self._hiding.mask,
                rules=rules,
                zones=self._hiding.zones,
                revoked=revoked,
                on_cover=lambda why: self._stats.covered(planned.why or why),
                on_failure=failed.append,
            )
        return sealed, failed[0] if failed else None

    def _observed(self, sealed: AnonymizedFrame, planned: Planned, rules: Freshness) -> AnonymizedFrame:
        """The frame after the observer was told of it. People in a zone are not told of."""
        tracks = () if planned.plan is None else planned.plan.tracks
        seen = [] if sealed.covered else shown(tracks, sealed.t, rules)
        # A face that may be in one of several places counts once.
        self._stats.sealed(len({track.track_id for track, _ in tracks} - {track.track_id for track, _ in seen}))
        zones = self._hiding.zones
        outside = [one for one in tracks if not zoned_out(sealed.image, zones, one[0].box)]
        seen = [one for one in seen if not zoned_out(sealed.image, zones, one[0].box)]
        return self._observer.on_frame(sealed, planned.frame.epoch, outside, seen)
