"""Stage: fan-out. One runner per sink; live ones keep showing something; nobody ever freezes.

What reaches a sink, and when, depends on both ends:

source     sink      what happens
not live   any       every frame in order; a slow sink slows the source down
live       live      `PlayOut`: each frame a fixed delay after its capture, so that bursts play evenly; the last one
                     again while it is fresh; then the slate
live       records   every frame in order with its own time; slates fill the time in which none came

Cover-all is looked at immediately before every write of every sink.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame, slate
from streamer.core.channel import Channel, Closed, Full
from streamer.core.errors import redact
from streamer.core.options import PartOptions
from streamer.core.reasons import DropReason, Emission, SinkState, SinkTrouble
from streamer.core.run import RunContext
from streamer.core.types import Command
from streamer.sinks import Sink, StreamFormat

__all__ = ["OutputOptions", "Permission", "PlayOut", "SinkHealth", "SinkRunner"]

_MARGIN_S = 0.005
"""Added to the measured delay, so that a frame as late as the latest one is still in time."""
_LATENESS_WINDOW_S = 3.0
"""The delay follows the greatest lateness over this time."""
_MAX_DELAY_S = 2.0
_CATCH_UP = 0.1
"""When the delay may shrink, frames are shown so much faster than they came."""
_POLL_S = 0.02
"""How often a window's keys are read when there is nothing to show."""
_RECORD_PATIENCE_S = 1.5
"""A record waits this much longer than `stale_s` before it fills a gap: frames held for a slow detector still come."""
_SLATE_TEXT = "no signal"
_COVER_TEXT = "covered"


class OutputOptions(PartOptions):
    """Settings of the output stage."""

    delay_s: float | None = Field(
        None, ge=0, le=5, description="live outputs show a frame this long after its capture; null measures it"
    )
    stale_s: float = Field(0.5, ge=0.1, le=10, description="a picture older than this is replaced by the slate")
    buffer_s: float = Field(
        2.0, gt=0, le=30, description="live source: what an output may lag behind before frames are dropped for it"
    )


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be shown at this moment: asked immediately before every write."""

    cover_all: Callable[[], bool]
    gallery_version: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a live sink shows next."""

    frame: AnonymizedFrame
    kind: Emission


def _kind(frame: AnonymizedFrame) -> Emission:
    return Emission.COVERED if frame.covered else Emission.FRAME


