"""The healthy program on the demo scene, with the real detector: no drawn face can be read in any sink."""

from __future__ import annotations

import pytest
from fakes import RecordingSink
from support.weights import weights

from streamer.assembly import Parts
from streamer.config import Config
from streamer.endpoints import Endpoint
from streamer.evaluate.readable import is_readable
from streamer.parts import Context
from streamer.pipeline import Pipeline
from streamer.sources.demo import Options, scene

_MIN_FACE_PX = 20


@pytest.mark.parametrize(
    ("realtime", "seed", "size"),
    [
        (False, 1, (1280, 720)),  # the demo as it is shown by default
        (False, 2, (960, 540)),
        (False, 7, (960, 540)),
        (True, 4, (960, 540)),
    ],
)
def test_no_drawn_face_is_readable(realtime: bool, seed: int, size: tuple[int, int]) -> None:
    config = Config().updated({"effect.kind": "solid", "run.duration_s": 6.0})
    address = {"seed": seed, "realtime": realtime, "width": size[0], "height": size[1]}
    record, live = RecordingSink(), RecordingSink(live=True)
    named = Parts.of(config, Endpoint("demo", address, "demo"), [], Context(model=weights))
    sinks = [("record", lambda: record), ("live", lambda: live)]
    pipeline = Pipeline(config, Parts(named.source, named.detector, named.effect, sinks))
    pipeline.start()
    report = pipeline.join()
    drawn = scene(Options(seed=seed, width=size[0], height=size[1]))
    judged, leaks = 0, []
    for sink in (record, live):
        for frame in sink.frames:
            if frame.covered:
                continue
            # A live demo skips frames that nobody fetched: its own time tells which one this is.
            number = frame.seq if not realtime else _number(frame.t, record, drawn.fps)
            original = drawn.picture(number).planes[0]
            for truth in drawn.truth(number):
                if truth.visible < 0.5 or truth.box[2] - truth.box[0] < _MIN_FACE_PX:
                    continue
                judged += 1
                if is_readable(original, frame.image.planes[0], truth.box):
                    leaks.append((number, truth.person))
    print(f"seed {seed}: {judged} faces judged, {len(leaks)} readable; {report.summary['detector_passes']} passes")
    assert judged > 200
    assert leaks == []


def _number(t: float, record: RecordingSink, fps: float) -> int:
    """The scene's frame that was captured at t: the demo's clock began with the first one."""
    return round((t - record.frames[0].t) * fps)
