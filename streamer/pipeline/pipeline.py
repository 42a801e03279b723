"""START HERE: one stream from its source to its sinks. Read it top to bottom.

    capture --raw--> planner --decided--> render --> one runner per sink (window: pumped by `poll`)
                     |     ^
             requests|     |looks, and whose faces they are
                     v     |
                     detector, embedder

Every arrow is a bounded channel. A live source may lose frames before the planner (`raw` drops the oldest) and before a
sink, never in between; a file waits at every arrow. This file starts the threads and connects them; what they do is in
the stages (`capture`, `planner`, `detect`, `anonymize`, `output`), which start nothing and are told the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamer import __version__
from streamer.anonymize.gate import Freshness
from streamer.config.parts import kinds, load
from streamer.config.schema import Config
from streamer.core.channel import Channel, Full
from streamer.core.errors import StuckError
from streamer.core.report import Report, Status
from streamer.core.stats import Stats
from streamer.core.types import Command, Frame, PassRequest, Planned, SourceInfo
from streamer.core.workers import Workers
from streamer.detectors import Detector
from streamer.effects import Effect
from streamer.effects._measured import weakness
from streamer.pipeline.assembly import Parts, detector_options
from streamer.pipeline.loops import Planning, Render, Settings
from streamer.pipeline.recognition import Recogniser, Recognition
from streamer.sinks import Sink, StreamFormat
from streamer.sources import Source
from streamer.stages import detect
from streamer.stages.capture import Capture, Framer
from streamer.stages.detect import Look
from streamer.stages.output import SinkRunner
from streamer.stages.scheduler import Planner
from streamer.tracking.tracker import Tracker

__all__ = ["Parts", "Pipeline", "Report", "Settings", "Status"]

_DEFAULT_FPS = 25.0
_DECIDED_FRAMES = 8
"""Frames that may wait between planner and render."""
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
        self._stopped_at: float | None = None
        self._workers = Workers(on_failure=lambda error: self._abort())
        self._channels: list[Channel[Any]] = []
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
                runner.sink.close()
            raise
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
        elif self._channels:
            self._channels[0].close()  # `raw`: a source that blocks in read() need not be waited for

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
            runner.sink.close()
        self._pumped.clear()
        self._ended = self._ended or time.monotonic()
        try:
            self._workers.join(timeout_s=_LAST_GRACE_S)
        except StuckError as stuck:
            # A source that blocks is no failure once everything captured is written: the thread ends with the program.
            if not (self._stop.is_set() and self._workers.alive() == ["capture"]):
                raise
            self._stats.note(f"source: {stuck}")
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
        return self._settings

    @property
    def settings(self) -> Settings:
        """The present snapshot."""
        return self._settings

    def status(self) -> Status:
        """How it goes."""
        assert self._info is not None, "start() comes first"
        now, stats = self._clock(), self._stats
        return Status(
            running=self._running() and not self._overdue(),  # what is stuck is no longer waited for
            info=self._info,
            captured=stats.get("captured"),
            sealed=stats.get("sealed"),
            covered=stats.get("covered"),
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
            "streamer": __version__,
            "input": {"name": self._info.name, "detail": self._info.detail, "live": self._info.live},
            "outputs": [runner.name for runner in self._runners],
            "device": self._parts.device,
            "wall_s": round(wall_s, 3),
            "stopped": self._stop.is_set(),  # before the input's end
            "fps": round(self._stats.get("sealed") / wall_s, 2) if wall_s > 0 else 0.0,
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
            self._stats,
            live_source=info.live,
            clock=self._clock,
            cover_all=lambda: self._settings.cover_all,
            gallery_version=self._people.version,
            on_command=self._obey,
        )

    def _wire(self, source: Source, detector: Detector, effect: Effect, info: SourceInfo) -> None:
        """Channels, then threads, from the sinks upwards: whoever is started finds somebody to hand on to."""
        config, stats, changed = self._config, self._stats, threading.Condition()
        raw: Channel[Frame] = Channel(
            2,
            Full.DROP_OLDEST if info.live else Full.BLOCK,
            on_drop=lambda frame: stats.dropped("capture: pipeline busy"),
            changed=changed,
        )
        requests: Channel[PassRequest] = Channel(1, Full.BLOCK)
        looks: Channel[Look] = Channel(1, Full.BLOCK, changed=changed)
        decided: Channel[Planned] = Channel(_DECIDED_FRAMES, Full.BLOCK)
        asked = self._people.connect(changed)
        self._channels = [raw, requests, looks, decided, *(asked or ()), *(runner.channel for runner in self._runners)]
        planner = Planner(
            config.detect,
            lambda: Tracker(config.track, detector_options(config).threshold, vouched_s=config.detect.max_gap_s),
            self._people.identity,
            live=info.live,
            stills=info.stills,
            # Only of detectors that have such a key is it known what a second look at a real face comes to.
            confirm=getattr(config.detector.options, "confirm", False),
        )
        framer = Framer(live=info.live, stills=info.stills, fps=info.fps, target_fps=config.run.target_fps)
        capture = Capture(
            source,
            self._parts.source,
            framer,
            raw,
            stats,
            config.capture,
            clock=self._clock,
            wait=self._stop.wait,
            duration_s=config.run.duration_s,
        )
        planning = Planning(
            planner,
            raw,
            requests,
            looks,
            decided,
            changed,
            stats,
            asked,
            clock=self._clock,
            max_failures=config.run.max_failures,
            pass_timeout_s=config.detect.pass_timeout_s,
        )
        render = Render(
            decided,
            [runner.channel for runner in self._runners],
            effect,
            self._parts.effect,
            config.mask,
            lambda: Freshness(config.detect.max_gap_s, self._people.version()),
            config.zones,
            stats,
            self._people,
            settings=lambda: self._settings,
            max_failures=config.run.max_failures,
        )
        scope = detect.Scope.of(config.zones, detector_options(config))
        self._started = time.monotonic()
        spawn = self._workers.spawn
        self._pumped = [runner for runner in self._runners if runner.sink.main_thread]
        for runner in self._runners:
            if not runner.sink.main_thread:
                spawn(runner.name, runner.run)
        spawn("render", render.work)
        spawn("detector", lambda: detect.work(detector, requests, looks, stats, scope))
        if asked is not None:
            spawn("embedder", self._people.work)
        if self._people.keeps_records:
            spawn("records", self._people.keep)
        spawn("planner", planning.work)
        spawn("capture", capture.work)

    # -- the window, and the end --------------------------------------------------------------------------------

    def _pump(self, runner: SinkRunner, timeout_s: float) -> None:
        try:
            going = runner.step(timeout_s)
        except BaseException as error:
            self._workers.fail(error)
            going = False
        if not going:
            self._pumped.remove(runner)
            runner.sink.close()

    def _obey(self, command: Command) -> None:
        if command is Command.QUIT:
            self.stop()
        elif command is Command.TOGGLE_COVER:
            self.update(cover_all=not self._settings.cover_all)
        elif command is Command.NEXT_EFFECT:
            effects = kinds("effects")
            self.update(effect=effects[(effects.index(self._settings.effect) + 1) % len(effects)])

    def _abort(self) -> None:
        if self._stopped_at is None:  # a thread that hangs must not keep a failed run from ending, either
            self._stopped_at = time.monotonic()
        self._stop.set()
        for channel in self._channels:
            channel.abort()

    def _running(self) -> bool:
        alive = self._workers.alive()
        if self._stop.is_set():
            alive = [name for name in alive if name != "capture"]
        return bool(alive or self._pumped)

    def _overdue(self) -> bool:
        limit_s = self._config.run.stop_timeout_s
        return self._stopped_at is not None and time.monotonic() - self._stopped_at > limit_s
