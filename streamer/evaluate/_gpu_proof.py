"""Does it really run there? Asked of ONNX Runtime, of its profile, and of the card itself.

A session may name a device and yet leave the work to the CPU. So four things are looked at, independent of each other:
which providers the session got; to which of them its operators were given; which of them, by the profile of real runs,
ran them; and whether the card's memory and load, as its driver tells them, rose while it ran.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.inference.devices import PROVIDERS, onnxruntime, parse
from streamer.inference.providers import nodes_per_provider, provider_list, provider_options, session

__all__ = ["card", "medians_ms", "option_rows", "proof", "runs_per_provider"]

Array = NDArray[np.float32]
_LOAD_S = 3.0
_EVERY_MS = 100


def smi(fields: str, index: int) -> list[str]:
    """What NVIDIA's tool says about one card; empty where there is none."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", f"--id={index}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return [value.strip() for value in done.stdout.strip().split(",")] if done.returncode == 0 else []


def card(device: str) -> dict[str, str]:
    """Name, driver and memory of the card; empty for the CPU."""
    fields = ("name", "driver_version", "memory.total")
    found = smi(",".join(fields), parse(device).index) if parse(device).kind != "cpu" else []
    return dict(zip(fields, found, strict=False))


@contextmanager
def watched(index: int) -> Iterator[list[tuple[float, float]]]:
    """Load in per cent and memory in MiB of a card, sampled until the end by NVIDIA's tool, in a process of its own."""
    samples: list[tuple[float, float]] = []
    if shutil.which("nvidia-smi") is None:
        yield samples
        return
    command = ["nvidia-smi", f"--id={index}", "--query-gpu=utilization.gpu,memory.used"]
    command += ["--format=csv,noheader,nounits", f"--loop-ms={_EVERY_MS}"]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        try:
            yield samples
        finally:
            process.terminate()
            process.wait(10)
            out.seek(0)
            for line in out.read().splitlines():
                values = line.split(",")
                if len(values) == 2 and all(value.strip().replace(".", "").isdigit() for value in values):
                    samples.append((float(values[0]), float(values[1])))


def noise(batch: int, size: tuple[int, int]) -> Array:
    """A network's input that is not all zeros: these can run faster than pictures do."""
    return np.random.default_rng(batch).uniform(-1, 1, (batch, 3, size[1], size[0])).astype(np.float32)


def proof(graph: bytes, device: str, size: tuple[int, int], *, load_s: float = _LOAD_S) -> dict[str, Any]:
    """Everything that shows where a network runs. `proven` is the verdict, `because` what is missing for it.

    size: width and height of the network's input.
    """
    wanted, index = PROVIDERS[parse(device).kind], parse(device).index
    on_card = parse(device).kind in ("cuda", "tensorrt")
    before = smi("memory.used", index) if on_card else []
    made = session(graph, device)
    feed = {made.get_inputs()[0].name: noise(8, size)}
    runs = 0
    with watched(index if on_card else -1) as samples:
        made.run(None, feed)
        end = time.monotonic() + load_s
        while time.monotonic() < end:
            made.run(None, feed)
            runs += 1
    nodes, profiled = nodes_per_provider(made), runs_per_provider(graph, device, size)
    found: dict[str, Any] = {
        "providers": made.get_providers(),
        "operators": dict(nodes),
        "profiled": dict(profiled),
        "runs": runs,
    }
    because = []
    if wanted not in found["providers"]:
        because.append(f"the session has no {wanted}")
    if nodes and not nodes.get(wanted):
        because.append(f"no operator was given to {wanted}")
    if 2 * profiled[wanted] <= profiled.total():
        because.append(f"{wanted} did not run most operators")
    if on_card:
        found["memory_mib"] = {
            "before": float(before[0]) if before else None,
            "most": max((memory for _, memory in samples), default=None),
        }
        found["load_percent"] = {"most": max((load for load, _ in samples), default=None), "samples": len(samples)}
        grown = found["memory_mib"]
        if grown["before"] is None or grown["most"] is None or grown["most"] <= grown["before"]:
            because.append("the card's memory did not grow")
        if not found["load_percent"]["most"]:
            because.append("the card had no load")
    return {**found, "proven": not because, "because": because}


def runs_per_provider(graph: bytes, device: str, size: tuple[int, int]) -> Counter[str]:
    """How often operators were run by each provider, from ONNX Runtime's profile of a few runs.

    Their times would mislead: a card works on while the profile counts how long it took to tell it to.
    """
    runtime, chosen = onnxruntime(), parse(device)
    with tempfile.TemporaryDirectory() as folder:
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        made = runtime.InferenceSession(graph, options, providers=provider_list(chosen))
        feed = {made.get_inputs()[0].name: noise(1, size)}
        for _ in range(5):
            made.run(None, feed)
        events = json.loads(Path(made.end_profiling()).read_text(encoding="utf-8"))
    return Counter(
        provider for event in events if isinstance(event, dict) and (provider := event.get("args", {}).get("provider"))
    )


def medians_ms(run: Callable[[], object], *, seconds: float) -> float:
    """Median time on the clock of one call, after two that do not count; as many calls as fit, at least three."""
    for _ in range(2):
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


def option_rows(graph: bytes, device: str, size: tuple[int, int], *, seconds: float) -> list[dict[str, Any]]:
    """What the options of CUDA that are off at the defaults would bring; a variant that fails says why."""
    chosen = parse(device)
    usual = provider_options(chosen)
    variants: list[tuple[str, dict[str, str], bool]] = [
        ("as it is", {}, False),
        ("TF32", {"use_tf32": "1"}, False),
        ("all algorithms tried", {"cudnn_conv_algo_search": "EXHAUSTIVE"}, False),
        ("fixed memory", {}, True),
        ("fixed memory and CUDA graph", {"enable_cuda_graph": "1"}, True),
    ]
    rows = []
    for batch in (1, 8):
        for name, changed, bound in variants:
            row: dict[str, Any] = {"variant": name, "batch": batch}
            try:
                row["ms"] = round(_variant_ms(graph, chosen.kind, {**usual, **changed}, batch, size, bound, seconds), 3)
            except Exception as error:  # whatever the runtime makes of an option is the finding
                row["failed"] = str(error).splitlines()[0][:200]
            rows.append(row)
    return rows


def _variant_ms(
    graph: bytes, kind: str, options: dict[str, str], batch: int, size: tuple[int, int], bound: bool, seconds: float
) -> float:
    runtime = onnxruntime()
    settings = runtime.SessionOptions()
    settings.log_severity_level = 4
    made = runtime.InferenceSession(graph, settings, providers=[(PROVIDERS[kind], options)])
    name, blob = made.get_inputs()[0].name, noise(batch, size)
    if not bound:
        return medians_ms(lambda: made.run(None, {name: blob}), seconds=seconds)
    index = int(options["device_id"])
    binding = made.io_binding()
    there = runtime.OrtValue.ortvalue_from_numpy(blob, "cuda", index)
    binding.bind_ortvalue_input(name, there)
    for output, array in zip(made.get_outputs(), made.run(None, {name: blob}), strict=True):
        place = runtime.OrtValue.ortvalue_from_shape_and_type(array.shape, np.float32, "cuda", index)
        binding.bind_ortvalue_output(output.name, place)

    def run() -> None:
        there.update_inplace(blob)
        made.run_with_iobinding(binding)
        binding.copy_outputs_to_cpu()

    return medians_ms(run, seconds=seconds)
