"""A drawn scene: people who move through a street by a script, frame by frame, with the truth about every face.

A frame is a pure function of the scene and its number: any frame can be drawn at any time, and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture
from streamer.drawn.stage import Bar, Pose, Stage, Truth

__all__ = ["Actor", "Bar", "Drawn", "Pose", "Scene", "Stage", "Truth", "Waypoint"]


class Drawn(Protocol):
    """What can be played like a video."""

    width: int
    height: int
    fps: float
    frames: int | None
    """None: endless."""

    def picture(self, n: int) -> Picture:
        """Frame n, from 0; i420."""
        ...

    def truth(self, n: int) -> list[Truth]:
        """Every face of frame n of which anything is inside the picture."""
        ...


@dataclass(frozen=True, slots=True)
class Waypoint:
    """Where a face is at one moment; between two of them everything changes evenly."""

    t: float
    """Seconds from the beginning of the scene."""
    x: float
    y: float
    face_px: float
    yaw: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who is there from the first waypoint to the last, both included."""

    person: int
    path: tuple[Waypoint, ...]

    def pose(self, t: float) -> Pose | None:
        """The person at time t; None when not there."""
        times = [point.t for point in self.path]
        if not times or not times[0] - 1e-9 <= t <= times[-1] + 1e-9:
            return None
        x, y, face_px, yaw, roll = (
            float(np.interp(t, times, [getattr(point, name) for point in self.path]))
            for name in ("x", "y", "face_px", "yaw", "roll")
        )
        moves = any((a.x, a.y) != (b.x, b.y) for a, b in pairwise(self.path))
        return Pose(self.person, x, y, face_px, yaw, roll, stride=9.0 * t if moves else None)


class Scene:
    """Actors by script. See `Drawn`.

    frames: how many there are. cuts: seconds at which the street changes. cast: more people by the clock, for scenes
    that no list can hold.
    """

    def __init__(
        self,
        actors: Sequence[Actor] = (),
        *,
        width: int = 640,
        height: int = 360,
        fps: float = 25.0,
        frames: int | None = None,
        seed: int = 0,
        cuts: Sequence[float] = (),
        bars: Sequence[Bar] = (),
        cast: Callable[[float], Sequence[Pose]] | None = None,
    ) -> None:
        self.width, self.height, self.fps, self.frames = width, height, fps, frames
        self._actors = tuple(actors)
        self._cuts = sorted(cuts)
        self._cast = cast
        self._stage = Stage(width, height, seed=seed, bars=bars)

    def poses(self, n: int) -> list[Pose]:
        """Who is there in frame n."""
        t = n / self.fps
        here = [pose for actor in self._actors if (pose := actor.pose(t)) is not None]
        return [*here, *(self._cast(t) if self._cast else ())]

    def picture(self, n: int) -> Picture:
        """Frame n; i420."""
        background = sum(n / self.fps >= cut - 1e-9 for cut in self._cuts)
        return self._stage.draw(self.poses(n), background)

    def truth(self, n: int) -> list[Truth]:
        """Every face of frame n of which anything is inside the picture."""
        return self._stage.truth(self.poses(n))

    def seen(self, n: int) -> dict[int, tuple[tuple[int, int, int, int], NDArray[np.float32]]]:
        """Which samples of each face of frame n can be seen: person -> window, and 0 to 1 per sample."""
        return self._stage.seen(self.poses(n))
