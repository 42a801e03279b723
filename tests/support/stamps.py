"""Made-up patterns of what live sources send: when pictures were taken, what their stamps say, when they arrive."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

__all__ = ["PATTERNS", "Arrival", "Pattern", "Sent", "read"]

_LENGTH_S = 8.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture on its way."""

    taken: float
    stamp: float | None
    there: float
    """When it has come over the network."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One picture as it is read."""

    taken: float
    stamp: float | None
    now: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a source sends, and what is asked of a clock that follows it."""

    sent: tuple[Sent, ...]
    jitter_s: float = 0.0
    settled_s: tuple[tuple[float, float], ...] = ((1.0, 1e9),)
    """Stretches of time, from the first picture on, in which the lag counts."""
    cost_s: float = 0.002
    """What the reader does with each picture."""
    paced: bool = False
    spacing_s: float = 0.1
    """How far steps may be off, where the lag counts."""
    breaks: int = 0
    """So many epochs may end."""
    kept: float = 1.0
    """The share of pictures that must be kept at least."""


def read(pattern: Pattern, *, until: Callable[[float], float] = lambda now: now) -> Iterable[Arrival]:
    """What a reader meets. until: where it may sleep before it reads on."""
    free = 0.0
    for sent in pattern.sent:
        now = max(free, sent.there)
        yield Arrival(sent.taken, sent.stamp, now, now - free if free else 0.04)
        free = until(now) + pattern.cost_s


def _taken(fps: float, length_s: float = _LENGTH_S) -> list[float]:
    return [100 + n / fps for n in range(round(length_s * fps))]


def _straight(fps: float = 25, says: float | None = None, jitter_s: float = 0.0, seed: int = 1) -> tuple[Sent, ...]:
    """says: the rate that the stamps claim."""
    rng = random.Random(seed)
    there, found = 0.0, []
    for n, taken in enumerate(_taken(fps)):
        late = min(rng.expovariate(3 / jitter_s), jitter_s) if jitter_s else 0.0
        there = max(there, taken + 0.05 + late)
        found.append(Sent(taken, 7 + n / (says or fps), there))
    return tuple(found)


def _restamped(sent: Iterable[Sent], stamp: Callable[[int, Sent], float | None]) -> tuple[Sent, ...]:
    return tuple(replace(one, stamp=stamp(n, one)) for n, one in enumerate(sent))


def _delayed(sent: Iterable[Sent], there: Callable[[Sent], float]) -> tuple[Sent, ...]:
    latest, found = 0.0, []
    for one in sent:
        latest = max(latest, there(one))
        found.append(replace(one, there=latest))
    return tuple(found)


def _stalled(sent: Iterable[Sent], at: float, for_s: float) -> tuple[Sent, ...]:
    return _delayed(sent, lambda one: max(one.there, at + for_s) if one.there >= at else one.there)


def _segments(length_s: float, *, ahead: int = 3, late: Callable[[int], float] = lambda n: 0.0) -> tuple[Sent, ...]:
    """A segment is there when its last picture is taken; the first ones are there already."""
    first = 100 + ahead * length_s

    def there(one: Sent) -> float:
        number = int((one.taken - 100) / length_s)
        return max(first, 100 + (number + 1) * length_s + late(number))

    return _delayed(_straight(), there)


def _frozen(goes_on: bool) -> tuple[Sent, ...]:
    """The clock stands for 3 s; then it goes on from there, or from where it would be."""

    def stamp(n: int, one: Sent) -> float:
        since = one.taken - 100
        if since < 3:
            return since
        return 3.0 if since < 6 else since - (3.0 if goes_on else 0.0)

    return _restamped(_straight(), stamp)


def _leap(by: float) -> tuple[Sent, ...]:
    return _restamped(_straight(), lambda n, one: 7 + n / 25 + (by if n >= 80 else 0.0))


_LATER = ((1.0, 3.0), (4.5, 99.0))
"""What happens, happens from 3 s on; a second later it is over."""

PATTERNS = {
    "regular 25": Pattern(_straight(), spacing_s=1e-6),
    "regular 50": Pattern(_straight(50), spacing_s=1e-6),
    "regular 30000/1001, stamps in ms": Pattern(
        _restamped(_straight(29.97), lambda n, one: round(n / 29.97, 3)), spacing_s=0.002
    ),
    "regular 5": Pattern(_straight(5), spacing_s=1e-6),
    "jitter 30 ms": Pattern(_straight(jitter_s=0.03), 0.03, spacing_s=0.002),
    "jitter 100 ms": Pattern(_straight(jitter_s=0.1), 0.1, spacing_s=0.002),
    "jitter 100 ms at 50": Pattern(_straight(50, jitter_s=0.1, seed=2), 0.1, spacing_s=0.002),
    "pictures at any time": Pattern(
        tuple(one for n, one in enumerate(_straight(50)) if random.Random(n).random() < 0.4), spacing_s=1e-6
    ),
    "2 as 25": Pattern(_straight(2, 25), settled_s=((2.1, 99.0),)),
    "5 as 25": Pattern(_straight(5, 25)),
    "10 as 25": Pattern(_straight(10, 25)),
    "10 as 25, jitter 40 ms": Pattern(_straight(10, 25, 0.04), 0.04),
    "12 as 25": Pattern(_straight(12, 25)),
    "15 as 25": Pattern(_straight(15, 25)),
    "20 as 25": Pattern(_straight(20, 25)),
    "20 as 25, jitter 40 ms": Pattern(_straight(20, 25, 0.04), 0.04),
    "23 as 25": Pattern(_straight(23, 25)),
    "25 as 25, from 3 s on 12": Pattern(
        tuple(one for n, one in enumerate(_straight(25)) if n < 75)
        + tuple(Sent(103 + n / 12, 7 + 3 + n / 25, 103.05 + n / 12) for n in range(60)),
        settled_s=((1.0, 3.0), (5.0, 99.0)),
    ),
    "30 as 25": Pattern(_straight(30, 25), breaks=1),
    "60 as 25": Pattern(_straight(60, 25), breaks=1),
    "clock 1 % slow": Pattern(_straight(25, 25.25), spacing_s=0.03),
    "clock 1 % fast": Pattern(_straight(25, 24.75), spacing_s=0.03),
    "no stamps": Pattern(_restamped(_straight(), lambda n, one: None), spacing_s=1e-6),
    "no stamps, jitter 40 ms": Pattern(_restamped(_straight(jitter_s=0.04), lambda n, one: None), 0.04, spacing_s=0.04),
    "two of three stamps missing": Pattern(_restamped(_straight(), lambda n, one: None if n % 3 else n / 25)),
    "every stamp twice": Pattern(_restamped(_straight(), lambda n, one: n // 2 / 12.5)),
    "stamps never change": Pattern(_restamped(_straight(), lambda n, one: 7.0), spacing_s=1e-6),
    "frozen for 3 s, goes on": Pattern(_frozen(True)),
    "frozen for 3 s, leaps": Pattern(_frozen(False)),
    "leaps by 900 s": Pattern(_leap(900)),
    "leaps by 2 s": Pattern(_leap(2), settled_s=_LATER, breaks=1),
    "set back by 5 s": Pattern(_leap(-5), breaks=1),
    "set back by 50 ms": Pattern(_leap(-0.05), breaks=1),
    "wraps at 33 bits": Pattern(_leap(-(2**33) / 90000), breaks=1),
    "stall of 0.8 s, all come": Pattern(_stalled(_straight(), 103, 0.8), 0.8, spacing_s=1e-6),
    "stall of 3 s, all come": Pattern(_stalled(_straight(), 103, 3), 3.0, spacing_s=1e-6),
    "stall of 3 s, those are lost": Pattern(
        tuple(one for one in _straight() if not 103 < one.taken < 106), spacing_s=1e-6
    ),
    "stalls every second": Pattern(
        _delayed(_straight(), lambda one: one.there + (0.5 if 0.2 < one.taken % 1 < 0.4 else 0)), 0.5, spacing_s=1e-6
    ),
    "12 as 25, stall of 1 s": Pattern(_stalled(_straight(12, 25), 103, 1), settled_s=_LATER),
    "path longer by 0.3 s": Pattern(
        _delayed(_straight(), lambda one: one.there + (0.3 if one.taken > 103 else 0)), 0.3, spacing_s=0.16
    ),
    "path longer by 2 s": Pattern(
        _delayed(_straight(), lambda one: one.there + (2 if one.taken > 103 else 0)), settled_s=_LATER, spacing_s=0.02
    ),
    "path shorter by 0.5 s": Pattern(
        _delayed(_straight(), lambda one: one.there + (0.5 if one.taken < 103 else 0)),
        settled_s=_LATER,
        breaks=1,
        kept=0.9,
    ),
    "first picture late": Pattern(_delayed(_straight(), lambda one: max(one.there, 100.4)), breaks=1, kept=0.9),
    "3 s at once at the start": Pattern(
        _delayed(_straight(), lambda one: max(one.there, 103.0)),
        settled_s=((3.2, 99.0),),
        breaks=1,
        kept=0.6,
    ),
    "two at a time": Pattern(
        _delayed(_straight(), lambda one: 100.05 + ((one.taken - 100) * 25.001 // 2 * 2 + 1) / 25), 0.04, spacing_s=1e-6
    ),
    "two at a time, 12 as 25": Pattern(
        _delayed(_straight(12, 25), lambda one: 100.05 + ((one.taken - 100) * 12.001 // 2 * 2 + 1) / 12), 0.083
    ),
    "five at a time": Pattern(
        _delayed(_straight(), lambda one: 100.05 + ((one.taken - 100) * 25.001 // 5 * 5 + 4) / 25),
        0.16,
        breaks=1,
        kept=0.95,
    ),
    "reader nearly too slow": Pattern(_straight(), cost_s=0.034, spacing_s=1e-6),
    "reader too slow": Pattern(_straight(), cost_s=0.05, jitter_s=2.0, spacing_s=1e-6),
    "segments of 2 s": Pattern(_segments(2), paced=True, spacing_s=1e-6),
    "segments of 4 s, one in hand": Pattern(_segments(4, ahead=1), paced=True, spacing_s=1e-6),
    "segments of 1 s, one late by 4 s": Pattern(
        _segments(1, late=lambda n: 4.0 if n == 4 else 0.0), paced=True, settled_s=((0.0, 3.9), (4.1, 99.0))
    ),
}
"""What a live source may send, by name."""
