"""The two loops between the channels: frames and looks into the planner, planned frames through the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness, MaskOptions, seal, shown
from streamer.anonymize.zones import ZoneOptions, zoned_out
from streamer.core.channel import Channel, Closed
from streamer.core.errors import EffectError, StreamerError, StuckError, redact
from streamer.core.stats import Stats
from streamer.core.types import Frame, IdentityRequest, PassRequest, Planned, Reveal, TrackBox, Verdict
from streamer.effects import Effect
from streamer.stages.detect import Failed, Look
from streamer.stages.embed import Answer, EmbedFailed
from streamer.stages.scheduler import Planner

__all__ = ["Planning", "Render", "Settings", "Witness"]

_TICK_S = 0.5
"""The planner looks up at least so often, to notice a detector that does not answer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What may change while the stream runs. Immutable; a change swaps the whole snapshot between two frames."""

    effect: str
    cover_all: bool = False


class _Failures:
    """Counts failures in a row of one part; its frames are covered, and too many end the run."""

    def __init__(self, limit: int, stats: Stats) -> None:
        self._limit = limit
        self._stats = stats
        self._in_a_row = 0

    def none(self) -> None:
        """It worked."""
        self._in_a_row = 0

    def one(self, error: StreamerError) -> None:
        """It failed. Raises the error when it did so too often in a row."""
        self._in_a_row += 1
        self._stats.count(type(error).__name__)
        if self._in_a_row == 1:
            self._stats.note(str(error))
        if self._in_a_row >= self._limit:
            raise error


class Planning:
    """The planner's thread: whatever happens goes in as an event, and what was decided goes out in order."""

    def __init__(
        self,
        planner: Planner,
        raw: Channel[Frame],
        requests: Channel[PassRequest],
        looks: Channel[Look],
        decided: Channel[Planned],
        changed: threading.Condition,
        stats: Stats,
        identity: tuple[Channel[IdentityRequest], Channel[Answer]] | None = None,
        *,
        clock: Callable[[], float],
        max_failures: int,
        pass_timeout_s: float,
    ) -> None:
        self._planner = planner
        self._raw = raw
        self._requests = requests
        self._looks = looks
        self._decided = decided
        self._changed = changed
        self._stats = stats
        self._clock = clock
        self._failures = _Failures(max_failures, stats)
        self._pass_timeout_s = pass_timeout_s
        self._embedder_failures = _Failures(max_failures, stats)
        self._wishes: Channel[IdentityRequest] | None = None if identity is None else identity[0]
        self._answers: Channel[Answer] | None = None if identity is None else identity[1]
        self._asked_at: float | None = None
        self._wished_at: float | None = None
        self._finished = False

    def work(self) -> None:
        """The thread; ends when the last held frame has left. Raises what ends the run."""
        try:
            while not self._looks.drained:  # it is only after an abort
                with self._changed:
                    self._changed.wait_for(self._something, timeout=self._until_expiry())
                now = self._clock()
                ready = [*self._planner.expire(now), *self._event(now)]
                self._ask(now)
                for planned in ready:
                    self._decided.put(planned)
                if self._finished and self._planner.held == 0:
                    return
        except Closed:
            return
        finally:
            self._requests.close()
            if self._wishes is not None:
                self._wishes.close()
            self._decided.close()

    def _something(self) -> bool:
        may_read = not self._planner.full and len(self._raw) > 0
        may_look = len(self._looks) > 0 and not self._planner.waits_for_identity
        answered = self._answers is not None and len(self._answers) > 0
        return answered or may_look or may_read or (self._raw.drained and not self._finished)

    def _until_expiry(self) -> float:
        expiry = self._planner.next_expiry()
        return _TICK_S if expiry is None else min(_TICK_S, max(0.0, expiry - self._clock()))

    def _event(self, now: float) -> list[Planned]:
        """Take in one thing that happened; answers and looks first, because held frames wait for them."""
        if self._answers is not None and len(self._answers) and (answer := self._answers.get(0)) is not None:
            self._wished_at = None
            if isinstance(answer, EmbedFailed):
                self._embedder_failures.one(answer.error)
                return self._planner.identified(None, now)
            self._embedder_failures.none()
            return self._planner.identified(answer, now)
        may_look = not self._planner.waits_for_identity
        if may_look and len(self._looks) and (look := self._looks.get(0)) is not None:
            self._asked_at = None
            if isinstance(look, Failed):
                self._failures.one(look.error)
                return self._planner.failed(look.request, now)
            self._failures.none()
            self._stats.count("passes")
            return self._planner.passed(look, now)
        if not self._planner.full and len(self._raw) and (frame := self._raw.get(0)) is not None:
            return self._planner.offer(frame, now)
        if self._raw.drained and not self._finished:
            self._finished = True
            return self._planner.finish(now)
        return []

    def _ask(self, now: float) -> None:
        if (request := self._planner.next_request()) is not None:
            self._asked_at = now
            self._requests.put(request)
        elif self._asked_at is not None and now - self._asked_at > self._pass_timeout_s:
            raise StuckError(f"the detector did not answer for {self._pass_timeout_s:g} s")
        if self._wishes is not None and (wish := self._planner.next_identity()) is not None:
            self._wished_at = now
            self._wishes.put(wish)
        elif self._wished_at is not None and now - self._wished_at > self._pass_timeout_s:
            raise StuckError(f"the embedder did not answer for {self._pass_timeout_s:g} s")


