"""Fifty runs in one fresh process: `python -m support.runs CLIP MODEL FOLDER` prints what was left behind, as JSON.

A process of its own, because in one that has run a thousand other tests memory comes and goes by itself.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
from pathlib import Path

from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline


def once(clip: Path, model: Path, output: Path, *, to_the_end: bool) -> None:
    """One run; half of them are stopped in the middle."""
    sink = Endpoint("file", {"path": str(output), "force": True}, "out")
    config = Config().updated({"run.duration_s": 0.6})
    pipeline = Pipeline(
        config, Parts.of(config, Endpoint("file", {"path": str(clip)}), [sink], Context(model=lambda name: model))
    )
    pipeline.start()
    if not to_the_end:
        pipeline.poll(0.02)
        pipeline.stop()
    pipeline.join()


def held() -> dict[str, int]:
    """Threads, file descriptors and memory of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii").split("VmRSS:")[1]
    return {
        "threads": threading.active_count(),
        "file descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "MB resident": int(status.split()[0]) // 1024,
    }


if __name__ == "__main__":
    clip, model, folder = (Path(argument) for argument in sys.argv[1:])
    for number in range(10):
        once(clip, model, folder / f"{number % 2}.mp4", to_the_end=number % 2 == 0)
    after_ten = held()
    for number in range(40):
        once(clip, model, folder / f"{number % 2}.mp4", to_the_end=number % 2 == 0)
    sys.stdout.write(json.dumps([after_ten, held()]))
