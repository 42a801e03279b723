"""A detector that becomes too slow for a while: what a viewer sees. The real pipeline, judged by pixels."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from fakes import MovingFace, Oracle, RecordingSink, readable

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.effects import solid
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline

NORMAL_S, SLOW_S, AFTER_S = 2.0, 11.0, 7.0


@dataclass
class Viewed(RecordingSink):
    """A live sink that notes when it was given what."""

    live: bool = True
    moments: list[float] = field(default_factory=list)

    def write(self, frame: AnonymizedFrame) -> None:
        """See `Sink.write`."""
        super().write(frame)
        self.moments.append(time.monotonic())


def changes(sink: Viewed, since: float, until: float) -> int:
    """How often a picture was followed by a slate or a covered frame, or the other way round."""
    hidden = [f.covered for f, at in zip(sink.frames, sink.moments, strict=True) if since <= at < until]
    return sum(before != after for before, after in pairwise(hidden))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("slower_s", [0.4, 0.8, 2.0])
def test_a_detector_that_is_slow_for_a_while(slower_s: float) -> None:
    """Never a strobe, never a face, and all is well again five seconds after it is over."""
    began = time.monotonic()

    def lag(look: int) -> None:
        time.sleep(slower_s if NORMAL_S < time.monotonic() - began < NORMAL_S + SLOW_S else 0.005)

    sink, record = Viewed(), RecordingSink()
    parts = Parts(
        lambda: MovingFace(frames=round(25 * (NORMAL_S + SLOW_S + AFTER_S)), live=True),
        lambda: Oracle(lag),
        lambda kind: solid.build(solid.Options(), Context()),
        [("live", lambda: sink), ("record", lambda: record)],
    )
    pipeline = Pipeline(Config(), parts)
    pipeline.start()
    while pipeline.poll(0.05).running:
        pass
    summary = pipeline.join().summary
    slow_at, over_at = began + NORMAL_S, began + NORMAL_S + SLOW_S
    seen = {f.seq for f, at in zip(sink.frames, sink.moments, strict=True) if slow_at < at < over_at and not f.covered}
    number = changes(sink, slow_at + 1, slow_at + 11)
    sys.stdout.write(f"\n  +{slower_s} s: {number} changes in 10 s, {len(seen)} pictures; {summary['emitted']['live']}")
    sys.stdout.write(f"\n  {summary['dropped']['where']}\n")
    assert number <= 4
    later = [f for f, at in zip(sink.frames, sink.moments, strict=True) if over_at + 5 < at < over_at + 6.5]
    assert Counter(f.covered for f in later)[True] == 0
    assert len({f.seq for f in later}) > 30
    truth = MovingFace()
    for frame in [*sink.frames, *record.frames]:
        box = truth.box(frame.seq)
        assert frame.seq < 0 or box is None or not readable(frame.image, box), frame.seq
