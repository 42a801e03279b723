"""What happened: counters, latencies and times per stage. One instance per stream, shared by its threads."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from streamer.core.logs import StreamLog
from streamer.core.reasons import CoverReason, DropReason, Emission, FailingPart
from streamer.core.report import Note

__all__ = ["Counts", "Stats"]

_RECENT = 120
"""Frames over which the present rate is measured."""
_LATENCIES = 100_000
"""Latencies kept for the percentiles; at 30 frames/s that is an hour."""
_NOTES = 200
"""Notes kept: a camera that breaks off every minute for a month must not fill the memory."""


@dataclass(slots=True)
class Counts:
    """How often what happened."""

    captured: int = 0
    sealed: int = 0
    covered: int = 0
    faces_hidden: int = 0
    passes: int = 0
    embeddings: int = 0
    lost: int = 0
    """A live source broke off."""
    reconnected: int = 0
    further_notes: int = 0
    """Notes that were not kept."""


class Stats:
    """Thread-safe tallies. Times passed in are seconds on one monotonic clock.

    log: told the notes as they come.
    """

    def __init__(self, log: StreamLog | None = None) -> None:
        self.log = StreamLog() if log is None else log
        self._lock = threading.Lock()
        self._counts = Counts()
        self._failures: Counter[FailingPart] = Counter()
        self._drops: Counter[tuple[str, DropReason]] = Counter()
        self._covers: Counter[CoverReason] = Counter()
        self._stage_s: defaultdict[str, float] = defaultdict(float)
        self._stage_n: Counter[str] = Counter()
        self._captured_at: dict[int, tuple[float, float | None]] = {}
        """When a frame was read, and when it was taken."""
        self._latency_s: dict[str, deque[float]] = {}
        self._camera_s: dict[str, deque[float]] = {}
        self._emitted: dict[str, Counter[Emission]] = {}
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._faces = 0
        self._notes: list[Note] = []

    # -- telling it ---------------------------------------------------------------------------------------------

    def captured(self, seq: int, now: float, taken_at: float | None = None) -> None:
        """A frame was read from the source. taken_at: live, when its camera took it, as far as can be estimated."""
        with self._lock:
            self._counts.captured += 1
            self._captured_at[seq] = now, taken_at
            if len(self._captured_at) > 4096:  # frames that no sink ever got; the dict keeps insertion order
                del self._captured_at[next(iter(self._captured_at))]

    def dropped(self, where: str, why: DropReason, count: int = 1) -> None:
        """Frames were given up, at `capture` or at the sink of that name."""
        with self._lock:
            self._drops[where, why] += count

    def covered(self, why: CoverReason) -> None:
        """A whole frame was hidden."""
        with self._lock:
            self._counts.covered += 1
            self._covers[why] += 1

    def sealed(self, faces: int) -> None:
        """A frame was made fit to be shown, with so many faces hidden in it."""
        with self._lock:
            self._counts.sealed += 1
            self._counts.faces_hidden += faces
            self._faces = faces

    def passed(self) -> None:
        """The detector examined a frame."""
        with self._lock:
            self._counts.passes += 1

    def embedded(self, faces: int) -> None:
        """The embedder compared so many faces."""
        with self._lock:
            self._counts.embeddings += faces

    def failed(self, part: FailingPart) -> None:
        """A part failed once, and the run goes on."""
        with self._lock:
            self._failures[part] += 1

    def lost(self, why: str) -> None:
        """A live source broke off."""
        with self._lock:
            self._counts.lost += 1
        self.note(f"lost: {why}", stage="capture")

    def reconnected(self) -> None:
        """It was opened again."""
        with self._lock:
            self._counts.reconnected += 1
        self.log.say("capture", logging.INFO, "opened again")

    def emitted(self, sink: str, seq: int, kind: Emission, now: float) -> None:
        """A sink took a frame."""
        with self._lock:
            self._emitted.setdefault(sink, Counter())[kind] += 1
            captured_at, taken_at = self._captured_at.get(seq, (None, None))
            if kind.fresh and captured_at is not None:
                self._latency_s.setdefault(sink, deque(maxlen=_LATENCIES)).append(now - captured_at)
                self._recent.append(now)
            if kind.fresh and taken_at is not None:
                self._camera_s.setdefault(sink, deque(maxlen=_LATENCIES)).append(now - taken_at)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            spent = perf_counter() - start
            with self._lock:
                self._stage_s[stage] += spent
                self._stage_n[stage] += 1

    def note(self, text: str, *, warning: bool = False, stage: str = "run") -> None:
        """Something a person should read, also in report and log; empty: nothing. warning: it concerns privacy."""
        if not text:
            return
        self.log.say(stage, logging.WARNING if warning else logging.INFO, "%s", text)
        with self._lock:
            if len(self._notes) < _NOTES:
                self._notes.append(Note(text, warning))
            else:
                self._counts.further_notes += 1

    # -- asking it ----------------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """All counters as they are now."""
        with self._lock:
            return replace(self._counts)

    def fps(self, now: float) -> float:
        """Frames per second emitted lately (by all sinks together when there are several)."""
        with self._lock:
            recent, sinks = list(self._recent), max(1, len(self._latency_s))
        recent = [moment for moment in recent if moment > now - 3.0]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(1e-6, now - recent[0]) / sinks

    def notes(self) -> tuple[Note, ...]:
        """Those that were kept."""
        with self._lock:
            return tuple(self._notes)

    def faces(self) -> int:
        """Faces hidden in the last frame."""
        return self._faces

    def drops(self) -> int:
        """Frames dropped so far, anywhere."""
        with self._lock:
            return sum(self._drops.values())

    def latency_s(self) -> float | None:
        """Median latency over the last frames, of the sink that waits longest."""
        return self._lately(self._latency_s)

    def camera_s(self) -> float | None:
        """The same from the camera on; None where nobody knows."""
        return self._lately(self._camera_s)

    def _lately(self, every: dict[str, deque[float]]) -> float | None:
        with self._lock:
            recent = [list(values)[-30:] for values in every.values() if values]
        return max((float(np.median(values)) for values in recent), default=None)

    def summary(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        with self._lock:
            counts, failures = replace(self._counts), dict(self._failures)
            drops = {f"{where}: {why}": number for (where, why), number in self._drops.items()}
            covers = {why.value: number for why, number in self._covers.items()}
            emitted = {sink: {kind.value: n for kind, n in kinds.items()} for sink, kinds in self._emitted.items()}
            latency = {sink: list(values) for sink, values in self._latency_s.items()}
            camera = {sink: list(values) for sink, values in self._camera_s.items()}
            stage = {name: (self._stage_s[name], self._stage_n[name]) for name in self._stage_n}
            notes = [note.text for note in self._notes]
        if counts.further_notes:
            notes.append(f"{counts.further_notes} more notes were not kept")
        return {
            "captured": counts.captured,
            "sealed": counts.sealed,
            "covered": {"total": counts.covered, "why": covers},
            "dropped": {"total": sum(drops.values()), "where": drops},
            "faces_hidden": counts.faces_hidden,
            "detector_passes": counts.passes,
            "emitted": emitted,
            "latency_ms": {sink: _percentiles_ms(values) for sink, values in latency.items() if values},
            "camera_ms": {sink: _percentiles_ms(values) for sink, values in camera.items()},
            "stage_ms": {
                name: {"mean": round(1e3 * total / number, 3), "calls": number}
                for name, (total, number) in sorted(stage.items())
            },
            "other": _others(counts, failures),
            "notes": notes,
        }


def _others(counts: Counts, failures: dict[FailingPart, int]) -> dict[str, int]:
    """What seldom happens, where it did."""
    rare = {
        "lost": counts.lost,
        "reconnected": counts.reconnected,
        "embeddings": counts.embeddings,
        "further_notes": counts.further_notes,
        **{part.value: number for part, number in failures.items()},
    }
    return {name: number for name, number in rare.items() if number}


def _percentiles_ms(values: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(np.asarray(values) * 1e3, (50, 95, 99))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "p99": round(float(p99), 1)}
