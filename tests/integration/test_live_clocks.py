"""Cameras whose clock is not what FFmpeg takes it for: every picture is shown, none is stood in for, none is seen.

The real pipeline on real servers; only the detector is one that knows the drawn face, so that pixels can be judged.
STREAMER_CLOCK_S: seconds that each run takes (6).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass

import pytest
from fakes import MovingFace, Oracle, RecordingSink
from support.live_http import jpeg, mjpeg_camera
from support.rtp_camera import h264, rtp_camera

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.reasons import DropReason
from streamer.effects import solid
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sources.rtsp import Options, build

LENGTH_S = float(os.environ.get("STREAMER_CLOCK_S") or 6)

pytestmark = pytest.mark.timeout(120 + 3 * int(LENGTH_S))


@dataclass(frozen=True)
class Recorded:
    """What a record got."""

    frames: list[AnonymizedFrame]
    emitted: dict[str, int]
    busy: int
    """Frames that this machine had no time for: nothing about clocks."""

    @classmethod
    def of(cls, url: str, length_s: float = LENGTH_S) -> Recorded:
        sink = RecordingSink()
        config = Config().updated({"run.duration_s": length_s})
        parts = Parts(
            lambda: build(Options(url=url), Context()),
            Oracle,
            lambda kind: solid.build(solid.Options(), Context()),
            [("record", lambda: sink)],
        )
        pipeline = Pipeline(config, parts)
        pipeline.start()
        while pipeline.poll(0.1).running:
            pass
        summary = pipeline.join().summary
        kinds = "emitted", "dropped", "covered", "latency_ms"
        sys.stdout.write("".join(f"\n  {kind}: {summary[kind]}" for kind in kinds))
        busy = summary["dropped"]["where"].get(f"capture: {DropReason.PIPELINE_BUSY}", 0)
        return cls(sink.frames, Counter(summary["emitted"]["record"]), busy)

    def shown(self) -> int:
        """Pictures that got through, or would have on a machine with time."""
        return self.emitted["frame"] + self.busy


@pytest.mark.parametrize("fps", [10, 15, 20, 30, 60])
def test_mjpeg_at_any_rate(fps: float) -> None:
    face = MovingFace(frames=50)
    sent: list[float] = []
    with mjpeg_camera(fps, [jpeg(face.picture(n)) for n in range(50)], sent) as url:
        recorded = Recorded.of(url)
    sys.stdout.write(f"\n  {recorded.shown()} of {LENGTH_S * fps:.0f}\n")
    assert recorded.emitted["slate"] == 0
    assert recorded.shown() >= 0.99 * LENGTH_S * fps - 1
    assert recorded.frames[-1].t - recorded.frames[0].t == pytest.approx(LENGTH_S, rel=0.05)


def test_rtsp_of_12_pictures_a_second_stamped_as_25() -> None:
    units = h264([MovingFace().picture(n) for n in range(48)], key_every=12)
    with rtp_camera(units, due=lambda n: n / 12, stamp=lambda n: n / 25) as url:
        recorded = Recorded.of(url)
    sys.stdout.write(f"\n  {recorded.shown()} of {LENGTH_S * 12:.0f}\n")
    assert recorded.emitted["slate"] == 0
    assert recorded.shown() >= 0.99 * LENGTH_S * 12 - 1


@pytest.mark.parametrize("leaps", [False, True], ids=["goes on", "leaps"])
def test_an_rtp_clock_that_stands_still_for_3_s(leaps: bool) -> None:
    def stamp(n: int) -> float:
        if n < 100:
            return n / 25
        return 4.0 if n < 175 else n / 25 - (0.0 if leaps else 3.0)

    units = h264([MovingFace().picture(n) for n in range(50)])
    with rtp_camera(units, due=lambda n: n / 25, stamp=stamp) as url:
        recorded = Recorded.of(url, 271 / 25)
    sys.stdout.write(f"\n  {recorded.shown()} of 271\n")
    assert recorded.emitted["slate"] == 0
    assert recorded.shown() >= 265
