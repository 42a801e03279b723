"""Stage: source -> frames. Numbers them, puts them on the pipeline's clock, opens a lost live source again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.channel import Channel, Closed
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import PartOptions
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.run import RunContext
from streamer.core.types import Captured, Frame
from streamer.sources import Source
from streamer.tracking.motion import CameraMotion

__all__ = ["Capture", "CaptureOptions", "Framer"]

_CLOCK_SLIP_S = 0.5
"""Live: a frame that arrives later than this, by its source's clock, is late."""
_LATE_FOR_GOOD_S = 5.0
"""Live: when all frames are late for so long, the source's clock runs slower than ours or stood still."""
_SAME_TIME_S = 1e-4
"""Steps of time smaller than this are none."""
_DEFAULT_STEP_S = 1 / 25
_CUT_SAMPLES = 32, 18
_CUT_DIFFERENCE = 18.0
"""Mean difference of samples, in luma steps, below which it is the same scene."""
_CUT_CORRELATION = 0.5
"""Correlation of samples from which it is the same scene."""


class CaptureOptions(PartOptions):
    """Settings of the capture stage."""

    retry_first_s: float = Field(0.25, gt=0, le=60, description="wait before the first attempt to open a lost source")
    retry_max_s: float = Field(1.0, gt=0, le=600, description="longest wait between attempts; it doubles up to this")
    retry_for_s: float | None = Field(
        None, gt=0, description="give up when a lost source stays away this long; null tries for ever"
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a picture was captured, and what its source's clock did."""

    t: float
    """Capture time, seconds on the pipeline's clock."""
    went_back: bool
    """By its source's clock it is no later than the one before it."""
    clock_broke: bool
    """A live source's clock was set anew: nothing says how far apart the two pictures are."""


class _Clock:
    """The source's times -> the pipeline's time, which never runs backwards.

    step_s: between two pictures, where the source does not say.
    """

    def __init__(self, *, live: bool, step_s: float) -> None:
        self._live = live
        self._step_s = step_s
        self._last_t: float | None = None
        """Of the last frame that was kept."""
        self._offset: float | None = None
        """The pipeline's time less the source's."""
        self._last_source_t: float | None = None
        self._late_since: float | None = None
        self._least_late = 0.0

    def restart(self) -> None:
        """The source was opened again: its clock may be another."""
        self._offset = self._last_source_t = self._late_since = None

    def kept(self, t: float) -> None:
        """The frame of that time was kept; later ones come after it."""
        self._last_t = t

    def read(self, source_t: float | None, now: float) -> _Moment:
        """When a picture was captured that arrived now."""
        broke = False
        if self._live and source_t is not None:
            broke = self._set_anew(source_t, now)
            t = source_t + (self._offset or 0.0)
        elif self._live:
            t = now
        elif source_t is not None:
            t = source_t + (self._offset or 0.0)
        else:
            t = 0.0 if self._last_t is None else self._last_t + self._step_s
        if self._last_t is None or t >= self._last_t + _SAME_TIME_S:
            return _Moment(t, False, broke)
        return _Moment(self._moved_on(self._last_t, t, now), True, broke)

    def _moved_on(self, last_t: float, t: float, now: float) -> float:
        """Whatever the source says, the pipeline's time moves on, and stays moved.

        A live source whose clock stands still says nothing: then arrival counts, or time would run slower than the
        pictures, and looks seem nearer than they are.
        """
        onward = max(last_t + self._step_s, now if self._live else -math.inf)
        self._offset = (self._offset or 0.0) + onward - t
        return onward

    def _set_anew(self, source_t: float, now: float) -> bool:
        """Set a live source's clock by its least delayed frame: none can be newer than its arrival.

        Being late is no reason to set it anew: on a busy machine that would bend time against what the pictures show,
        and masks follow time. Only a clock that ran backwards, or lateness that stays, breaks it: True.
        """
        backwards = self._last_source_t is not None and source_t < self._last_source_t
        if self._offset is None or backwards:
            self._offset, self._late_since = now - source_t, None
        self._last_source_t = source_t
        self._offset = min(self._offset, now - source_t)
        late = now - source_t - self._offset
        if self._late_for_good(late, now):
            self._offset, self._late_since = self._offset + self._least_late, None
            return True
        return backwards

    def _late_for_good(self, late: float, now: float) -> bool:
        if late <= _CLOCK_SLIP_S:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since, self._least_late = now, late
            return False
        self._least_late = min(self._least_late, late)
        return now - self._late_since > _LATE_FOR_GOOD_S


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
        self._cuts = _Cuts()

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

    A live frame's time is its arrival, smoothed by the source's own clock: that gives regular steps, never lies in the
    future, and follows when the source's clock jumps. A file's time is its own. A new epoch begins with a
    (re)connection, another size, a cut to another scene, time that runs backwards, and with every still.

    target_fps: frames above this rate are left out, evenly; None keeps all.
    """

    def __init__(self, *, live: bool, stills: bool, fps: float | None, target_fps: float | None) -> None:
        self._live = live
        self._stills = stills
        self._seq = -1
        self._epoch = 0
        self._clock = _Clock(live=live, step_s=1 / fps if fps else _DEFAULT_STEP_S)
        self._thinner = _Thinner(None if stills else target_fps)
        self._scenes = _Scenes(stills=stills)
        self._camera = CameraMotion()

    def reconnected(self) -> None:
        """The source was opened again: nothing learned so far holds."""
        self._scenes.interrupt()
        self._clock.restart()

    def frame(self, captured: Captured, now: float) -> Frame | None:
        """The next frame; None when it is left out to keep the target rate."""
        moment = self._clock.read(captured.t, now)
        if moment.clock_broke:  # also when this frame is left out: then the next one begins a scene
            self._scenes.interrupt()
        if self._thinner.leaves_out(moment.t):
            return None
        if moment.went_back and not self._live:
            self._scenes.interrupt()
        new = self._scenes.begins(captured.image)
        self._clock.kept(moment.t)
        self._epoch += 1 if new and self._seq >= 0 else 0
        self._seq += 1
        shift = (0.0, 0.0) if self._stills else self._camera.shift(captured.image, new_scene=new)
        return Frame(self._seq, self._epoch, moment.t, captured.image, captured.name, shift)


class _Cuts:
    """Notices when one picture has nothing to do with the one before it: both are reduced to a few blurred samples.

    A cut that is missed makes the tracker connect faces of two scenes; one that is imagined costs two more detections.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_cut(self, image: Picture) -> bool:
        """Whether a new scene begins with this picture."""
        luma = image.planes[0]
        step = max(1, min(luma.shape) // (4 * _CUT_SAMPLES[1]))
        samples = cv2.resize(luma[::step, ::step], _CUT_SAMPLES, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, samples
        if last is None or float(np.abs(samples - last).mean()) < _CUT_DIFFERENCE:
            return False
        # A light that is switched on changes every sample and keeps the picture's pattern.
        a, b = samples - samples.mean(), last - last.mean()
        return float((a * b).mean()) < _CUT_CORRELATION * float(a.std() * b.std())


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
        self._wait = run.wait
        self._duration_s = run.duration_s
        self._ends_at: float | None = None
        self._first_t: float | None = None

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
                    captured = self._source.read()
            except SourceLost as lost:
                if not live:
                    raise
                if not self._reconnect(lost):
                    return
                continue
            if captured is None or not self._hand_on(captured):
                return

    def _hand_on(self, captured: Captured) -> bool:
        """Put one picture into `raw`, unless it is left out. False when the run's time is over."""
        now = self._clock()
        frame = self._framer.frame(captured, now)
        if frame is None:
            self._stats.dropped("capture", DropReason.ABOVE_TARGET)
            return True
        self._first_t = frame.t if self._first_t is None else self._first_t
        # A hair's breadth less, so that 2 s of 25 frames/s are 50 frames whatever the timestamps' rounding.
        if self._duration_s is not None and frame.t - self._first_t >= self._duration_s - _SAME_TIME_S:
            return False
        self._stats.captured(frame.seq, now)
        self._raw.put(frame)
        return True

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
