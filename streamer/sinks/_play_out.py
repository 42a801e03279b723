"""When a live sink shows which frame, and what stands in for one. Pure: `now` comes in, on the clock of the frames.

each frame       a fixed delay after its capture, so that bursts play evenly
the last one     again while it is fresh; longer, and marked as slow, where the source sends and nothing comes out
the slate        after that, until frames come steadily

A frame that was covered because nobody examined it in time is not shown: the last examined one stands for it. So an
overloaded machine shows examined pictures at the rate at which it can examine them, and no grey ones in between. Who
sees pictures and slates in turn sees nothing: the more often they changed lately, the longer a slate stays.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason, Emission

__all__ = ["PlayOut", "Shown", "Words", "kind_of"]

_MARGIN_S = 0.005
"""Added to the measured delay, so that a frame as late as the latest one is still in time."""
_LATENESS_WINDOW_S = 3.0
"""The delay follows the greatest lateness over this time."""
_MAX_DELAY_S = 2.0
_CATCH_UP, _CATCH_UP_MOST = 0.1, 0.5
"""When the delay may shrink, frames are shown so much faster than they came; the more, the more it may shrink."""
_SLATE_EVERY_S = 0.5
"""A slate is shown again that often: outputs encode it, and its clock shows seconds."""
_SLOW_FOR_S = 3.0
"""So long after a frame that nobody examined in time pictures are marked as slow: a mark must not flicker, either."""
_LATELY_S = 10.0
_CHANGES = 4
"""Most changes between picture and slate in that time."""
_CALM_S = 1.5
"""So long must frames come steadily before they end a slate that is not the first in that time."""
_SLOW, _FROZEN = "slow", "frozen"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a live sink shows next."""

    frame: AnonymizedFrame
    kind: Emission


def _nothing(t: float) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on slates."""

    title: str = ""
    """The stream's name."""
    time_of_day: Callable[[float], str] = _nothing
    """A moment of the frames' clock as people call it."""

    @classmethod
    def of(cls, title: str, time_of_day: Callable[[float], str]) -> Words:
        """title: the source's name. Of an address, the output shows the last part only."""
        return cls(title.rsplit("/", 1)[-1] if "://" in title else title, time_of_day)

    def no_signal(self, since: float | None) -> str:
        """The source sends nothing. since: when its last picture came."""
        clock = "" if since is None else self.time_of_day(since)
        return f"no signal since {clock}" if clock else "no signal"

    @staticmethod
    def too_slow() -> str:
        """The source sends, and this machine does not keep up."""
        return "too slow"

    @staticmethod
    def covered(command: bool) -> str:
        """The picture may not be shown. command: because somebody said so."""
        return "covered by command" if command else "covered"

    def below(self, now: float) -> str:
        """The smaller line: which stream, and that the slate itself is alive."""
        return f"{self.title}  {self.time_of_day(now)}".strip()


