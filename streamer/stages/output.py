"""Stage: fan-out. One runner per sink; live ones keep showing something; nobody ever freezes.

What reaches a sink, and when, depends on both ends:

source     sink      what happens
not live   any       every frame in order; a slow sink slows the source down
live       live      `PlayOut`: each frame a fixed delay after its capture, so that bursts play evenly; the last one
                     again while it is fresh; then the slate
live       records   every frame in order with its own time; slates, one a second, fill the time in which none came

Cover-all is looked at immediately before every write of every sink.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame, slate
from streamer.core.channel import Channel, Closed, Full
from streamer.core.errors import redact
from streamer.core.memory import affordable
from streamer.core.options import PartOptions
from streamer.core.reasons import DropReason, Emission, SinkState, SinkTrouble
from streamer.core.run import RunContext
from streamer.core.types import Command
from streamer.sinks import Sink, StreamFormat
from streamer.sinks._play_out import PlayOut, Words, kind_of

__all__ = ["OutputOptions", "Permission", "SinkHealth", "SinkRunner"]

_POLL_S = 0.02
"""How often a window's keys are read when there is nothing to show."""
_RECORD_PATIENCE_S = 1.5
"""A record waits this much longer than `stale_s` before it fills a gap: frames held for a slow detector still come."""
_BUFFER_MB, _WAITING_MB = 50.0, 150.0
"""Memory that frames of a live source may take that wait for an output; and those that wait for their moment."""
_SLATE_EVERY_S = 1.0
"""A record gets that many slates in a gap: each stands until the next, and costs as much to encode as a picture."""


class OutputOptions(PartOptions):
    """Settings of the output stage."""

    delay_s: float | None = Field(
        None, ge=0, le=5, description="live outputs show a frame this long after its capture; null measures it"
    )
    stale_s: float = Field(0.5, ge=0.1, le=10, description="a picture older than this is replaced by the slate")
    hold_s: float = Field(
        2.0,
        ge=0.1,
        le=10,
        description="live outputs: a picture is held this long, marked as slow, while those after it are examined late",
    )
    buffer_s: float = Field(
        2.0, gt=0, le=30, description="live source: what an output may lag behind before frames are dropped for it"
    )


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be shown at this moment: asked immediately before every write."""

    cover_all: Callable[[], bool]
    gallery_version: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class SinkHealth:
    """How an output is doing."""

    state: SinkState
    since: float
    """On the run's clock."""
    trouble: SinkTrouble | None = None
    """What it failed at first; it stays when the output is closed after that."""
    error: str = ""


