"""What every setting costs and leaks: the same clips under many settings, judged frame by frame.

Every clip is run twice per setting: once with a solid effect and the leak meter beside it, once into nothing, for the
speed. What frames wait for is not timed but counted, on the scheduler itself with a detector that answers at once: how
many later frames have to be captured before one may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

from streamer.config.endpoints import Endpoint, parse_input
from streamer.config.presets import PRESET_NAMES
from streamer.config.schema import Config
from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import DetectionResult, Frame
from streamer.evaluate.leak import Face, LeakMeter, judge_run, load_reference
from streamer.identity.decide import hide_everyone
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline, Report
from streamer.stages.scheduler import Scheduler
from streamer.tracking.tracker import Tracker

__all__ = ["Clip", "Row", "Setting", "clips", "measure", "usual_settings", "waiting_frames"]

_EVERY = range(1, 11)
_INPUTS_PX = (640, 960, 1280)
_DETECTORS = ("yunet", "centerface")
"""Those that need no further library, and whose weights anybody may use."""
_LIVE = {"detect.look_back_s": 0.0}
"""What a live source has by default: no waiting beyond the next detection."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the sweep."""

    group: str
    """Points of a group form a line."""
    name: str
    overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip and its reference: faces by frame number."""

    path: Path
    faces: Mapping[int, list[Face]]


@dataclass(slots=True)
class Row:
    """What one setting came to, over all clips."""

    group: str
    name: str
    frames: int = 0
    face_frames: int = 0
    leaked: int = 0
    leak_percent: float = 0.0
    longest_exposure_frames: int = 0
    needless_cover_percent: float = 0.0
    covered_whole_percent: float = 0.0
    passes_percent: float = 0.0
    fps: float = 0.0
    cpu_ms_per_frame: float = 0.0
    """Of the whole process, encoding left out: also on a busy machine it tells what a setting costs."""
    waits_mean_frames: float = 0.0
    waits_most_frames: int = 0
    clips: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Clip -> what the leak meter said."""
    missing: str = ""
    """Why nothing could be measured."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def usual_settings() -> Iterator[Setting]:
    """Cadence with and without lookahead, input sizes, detectors and presets, as on a live source; files' default."""
    for lookahead in (True, False):
        group = "with lookahead" if lookahead else "without"
        for every in _EVERY:
            changes = {"detect.every": every, "detect.lookahead": lookahead, **_LIVE}
            yield Setting(group, f"every {every}", changes)
    for px in _INPUTS_PX:
        yield Setting("input", f"{px} px", {"detector.input_px": px, **_LIVE})
    for kind in _DETECTORS:
        yield Setting("detector", kind, {"detector.kind": kind, **_LIVE})
    for preset in PRESET_NAMES:
        yield Setting("preset", preset, {"privacy": preset, **({} if preset == "strict" else _LIVE)})
    yield Setting("preset", "balanced, file", {"privacy": "balanced"})


def clips(paths: Sequence[Path], references: Path) -> list[Clip]:
    """The clips with their references, `NAME.csv` in that folder. Raises InputError when one is missing."""
    if gone := [path for path in paths if not path.is_file()]:
        raise InputError(f"there is no clip {gone[0]}")
    return [Clip(path, load_reference(references / f"{path.stem}.csv")) for path in paths]


def measure(
    todo: Sequence[Clip],
    setting: Setting,
    base: Config,
    ctx: Context,
    *,
    min_face_px: float = 20,
    say: Callable[[str], None],
) -> Row:
    """Run all clips under one setting. Raises what a run raises."""
    config = base.updated(setting.overrides)
    row = Row(setting.group, setting.name)
    needless = whole = passes = wall_s = cpu_s = 0.0
    for clip in todo:
        say(f"{setting.group}, {setting.name}: {clip.path.name}")
        meter = LeakMeter(clip.faces, min_face_px=min_face_px)
        source = parse_input(str(clip.path))
        judged = judge_run(source, config, meter, ctx)
        result = meter.result()
        before_s = process_time()
        timed = _timed(config, source, ctx)
        cpu_s += process_time() - before_s
        if not result["frames"]:
            raise InputError(f"{clip.path} gave no frame")
        frames = result["frames"]
        row.frames += frames
        row.face_frames += result["face_frames"]
        row.leaked += result["leaked"]
        row.longest_exposure_frames = max(row.longest_exposure_frames, result["longest_exposure_frames"])
        needless += frames * result["needless_cover_percent"]
        whole += result["frames_covered_whole"]
        passes += judged.summary["detector_passes"]
        wall_s += timed.summary["wall_s"]
        row.clips[clip.path.stem] = result
        fps = timed.info.fps or 25.0
    row.leak_percent = round(100 * row.leaked / max(1, row.face_frames), 3)
    row.needless_cover_percent = round(needless / row.frames, 2)
    row.covered_whole_percent = round(100 * whole / row.frames, 2)
    row.passes_percent = round(100 * passes / row.frames, 1)
    row.fps = round(row.frames / wall_s, 1)
    row.cpu_ms_per_frame = round(1e3 * cpu_s / row.frames, 2)
    mean, most = waiting_frames(config, fps)
    row.waits_mean_frames, row.waits_most_frames = round(mean, 2), most
    return row


def _timed(config: Config, source: Endpoint, ctx: Context) -> Report:
    """The same run with its own effect and nobody who judges."""
    named = Parts.of(config, source, [Endpoint("null", {}, "null")], ctx)
    pipeline = Pipeline(config, named)
    pipeline.start()
    return pipeline.join()


def waiting_frames(config: Config, fps: float, *, frames: int = 240) -> tuple[float, int]:
    """How many later frames must have been captured before a frame may leave: the mean, and the most.

    Counted on a live scheduler whose detector answers at once; the time of a detection comes on top.
    """
    scheduler = Scheduler(config.detect, lambda: Tracker(config.track, 0.4), hide_everyone, live=True)
    image = Picture.blank(16, 16).frozen()
    waits: list[int] = []
    for number in range(frames):
        t = number / fps
        left = scheduler.offer(Frame(number, 0, t, image), t)
        while (request := scheduler.next_request()) is not None:
            left += scheduler.detected(DetectionResult(request.frame.seq, 0, request.frame.t, ()), t)
        waits += [number - planned.frame.seq for planned in left]
    return sum(waits) / max(1, len(waits)), max(waits, default=0)
