"""Drawn people in a drawn street: something to hide where there is no camera, with the truth known exactly."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from streamer.core.addresses import Claim
from streamer.core.options import Context, PartOptions
from streamer.core.types import Captured, SourceInfo
from streamer.drawn.scene import Bar, Drawn, Pose, Scene, Truth
from streamer.drawn.street import HORIZON
from streamer.sources import Source

__all__ = ["FORMS", "DemoSource", "Options", "build", "claims", "scene"]

FORMS = "demo"


class Options(PartOptions):
    """Settings of the demo source."""

    seed: int = Field(1, ge=0, description="another number gives other people in another street")
    width: int = Field(1280, ge=64, le=7680, description="pixels")
    height: int = Field(720, ge=64, le=4320, description="pixels")
    fps: float = Field(25.0, gt=0, le=240, description="frames per second")
    faces: int = Field(5, ge=0, le=50, description="people who are there at any time, or about to come")
    duration_s: float | None = Field(None, gt=0, description="length; null never ends")
    realtime: bool = Field(False, description="play at its own speed, as a camera would, instead of all at once")


def claims(text: str) -> Claim | None:
    """The word alone."""
    return Claim(text=text) if text == "demo" else None


def build(options: Options, ctx: Context) -> Source:
    """Set the scene."""
    return DemoSource(scene(options), name="demo", realtime=options.realtime)


def scene(options: Options) -> Scene:
    """The demo's scene, for callers that want single frames and their truth."""
    frames = None if options.duration_s is None else max(1, round(options.duration_s * options.fps))
    crowd = _Crowd(options)
    left = round(options.width * 0.385) & ~1
    bar = Bar(left, left + (round(options.width * 0.045) & ~1), face_px=0.13 * options.height)
    return Scene(
        width=options.width,
        height=options.height,
        fps=options.fps,
        frames=frames,
        seed=options.seed,
        bars=[bar],
        cast=crowd.poses,
    )


class DemoSource:
    """Plays something drawn. See `Source` for the contract."""

    def __init__(self, drawn: Drawn, *, name: str = "scene", realtime: bool = False) -> None:
        self._drawn = drawn
        self._realtime = realtime
        self._n = 0
        self._started: float | None = None
        self._closing = threading.Event()
        self.warnings: list[str] = []
        self.info = SourceInfo(
            name=name,
            width=drawn.width,
            height=drawn.height,
            live=realtime,
            fps=drawn.fps,
            frames=drawn.frames,
            duration_s=None if drawn.frames is None else drawn.frames / drawn.fps,
            detail="drawn people",
        )

    def truth(self, n: int) -> list[Truth]:
        """Every face in frame n (its time is n / fps), as it really is. Not while another thread reads."""
        return self._drawn.truth(n)

    def read(self) -> Captured | None:
        """The next frame; None at the end."""
        if self._realtime:
            self._wait()
        if self._closing.is_set() or (self._drawn.frames is not None and self._n >= self._drawn.frames):
            return None
        n, self._n = self._n, self._n + 1
        waited_s = math.inf if self._realtime else None  # nothing lies ready, as nothing lies ready in a camera
        return Captured(n / self._drawn.fps, self._drawn.picture(n), waited_s=waited_s)

    def _wait(self) -> None:
        """Sleep until the next frame is due; frames that nobody fetched in time are gone."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        self._n = max(self._n, math.floor((now - self._started) * self._drawn.fps))
        self._closing.wait(max(0.0, self._started + self._n / self._drawn.fps - now))

    def close(self) -> None:
        """End a waiting read."""
        self._closing.set()


@dataclass(frozen=True, slots=True)
class _Walk:
    """One person's way through the picture, once per period. Lengths in heights of the picture."""

    person: int
    kind: int
    """0, 1: cross from the left, from the right; 2: come nearer; 3: stop and look around."""
    face: float
    lift: float
    where: float
    """0..1: across the picture."""
    phase: float


