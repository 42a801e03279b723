"""Through the whole pipeline: what a mask hides changes not one byte of the video that is written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.anonymize import gate
from streamer.anonymize.masks import MaskOptions, region
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Box, Captured, Cover, Detection, Frame, Plan, SourceInfo
from streamer.evaluate.contact_sheet import room
from streamer.identity.decide import hide_everyone
from streamer.pipeline import loops
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline

SIZE = 320, 240
FRAMES = 40
_MARK_PX = 8
"""Side of the squares in the first rows that hold a frame's number in binary."""


def faces(number: int) -> list[Box]:
    """Two faces that pass each other, and one that leaves through the border."""
    found: list[Box] = [(30 + 5 * number, 70, 82 + 5 * number, 138), (250 - 4 * number, 90, 300 - 4 * number, 155)]
    if number > 12:
        found.append((-40 + 2.5 * number, 150, 10 + 2.5 * number, 215))
    return found


def number_of(picture: Picture) -> int:
    return sum((int(picture.planes[0][2, _MARK_PX * bit + 2]) > 128) << bit for bit in range(8))


def scene() -> list[Picture]:
    """A textured room; in every face's box detail of its own."""
    chance = np.random.default_rng(4)
    wall = Picture.from_bgr(room(*SIZE))
    pictures = []
    for number in range(FRAMES):
        picture = wall.canvas()
        for box in faces(number):
            x0, y0, x1, y1 = (max(0, round(edge)) for edge in box)
            for plane, shift in zip(picture.planes, picture.shifts, strict=True):
                part = plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift]
                part[:] = chance.integers(60, 200, part.shape, dtype=np.uint8)
        for bit in range(8):
            picture.planes[0][:_MARK_PX, _MARK_PX * bit : _MARK_PX * (bit + 1)] = 235 if number >> bit & 1 else 16
        pictures.append(picture.frozen())
    return pictures


@dataclass
class Scripted:
    """The pictures as a source."""

    pictures: Sequence[Picture]
    n: int = 0
    warnings: list[str] = field(default_factory=list)
    info: SourceInfo = field(default_factory=lambda: SourceInfo("drawn", *SIZE, live=False, fps=25, frames=FRAMES))

    def read(self) -> Captured | None:
        if self.n >= len(self.pictures):
            return None
        self.n += 1
        return Captured((self.n - 1) / 25, self.pictures[self.n - 1])

    def close(self) -> None: ...


class Detector:
    """Finds what the script says, whatever the pixels are."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        return [[Detection(box, 0.9) for box in faces(number_of(picture))] for picture in pictures]

    def close(self) -> None: ...


Plans = dict[int, tuple[Frame, Plan | None]]


def run(
    pictures: Sequence[Picture], path: Path, monkeypatch: pytest.MonkeyPatch, effect: str, **options: Any
) -> tuple[str, Plans]:
    """Write a video; its sha256, and the plan of every frame."""
    plans: Plans = {}
    real = gate.seal

    def spied(frame: Frame, plan: Plan | None, **rest: Any) -> Any:
        plans[frame.seq] = frame, plan
        return real(frame, plan, **rest)

    monkeypatch.setattr(loops, "seal", spied)
    config = Config().updated({"detect.second_looks": 0, "detector.confirm": False, "mask.feather": 0.0, **options})
    parts = Parts(
        lambda: Scripted(pictures),
        Detector,
        lambda kind: build("effects", effect, {}, Context()),
        [("file", lambda: build("sinks", "file", {"path": path}, Context()))],
        hide_everyone,
    )
    pipeline = Pipeline(config, parts)
    pipeline.start()
    pipeline.join()
    monkeypatch.setattr(loops, "seal", real)
    return hashlib.sha256(path.read_bytes()).hexdigest(), plans


def otherwise_hidden(pictures: Sequence[Picture], plans: Plans, mask: MaskOptions) -> list[Picture]:
    """The same pictures with other detail under every mask."""
    chance = np.random.default_rng(9)
    others = []
    for number, picture in enumerate(pictures):
        plan = plans[number][1]
        assert plan is not None
        canvas = picture.canvas()
        for track, verdict in plan.tracks:
            assert isinstance(verdict, Cover)
            if (place := region(picture, track, mask)) is None:
                continue
            x0, y0, x1, y1 = place.window
            for plane, stencil, shift in zip(canvas.planes, place.masks(canvas.shifts), canvas.shifts, strict=True):
                part = plane[y0 >> shift : y1 >> shift, x0 >> shift : x1 >> shift]
                part[stencil > 0] = chance.integers(60, 200, int((stencil > 0).sum()), dtype=np.uint8)
        others.append(canvas.frozen())
    return others


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize(("effect", "same"), [("frosted", True), ("silhouette", True), ("mosaic_noise", False)])
def test_what_a_mask_hides_changes_no_byte_of_the_file(
    effect: str, same: bool, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = scene()
    first, plans = run(pictures, tmp_path / f"a.{ending}", monkeypatch, effect)
    assert len(plans) == FRAMES
    others = otherwise_hidden(pictures, plans, MaskOptions())
    assert sum(not np.array_equal(a.buffer, b.buffer) for a, b in zip(pictures, others, strict=True)) == FRAMES
    second, replans = run(others, tmp_path / f"b.{ending}", monkeypatch, effect)
    assert {seq: plan for seq, (_, plan) in plans.items()} == {seq: plan for seq, (_, plan) in replans.items()}
    assert (first == second) == same
