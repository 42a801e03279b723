"""The healthy program on the demo scene, with the real detector: no drawn face can be read in any sink."""

from __future__ import annotations

import pytest
from fakes import RecordingSink
from support.lag import lag
from support.weights import weights

from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.drawn.scene import Drawn
from streamer.evaluate.readable import is_readable
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sources.demo import DemoSource, Options, scene

_MIN_FACE_PX = 20


class Numbered(DemoSource):
    """Remembers which frame of the scene was captured when: live, it skips those that nobody fetched in time."""

    def __init__(self, drawn: Drawn, *, realtime: bool) -> None:
        super().__init__(drawn, realtime=realtime)
        self.numbers: list[int] = []

    def read(self) -> Captured | None:
        captured = super().read()
        if captured is not None and captured.t is not None:
            self.numbers.append(round(captured.t * (self.info.fps or 25)))
        return captured


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
    options = Options(seed=seed, width=size[0], height=size[1])
    record, live, source = RecordingSink(), RecordingSink(live=True), Numbered(scene(options), realtime=realtime)
    named = Parts.of(config, Endpoint("demo", {}, "demo"), [], Context(model=weights))
    sinks = [("record", lambda: record), ("live", lambda: live)]
    pipeline = Pipeline(config, Parts(lambda: source, named.detector, named.effect, sinks))
    pipeline.start()
    report = pipeline.join()
    drawn = scene(options)
    judged, leaks = 0, []
    for sink in (record, live):
        for frame in sink.frames:
            if frame.covered:
                continue
            number = source.numbers[frame.seq]
            original = drawn.picture(number).planes[0]
            for truth in drawn.truth(number):
                if truth.visible < 0.5 or truth.box[2] - truth.box[0] < _MIN_FACE_PX:
                    continue
                judged += 1
                if is_readable(original, frame.image.planes[0], truth.box):
                    leaks.append((number, truth.person))
    print(f"seed {seed}: {judged} faces judged, {len(leaks)} readable; {report.summary['detector_passes']} passes")
    # Under injected lag, most of a live scene is dropped or covered whole.
    assert judged > (200 if lag() == 1 else 20)
    assert leaks == []
