"""Scripted scenes with the truth known exactly, and the real detector: who is seen where, and who must not be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fakes import RecordingSink
from support.weights import weights

from streamer.assembly import Parts
from streamer.config import Config
from streamer.endpoints import Endpoint
from streamer.evaluate.readable import is_readable
from streamer.parts import Context
from streamer.pipeline import Pipeline
from streamer.sources._scene import Actor, Bar, Scene, Waypoint
from streamer.sources.demo import DemoSource

WIDTH, HEIGHT, FPS = 640, 360, 25.0
MIN_FACE_PX = 20


def walk(person: int, *points: tuple[float, float, float, float]) -> Actor:
    """A person along (seconds, x, y, face height in pixels)."""
    return Actor(person, tuple(Waypoint(*point) for point in points))


def scripted(*actors: Actor, frames: int = 40, bars: Sequence[Bar] = (), cuts: Sequence[float] = ()) -> Scene:
    return Scene(actors, width=WIDTH, height=HEIGHT, fps=FPS, frames=frames, seed=3, bars=bars, cuts=cuts)


SCENES = {
    "from the left": scripted(walk(1, (0.3, -40, 150, 70), (1.5, 300, 150, 70))),
    "from the right": scripted(walk(2, (0.3, 680, 150, 70), (1.5, 340, 150, 70))),
    "from above": scripted(walk(3, (0.3, 300, -45, 70), (1.5, 320, 170, 70))),
    "from below": scripted(walk(4, (0.3, 300, 405, 70), (1.5, 320, 170, 70))),
    "crossing": scripted(
        walk(5, (0.0, 80, 150, 60), (1.6, 560, 150, 60)), walk(6, (0.0, 560, 160, 66), (1.6, 80, 160, 66))
    ),
    "behind a pillar": scripted(walk(7, (0.0, 120, 150, 60), (2.0, 520, 150, 60)), frames=50, bars=[Bar(290, 350)]),
    "fast dash": scripted(walk(8, (0.5, -60, 150, 90), (1.1, 700, 170, 90))),
    "zoom": scripted(walk(9, (0.0, 320, 150, 28), (1.5, 320, 190, 260))),
    "cut": scripted(
        walk(10, (0.0, 150, 140, 70), (0.79, 200, 140, 70)),
        walk(11, (0.8, 420, 180, 90), (1.6, 470, 180, 90)),
        cuts=[0.8],
    ),
}


def readable_frames(scene: Scene, **settings: object) -> tuple[int, list[int], list[int]]:
    """Faces judged; the frames in which one could be read; the frames covered whole."""
    config = Config().updated({"effect.kind": "solid", **{key.replace("__", "."): v for key, v in settings.items()}})
    named = Parts.of(config, Endpoint("demo", {}, "demo"), [], Context(model=weights))
    record = RecordingSink()
    pipeline = Pipeline(config, Parts(lambda: DemoSource(scene), named.detector, named.effect, [("r", lambda: record)]))
    pipeline.start()
    pipeline.join()
    assert [frame.seq for frame in record.frames] == list(range(scene.frames or 0))
    judged, leaks = 0, []
    for frame in record.frames:
        for truth in scene.truth(frame.seq):
            if truth.visible < 0.5 or truth.box[2] - truth.box[0] < MIN_FACE_PX:
                continue
            judged += 1
            if not frame.covered and is_readable(scene.picture(frame.seq).planes[0], frame.image.planes[0], truth.box):
                leaks.append(frame.seq)
    return judged, leaks, [frame.seq for frame in record.frames if frame.covered]


@pytest.mark.parametrize("name", SCENES)
def test_nobody_can_be_read(name: str) -> None:
    judged, leaks, covered = readable_frames(SCENES[name])
    assert judged >= 8
    assert leaks == []
    assert covered == []


GLIMPSE = scripted(walk(12, (4 / FPS, 300, 150, 80), (5 / FPS, 304, 150, 80)), frames=13)
"""Somebody who is there in frames 4 and 5 only; the looks are at frames 3 and 6."""


def test_who_is_there_only_between_two_looks_is_seen() -> None:
    """The case that skipping frames leaves open: `every - 1` frames at most. It is documented in docs/privacy.md."""
    judged, leaks, _ = readable_frames(GLIMPSE)
    assert (judged, leaks) == (2, [4, 5])


@pytest.mark.parametrize("settings", [{"detect__every": 1}, {"privacy": "strict"}])
def test_looks_at_every_frame_leave_nothing_open(settings: dict[str, object]) -> None:
    judged, leaks, _ = readable_frames(GLIMPSE, **settings)
    assert (judged, leaks) == (2, [])


def test_strict_covers_the_beginning_of_every_scene_whole() -> None:
    _, leaks, covered = readable_frames(SCENES["cut"], privacy="strict")
    assert leaks == []
    assert covered == [*range(5), *range(20, 25)]
