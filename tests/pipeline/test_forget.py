"""When the render thread has an effect forget what it learned: what may no longer be seen may be in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from fakes import MovingFace

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness
from streamer.anonymize.masks import MaskOptions
from streamer.anonymize.zones import NO_ZONES
from streamer.config.schema import Config
from streamer.core.channel import Channel, Full
from streamer.core.errors import EffectError
from streamer.core.reasons import HideReason
from streamer.core.run import RunContext
from streamer.core.stats import Stats
from streamer.core.types import Cover, DetectionResult, Frame, Plan, Planned, Reveal, TrackBox, Verdict
from streamer.effects import Effect, Patch
from streamer.identity.decide import hide_everyone
from streamer.pipeline.channels import Channels
from streamer.pipeline.loops import Hiding, Render, Settings
from streamer.pipeline.recognition import Recognition

HIDDEN = Cover(HideReason.UNDECIDED)
SHOWN = Reveal("ann", evidence_t=0.0, expires_t=math.inf, gallery_version=1)


@dataclass
class Counting(Effect):
    """Remembers before which frame it was told to forget."""

    frames: int = 0
    forgot: list[int] = field(default_factory=list)

    def enter(self, epoch: int) -> None:
        self.frames += 1

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        pass

    def forget(self) -> None:
        self.forgot.append(self.frames)


def rendered(
    plans: Sequence[dict[int, Verdict] | None], versions: Sequence[int], effect: Effect | None = None
) -> list[int]:
    """Send frames with these tracks' verdicts through; None: no plan. Numbers of frames before which it forgot."""
    counting = Counting()
    decided: Channel[Planned] = Channel(len(plans), Full.BLOCK)
    written: Channel[AnonymizedFrame] = Channel(len(plans), Full.BLOCK)
    source, stats, version = MovingFace(), Stats(), iter(versions)
    for n, verdicts in enumerate(plans):
        plan = None
        if verdicts is not None:
            tracks = tuple((TrackBox(i, (100, 60, 164, 124), None), verdict) for i, verdict in verdicts.items())
            plan = Plan(n, 0, (DetectionResult(n, 0, n / 25, ()),), tracks)
        decided.put(Planned(Frame(n, 0, n / 25, source.picture(n)), plan))
    decided.close()
    channels = Channels.make(live=False, on_drop=lambda frame: None, sinks=[written])
    hiding = Hiding(
        lambda kind: counting,
        lambda: Settings("test"),
        MaskOptions(),
        NO_ZONES,
        lambda: Freshness(0.25, next(version)),
    )
    people = Recognition(Config(), stats, hide_everyone)
    run = RunContext(stats)
    Render(replace(channels, decided=decided), run, hiding, effect or counting, people).work()
    return counting.forgot


def test_nothing_is_forgotten_while_nothing_is_taken_back() -> None:
    plans: list[dict[int, Verdict] | None] = [{1: HIDDEN}, {1: HIDDEN, 2: SHOWN}, {2: SHOWN}, {2: SHOWN}, {}]
    assert rendered(plans, [1] * 5) == [1], "only at the first frame"


def test_a_face_that_is_hidden_again() -> None:
    assert rendered([{1: SHOWN}, {1: SHOWN}, {1: HIDDEN}, {1: HIDDEN}], [1] * 4) == [1, 3]


def test_another_gallery() -> None:
    assert rendered([{1: HIDDEN}] * 4, [1, 1, 2, 2]) == [1, 3]


def test_a_frame_that_is_covered_whole() -> None:
    assert rendered([{1: HIDDEN}, None, {1: HIDDEN}], [1] * 3) == [1, 1]


def test_an_effect_that_cannot_forget_does_not_let_the_frame_out() -> None:
    class Stubborn(Counting):
        def forget(self) -> None:
            raise RuntimeError("no")

    cases: list[list[dict[int, Verdict] | None]] = [[None], [{1: SHOWN}]]
    for plans in cases:
        with pytest.raises(EffectError, match="the effect failed: RuntimeError: no"):
            rendered(plans, [1], Stubborn())
