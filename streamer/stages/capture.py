"""Stage: source -> frames. Numbers them, puts them on the pipeline's clock, opens a lost live source again."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable

from pydantic import Field

from streamer.core.channel import Channel, Closed
from streamer.core.clock import FileClock, LiveClock
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import PartOptions
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.run import RunContext
from streamer.core.stillness import Stillness
from streamer.core.types import Captured, Frame, SourceInfo
from streamer.sources import Hurried, Source
from streamer.tracking.cuts import Cuts
from streamer.tracking.motion import CameraMotion

__all__ = ["Capture", "CaptureOptions", "Framer"]

_SAME_TIME_S = 1e-4
"""Steps of time smaller than this are none."""
_DEFAULT_STEP_S = 1 / 25
_FORGET = 1.01
"""With every picture, the least time to make one counts as so much longer: it may have become so."""
_SLOW_FOR_S = 10.0
"""So long after a group was skipped the next one is skipped without waiting whether decoding catches up."""
_READY_LATELY = 3
"""One picture in so many that lay there already is enough: on a busy machine many a read takes long."""


class CaptureOptions(PartOptions):
    """Settings of the capture stage."""

    retry_first_s: float = Field(0.25, gt=0, le=60, description="wait before the first attempt to open a lost source")
    retry_max_s: float = Field(1.0, gt=0, le=600, description="longest wait between attempts; it doubles up to this")
    max_age_s: float = Field(
        0.5,
        ge=0.1,
        le=30,
        description="live: older pictures are left out, to be back at the present; one in so long is kept",
    )
    freeze_s: float | None = Field(
        10.0,
        ge=1,
        le=3600,
        description="live: a picture that stays the same to the last sample for this long is marked as frozen; after "
        "three times as long the source is opened again, once; null: off",
    )
    retry_for_s: float | None = Field(
        None, gt=0, description="give up when a lost source stays away this long; null tries for ever"
    )


class _Thinner:
    """Leaves out frames above the target rate, evenly."""

    def __init__(self, target_fps: float | None) -> None:
        self._step_s = 1 / target_fps if target_fps else 0.0
        self._due_t: float | None = None

    def leaves_out(self, t: float) -> bool:
        """Whether this frame is one too many."""
        if not self._step_s:
            return False
        if self._due_t is None:
            self._due_t = t + self._step_s
            return False
        if t < self._due_t - self._step_s / 4:
            return True
        on_grid = t - self._due_t < self._step_s
        self._due_t = (self._due_t if on_grid else t) + self._step_s
        return False


class _Scenes:
    """Where one scene ends and the next begins. stills: with every picture."""

    def __init__(self, *, stills: bool) -> None:
        self._stills = stills
        self._interrupted = False
        self._size: tuple[int, int] | None = None
        self._cuts = Cuts()

    def interrupt(self) -> None:
        """The next picture begins a scene, whatever is in it."""
        self._interrupted = True

    def begins(self, image: Picture) -> bool:
        """Whether one begins with this picture."""
        cut = self._cuts.is_cut(image)
        new = self._interrupted or self._stills or image.size != self._size or cut
        self._interrupted, self._size = False, image.size
        return new


class Framer:
    """Captured pictures -> numbered frames on the pipeline's clock. Pure: `now` comes in.

    A live frame's time is what `LiveClock` makes of its source's clock and its arrival; a file's time is its own. A new
    epoch begins with a (re)connection, another size, a cut to another scene, a clock that says nothing about the step
    from the frame before, and with every still.

    target_fps: frames above this rate are left out, evenly; None keeps all. segmented: the source sends several seconds
    at once; frames may come out before their time, and are to be held until then. max_age_s: live frames that are older
    are left out, but for one in so long; None keeps all.

    Only pictures that lay there already can be too old. One that was waited for is as new as any that can be had: when
    it seems old, the source's clock is wrong, or the way is long, and leaving it out would make nothing newer.
    """

    def __init__(
        self,
        *,
        live: bool,
        stills: bool,
        fps: float | None,
        target_fps: float | None,
        segmented: bool = False,
        max_age_s: float | None = None,
    ) -> None:
        self._live = live
        self._stills = stills
        self._seq = -1
        self._epoch = 0
        step_s = 1 / fps if fps else _DEFAULT_STEP_S
        self._clock = LiveClock(step_s=step_s, paced=segmented) if live else FileClock(step_s=step_s)
        self._thinner = _Thinner(None if stills else target_fps)
        self._scenes = _Scenes(stills=stills)
        self._camera = CameraMotion()
        self._max_age_s = max_age_s if live and max_age_s is not None else math.inf
        self._kept_at = -math.inf
        self.behind_s = 0.0
        """How old the last picture was, where pictures lie there already: about so much lies unread."""
        self._lately_ready: deque[bool] = deque(maxlen=_READY_LATELY)
        self.left_out = DropReason.ABOVE_TARGET
        """Why the last frame was left out."""

    @classmethod
    def of(cls, info: SourceInfo, *, target_fps: float | None, max_age_s: float) -> Framer:
        """The one for a source."""
        return cls(
            live=info.live,
            stills=info.stills,
            fps=info.fps,
            target_fps=target_fps,
            segmented=info.segmented,
            max_age_s=None if info.segmented else max_age_s,  # it has its own rhythm
        )

    def reconnected(self) -> None:
        """The source was opened again: nothing learned so far holds."""
        self._scenes.interrupt()
        self._clock.restart()

    def frame(self, captured: Captured, now: float) -> Frame | None:
        """The next frame; None when it is left out: `left_out` says why."""
        moment = self._clock.read(captured.t, now, captured.waited_s)
        if moment.clock_broke:  # also when this frame is left out: then the next one begins a scene
            self._scenes.interrupt()
        if moment.early and not self._paced:
            self.left_out = DropReason.OUT_OF_A_BURST
            return None
        self._lately_ready.append(moment.ready)
        age_s = max(0.0, now - moment.t)
        self.behind_s = age_s if any(self._lately_ready) else 0.0
        if moment.ready and age_s > self._max_age_s and now - self._kept_at < self._max_age_s:
            self.left_out = DropReason.TOO_OLD
            return None
        if self._thinner.leaves_out(moment.t):
            self.left_out = DropReason.ABOVE_TARGET
            return None
        if moment.went_back and not self._live:
            self._scenes.interrupt()
        self._kept_at = now
        new = self._scenes.begins(captured.image)
        self._epoch += 1 if new and self._seq >= 0 else 0
        self._seq += 1
        shift = (0.0, 0.0) if self._stills else self._camera.shift(captured.image, new_scene=new)
        return Frame(self._seq, self._epoch, moment.t, captured.image, captured.name, shift)

    @property
    def behind_by_source_s(self) -> float:
        """The same on the source's own clock, which may be slow or fast."""
        return self.behind_s / self._clock.rate if isinstance(self._clock, LiveClock) else self.behind_s

    @property
    def _paced(self) -> bool:
        return isinstance(self._clock, LiveClock) and self._clock.paced