class Witness(Protocol):
    """Told of every frame that leaves, by the thread that seals it."""

    def saw(
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

    def ended(self) -> None:
        """No more frames will come."""
        ...


class Render:
    """The render thread: every planned frame goes through `seal()`, and what comes out goes to every sink.

    settings: the present snapshot; another `effect` in it is made with `new_effect` before the next frame, and told of
    in a note when it cannot be.
    """

    def __init__(
        self,
        decided: Channel[Planned],
        sinks: Sequence[Channel[AnonymizedFrame]],
        effect: Effect,
        new_effect: Callable[[str], Effect],
        mask: MaskOptions,
        rules: Callable[[], Freshness],
        zones: ZoneOptions,
        stats: Stats,
        witness: Witness,
        *,
        settings: Callable[[], Settings],
        max_failures: int,
    ) -> None:
        self._decided = decided
        self._sinks = sinks
        self._effect = effect
        self._kind = self._present = settings().effect
        self._not_had: set[str] = set()
        self._new_effect = new_effect
        self._mask = mask
        self._rules = rules
        self._zones = zones
        self._stats = stats
        self._witness = witness
        self._settings = settings
        self._failures = _Failures(max_failures, stats)
        self._shown: set[int] = set()
        """Tracks that could be seen in the last frame, and the epoch and gallery of that."""
        self._shown_under: tuple[int, int] | None = None

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
            self._witness.ended()

    def _take(self, wanted: str) -> None:
        """Another effect from now on; when it cannot be had, the present one goes on, which hides as well."""
        self._kind = wanted  # not tried again with every frame
        try:
            self._effect = self._new_effect(wanted)
            self._present = wanted
        except Exception as error:  # whatever it is, it is no reason to end a stream that hides its faces
            if wanted not in self._not_had:
                self._not_had.add(wanted)
                reason = str(error) if isinstance(error, StreamerError) else redact(f"{type(error).__name__}: {error}")
                self._stats.note(f"effect {wanted} cannot be had ({reason}); {self._present} stays")

    def _revoked(self, planned: Planned, rules: Freshness) -> bool:
        """Whether a face that was shown is hidden now, or the gallery is another."""
        tracks = () if planned.plan is None else planned.plan.tracks
        seen = {track.track_id for track, _ in shown(tracks, planned.frame.t, rules)}
        there = {track.track_id for track, _ in tracks}
        now = planned.frame.epoch, rules.gallery_version
        # A track that has ended is not revoked.
        revoked = now != self._shown_under or bool(self._shown & (there - seen))
        self._shown, self._shown_under = seen, now
        return revoked

    def _render(self, planned: Planned) -> None:
        if (wanted := self._settings().effect) != self._kind:
            self._take(wanted)
        failed: list[EffectError] = []
        rules = self._rules()
        revoked = self._revoked(planned, rules)
        with self._stats.timed("seal"):
            sealed = seal(
                planned.frame,
                planned.plan,
                effect=self._effect,
                mask=self._mask,
                rules=rules,
                zones=self._zones,
                revoked=revoked,
                on_cover=lambda why: self._stats.covered(planned.why or why),
                on_failure=failed.append,
            )
        tracks = () if planned.plan is None else planned.plan.tracks
        seen = [] if sealed.covered else shown(tracks, sealed.t, rules)
        # A face that may be in one of several places counts once.
        self._stats.sealed(len({track.track_id for track, _ in tracks} - {track.track_id for track, _ in seen}))
        # Who is in a zone is not told of, either.
        outside = [one for one in tracks if not zoned_out(sealed.image, self._zones, one[0].box)]
        seen = [one for one in seen if not zoned_out(sealed.image, self._zones, one[0].box)]
        sealed = self._witness.saw(sealed, planned.frame.epoch, outside, seen)
        for sink in self._sinks:
            sink.put(sealed)
        if failed:
            self._failures.one(failed[0])
        else:
            self._failures.none()
