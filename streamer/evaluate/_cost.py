"""What all detection costs, enlarged windows and verification included, against one plain detection on every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import thread_time

from streamer.config.endpoints import Endpoint
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import Detector
from streamer.inference.models.store import Store
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline

__all__ = ["detector_cost"]

_PLAIN = {"input_px": 1280, "near": False}
_EVERY = 4
"""After so many detections the plain one is timed beside them: close by, because a shared machine's speed drifts."""


class _Timed:
    """A detector and its CPU time. See `Detector`."""

    def __init__(self, detector: Detector, plain: Detector) -> None:
        self._detector = detector
        self._plain = plain
        self.cpu_s = 0.0
        self.plain_s: list[float] = []
        self._frames = 0
        self._largest = 0

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Detect, and count."""
        start = thread_time()
        found = self._detector.detect(pictures)
        self.cpu_s += thread_time() - start
        pixels = pictures[0].width * pictures[0].height
        self._largest = max(self._largest, pixels)
        if pixels == self._largest:  # a whole frame
            self._frames += 1
            if self._frames % _EVERY == 1:
                start = thread_time()
                self._plain.detect(pictures[:1])
                self.plain_s.append(thread_time() - start)
        return found

    def close(self) -> None:
        """See `Detector.close`."""
        self._detector.close()
        self._plain.close()


def detector_cost(clip: Path, preset: str) -> float:
    """CPU time of all detection per frame, in percent of one at 1280 px. One thread each. Raises what a run raises."""
    config = Config().updated({"privacy": preset})
    ctx = Store().context(config.run.device)
    named = Parts.of(config, Endpoint("file", {"path": str(clip)}), [Endpoint("null", {}, "null")], ctx)
    made: list[_Timed] = []

    def timed() -> Detector:
        plain: Detector = build("detectors", config.detector.kind, {**_PLAIN}, ctx)
        made.append(_Timed(named.detector(), plain))
        return made[0]

    pipeline = Pipeline(config, replace(named, detector=timed))
    pipeline.start()
    frames: int = pipeline.join().summary["captured"]
    plain_s = sum(made[0].plain_s[1:]) / max(1, len(made[0].plain_s) - 1)  # the first run of a session is slower
    return round(100 * made[0].cpu_s / frames / plain_s, 1)