class PlayOut:
    """See the module.

    size: of the slate, until the first frame tells. period_s: time between two frames at the nominal rate. hold_s: the
    longest time that a picture is held because those after it are not examined in time. most: frames that may wait for
    their moment, because large ones take much memory. signal_at: when the source sent
    a picture last, None when it never did or nobody knows. frozen: whether it sends the same one again and again.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int],
        period_s: float,
        delay_s: float | None,
        stale_s: float,
        hold_s: float = 0.0,
        most: int = 1000,
        signal_at: Callable[[], float | None] = lambda: None,
        frozen: Callable[[], bool] = lambda: False,
        words: Words | None = None,
    ) -> None:
        self._size = size
        self._period_s = period_s
        self._fixed_delay_s = delay_s
        self._stale_s = stale_s
        self._hold_s = max(hold_s, stale_s)
        self._most = most
        self._signal_at = signal_at
        self._frozen = frozen
        self._words = Words() if words is None else words
        self._queue: deque[AnonymizedFrame] = deque()
        self._lateness: deque[tuple[float, float]] = deque()
        self._delay_s = _MARGIN_S
        self._offered_at: float | None = None
        self._held: AnonymizedFrame | None = None
        self._marked: tuple[str, AnonymizedFrame] | None = None
        """The held frame with that mark on it."""
        self._shown_at: float | None = None
        self._unexamined_at: float | None = None
        self._calm = _Calm()
        self._dropped: Counter[DropReason] = Counter()

    @property
    def delay_s(self) -> float:
        """Time from capture to showing."""
        return self._delay_s if self._fixed_delay_s is None else self._fixed_delay_s

    def offer(self, frame: AnonymizedFrame, now: float) -> None:
        """A frame came out of the pipeline."""
        if frame.why is not None and frame.why.overload:
            self._unexamined_at = now
            self._dropped[DropReason.NOT_EXAMINED] += 1
            return
        self._follow(now - frame.t, now)
        self._queue.append(frame)
        if len(self._queue) > self._most:
            self._thin()

    def next_due(self) -> float:
        """When `show` should be called at the latest."""
        if self._shown_at is None:
            return 0.0
        again = self._shown_at + self._pause_s
        return min(again, self._queue[0].t + self.delay_s) if self._queue else again

    def show(self, now: float) -> Shown | None:
        """What to write now; None: nothing yet."""
        due = self._due(now)
        if due is not None and self._calm.lets(now, self._patience_s(now)):
            self._held, self._marked, self._shown_at, self._size = due, None, now, due.image.size
            return Shown(self._dressed(due, slow=self._slow(now)), kind_of(due))
        if due is not None:
            self._dropped[DropReason.UNSTEADY] += 1
        if self._shown_at is not None and now < self._shown_at + self._pause_s:
            return None
        self._shown_at = now
        if self._held is not None and self._age_s(self._held, now) <= self._patience_s(now):
            overdue = self._age_s(self._held, now) > self._stale_s
            return Shown(self._dressed(self._held, slow=overdue or self._slow(now)), Emission.REPEAT)
        if self._held is not None:
            self._held = self._marked = None
            self._calm.slate_began(now)
        return Shown(self._slate(now), Emission.SLATE)

    def take_dropped(self) -> list[tuple[DropReason, int]]:
        """Which frames were given up since this was asked last."""
        dropped, self._dropped = self._dropped, Counter()
        return [(why, number) for why, number in dropped.items() if number]

    # -- how it decides -----------------------------------------------------------------------------------------

    def _thin(self) -> None:
        """Give up the one frame that leaves the smallest gap."""
        inner = range(1, len(self._queue) - 1)
        del self._queue[min(inner, key=lambda n: self._queue[n + 1].t - self._queue[n - 1].t)]
        self._dropped[DropReason.TOO_MANY] += 1

    def _follow(self, late: float, now: float) -> None:
        """Have the delay follow the greatest lateness."""
        while self._lateness and (self._lateness[-1][1] <= late or self._lateness[0][0] < now - _LATENESS_WINDOW_S):
            if self._lateness[-1][1] <= late:
                self._lateness.pop()  # a later and greater one makes it meaningless
            else:
                self._lateness.popleft()
        self._lateness.append((now, late))
        wanted = min(_MAX_DELAY_S, self._lateness[0][1] + _MARGIN_S)
        # Less delay at once would make several frames due together, and all but the last be skipped.
        since = 0.0 if self._offered_at is None else now - self._offered_at
        quicker = min(_CATCH_UP_MOST, max(_CATCH_UP, self._delay_s - wanted))
        self._delay_s = max(wanted, self._delay_s - quicker * since)
        self._offered_at = now

    def _due(self, now: float) -> AnonymizedFrame | None:
        """The newest frame whose time has come; those before it are skipped, and so is one that is too old."""
        due = None
        while self._queue and self._queue[0].t + self.delay_s <= now:
            self._dropped[DropReason.SHOWN_TOO_LATE] += due is not None
            due = self._queue.popleft()
        if due is not None and self._age_s(due, now) > self._patience_s(now):
            self._dropped[DropReason.SHOWN_TOO_LATE] += 1
            return None
        return due

    @property
    def _pause_s(self) -> float:
        return self._period_s * 1.5 if self._held is not None else max(_SLATE_EVERY_S, self._period_s * 1.5)

    def _age_s(self, frame: AnonymizedFrame, now: float) -> float:
        """Time since a frame was to be shown."""
        return now - frame.t - self.delay_s

    def _sends(self, now: float) -> bool:
        """Whether the source does."""
        at = self._signal_at()
        return at is not None and now - at <= self._stale_s

    def _slow(self, now: float) -> bool:
        """Whether frames were not examined in time lately."""
        return self._unexamined_at is not None and now - self._unexamined_at <= _SLOW_FOR_S

    def _patience_s(self, now: float) -> float:
        """How long a picture may stand: longer where the source sends, as then only this machine is slow."""
        return self._hold_s if self._sends(now) or self._slow(now) else self._stale_s

    def _dressed(self, frame: AnonymizedFrame, *, slow: bool) -> AnonymizedFrame:
        mark = _FROZEN if self._frozen() else _SLOW if slow else ""
        if not mark or frame.covered:
            return frame
        if self._marked is None or self._marked[0] != mark:
            self._marked = mark, derive(frame, lambda picture: _with_mark(picture, mark))
        return self._marked[1]

    def _slate(self, now: float) -> AnonymizedFrame:
        words = self._words
        slow = self._sends(now) or (self._signal_at() is None and self._slow(now))
        text = words.too_slow() if slow else words.no_signal(self._signal_at())
        return slate(-1, now, self._size, text, below=words.below(now))


class _Calm:
    """Keeps pictures and slates from following each other too quickly: at most `_CHANGES` times in `_LATELY_S`."""

    def __init__(self) -> None:
        self._slate = True
        self._changes: deque[float] = deque()
        self._since: float | None = None
        """Since then pictures have come steadily."""
        self._came_at = 0.0

    def slate_began(self, now: float) -> None:
        """There is no picture any more."""
        self._slate, self._since = True, None
        self._changes.append(now)

    def lets(self, now: float, patience_s: float) -> bool:
        """A picture is due: may it be shown? patience_s: pictures that are no further apart come steadily."""
        if not self._slate:
            return True
        if self._since is None or now - self._came_at > patience_s:
            self._since = now
        self._came_at = now
        while self._changes and self._changes[0] < now - _LATELY_S:
            self._changes.popleft()
        lately = len(self._changes)
        # Another slate may follow at once: that, too, must be within the bound.
        if lately > _CHANGES - 2 or now - self._since < _CALM_S * (lately - 1):
            return False
        self._slate = False
        if lately:  # what was there before the first picture was no change
            self._changes.append(now)
        return True


def kind_of(frame: AnonymizedFrame) -> Emission:
    """What a sink takes that takes this frame."""
    return Emission.COVERED if frame.covered else Emission.FRAME


def _with_mark(picture: Picture, mark: str) -> Picture:
    """The picture with a small word in its upper right corner, on a dark panel."""
    picture = picture.canvas()
    scale = max(0.4, picture.height / 900)
    (width, height), below = cv2.getTextSize(mark, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    margin = max(4, height // 2)
    rows, columns = height + below + 2 * margin, width + 2 * margin
    if rows >= picture.height or columns >= picture.width:
        return picture
    left = (picture.width - columns) & ~1
    for plane, shift in zip(picture.planes, picture.shifts, strict=True):
        area = plane[: rows >> shift, left >> shift :]
        area[:] = 128 if shift else area // 4
    place = left + margin, height + margin
    for plane in (plane for plane, shift in zip(picture.planes, picture.shifts, strict=True) if not shift):
        cv2.putText(plane, mark, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (220,), 1, cv2.LINE_AA)
    return picture
