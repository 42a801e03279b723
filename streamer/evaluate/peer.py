"""Whole-process time, file size and picture quality, run alternately with a peer on the same clip.

    python -m streamer.evaluate.peer CLIP --peer 'deface {input} -o {output}' [--rounds 3] [--json FILE]

Both programs run as a user runs them, from start to finished file. Times on shared machines drift, so only the ratio of
neighbouring runs means something. Quality is the PSNR of luma over the samples that this program left untouched before
encoding, away from every mask: what both encoders made of the same picture.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.assembly import Parts
from streamer.config import Config
from streamer.endpoints import Endpoint
from streamer.models.store import Store
from streamer.parts import Context, build
from streamer.pipeline import Pipeline
from streamer.types import Captured

__all__ = ["main"]

_KEEP_AWAY_PX = 24
"""Samples nearer to a mask than this are not compared: the other program's masks are a little different."""


def untouched_masks(clip: Path) -> list[NDArray[np.bool_]]:
    """Per frame, where the pipeline at its defaults changes nothing, at luma size."""
    ctx = Context(model=Store().path)
    memory = build("sinks", "memory", {}, ctx)
    config = Config()
    named = Parts.of(config, Endpoint("file", {"path": str(clip)}), [], ctx)
    parts = Parts(named.source, named.detector, named.effect, [("memory", lambda: memory)])
    pipeline = Pipeline(config, parts)
    pipeline.start()
    pipeline.join()
    source = named.source()
    masks = []
    around = np.ones((2 * _KEEP_AWAY_PX + 1,) * 2, np.uint8)
    for frame in memory.frames:
        captured = source.read()
        assert isinstance(captured, Captured), "the clip changed under our hands"
        changed = (captured.image.planes[0] != frame.image.planes[0]).astype(np.uint8)
        masks.append(cv2.dilate(changed, around) == 0)
    source.close()
    return masks


def psnr(original: Path, copy: Path, masks: list[NDArray[np.bool_]]) -> float:
    """PSNR in dB of luma inside the masks, over all frames; infinite for an exact copy. Frames are paired by number."""
    squares, samples = 0.0, 0
    ctx = Context()
    sources = [build("sources", "file", {"path": str(path)}, ctx) for path in (original, copy)]
    for number, mask in enumerate(masks):
        pair = [source.read() for source in sources]
        if any(captured is None for captured in pair):
            raise SystemExit(f"{copy} ends at frame {number}, the original has {len(masks)}")
        a, b = (captured.image.planes[0] for captured in pair)
        difference = a[mask].astype(np.int32) - b[mask]
        squares += float(np.square(difference).sum())
        samples += int(mask.sum())
    for source in sources:
        source.close()
    return math.inf if squares == 0 else 10 * math.log10(255**2 * samples / squares)


def timed(command: list[str]) -> float:
    """Wall time of a whole process in seconds. Ends the program when the command fails."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed with exit code {done.returncode}: {done.stderr.decode()[-400:]}")
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--peer", required=True, help="the other program's command, with {input} and {output}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        outputs = {"streamer": Path(folder) / "streamer.mp4", "peer": Path(folder) / "peer.mp4"}
        peer = shlex.split(options.peer.format(input=shlex.quote(str(options.clip)), output=outputs["peer"]))
        ours = [sys.executable, "-m", "streamer", "run", str(options.clip), "-o", str(outputs["streamer"]), "--force"]
        times: dict[str, list[float]] = {"streamer": [], "peer": []}
        for _ in range(options.rounds):
            times["streamer"].append(timed(ours))
            times["peer"].append(timed(peer))
        masks = untouched_masks(options.clip)
        result = _result(options.clip, times, outputs, masks)
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _result(
    clip: Path, times: dict[str, list[float]], outputs: dict[str, Path], masks: list[NDArray[np.bool_]]
) -> dict[str, Any]:
    ratios = [theirs / ours for ours, theirs in zip(times["streamer"], times["peer"], strict=True)]
    return {
        "clip": clip.name,
        "frames": len(masks),
        "rounds": len(ratios),
        "peer_time_over_ours": {
            "min": round(min(ratios), 2),
            "median": round(statistics.median(ratios), 2),
            "max": round(max(ratios), 2),
        },
        "programs": {
            name: {
                "wall_s": [round(seconds, 2) for seconds in times[name]],
                "fps": round(len(masks) / statistics.median(times[name]), 1),
                "bytes": outputs[name].stat().st_size,
                "psnr_untouched_db": round(psnr(clip, outputs[name], masks), 2),
            }
            for name in outputs
        },
    }


def print_table(result: dict[str, Any]) -> None:
    """For people."""
    ratio = result["peer_time_over_ours"]
    lines = [f"{result['clip']}: {result['frames']} frames, {result['rounds']} rounds, run alternately"]
    for name, row in result["programs"].items():
        lines.append(
            f"  {name:9} {statistics.median(row['wall_s']):7.2f} s  {row['fps']:6.1f} frames/s  "
            f"{row['bytes'] / 1e6:6.2f} MB  untouched area {row['psnr_untouched_db']:.1f} dB"
        )
    lines.append(f"  the peer takes {ratio['median']} times as long (min {ratio['min']}, max {ratio['max']})")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