class _Crowd:
    """People who come and go for ever. Who is where depends on the time alone."""

    def __init__(self, options: Options) -> None:
        self._seed, self._faces = options.seed, options.faces
        self._height, self._wide = options.height, options.width / options.height
        # Drawing lots takes longer than placing people, and they walk the same way for hundreds of frames.
        self._rhythm = lru_cache(maxsize=64)(self._draw_rhythm)
        self._walk = lru_cache(maxsize=64)(self._draw_walk)

    def poses(self, t: float) -> list[Pose]:
        """Who is there at t seconds."""
        return [self._pose(slot, t) for slot in range(self._faces)]

    def _pose(self, slot: int, t: float) -> Pose:
        period, offset = self._rhythm(slot)
        turn, share = divmod(t / period + offset, 1.0)
        walk = self._walk(slot, int(turn))
        if walk.kind == 2:
            return self._nearer(walk, share, t)
        if walk.kind == 3:
            return self._looking(walk, share, t)
        return self._crossing(walk, share, t)

    def _draw_rhythm(self, slot: int) -> tuple[float, float]:
        """Seconds from one coming to the next, and how far through it the scene begins."""
        rng = np.random.default_rng((self._seed, slot))
        return float(rng.uniform(8, 13)), float(rng.uniform(0.15, 0.6))

    def _draw_walk(self, slot: int, turn: int) -> _Walk:
        """Who comes next in this place, and how."""
        rng = np.random.default_rng((self._seed, slot, turn))
        # The first three slots show the first three kinds at once; later on anything goes.
        kind = (0, 2, 1, 3)[slot % 4] if turn == 0 else int(rng.choice([0, 0, 1, 1, 2, 3]))
        person = self._seed * 1000 + slot + self._faces * (turn % 3)
        face, lift, where, phase = rng.uniform((0.045, 0.1, 0.12, 0), (0.16, 0.9, 0.88, 6.3))
        return _Walk(person, kind, float(face), float(lift), float(where), float(phase))

    def _at(self, walk: _Walk, x: float, face: float, yaw: float, t: float, *, walking: bool) -> Pose:
        """A pose from heights of the picture; heads bob when people walk."""
        stride = 7.0 * t + walk.phase
        bob = 0.035 * face * abs(math.cos(stride)) if walking else 0.0
        y = HORIZON + walk.lift * face * 0.7 - bob
        h = self._height
        roll = 3.0 * math.sin(1.3 * t + walk.phase)
        return Pose(walk.person, x * h, y * h, face * h, yaw, roll, stride if walking else None)

    def _crossing(self, walk: _Walk, share: float, t: float) -> Pose:
        margin = 1.3 * walk.face
        along = -margin + share * (self._wide + 2 * margin)
        forward = 1 if walk.kind == 0 else -1
        # They look where they go, and now and then into the camera.
        yaw = forward * (14 + 14 * math.sin(0.9 * t + walk.phase))
        return self._at(walk, along if forward > 0 else self._wide - along, walk.face, yaw, t, walking=True)

    def _nearer(self, walk: _Walk, share: float, t: float) -> Pose:
        face = 0.04 * (0.30 / 0.04) ** min(1.0, share / 0.8)
        x = walk.where * self._wide
        if share > 0.8:  # past the camera, out on the nearer side
            away = (share - 0.8) / 0.2
            out = self._wide + 0.5 if walk.where > 0.5 else -0.5
            x += (out - x) * away**1.5
            return self._at(walk, x, face, 22 * away * (1 if out > 0 else -1), t, walking=True)
        return self._at(walk, x, face, 10 * math.sin(0.8 * t + walk.phase), t, walking=True)

    def _looking(self, walk: _Walk, share: float, t: float) -> Pose:
        stop = 0.3, 0.75
        side = 1 if walk.where > 0.5 else -1
        start = self._wide + 1.3 * walk.face if side > 0 else -1.3 * walk.face
        x = walk.where * self._wide
        if stop[0] <= share <= stop[1]:
            return self._at(walk, x, walk.face, 34 * math.sin(1.1 * t + walk.phase), t, walking=False)
        away = (stop[0] - share) / stop[0] if share < stop[0] else (share - stop[1]) / (1 - stop[1])
        yaw = side * (-22 if share < stop[0] else 22) * min(1.0, 4 * away)
        return self._at(walk, x + (start - x) * away, walk.face, yaw, t, walking=True)