class PlayOut:
    """When a live sink shows which frame. Pure: `now` comes in, on the clock of the frames' own times.

    size: of the slate, until the first frame tells. period_s: time between two frames at the nominal rate.
    """

    def __init__(self, *, size: tuple[int, int], period_s: float, delay_s: float | None, stale_s: float) -> None:
        self._size = size
        self._period_s = period_s
        self._fixed_delay_s = delay_s
        self._stale_s = stale_s
        self._queue: deque[AnonymizedFrame] = deque()
        self._lateness: deque[tuple[float, float]] = deque()
        self._delay_s = _MARGIN_S
        self._offered_at: float | None = None
        self._shown: AnonymizedFrame | None = None
        self._shown_at: float | None = None

    @property
    def delay_s(self) -> float:
        """Time from capture to showing."""
        return self._delay_s if self._fixed_delay_s is None else self._fixed_delay_s

    def offer(self, frame: AnonymizedFrame, now: float) -> None:
        """A frame came out of the pipeline."""
        late = now - frame.t
        while self._lateness and (self._lateness[-1][1] <= late or self._lateness[0][0] < now - _LATENESS_WINDOW_S):
            if self._lateness[-1][1] <= late:
                self._lateness.pop()  # a later and greater one makes it meaningless
            else:
                self._lateness.popleft()
        self._lateness.append((now, late))
        wanted = min(_MAX_DELAY_S, self._lateness[0][1] + _MARGIN_S)
        # Less delay at once would make several frames due together, and all but the last be skipped.
        since = 0.0 if self._offered_at is None else now - self._offered_at
        self._delay_s = max(wanted, self._delay_s - _CATCH_UP * since)
        self._offered_at = now
        self._queue.append(frame)

    def next_due(self) -> float:
        """When `show` should be called at the latest."""
        if self._shown_at is None:
            return 0.0
        repeat = self._shown_at + self._period_s * 1.5
        return min(repeat, self._queue[0].t + self.delay_s) if self._queue else repeat

    def show(self, now: float) -> tuple[Shown | None, int]:
        """What to write now (None: nothing yet), and how many frames were skipped because they came too late."""
        due: list[AnonymizedFrame] = []
        while self._queue and self._queue[0].t + self.delay_s <= now:
            due.append(self._queue.popleft())
        if due:
            self._shown, self._shown_at, self._size = due[-1], now, due[-1].image.size
            return Shown(due[-1], _kind(due[-1])), len(due) - 1
        if self._shown_at is not None and now < self._shown_at + self._period_s * 1.5:
            return None, 0
        self._shown_at = now
        if self._shown is not None and now - self._shown.t <= self._stale_s + self.delay_s:
            return Shown(self._shown, Emission.REPEAT), 0
        self._shown = None
        return Shown(slate(-1, now, self._size, _SLATE_TEXT), Emission.SLATE), 0


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
        capacity = max(2, round(options.buffer_s * format.fps)) if format.live else 4
        self.channel: Channel[AnonymizedFrame] = Channel(
            capacity,
            Full.DROP_OLDEST if format.live else Full.BLOCK,
            on_drop=lambda frame: run.stats.dropped(name, DropReason.TOO_SLOW),
        )
        self._play_out = PlayOut(
            size=(format.width, format.height),
            period_s=self._period_s,
            delay_s=options.delay_s,
            stale_s=options.stale_s,
        )
        self._health = SinkHealth(SinkState.STOPPED, run.clock())
        self._log = run.log
        self._last: AnonymizedFrame | None = None
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
                    self._fill(now)
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
            self._write(frame, _kind(frame))

    def _record_live(self, timeout_s: float) -> None:
        """Every frame with its own time, and slates in the gaps."""
        frame = self.channel.get(min(timeout_s, self._period_s) if self._last is not None else timeout_s)
        if frame is None:
            self._fill(self._clock() - self._options.stale_s - _RECORD_PATIENCE_S)
        elif self._last is not None and frame.t <= self._last.t:
            self._stats.dropped(self.name, DropReason.TIME_FILLED)
        else:
            # A gap that ended before it was noticed is filled as well, or the frame before it would stand there.
            if self._last is not None and frame.t - self._last.t > self._options.stale_s + self._period_s:
                self._fill(frame.t - self._period_s)
            self._write(frame, _kind(frame))
            self._last = frame

    def _fill(self, until: float) -> None:
        while self._last is not None and self._last.t + self._period_s <= until:
            filler = slate(-1, self._last.t + self._period_s, self._last.image.size, _SLATE_TEXT)
            self._write(filler, Emission.SLATE)
            self._last = filler

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
        shown, skipped = self._play_out.show(now)
        if skipped:
            self._stats.dropped(self.name, DropReason.SHOWN_TOO_LATE, skipped)
        if shown is not None:
            self._write(shown.frame, shown.kind)

    def _write(self, frame: AnonymizedFrame, kind: Emission) -> None:
        # Somebody who was removed from the gallery may still be in frames that wait here.
        outdated = frame.gallery_version is not None and frame.gallery_version != self._permission.gallery_version()
        if (outdated or self._permission.cover_all()) and not frame.covered:
            frame = slate(frame.seq, frame.t, frame.image.size, _COVER_TEXT, name=frame.name)
            kind = Emission.COVERED
        with self._trouble(SinkTrouble.WRITING), self._stats.timed(f"write {self.name}"):
            self.sink.write(frame)
        self._stats.emitted(self.name, frame.seq, kind, self._clock())
