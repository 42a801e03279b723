"""ONNX Runtime sessions on the device that was asked for, or an error. Never something else in silence.

A session is made once per graph, device and number of threads, and shared by everyone in the process who asks for the
same: many streams, one copy of the weights. It goes, with its memory, when the last of them lets go of it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from streamer.core._cache import cache_root
from streamer.core.errors import DeviceError
from streamer.inference.devices import PROVIDERS, Device, installed, obtained, onnxruntime, parse

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = [
    "available",
    "nodes_per_provider",
    "provider_list",
    "provider_options",
    "runtimes",
    "session",
    "torch_device",
]

_Key = tuple[bytes, str, int]

_shared: WeakValueDictionary[_Key, ort.InferenceSession] = WeakValueDictionary()
_making = threading.Lock()
_UNSHARED = {"directml"}
"""Devices on which a session may be run by one thread at a time only."""


def runtimes() -> list[str]:
    """The ONNX Runtime packages installed, with their versions; both at once overwrite each other."""
    return installed()


def available() -> list[str]:
    """Execution providers that the installed runtime was built with. Raises DeviceError when there is none."""
    return list(onnxruntime().get_available_providers())


def session(model: bytes, device: str, *, threads: int = 1) -> ort.InferenceSession:
    """A session that runs on `device` (see `devices.FORMS`); safe to run from several threads at once.

    threads: CPU threads inside one call, shared by all who share the session. One is the default, because the other
    stages want their cores too.
    Raises DeviceError when the device was not obtained, with what is missing.
    """
    chosen = parse(obtained(device))
    key = (sha256(model).digest(), str(chosen), threads)
    with _making:
        made = _shared.get(key)
        if made is None:
            made = _made(model, chosen, threads)
            if chosen.kind not in _UNSHARED:
                _shared[key] = made
    return made


def _made(model: bytes, chosen: Device, threads: int) -> ort.InferenceSession:
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its warnings about shapes would fill the terminal; failures raise anyway
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if chosen.kind == "directml":  # its documentation asks for both
        options.enable_mem_pattern = False
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    wanted = PROVIDERS[chosen.kind]
    try:
        made: ort.InferenceSession = runtime.InferenceSession(model, options, providers=provider_list(chosen))
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DeviceError(f"ONNX Runtime could not start on {str(chosen)!r}: {first}") from error
    if wanted not in made.get_providers():
        raise DeviceError(
            f"device {str(chosen)!r} was asked for and not obtained (got {', '.join(made.get_providers())}); "
            "check the driver and cuDNN, or run with --device cpu"
        )
    nodes = nodes_per_provider(made)
    if nodes and not nodes.get(wanted):
        raise DeviceError(
            f"device {str(chosen)!r} was obtained, but takes no operator of this model; run with --device cpu"
        )
    return made


def provider_list(chosen: Device) -> list[tuple[str, dict[str, str]]]:
    """What to hand to ONNX Runtime: TensorRT leaves to CUDA what it cannot do, and everyone to the CPU."""
    kinds = ["tensorrt", "cuda"] if chosen.kind == "tensorrt" else [chosen.kind]
    devices = [Device(kind, chosen.index, chosen.fp16 and kind == chosen.kind) for kind in kinds]
    return [(PROVIDERS[device.kind], provider_options(device)) for device in devices]


def provider_options(device: Device) -> dict[str, str]:
    """ONNX Runtime's options for one device: results like the CPU's, and nothing slow at the first picture."""
    if device.kind == "cuda":
        return {
            "device_id": str(device.index),
            # EXHAUSTIVE, the default, tries all algorithms for every size of input and batch that comes along.
            "cudnn_conv_algo_search": "HEURISTIC",
            # TF32 rounds to ten bits; the networks are small, and scores like the CPU's are worth more.
            "use_tf32": "0",
            # By default each growth doubles the arena, and streams share the card.
            "arena_extend_strategy": "kSameAsRequested",
        }
    if device.kind == "tensorrt":
        engines = str(cache_root() / "engines")  # built once per model, card and size of input, which takes minutes
        return {
            "device_id": str(device.index),
            "trt_fp16_enable": str(int(device.fp16)),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": engines,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": engines,
        }
    if device.kind == "directml":
        return {"device_id": str(device.index)}
    if device.kind == "coreml":
        return {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}
    return {}


def nodes_per_provider(made: ort.InferenceSession) -> Mapping[str, int]:
    """How many operators of the graph each provider runs, after fusion; empty where ONNX Runtime is too old to tell."""
    tell: Any = getattr(made, "get_provider_graph_assignment_info", None)
    if tell is None:
        return {}
    nodes: Counter[str] = Counter()
    for part in tell():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes


def torch_device(device: str) -> Any:
    """The `torch.device` for the same setting; torch has to be installed. Raises DeviceError."""
    chosen = parse(obtained(device, "torch"))
    torch: Any = import_module("torch")
    return torch.device(chosen.kind if chosen.kind == "cpu" else f"cuda:{chosen.index}")
