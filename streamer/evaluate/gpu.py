"""What a graphics card does for this program: proof that it is used, the same boxes, and how much faster.

    python -m streamer.evaluate.gpu [--device cuda] [--images DIR] [--accept-licence] [--out DIR] [--seconds 0.5]

`scripts/gpu_check` makes an environment for it first. With `--device cpu` all of it runs that can run without a card.
Writes gpu_check_<device>_<date>.json and a table for people beside it. Exit code 0: the device was proven to do the
work and finds the same faces as the CPU; 1: not so; 2: the device cannot be had.

Faces are the same when each that scores at least the threshold on one side has a partner on the other that overlaps it
by 0.9 (intersection over union) with a score within 0.02. Times are medians on the clock, after the first runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from streamer import api
from streamer.config.parts import device_for, load
from streamer.config.schema import Config
from streamer.core.errors import StreamerError
from streamer.core.files import write_whole
from streamer.core.geometry import iou, stack
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.detectors import Detector
from streamer.evaluate import _gpu_proof as prove
from streamer.evaluate._gpu_report import markdown
from streamer.evaluate.detectors import VARIANTS, Variant, drawn_people, made, read_pictures
from streamer.inference.devices import FORMS, parse
from streamer.inference.models.store import Found, Store
from streamer.inference.onnx_graph import plain_graph
from streamer.inference.providers import session
from streamer.pipeline.assembly import device_of
from streamer.sources.demo import Options as Scene
from streamer.sources.demo import scene

__all__ = ["check", "compared", "main"]

BATCHES = (1, 2, 4, 8, 16, 32)
_INPUT_PX = 960
_INPUT = (960, 544)
"""A 1280x720 picture in the detectors' default input, padded."""
_SAME_IOU, _SAME_SCORE, _THRESHOLD = 0.9, 0.02, 0.4
_PACKAGES = ("onnxruntime", "nvidia", "numpy", "opencv", "tensorrt", "torch", "av")


def check(
    device: str,
    store: Store,
    images: Path | None,
    *,
    accepted: bool = False,
    batches: Sequence[int] = BATCHES,
    seconds: float = 0.5,
) -> dict[str, Any]:
    """All of it, as plain data; seconds: spent on each number. Raises DeviceError when the device cannot be had.

    accepted: the use is one that the licences of all weights allow; without it, only those free for every use are run.
    """
    config = Config().updated({"run.device": device})
    device = device_of(config)
    variants = [variant for variant in VARIANTS if _usable(variant, store, accepted)]
    if not variants:
        raise StreamerError("no model of a detector on ONNX Runtime is here; run: streamer models pull")
    pictures = _pictures(images)
    yunet = plain_graph(store.path("yunet"))
    found: dict[str, Any] = {"device": device, **_machine(device), "pictures": len(pictures)}
    found["proof"] = prove.proof(yunet, device, _INPUT, load_s=max(1.0, 6 * seconds))
    found["boxes"] = [_boxes(one, device, store, pictures) for one in variants]
    found["times"] = [
        row for one in variants for row in _times(one, device, store, pictures, batches=batches, seconds=seconds)
    ]
    if parse(device).kind == "cuda":
        found["options"] = prove.option_rows(yunet, device, _INPUT, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        clip = _clip(Path(folder) / "scene.mp4", frames=max(20, round(200 * seconds)))
        found["streams"] = [
            _stream(clip, one, settings)
            for settings in ({}, {"detect.every": 1, "detector.input_px": 1280})
            for one in dict.fromkeys((device, "cpu"))
        ]
    found["load"] = round(os.getloadavg()[1], 1) if hasattr(os, "getloadavg") else None
    found["good"] = found["proof"]["proven"] and all(row["same"] for row in found["boxes"])
    return found


def _usable(variant: Variant, store: Store, accepted: bool) -> bool:
    on_runtime = load("detectors", variant.kind).RUNTIME == "onnxruntime"
    here = all(store.look(name)[1] is Found.GOOD for name in variant.models)
    allowed = accepted or variant.commercial_use or all(store.accepted(name) for name in variant.models)
    return on_runtime and here and allowed


def _machine(device: str) -> dict[str, Any]:
    packages = {
        name: package.version
        for package in distributions()
        if (name := str(package.metadata["Name"]).lower()).startswith(_PACKAGES)
    }
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "card": prove.card(device),
        "packages": dict(sorted(packages.items())),
    }


def _pictures(images: Path | None) -> list[Picture]:
    """Drawn people, and photographs where a folder of them was named."""
    drawn, _, empty = drawn_people(min_face_px=20)
    photographs = list(read_pictures(images).values()) if images is not None else []
    return [*drawn.values(), *empty, *photographs]


def _made(variant: Variant, device: str, store: Store) -> Detector:
    settings = {"input_px": _INPUT_PX, "accept_licence": True}  # the others were left out
    return made(variant, settings, store.context(device_for("detectors", variant.kind, device)))[0]