class SinkRunner:
    """One sink, what feeds it, and how it is doing. `step()` is called in a loop by one thread: its worker, or the main
    thread.

    format: where its source is live, frames come at their own time, and nothing may hold them up.
    on_command: told what the user asked for at a window.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        format: StreamFormat,
        options: OutputOptions,
        run: RunContext,
        permission: Permission,
        on_command: Callable[[Command], None],
    ) -> None:
        self.name = name
        self.sink = sink
        self._format = format
        self._options = options
        self._stats = run.stats
        self._clock = run.clock
        self._permission = permission
        self._on_command = on_command
        self._period_s = 1 / format.fps
        size = format.width, format.height
        buffered = min(affordable(size, _BUFFER_MB), max(2, round(options.buffer_s * format.fps)))
        capacity = buffered if format.live else 4
        self.channel: Channel[AnonymizedFrame] = Channel(
            capacity,
            Full.DROP_OLDEST if format.live else Full.BLOCK,
            on_drop=lambda frame: run.stats.dropped(name, DropReason.TOO_SLOW),
        )
        self._words = Words.of(format.title, run.time_of_day) if format.live else Words()
        self._signal = run.signal
        self._play_out = PlayOut(
            size=size,
            period_s=self._period_s,
            delay_s=options.delay_s,
            stale_s=options.stale_s,
            hold_s=options.hold_s,
            most=affordable(size, _WAITING_MB),
            signal_at=lambda: run.signal.at,
            frozen=lambda: run.signal.frozen,
            words=self._words,
        )
        self._health = SinkHealth(SinkState.STOPPED, run.clock())
        self._log = run.log
        self._last: AnonymizedFrame | None = None
        self._gap_t: float | None = None
        """When the last picture before the slates was captured."""
        self._step = self._record
        if format.live:
            self._step = self._play if sink.live else self._record_live

    def open(self) -> None:
        """Open the sink. Raises what the sink raises."""
        with self._trouble(SinkTrouble.OPENING):
            self.sink.open(self._format)
        self._health = SinkHealth(SinkState.OPEN, self._clock())

    def close(self) -> None:
        """Close the sink. Raises what the sink raises; calling it twice is fine."""
        try:
            with self._trouble(SinkTrouble.FINISHING):
                self.sink.close()
        finally:
            if self._health.state is not SinkState.STOPPED:
                self._health = replace(self._health, state=SinkState.STOPPED, since=self._clock())

    @property
    def health(self) -> SinkHealth:
        """How it is doing; may be asked from any thread."""
        return self._health

    @contextmanager
    def _trouble(self, kind: SinkTrouble) -> Iterator[None]:
        """Around every call of the sink: a failure is kept, said, and passed on."""
        try:
            yield
        except Exception as error:
            if self._health.trouble is None:  # what comes after it follows from it
                self._health = SinkHealth(SinkState.FAILING, self._clock(), kind, redact(str(error)))
            self._log.say("output", logging.ERROR, "%s %s", self.name, kind.value, error=error)
            raise

    def run(self) -> None:
        """A worker's whole life; the sink is closed whatever happens."""
        try:
            while self.step(timeout_s=1.0):
                pass
        finally:
            self.close()

    def step(self, timeout_s: float) -> bool:
        """Do what is due, waiting for it at most timeout_s. False when the end was reached."""
        try:
            self._step(timeout_s)
        except Closed:
            if self._step == self._record_live and self._last is not None:
                # The run ended while nothing came: the record lasts as long as the run did.
                now = self._clock()
                if now - self._last.t > self._options.stale_s + _RECORD_PATIENCE_S:
                    self._fill(now, slow=False)
                    if self._last.t + self._period_s <= now:
                        self._put_slate(self._last, now, slow=False)
            return False
        with self._trouble(SinkTrouble.ATTENDING):
            commands = self.sink.poll()
        for command in commands:
            self._on_command(command)
        return True

    # -- the three ways of feeding a sink -----------------------------------------------------------------------

    def _record(self, timeout_s: float) -> None:
        """Every frame, in order."""
        wait = min(timeout_s, _POLL_S) if self.sink.main_thread else timeout_s
        frame = self.channel.get(wait)
        if frame is not None:
            self._write(frame, kind_of(frame))

    def _record_live(self, timeout_s: float) -> None:
        """Every frame with its own time, and slates in the gaps."""
        frame = self.channel.get(min(timeout_s, self._period_s) if self._last is not None else timeout_s)
        if frame is None:
            now = self._clock()
            sent_at = self._signal.at
            slow = sent_at is not None and now - sent_at <= self._options.stale_s
            self._fill(now - self._options.stale_s - _RECORD_PATIENCE_S, slow=slow)
        elif self._last is not None and frame.t <= self._last.t:
            self._stats.dropped(self.name, DropReason.TIME_FILLED)
        else:
            # A gap that ended before it was noticed is filled as well, or the frame before it would stand there.
            if self._last is not None and frame.t - self._last.t > self._options.stale_s + self._period_s:
                slow = self._last.seq >= 0 and frame.seq > self._last.seq + 1  # those between were captured, and lost
                self._fill(frame.t - self._period_s, slow=slow)
            self._write(frame, kind_of(frame))
            self._last = frame

    def _fill(self, until: float, *, slow: bool) -> None:
        """Slates up to that time: the first at once, or the picture would stand there; then one a second.

        slow: the source sent pictures meanwhile, and this machine did not keep up.
        """
        while self._last is not None and self._last.t + self._slate_step_s <= until:
            self._put_slate(self._last, self._last.t + self._slate_step_s, slow=slow)

    @property
    def _slate_step_s(self) -> float:
        pictured = self._last is not None and self._last.seq >= 0
        return self._period_s if pictured else max(_SLATE_EVERY_S, self._period_s)

    def _put_slate(self, last: AnonymizedFrame, t: float, *, slow: bool) -> None:
        if last.seq >= 0:
            self._gap_t = last.t
        text = self._words.too_slow() if slow else self._words.no_signal(self._gap_t)
        self._last = slate(-1, t, last.image.size, text, below=self._words.below(t))
        self._write(self._last, Emission.SLATE)

    def _play(self, timeout_s: float) -> None:
        """Each frame when it is due; then the last one again; then the slate."""
        now = self._clock()
        wait = max(0.0, min(timeout_s, self._play_out.next_due() - now))
        frame = self.channel.get(min(wait, _POLL_S) if self.sink.main_thread else wait)
        now = self._clock()
        if frame is not None:
            self._play_out.offer(frame, now)
            while len(self.channel) and (more := self.channel.get(0)) is not None:
                self._play_out.offer(more, now)
        shown = self._play_out.show(now)
        for why, number in self._play_out.take_dropped():
            self._stats.dropped(self.name, why, number)
        if shown is not None:
            self._write(shown.frame, shown.kind)

    def _write(self, frame: AnonymizedFrame, kind: Emission) -> None:
        # Somebody who was removed from the gallery may still be in frames that wait here.
        outdated = frame.gallery_version is not None and frame.gallery_version != self._permission.gallery_version()
        command = self._permission.cover_all()
        if (outdated or command) and not frame.covered:
            text, below = self._words.covered(command), self._words.below(frame.t)
            frame = slate(frame.seq, frame.t, frame.image.size, text, below=below, name=frame.name)
            kind = Emission.COVERED
        with self._trouble(SinkTrouble.WRITING), self._stats.timed(f"write {self.name}"):
            self.sink.write(frame)
        self._stats.emitted(self.name, frame.seq, kind, self._clock())