class Capture:
    """The capture thread's work: read, frame, and put into `raw` until the source or the run ends.

    source: the open source; `reopen` opens it again after it was lost.
    """

    def __init__(
        self,
        source: Source,
        reopen: Callable[[], Source],
        framer: Framer,
        raw: Channel[Frame],
        options: CaptureOptions,
        run: RunContext,
    ) -> None:
        self._source = source
        self._reopen = reopen
        self._framer = framer
        self._raw = raw
        self._options = options
        self._stats = run.stats
        self._clock = run.clock
        self._signal = run.signal
        self._wait = run.wait
        self._duration_s = run.duration_s
        self._ends_at: float | None = None
        self._first_t: float | None = None
        self._least_work_s = 1.0
        """So long it takes to make a picture of what came, if nothing else is to be done."""
        self._stillness = Stillness(options.freeze_s)
        self._hurried_at = -math.inf
        self._old_since: float | None = None
        """Since then every picture has been too old."""

    def work(self) -> None:
        """The thread. Raises SourceLost when a lost source cannot be had again, or was no live one."""
        try:
            self._loop()
        except Closed:
            return
        finally:
            self._raw.close()
            self._close()

    def _loop(self) -> None:
        live = self._source.info.live
        if live and self._duration_s is not None:
            self._ends_at = self._clock() + self._duration_s
        while not self._wait(0) and self._left_s() > 0:
            try:
                with self._stats.timed("capture"):
                    captured = self._read()
                if captured is None or not self._hand_on(captured):
                    return
            except SourceLost as lost:
                if not live:
                    raise
                if not self._reconnect(lost):
                    return

    def _read(self) -> Captured | None:
        asked = self._clock()
        captured = self._source.read()
        if captured is not None and captured.waited_s is not None:
            work_s = max(0.0, self._clock() - asked - captured.waited_s)
            self._least_work_s = min(work_s, self._least_work_s * _FORGET)
        return captured

    def _hand_on(self, captured: Captured) -> bool:
        """Put one picture into `raw`, unless it is left out. False when the run's time is over."""
        now = self._signal.at = self._clock()
        for why, number in captured.left_out:
            self._stats.dropped("capture", why, number)
        self._look_for_freeze(captured.image, now)
        frame = self._framer.frame(captured, now)
        self._catch_up(now)
        if frame is None:
            self._stats.dropped("capture", self._framer.left_out)
            return True
        if frame.t > now and self._wait(min(frame.t - now, self._left_s())):  # out of a segment: it is not its time yet
            return False
        self._first_t = frame.t if self._first_t is None else self._first_t
        # A hair's breadth less, so that 2 s of 25 frames/s are 50 frames whatever the timestamps' rounding.
        if self._duration_s is not None and frame.t - self._first_t >= self._duration_s - _SAME_TIME_S:
            return False
        taken_at = frame.t - self._least_work_s if self._source.info.live else None
        self._stats.captured(frame.seq, max(now, frame.t) if taken_at is not None else now, taken_at)
        self._raw.put(frame)
        return True

    def _look_for_freeze(self, image: Picture, now: float) -> None:
        """Tell of a picture that no longer changes. Raises SourceLost when that goes on."""
        info = self._source.info
        if not info.live or info.stills or info.frames is not None or info.duration_s is not None:
            return  # what has an end may show what it likes
        before = self._stillness.frozen
        lost = self._stillness.look(image, now)
        self._signal.frozen = self._stillness.frozen
        if self._stillness.frozen and not before:
            self._stats.note(
                f"{info.name}: the picture has been the same for {self._options.freeze_s:g} s", stage="capture"
            )
        if lost:
            raise SourceLost(f"{info.name} shows one and the same picture")

    def _catch_up(self, now: float) -> None:
        """Have the source skip where too much lies unread.

        A stream of groups only when that lasts: after a hiccup decoding alone catches up, and a group is much to lose.
        A machine that was too slow once in the last seconds is, however, taken to be too slow still.
        """
        if self._framer.behind_s <= self._options.max_age_s or self._source.info.segmented:
            self._old_since = None
            return
        self._old_since = now if self._old_since is None else self._old_since
        patient = now - self._old_since <= self._options.max_age_s and now - self._hurried_at > _SLOW_FOR_S
        if isinstance(self._source, Hurried):
            self._hurried_at = self._hurried_at if patient else now
            self._source.hurry(self._framer.behind_by_source_s, patient=patient)

    def _close(self) -> None:
        self._source.close()
        while self._source.warnings:  # each is said once, also when the source was closed before
            self._stats.note(self._source.warnings.pop(0), stage="capture")

    def _left_s(self) -> float:
        """Seconds until a live run's time is over."""
        return math.inf if self._ends_at is None else self._ends_at - self._clock()

    def _reconnect(self, lost: SourceLost) -> bool:
        """Open the source again, waiting longer each time. False when the run stops or its time is over meanwhile."""
        self._stats.lost(str(lost))
        self._close()
        since, pause = self._clock(), self._options.retry_first_s
        while True:
            # Jitter, so that many streams of one restarted server do not all knock at the same moment.
            if self._wait(max(0.0, min(pause * random.uniform(0.8, 1.0), self._left_s()))) or self._left_s() <= 0:
                return False
            try:
                self._source = self._reopen()
            except InputError as error:
                waited = self._clock() - since
                if self._options.retry_for_s is not None and waited >= self._options.retry_for_s:
                    raise SourceLost(f"{lost}; not back after {waited:.0f} s: {error}") from None
                pause = min(pause * 2, self._options.retry_max_s)
                continue
            self._framer.reconnected()
            self._stats.reconnected()
            return True
