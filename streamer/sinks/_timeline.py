"""Where a frame stands in a file: time stamps from capture times."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["Timeline", "nominal_rate"]


def nominal_rate(fps: float) -> Fraction:
    """Frames per second as a fraction; 29.97 becomes 30000/1001."""
    whole = max(1, round(fps))
    for near in (Fraction(whole), Fraction(whole * 1000, 1001)):
        if abs(float(near) - fps) < 0.005:
            return near
    return max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))


class Timeline:
    """Turns times in seconds into strictly increasing ticks, counted from the first frame.

    time_base: seconds per tick. rate: nominal frames per second. grid: ticks are frame numbers of a container with a
    constant rate; a frame then takes the nearest free number, and the container repeats pictures over the gaps.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, *, keyframe_s: float, grid: bool) -> None:
        self._ticks_per_s = float(1 / time_base)
        self._grid = grid
        self._key_ticks = max(1.0, keyframe_s * self._ticks_per_s)
        self._first_t: float | None = None
        self._last = -1
        self._key = 0
        self._nominal = self._step = max(1, round(self._ticks_per_s / float(rate)))

    def place(self, t: float) -> int | None:
        """The tick of a frame captured at `t` seconds; None when there is no room after the last one."""
        if self._first_t is None:
            self._first_t = t
        exact = (t - self._first_t) * self._ticks_per_s
        tick = round(exact)
        if self._grid and tick == self._last and exact >= self._last:
            tick += 1  # jitter: of two frames near one number, the later one takes the next
        if tick <= self._last:
            return None
        if self._last >= 0:
            self._step = tick - self._last
        self._last = tick
        return tick

    @property
    def duration(self) -> int:
        """Ticks that the last frame lasts if nothing follows: as long as the one before, unless that was a pause."""
        return min(self._step, self._nominal)

    def key_is_due(self, tick: int) -> bool:
        """Whether the frame at `tick` should be a keyframe; asked once per frame."""
        if tick > 0 and tick - self._key < self._key_ticks - self._step / 2:
            return False
        self._key = tick
        return True
