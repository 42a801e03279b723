"""Drawn scenes in which the truth is known exactly: every way into the picture, and what trackers stumble over.

Nobody drawn here may ever be readable, at any face size that is judged. The one case that looking at every n-th frame
leaves open stands apart: `GLIMPSE`, somebody who is gone before the next detection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.endpoints import Endpoint
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.geometry import shifted
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.drawn.scene import Actor, Bar, Drawn, Scene, Truth, Waypoint
from streamer.evaluate.readable import is_readable
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sources.demo import DemoSource

__all__ = ["CASES", "FPS", "GLIMPSE", "Judged", "Passed", "Swung", "glimpse", "judge", "scripted", "walk"]

WIDTH, HEIGHT, FPS = 640, 360, 25.0
_MIN_FACE_PX = 20
_VISIBLE = 0.5
"""Share of a face that others and the picture's edges leave to be seen; with less it is not judged."""


def walk(person: int, *points: tuple[float, float, float, float]) -> Actor:
    """A person along (seconds, x, y, face height in pixels)."""
    return Actor(person, tuple(Waypoint(*point) for point in points))


def scripted(*actors: Actor, frames: int = 40, bars: Sequence[Bar] = (), cuts: Sequence[float] = ()) -> Scene:
    """A street with these people in it."""
    return Scene(actors, width=WIDTH, height=HEIGHT, fps=FPS, frames=frames, seed=3, bars=bars, cuts=cuts)


_CASES: dict[str, Drawn] = {
    "from the left": scripted(walk(1, (0.3, -40, 150, 70), (1.5, 300, 150, 70))),
    "from the right": scripted(walk(2, (0.3, 680, 150, 70), (1.5, 340, 150, 70))),
    "from above": scripted(walk(3, (0.3, 300, -45, 70), (1.5, 320, 170, 70))),
    "from below": scripted(walk(4, (0.3, 300, 405, 70), (1.5, 320, 170, 70))),
    "crossing": scripted(
        walk(5, (0.0, 80, 150, 60), (1.6, 560, 150, 60)), walk(6, (0.0, 560, 160, 66), (1.6, 80, 160, 66))
    ),
    "behind a bar": scripted(walk(7, (0.0, 120, 150, 60), (2.0, 520, 150, 60)), frames=50, bars=[Bar(290, 350)]),
    "fast dash": scripted(walk(8, (0.5, -60, 150, 90), (1.1, 700, 170, 90))),
    "zoom": scripted(walk(9, (0.0, 320, 150, 28), (1.5, 320, 190, 260))),
    "cut": scripted(
        walk(10, (0.0, 150, 140, 70), (0.79, 200, 140, 70)),
        walk(11, (0.8, 420, 180, 90), (1.6, 470, 180, 90)),
        cuts=[0.8],
    ),
}


class Swung:
    """A scene through a camera that is swung about before it. See `Drawn`.

    reach: how far the middle of the view gets from the middle of the scene, in pixels; turns: there and back, in Hz.
    """

    def __init__(self, scene: Scene, reach: tuple[float, float], turns: float) -> None:
        self.width, self.height, self.fps, self.frames = WIDTH, HEIGHT, scene.fps, scene.frames
        self._scene = scene
        self._reach = reach
        self._turns = turns

    def _origin(self, n: int) -> tuple[int, int]:
        phase = 2 * math.pi * self._turns * n / self.fps
        x = (self._scene.width - WIDTH) / 2 + self._reach[0] * math.sin(phase)
        y = (self._scene.height - HEIGHT) / 2 + self._reach[1] * math.sin(2 * phase)
        return round(x / 2) * 2, round(y / 2) * 2

    def picture(self, n: int) -> Picture:
        """Frame n; i420."""
        x, y = self._origin(n)
        return self._scene.picture(n).cropped((x, y, x + WIDTH, y + HEIGHT))

    def truth(self, n: int) -> list[Truth]:
        """Every face of frame n that is wholly inside the view."""
        x, y = self._origin(n)
        seen = [replace(truth, box=shifted(truth.box, -x, -y)) for truth in self._scene.truth(n)]
        return [
            one for one in seen if one.box[0] >= 0 and one.box[1] >= 0 and one.box[2] <= WIDTH and one.box[3] <= HEIGHT
        ]


