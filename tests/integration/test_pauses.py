"""Files in which time passes without a frame: screen recorders write none while nothing moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.weights import weights

from streamer.config.endpoints import parse_input
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.evaluate.leak import LeakMeter, Pair, judge_run
from streamer.evaluate.readable import is_readable
from streamer.pipeline.assembly import detector_of


class Seen(LeakMeter):
    """Keeps every pair."""

    def __init__(self) -> None:
        super().__init__({}, keep=0)
        self.pairs: list[Pair] = []

    def add(self, pair: Pair) -> None:
        self.pairs.append(pair)


@pytest.mark.parametrize("name", ["vfr_pauses.mkv", "gap8.mp4"])
def test_what_stands_still_before_a_pause_is_shown_and_hidden(media: Path, name: str) -> None:
    ctx, seen, config = Context(model=weights), Seen(), Config().updated({"effect.kind": "solid"})
    judge_run(parse_input(str(media / "cases" / name)), config, seen, ctx)
    assert len(seen.pairs) == 75
    assert not any(pair.covered for pair in seen.pairs)
    detector = detector_of(Config(), ctx)
    faces = 0
    for pair in seen.pairs:
        for face in detector.detect([pair.original])[0]:
            if face.score >= 0.6:
                faces += 1
                assert not is_readable(pair.original.planes[0], pair.emitted.planes[0], face.box), pair.t
    assert faces > 75
