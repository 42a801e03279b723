"""Cameras whose clock is not what FFmpeg takes it for: every picture is shown, none is stood in for, none is seen.

The real pipeline on real servers; only the detector is one that knows the drawn face, so that pixels can be judged.
STREAMER_CLOCK_S: seconds that each run takes (6). STREAMER_HLS_STARTS: how often an HLS stream is opened (2).
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from fakes import MovingFace, Oracle, RecordingSink
from support.live_http import hls_camera, jpeg, mjpeg_camera
from support.numbered_face import NumberedFace, SlowFinder, number_of, readable_in, ts_segments
from support.rtp_camera import h264, rtp_camera

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.types import Captured
from streamer.detectors import Detector
from streamer.effects import solid
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sources.rtsp import Options, build

HLS_STARTS = int(os.environ.get("STREAMER_HLS_STARTS") or 2)
LENGTH_S = float(os.environ.get("STREAMER_CLOCK_S") or 6)

pytestmark = pytest.mark.timeout(120 + 3 * int(LENGTH_S))


class Slowed:
    """A source on a machine that decodes slower than pictures come. cost_s: for every picture."""

    def __init__(self, source: Any, cost_s: float) -> None:
        self._source, self._cost_s = source, cost_s
        self.info, self.warnings = source.info, source.warnings
        self.hurry, self.close = source.hurry, source.close

    def read(self) -> Captured | None:
        """See `Source.read`."""
        time.sleep(self._cost_s)
        item: Captured | None = self._source.read()
        return item


@dataclass(frozen=True)
class Recorded:
    """What a record got."""

    frames: list[AnonymizedFrame]
    emitted: dict[str, int]
    busy: int
    """Frames that this machine had no time for: nothing about clocks."""
    latency_s: float

    @classmethod
    def of(
        cls,
        url: str,
        length_s: float = LENGTH_S,
        detector: Callable[[], Detector] = Oracle,
        slower: float = 0.0,
        written: list[float] | None = None,
    ) -> Recorded:
        """slower: seconds that every picture takes to decode. written: is told the moment of every write."""
        moments = [] if written is None else written
        sink = RecordingSink(before=lambda count: moments.append(time.monotonic()))
        config = Config().updated({"run.duration_s": length_s})
        parts = Parts(
            lambda: Slowed(build(Options(url=url), Context()), slower),
            detector,
            lambda kind: solid.build(solid.Options(), Context()),
            [("record", lambda: sink)],
        )
        pipeline = Pipeline(config, parts)
        pipeline.start()
        while pipeline.poll(0.1).running:
            pass
        summary = pipeline.join().summary
        kinds = "emitted", "dropped", "covered", "latency_ms", "camera_ms"
        sys.stdout.write("".join(f"\n  {kind}: {summary[kind]}" for kind in kinds))
        busy = summary["dropped"]["where"].get(f"capture: {DropReason.PIPELINE_BUSY}", 0)
        latency_s = summary["camera_ms"]["record"]["p50"] / 1000
        return cls(sink.frames, Counter(summary["emitted"]["record"]), busy, latency_s)

    def shown(self) -> int:
        """Pictures that got through, or would have on a machine with time."""
        return self.emitted["frame"] + self.busy

    def changes(self) -> int:
        """How often a picture was followed by a covered one or a slate."""
        hidden = [frame.covered or frame.seq < 0 for frame in self.frames]
        return sum(after and not before for before, after in pairwise(hidden))


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


@pytest.fixture(scope="module")
def segments() -> list[bytes]:
    """40 s of a face on its way, in segments of 2 s."""
    face = NumberedFace(speed_px=7)
    return ts_segments([face.picture(n) for n in range(1000)], 50)


def as_it_is(picture: Picture) -> AnonymizedFrame:
    """What a sink would get if nothing were hidden."""
    return derive(slate(0, 0.0, picture.size), lambda _: picture)


def test_what_is_not_hidden_would_be_read(segments: list[bytes]) -> None:
    import av

    with av.open(io.BytesIO(segments[1]), "r") as container:
        pictures = [Picture.from_av(frame) for frame in container.decode(video=0)]
    assert readable_in([as_it_is(picture) for picture in pictures], NumberedFace(speed_px=7)) == list(range(50, 100))


@pytest.mark.parametrize("start", range(HLS_STARTS))
def test_hls_plays_at_the_rhythm_of_its_segments(segments: list[bytes], start: int) -> None:
    with hls_camera(segments, 2.0) as url:
        time.sleep(start * 0.37 % 2)
        recorded = Recorded.of(url, detector=lambda: SlowFinder(0.02))
    length_s = recorded.frames[-1].t - recorded.frames[0].t + 0.04
    sys.stdout.write(f"\n  {recorded.shown()} of {LENGTH_S * 25:.0f}, {length_s:.2f} s, {recorded.changes()} changes\n")
    numbers = [number_of(frame.image) for frame in recorded.frames if frame.seq >= 0 and not frame.covered]
    assert sum(number is not None for number in numbers) == recorded.emitted["frame"]
    assert readable_in(recorded.frames, NumberedFace(speed_px=7)) == []
    assert length_s == pytest.approx(LENGTH_S, rel=0.02)
    assert recorded.changes() <= 1
    assert recorded.shown() >= 0.98 * LENGTH_S * 25


@pytest.mark.parametrize("format", ["h264", "mjpeg"])
def test_the_delay_stays_bounded_where_decoding_is_too_slow(format: str) -> None:
    """Half as fast as pictures come. The numbers in the pictures tell how old they really are when they come out."""
    face = NumberedFace()
    sent: list[float] = []
    written: list[float] = []
    pictures = [face.picture(n) for n in range(round((LENGTH_S + 6) * 25))]
    if format == "h264":
        camera = rtp_camera(h264(pictures), due=lambda n: n / 25, stamp=lambda n: n / 25, sent=sent)
    else:
        camera = mjpeg_camera(25, [jpeg(picture) for picture in pictures], sent)
    with camera as url:
        recorded = Recorded.of(url, slower=0.08, written=written, detector=SlowFinder)
    numbers = [number_of(frame.image) for frame in recorded.frames]
    ages = [
        at - sent[n]
        for at, n, f in zip(written, numbers, recorded.frames, strict=True)
        if n is not None and f.seq >= 0 and not f.covered
    ]
    half = len(ages) // 2
    first, last = np.median(ages[half // 2 : half]), np.median(ages[half:])
    told = recorded.latency_s
    sys.stdout.write(f"\n  {len(ages)} pictures, {first:.2f} then {last:.2f} s old, told {told:.2f} s\n")
    assert len(ages) > 3 * LENGTH_S
    assert max(ages) < 3
    assert last < first + 0.5
    assert told == pytest.approx(float(np.median(ages)), abs=max(0.15, 0.15 * float(np.median(ages))))
    assert readable_in(recorded.frames, face) == []
