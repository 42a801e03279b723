"""START HERE: one stream from its source to its sinks. Read it top to bottom.

    capture --raw--> scheduler --decided--> render --> one runner per sink (window: pumped by `poll`)
                     |     ^
             requests|     |results, and whose faces they are
                     v     |
                     detector, embedder

Every arrow is a bounded channel. A live source may lose frames before the scheduler (`raw` drops the oldest) and before
a sink, never in between; a file waits at every arrow. This file starts the threads and connects them; what they do is
in the stages (`capture`, `scheduler`, `detect`, `anonymize`, `output`), which start nothing and are told the time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamer import __version__
from streamer.anonymize.gate import Freshness
from streamer.config.parts import kinds, load
from streamer.config.schema import Config
from streamer.core.errors import StuckError
from streamer.core.reasons import DropReason
from streamer.core.report import Report, Status
from streamer.core.report_schema import VERSION
from streamer.core.run import RunContext
from streamer.core.stats import Stats
from streamer.core.types import Command, SourceInfo
from streamer.core.workers import Workers
from streamer.detectors import Detector
from streamer.effects import Effect
from streamer.effects._measured import weakness
from streamer.pipeline.assembly import Parts, detector_options
from streamer.pipeline.channels import Channels
from streamer.pipeline.loops import Hiding, Render, SchedulerLoop, Settings
from streamer.pipeline.recognition import Recogniser, Recognition
from streamer.sinks import Sink, StreamFormat
from streamer.sources import Source
from streamer.stages import detect
from streamer.stages.capture import Capture, Framer
from streamer.stages.output import Permission, SinkRunner
from streamer.stages.scheduler import Scheduler
from streamer.tracking.tracker import Tracker

__all__ = ["Parts", "Pipeline", "Report", "Settings", "Status"]

_DEFAULT_FPS = 25.0
_LAST_GRACE_S = 0.5
"""Time for the threads to return once every channel is closed."""


class Pipeline:
    """One stream.

        pipeline = Pipeline(config, parts)
        pipeline.start()                      # opens everything, or raises
        while pipeline.poll(0.1).running:     # on the main thread: it pumps the window
            ...
        report = pipeline.join()              # raises the first error of any thread

    clock: seconds, monotonic; tests bring their own.
    """

    def __init__(self, config: Config, parts: Parts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._parts = parts
        self._clock = clock
        self._settings = Settings(config.effect.kind, config.run.cover_all)
        self._stats = Stats()
        self._stop = threading.Event()
        self._run = RunContext(
            self._stats, clock, self._stop.wait, duration_s=config.run.duration_s, max_failures=config.run.max_failures
        )
        self._stopped_at: float | None = None
        self._workers = Workers(on_failure=self._failed)
        self._channels: Channels | None = None
        self._runners: list[SinkRunner] = []
        self._pumped: list[SinkRunner] = []
        self._people = Recognition(config, self._stats, parts.identity)
        self._info: SourceInfo | None = None
        self._started = self._ended = 0.0

    # -- what a program calls -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the source, the model and the sinks, then start the threads.

        Raises what they raise (InputError, ModelError, DeviceError, SinkError, UsageError); then nothing is left open.
        """
        source = self._parts.source()
        detector: Detector | None = None
        recogniser: Recogniser | None = None
        try:
            self._info = info = source.info
            self._run.log.stream = info.name
            detector = self._parts.detector()
            detect.warm_up(detector, (info.width, info.height))
            recogniser = self._parts.recogniser()
            self._people.open(recogniser, detector_options(self._config).threshold, info)
            effect = self._parts.effect(self._settings.effect)
            self._stats.note(weakness(self._settings.effect))
            for name, make in self._parts.sinks:
                self._runners.append(runner := self._runner(name, make(), info))
                runner.open()
        except BaseException:
            source.close()
            if detector is not None:
                detector.close()
            self._people.close(recogniser)
            for runner in self._runners:
                runner.close()
            raise
        outputs = ", ".join(runner.name for runner in self._runners)
        self._run.log.say("run", logging.INFO, "started, into %s", outputs)
        self._wire(source, detector, effect, info)

    def poll(self, timeout_s: float) -> Status:
        """Pump the windows for about timeout_s, and tell how it goes. Call it in a loop, on the main thread.

        No longer running: all has ended, or did not in time after a stop or a failure; `join()` says which.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            for runner in list(self._pumped):
                self._pump(runner, max(0.0, left))
            if left <= 0 or not self._running() or self._overdue():
                return self.status()
            if not self._pumped:
                time.sleep(min(left, 0.05))

    def stop(self, *, abort: bool = False) -> None:
        """End in good order: nothing more is captured, what was captured is written. From any thread or signal handler.

        abort: throw away what is under way.
        """
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._stop.set()
        if abort:
            self._abort()
        elif self._channels is not None:
            self._channels.raw.close()  # a source that blocks in read() need not be waited for

    def join(self) -> Report:
        """Wait for the end, pumping the windows.

        Raises the first error of any thread; StuckError, naming the threads, when some do not end within
        `run.stop_timeout_s` after a stop. The sinks are closed in any case.
        """
        while self._running() and not self._overdue():
            self.poll(0.1)
        if self._running():
            self._abort()
        for runner in self._pumped:
            runner.close()
        self._pumped.clear()
        if not self._ended:
            self._ended = time.monotonic()
            counts, drops = self._stats.counts(), self._stats.drops()
            words = "ended: %s frames, covered whole %s, dropped %s"
            self._run.log.say("run", logging.INFO, words, counts.sealed, counts.covered, drops)
        try:
            self._workers.join(timeout_s=_LAST_GRACE_S)
        except StuckError as stuck:
            # A source that blocks is no failure once everything captured is written: the thread ends with the program.
            if not (self._stop.is_set() and self._workers.alive() == ["capture"]):
                raise
            self._stats.note(f"source: {stuck}", stage="capture")
        if self._people.failure is not None:
            raise self._people.failure
        return self.report()

    def update(self, **changes: Any) -> Settings:
        """Swap settings between two frames: `effect` (a kind) or `cover_all`. Returns the new snapshot.

        Raises UsageError when there is no such effect. One that cannot be made gives a note; the present one stays.
        """
        if "effect" in changes:
            load("effects", changes["effect"])
            self._stats.note(weakness(changes["effect"]))
        self._settings = replace(self._settings, **changes)
        self._run.log.say(
            "run", logging.INFO, "set: %s", ", ".join(f"{name} {value}" for name, value in changes.items())
        )
        return self._settings

    @property
    def settings(self) -> Settings:
        """The present snapshot."""
        return self._settings

    def status(self) -> Status:
        """How it goes."""
        assert self._info is not None, "start() comes first"
        now, stats = self._clock(), self._stats
        counts = stats.counts()
        return Status(
            running=self._running() and not self._overdue(),  # what is stuck is no longer waited for
            info=self._info,
            captured=counts.captured,
            sealed=counts.sealed,
            covered=counts.covered,
            drops=stats.drops(),
            faces=stats.faces(),
            fps=stats.fps(now),
            latency_s=stats.latency_s(),
            elapsed_s=(self._ended or time.monotonic()) - self._started,
            notes=stats.notes(),
        )

    def report(self) -> Report:
        """What has been done so far."""
        assert self._info is not None, "start() comes first"
        wall_s = (self._ended or time.monotonic()) - self._started
        summary = {
            "schema": VERSION,
            "streamer": __version__,
            "input": {"name": self._info.name, "detail": self._info.detail, "live": self._info.live},
            "outputs": [runner.name for runner in self._runners],
            "device": self._parts.device,
            "wall_s": round(wall_s, 3),
            "stopped": self._stop.is_set(),  # before the input's end
            "fps": round(self._stats.counts().sealed / wall_s, 2) if wall_s > 0 else 0.0,
            **self._stats.summary(),
            **self._people.summary(wall_s),
        }
        return Report(self._info, summary)

    # -- building -----------------------------------------------------------------------------------------------

    def _runner(self, name: str, sink: Sink, info: SourceInfo) -> SinkRunner:
        fps = min(info.fps or _DEFAULT_FPS, self._config.run.target_fps or float("inf"))
        return SinkRunner(
            name,
            sink,
            StreamFormat(info.width, info.height, fps, info.live, info.stills, info.name),
            self._config.output,
            self._run,
            Permission(lambda: self._settings.cover_all, self._people.version),
            self._obey,
        )

    def _wire(self, source: Source, detector: Detector, effect: Effect, info: SourceInfo) -> None:
        """Channels, then threads, from the sinks upwards: each one that starts finds the next one running."""
        self._channels = channels = Channels.make(
            live=info.live,
            on_drop=lambda frame: self._stats.dropped("capture", DropReason.PIPELINE_BUSY),
            sinks=[runner.channel for runner in self._runners],
            connect=self._people.connect,
        )
        capture = self._capture(source, channels, info)
        scheduling = SchedulerLoop(
            self._scheduler(info), channels, self._run, pass_timeout_s=self._config.detect.pass_timeout_s
        )
        render = Render(channels, self._run, self._hiding(), effect, self._people)
        scope = detect.Scope.of(self._config.zones, detector_options(self._config))
        self._started = time.monotonic()
        spawn = self._workers.spawn
        self._pumped = [runner for runner in self._runners if runner.sink.main_thread]
        for runner in self._runners:
            if not runner.sink.main_thread:
                spawn(runner.name, runner.run)
        spawn("render", render.work)
        asked = channels.requests, channels.results
        alive = scheduling.detector_answers
        spawn("detector", lambda: detect.work(detector, *asked, self._stats, scope, on_answer=alive))
        if channels.identity is not None:
            spawn("embedder", self._people.work)
        if self._people.keeps_records:
            spawn("records", self._people.keep)
        spawn("scheduler", scheduling.work)
        spawn("capture", capture.work)

    def _capture(self, source: Source, channels: Channels, info: SourceInfo) -> Capture:
        options = self._config.capture
        framer = Framer.of(info, target_fps=self._config.run.target_fps, max_age_s=options.max_age_s)
        return Capture(source, self._parts.source, framer, channels.raw, options, self._run)

    def _scheduler(self, info: SourceInfo) -> Scheduler:
        config = self._config
        return Scheduler(
            config.detect,
            lambda: Tracker(config.track, detector_options(config).threshold, min_keep_s=config.detect.max_gap_s),
            self._people.identity,
            live=info.live,
            stills=info.stills,
            # Only of detectors that have such a key is it known what verifying a real face comes to.
            verify=getattr(config.detector.options, "confirm", False),
        )

    def _hiding(self) -> Hiding:
        config = self._config
        return Hiding(
            self._parts.effect,
            lambda: self._settings,
            config.mask,
            config.zones,
            lambda: Freshness(config.detect.max_gap_s, self._people.version()),
        )

    # -- the window, and the end --------------------------------------------------------------------------------

    def _pump(self, runner: SinkRunner, timeout_s: float) -> None:
        try:
            going = runner.step(timeout_s)
        except BaseException as error:
            self._workers.fail(error)
            going = False
        if not going:
            self._pumped.remove(runner)
            runner.close()

    def _obey(self, command: Command) -> None:
        if command is Command.QUIT:
            self.stop()
        elif command is Command.TOGGLE_COVER:
            self.update(cover_all=not self._settings.cover_all)
        elif command is Command.NEXT_EFFECT:
            effects = kinds("effects")
            self.update(effect=effects[(effects.index(self._settings.effect) + 1) % len(effects)])

    def _failed(self, error: BaseException) -> None:
        self._run.log.say("run", logging.ERROR, "failed", error=error)
        self._abort()

    def _abort(self) -> None:
        if self._stopped_at is None:  # a thread that hangs must not keep a failed run from ending, either
            self._stopped_at = time.monotonic()
        self._stop.set()
        if self._channels is not None:
            self._channels.abort()

    def _running(self) -> bool:
        alive = self._workers.alive()
        if self._stop.is_set():
            alive = [name for name in alive if name != "capture"]
        return bool(alive or self._pumped)

    def _overdue(self) -> bool:
        limit_s = self._config.run.stop_timeout_s
        return self._stopped_at is not None and time.monotonic() - self._stopped_at > limit_s