def _swung() -> Swung:
    """Three people stand or stroll in a wide street; the camera covers up to two of their faces per frame."""
    people = [
        walk(21, (0.0, 520, 300, 34), (2.0, 560, 300, 34)),
        walk(22, (0.0, 640, 330, 44), (2.0, 600, 330, 44)),
        walk(23, (0.0, 760, 310, 60), (2.0, 800, 320, 66)),
    ]
    street = Scene(people, width=2 * WIDTH, height=2 * HEIGHT, fps=FPS, frames=50, seed=4)
    return Swung(street, (150, 50), 1.0)


class Passed:
    """People who stand still before something that fills the picture and moves: a train, a screen. See `Drawn`.

    speed: pixels per frame, even; it comes and goes with the frames `during`, and has five times the picture's width.
    """

    def __init__(self, people: Sequence[Actor], frames: int, speed: int, during: range) -> None:
        self.width, self.height, self.fps = WIDTH, HEIGHT, FPS
        self.frames: int | None = frames
        self._people, self._nobody = scripted(*people, frames=frames), scripted(frames=frames)
        # The upper half of a street: walls all over.
        self._train = Scene(width=6 * WIDTH, height=2 * HEIGHT, fps=FPS, frames=frames, seed=7)
        self._speed = speed
        self._during = during

    def picture(self, n: int) -> Picture:
        """Frame n; i420."""
        x = self._speed * len([one for one in self._during if one <= n])
        canvas = self._train.picture(n).cropped((x, 0, x + WIDTH, HEIGHT)).canvas()
        planes = zip(canvas.planes, self._people.picture(n).planes, self._nobody.picture(n).planes, strict=True)
        for target, somebody, nobody in planes:
            np.copyto(target, somebody, where=somebody != nobody)
        return canvas.frozen()

    def truth(self, n: int) -> list[Truth]:
        """Every face of frame n."""
        return self._people.truth(n)


def _passed() -> Passed:
    """Three people at the picture's lower edge; in every frame the train goes on by the width of a face or so."""
    people = [walk(31 + i, (0.0, x, 315, size), (1.6, x + 2, 315, size)) for i, (x, size) in enumerate(_PLACES)]
    return Passed(people, frames=40, speed=24, during=range(10, 30))


_PLACES = (120, 34), (310, 44), (500, 60)
"""Where they stand, and the heights of their faces."""


def glimpse(first: int, frames: int) -> Scene:
    """Somebody who is there in so many frames from `first` on, in a street where nobody else is."""
    return scripted(walk(12, (first / FPS, 300, 150, 80), ((first + frames - 1) / FPS, 304, 150, 80)), frames=13)


CASES: Mapping[str, Drawn] = {**_CASES, "camera swung": _swung(), "a train behind": _passed()}

GLIMPSE = glimpse(4, 2)
"""Somebody who is there in frames 4 and 5 only; the detections are at frames 3 and 6."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one scene came to."""

    faces: int
    """Face-frames judged."""
    readable: list[int]
    """Frames in which a face could be read."""
    covered: list[int]
    """Frames covered whole."""


def judge(scene: Drawn, config: Config, ctx: Context) -> Judged:
    """Run a scene through the pipeline with a solid effect, and compare every frame with the truth.

    Raises what a run raises.
    """
    config = config.updated({"effect.kind": "solid"})
    named = Parts.of(config, Endpoint("demo", {}, "demo"), [], ctx)
    memory = build("sinks", "memory", {}, ctx)
    parts = replace(named, source=lambda: DemoSource(scene), sinks=[("memory", lambda: memory)])
    pipeline = Pipeline(config, parts)
    pipeline.start()
    pipeline.join()
    frames: list[AnonymizedFrame] = memory.frames
    faces, readable = 0, []
    for frame in frames:
        original = scene.picture(frame.seq).planes[0]
        for truth in scene.truth(frame.seq):
            if truth.visible < _VISIBLE or truth.box[2] - truth.box[0] < _MIN_FACE_PX:
                continue
            faces += 1
            if not frame.covered and is_readable(original, frame.image.planes[0], truth.box):
                readable.append(frame.seq)
    return Judged(faces, readable, [frame.seq for frame in frames if frame.covered])
