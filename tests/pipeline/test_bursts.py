"""Pictures that come late and many at once, through framer, scheduler and gate in made-up time: no face is readable.

STREAMER_BURSTS: how many bursts are tried (20); 500 take two minutes.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fakes import FACE_PX, MovingFace, Oracle, readable
from support.stamps import Pattern, Sent, read

from streamer.anonymize.gate import Freshness, MaskOptions, seal
from streamer.anonymize.zones import ZoneOptions
from streamer.core.clock import LiveClock, Moment
from streamer.core.options import Context
from streamer.core.types import Captured, DetectionRequest, DetectionResult, Planned
from streamer.effects import solid
from streamer.identity.decide import hide_everyone
from streamer.stages.capture import Framer
from streamer.stages.scheduler import Scheduler, SchedulerOptions
from streamer.tracking.tracker import Tracker, TrackOptions

BURSTS = int(os.environ.get("STREAMER_BURSTS") or 20)
FPS = 25
DETECTION_S = 0.02 + 0.05
SEEN_BY_ARRIVAL = 7, 11
"""Two of the bursts in which a face can be read where arrival counts."""


def burst(seed: int) -> Pattern:
    """Four seconds with a stall, a heap at the start, or segments; some jitter."""
    rng = random.Random(seed)
    kind = rng.choice(["stall", "stall", "start", "segments", "shorter"])
    length_s, at, jitter_s = rng.uniform(0.3, 2.0), rng.uniform(0.5, 2.0), rng.choice([0.0, 0.01, 0.05])
    latest, sent = 0.0, []
    for n in range(4 * FPS):
        taken = 100 + n / FPS
        there = taken + 0.03 + rng.random() * jitter_s
        if kind == "stall" and at <= taken - 100 < at + length_s:
            there = 100 + at + length_s
        elif kind == "start":
            there = max(there, 100 + length_s)
        elif kind == "segments":
            there = 100 + ((taken - 100) // length_s + 1) * length_s
        elif kind == "shorter" and taken - 100 < at:
            there += length_s
        latest = max(latest, there)
        sent.append(Sent(taken, 7 + n / FPS, latest))
    paced = kind == "segments" and rng.random() < 0.7
    return Pattern(tuple(sent), paced=paced, cost_s=rng.choice([0.001, 0.004, 0.012]))


@dataclass
class Simulated:
    """One run in made-up time. The detector takes `DETECTION_S` for every picture."""

    pattern: Pattern
    scene: MovingFace
    max_age_s: float | None = None
    ready: list[Planned] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    """Of the pictures behind frames."""
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        options = SchedulerOptions()
        max_age_s = None if self.pattern.paced else self.max_age_s
        self.framer = Framer(
            live=True, stills=False, fps=FPS, target_fps=None, segmented=self.pattern.paced, max_age_s=max_age_s
        )
        self.scheduler = Scheduler(
            options,
            lambda: Tracker(TrackOptions(), 0.5, min_keep_s=options.max_gap_s),
            hide_everyone,
            live=True,
        )
        self.request: DetectionRequest | None = None
        self.busy_until = 0.0
        self.oracle = Oracle()

    def run(self) -> None:
        held = 0.0

        def until(now: float) -> float:
            return max(now, held)

        for n, one in enumerate(read(self.pattern, until=until)):
            frame = self.framer.frame(Captured(one.stamp, self.scene.picture(n), waited_s=one.waited_s), one.now)
            held = one.now
            if frame is None:
                self.dropped[self.framer.left_out] += 1
                continue
            held = max(one.now, frame.t)
            self.numbers[frame.seq] = n
            self._until(held)
            self.ready += self.scheduler.offer(frame, held)
            self._ask(held)
        self._until(held + 0.001)
        self.ready += self.scheduler.finish(held + 0.001)
        self._ask(held + 0.001)
        self._until(held + 10)

    def _ask(self, now: float) -> None:
        if (request := self.scheduler.next_request()) is not None:
            self.request, self.busy_until = request, now + DETECTION_S

    def _until(self, now: float) -> None:
        """Let time go on."""
        while True:
            expiry = self.scheduler.next_expiry()
            answer = self.busy_until if self.request is not None else now + 1
            at = min(answer, now + 1 if expiry is None else expiry)
            if at > now:
                return
            if at == answer and self.request is not None:
                frame, self.request = self.request.frame, None
                found = tuple(self.oracle.detect([frame.image])[0])
                self.ready += self.scheduler.detected(DetectionResult(frame.seq, frame.epoch, frame.t, found), at)
            else:
                self.ready += self.scheduler.expire(at + 1e-6)
            self._ask(at)

    def readable(self) -> list[int]:
        """Numbers of the pictures in which the face can be read after the gate."""
        effect, found = solid.build(solid.Options(), Context()), []
        for planned in self.ready:
            n = self.numbers[planned.frame.seq]
            box = self.scene.box(n)
            if planned.plan is None or box is None:
                continue
            sealed = seal(
                planned.frame,
                planned.plan,
                effect=effect,
                mask=MaskOptions(),
                rules=Freshness(SchedulerOptions().max_gap_s),
                zones=ZoneOptions(),
            )
            if readable(sealed.image, box):
                found.append(n)
        return found


class ArrivalClock(LiveClock):
    """The control: a picture's time is its arrival, as if it had been taken then."""

    def read(self, source_t: float | None, now: float, waited_s: float | None = None) -> Moment:
        """See `LiveClock.read`."""
        return super().read(None, now)


def tried(seeds: Iterable[int], clock: LiveClock | None = None) -> tuple[dict[int, list[int]], Counter[str]]:
    """In which bursts which pictures can be read, and what was counted over all. clock: instead of the framer's own."""
    readable_ones: dict[int, list[int]] = {}
    total: Counter[str] = Counter()
    for seed in seeds:
        rng = random.Random(1000 + seed)
        scene = MovingFace(speed_px=rng.uniform(1, 2.5) * FACE_PX / FPS, enter_at=rng.choice([0, 0, 30, 55]))
        simulated = Simulated(burst(seed), scene, rng.choice([None, 0.5]))
        if clock is not None:
            simulated.framer._clock = type(clock)(step_s=1 / FPS)
        simulated.run()
        if bad := simulated.readable():
            readable_ones[seed] = bad
        seen = [planned for planned in simulated.ready if planned.plan is not None]
        total["faces"] += sum(scene.box(simulated.numbers[planned.frame.seq]) is not None for planned in seen)
        total["shown"] += len(seen)
        total["covered"] += len(simulated.ready) - len(seen)
        total.update(simulated.dropped)
    number = sum(len(bad) for bad in readable_ones.values())
    sys.stdout.write(f"\n  {number} of {total['faces']} faces readable, in bursts {[*readable_ones]}; {dict(total)}\n")
    return readable_ones, total


def test_no_face_is_readable_in_a_burst() -> None:
    readable_ones, total = tried(range(BURSTS))
    assert readable_ones == {}
    assert total["faces"] > 10 * BURSTS


def test_faces_are_readable_where_arrival_counts() -> None:
    """Or the test above would show nothing."""
    readable_ones, _ = tried(SEEN_BY_ARRIVAL, ArrivalClock(step_s=1 / FPS))
    assert readable_ones