def _boxes(variant: Variant, device: str, store: Store, pictures: Sequence[Picture]) -> dict[str, Any]:
    """A detector's faces on the device beside those on the CPU."""
    _say(f"faces of {variant.name}")
    there, here = (_made(variant, one, store) for one in (device, "cpu"))
    pairs = [(there.detect([picture])[0], here.detect([picture])[0]) for picture in pictures]
    there.close()
    here.close()
    return {"detector": variant.name, **compared(pairs)}


def compared(pairs: Sequence[tuple[Sequence[Detection], Sequence[Detection]]]) -> dict[str, Any]:
    """The detections of two devices, picture by picture; see the top for what is the same."""
    faces, alone, least_iou, most_score = 0, 0, 1.0, 0.0
    for ours, theirs in pairs:
        for one, other in ((ours, theirs), (theirs, ours)):
            for face in (face for face in one if face.score >= _THRESHOLD):
                faces += 1
                overlaps = [float(iou(stack([face.box]), stack([partner.box]))[0, 0]) for partner in other]
                overlap = max(overlaps, default=0.0)
                difference = abs(face.score - other[overlaps.index(overlap)].score) if other else 1.0
                if overlap < _SAME_IOU or difference > _SAME_SCORE:
                    alone += 1
                    continue
                least_iou, most_score = min(least_iou, overlap), max(most_score, difference)
    return {
        "faces": faces,
        "without_partner": alone,
        "least_iou": round(least_iou, 5),
        "largest_score_difference": round(most_score, 5),
        "same": faces > 0 and alone == 0,
    }


def _times(
    variant: Variant,
    device: str,
    store: Store,
    pictures: Sequence[Picture],
    *,
    batches: Sequence[int],
    seconds: float,
) -> list[dict[str, Any]]:
    """Milliseconds per picture: the network alone, and the whole detector on 1280x720 pictures."""
    _say(f"times of {variant.name}")
    graph = plain_graph(store.path(variant.models[0]))
    frames = [picture.scaled(1280, 720) for picture in pictures[:4]]
    rows: dict[int, dict[str, Any]] = {batch: {"detector": variant.name, "batch": batch} for batch in batches}
    for one in dict.fromkeys((device, "cpu")):
        network, detector = session(graph, one), _made(variant, one, store)
        for batch, row in rows.items():
            alone, whole = _both_ms(network, detector, frames, batch, seconds)
            row[one] = {"network_ms": round(alone / batch, 3), "detector_ms": round(whole / batch, 3)}
        detector.close()
    return list(rows.values())


def _both_ms(
    network: Any, detector: Detector, frames: Sequence[Picture], batch: int, seconds: float
) -> tuple[float, float]:
    """Milliseconds of one batch: the network alone, the whole detector."""
    feed = {network.get_inputs()[0].name: prove.noise(batch, _INPUT)}
    together = [frames[number % len(frames)] for number in range(batch)]
    alone = prove.medians_ms(lambda: network.run(None, feed), seconds=seconds)
    return alone, prove.medians_ms(lambda: detector.detect(together), seconds=seconds)


def _clip(path: Path, *, frames: int) -> Path:
    """The drawn scene as a file, so that drawing it does not count; encoded fast, as its looks do not matter."""
    import av

    drawn = scene(Scene())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(frames):
            bgr = drawn.picture(number).bgr()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, format="bgr24")))
        container.mux(stream.encode())
    return path


def _stream(clip: Path, device: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Frames per second of a whole stream, from a file to nowhere."""
    _say(f"stream on {device}")
    config = Config().updated({**settings, "run.device": device})
    summary = api.anonymize_video(clip, "null", config=config).summary
    detecting = summary["stage_ms"]["detect"]
    return {
        "device": device,
        "settings": dict(settings),
        "frames": summary["sealed"],
        "fps": summary["fps"],
        "pass_ms": detecting["mean"],
        "passes": detecting["calls"],
    }


def _say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, write the files, print the table."""
    parser = argparse.ArgumentParser(prog="streamer.evaluate.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help=FORMS)
    parser.add_argument("--images", type=Path, help="a folder of photographs, besides drawn people")
    parser.add_argument("--accept-licence", action="store_true", help="the use is one that all weights' licences allow")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="where the results are written")
    parser.add_argument("--seconds", type=float, default=0.5, help="time spent on each number")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    given = parser.parse_args(arguments)
    try:
        found = check(
            given.device,
            Store(),
            given.images,
            accepted=given.accept_licence,
            batches=given.batches,
            seconds=given.seconds,
        )
    except StreamerError as error:
        sys.stderr.write(f"gpu check: {error}\n")
        return error.exit_code
    given.out.mkdir(parents=True, exist_ok=True)
    stem = given.out / f"gpu_check_{found['device'].replace(':', '-')}_{found['date']}"
    text = markdown(found)
    write_whole(stem.with_suffix(".json"), (json.dumps(found, indent=2) + "\n").encode())
    write_whole(stem.with_suffix(".md"), text.encode())
    sys.stdout.write(text)
    sys.stderr.write(f"written: {stem}.json and {stem}.md\n")
    return 0 if found["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
