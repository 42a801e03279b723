"""A still scene before a noisy camera: the detector's boxes tremble, what is painted over the faces must not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fakes import RecordingSink
from numpy.typing import NDArray
from support.weights import weights

from streamer.anonymize import gate
from streamer.anonymize.masks import MaskOptions, region
from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.picture import Picture, Plane
from streamer.core.types import Captured, Frame, Plan, SourceInfo
from streamer.evaluate.contact_sheet import drawn, room
from streamer.pipeline import loops
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline

SIZE = 640, 360
FRAMES = 50
NOISE = 5.0
"""Standard deviation of the camera's noise in grey levels: a webcam in the evening."""
LEVELS = 1.5


@dataclass
class NoisyRoom:
    """Three people who do not move; every frame has noise of its own."""

    n: int = 0
    warnings: list[str] = field(default_factory=list)
    info: SourceInfo = field(default_factory=lambda: SourceInfo("drawn", *SIZE, live=False, fps=25, frames=FRAMES))

    def __post_init__(self) -> None:
        bgr = room(*SIZE)
        for at, size_px, seed, tilt in (((130, 170), 110, 11, 0.1), ((340, 190), 60, 4, -0.2), ((520, 160), 84, 7, 0)):
            drawn(bgr, at, size_px, seed, tilt=tilt)
        self._still = bgr.astype(np.float32)
        self._chance = np.random.default_rng(2)

    def read(self) -> Captured | None:
        if self.n >= FRAMES:
            return None
        self.n += 1
        noisy = self._still + self._chance.normal(0, NOISE, self._still.shape)
        bgr: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
        return Captured((self.n - 1) / 25, Picture.from_bgr(bgr))

    def close(self) -> None: ...


def test_what_is_painted_over_still_faces_does_not_flicker(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: dict[int, tuple[Frame, Plan]] = {}

    def spied(frame: Frame, plan: Plan | None, **rest: Any) -> Any:
        assert plan is not None
        plans[frame.seq] = frame, plan
        return gate.seal(frame, plan, **rest)

    monkeypatch.setattr(loops, "seal", spied)
    config, sink = Config(), RecordingSink()
    named = Parts.of(config, Endpoint("demo", {}, "demo"), [], Context(model=weights))
    pipeline = Pipeline(config, Parts(NoisyRoom, named.detector, named.effect, [("record", lambda: sink)]))
    pipeline.start()
    pipeline.join()
    assert not any(frame.covered for frame in sink.frames)
    raw, painted = zip(*changes({frame.seq: frame.image for frame in sink.frames}, plans), strict=True)
    print(f"mean change inside masks: {np.mean(painted):.2f} levels per frame, most {np.max(painted):.2f}")
    assert len(painted) >= 2 * FRAMES, "the faces were found"
    assert np.mean(raw) > 2 * LEVELS, "the noise alone changes more"
    assert np.mean(painted) <= LEVELS


def changes(shown: dict[int, Picture], plans: dict[int, tuple[Frame, Plan]]) -> Iterator[tuple[float, float]]:
    """Mean change of luma from frame to frame inside each face's mask, of the camera's picture and of what left."""
    for seq in range(1, FRAMES):
        before, now = (masks(*plans[number]) for number in (seq - 1, seq))
        for track_id in before.keys() & now.keys():
            inside = before[track_id] & now[track_id]
            pairs = ((plans[s][0].image.planes[0], shown[s].planes[0]) for s in (seq - 1, seq))
            (raw0, out0), (raw1, out1) = pairs
            yield difference(raw0, raw1, inside), difference(out0, out1, inside)


def difference(a: Plane, b: Plane, inside: NDArray[np.bool_]) -> float:
    return float(np.abs(a.astype(int) - b)[inside].mean())


def masks(frame: Frame, plan: Plan) -> dict[int, NDArray[np.bool_]]:
    """Per track, where its mask lies in luma."""
    found = {}
    for track, _ in plan.tracks:
        if (place := region(frame.image, track, MaskOptions())) is not None:
            held = np.zeros(frame.image.planes[0].shape, bool)
            x0, y0, x1, y1 = place.window
            held[y0:y1, x0:x1] = place.protected > 0
            found[track.track_id] = held
    return found
