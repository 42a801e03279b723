"""How old live pictures are on a machine that is too slow for them: pytest tests/benchmarks/bench_overload.py -s

4K at 50 pictures a second, and 720p at 25 on an eighth of a core (Linux, where the `cpu` group may be written). The
stamps tell when each picture was taken. STREAMER_OVERLOAD_S: seconds that each run takes (60). Not collected.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from fakes import RecordingSink
from support.weights import weights

from streamer.anonymize.frame import AnonymizedFrame
from streamer.config.schema import Config
from streamer.core.clock import LiveClock, Moment
from streamer.core.options import Context
from streamer.effects import solid
from streamer.pipeline.assembly import Parts, detector_of
from streamer.pipeline.pipeline import Pipeline
from streamer.sources.rtsp import Options, build

LENGTH_S = float(os.environ.get("STREAMER_OVERLOAD_S") or 60)
GROUP = Path("/sys/fs/cgroup/cpu")

pytestmark = pytest.mark.timeout(120 + 2 * int(LENGTH_S))


class Seen(RecordingSink):
    """A live sink that notes when it was given which picture first; it keeps none."""

    def __init__(self) -> None:
        super().__init__(live=True)
        self.at: dict[float, float] = {}
        """Of the frames' times."""

    def write(self, frame: AnonymizedFrame) -> None:
        """See `Sink.write`."""
        if frame.seq >= 0 and not frame.covered:
            self.at.setdefault(frame.t, time.monotonic())


@contextmanager
def camera(width: int, height: int, fps: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "support.live_camera", str(width), str(height), str(fps)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def an_eighth_of_a_core() -> Iterator[None]:
    group = GROUP / f"streamer-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        pytest.skip(f"{GROUP} cannot be used: {error}")
    try:
        (group / "cpu.cfs_quota_us").write_text("12500")
        yield
    finally:
        (GROUP / "cgroup.procs").write_text(str(os.getpid()))
        group.rmdir()


def peak_mb() -> float:
    """The most memory that this process has had since it was asked last."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) / 1000


def run(url: str, process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure, print and judge."""
    stamps: dict[float, float] = {}
    read = LiveClock.read

    def noted(clock: LiveClock, source_t: float | None, now: float, waited_s: float | None = None) -> Moment:
        moment = read(clock, source_t, now, waited_s)
        stamps[moment.t] = source_t or 0.0
        return moment

    monkeypatch.setattr(LiveClock, "read", noted)
    config, sink = Config().updated({"run.duration_s": LENGTH_S}), Seen()
    parts = Parts(
        lambda: build(Options(url=url), Context()),
        lambda: detector_of(config, Context(model=weights)),
        lambda kind: solid.build(solid.Options(), Context()),
        [("live", lambda: sink)],
    )
    pipeline = Pipeline(config, parts)
    peak_mb()
    pipeline.start()
    assert process.stdout is not None
    began = float(process.stdout.readline())
    while pipeline.poll(0.2).running:
        pass
    summary = pipeline.join().summary
    ages = [(at, at - began - stamps[t]) for t, at in sink.at.items()]
    p50, p95 = np.percentile([age for _, age in ages], (50, 95))
    told, peak = summary["camera_ms"]["live"]["p50"] / 1000, peak_mb()
    fives = [round(float(np.median([age for _, age in some])), 2) for _, some in groupby(ages, lambda one: one[0] // 5)]
    sys.stdout.write(f"\n  {len(ages)} pictures, {p50:.2f} s old (95 %: {p95:.2f}), told {told:.2f}; {peak:.0f} MB")
    sys.stdout.write(f"\n  median per 5 s: {fives}\n  {summary['emitted']['live']}, {summary['dropped']['where']}\n")
    assert p50 <= 1.5
    assert told == pytest.approx(p50, rel=0.15)
    assert peak <= 700


def test_4k_at_50(monkeypatch: pytest.MonkeyPatch) -> None:
    with camera(3840, 2160, 50) as (url, process):
        run(url, process, monkeypatch)


def test_720p_at_25_on_an_eighth_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    with camera(1280, 720, 25) as (url, process), an_eighth_of_a_core():
        run(url, process, monkeypatch)
