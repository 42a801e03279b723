"""ONNX Runtime sessions on the device that was asked for, or an error. Never something else in silence."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

from streamer.errors import DeviceError

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["available", "runtimes", "session"]

_PROVIDER = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def runtimes() -> list[str]:
    """The ONNX Runtime packages installed, with their versions; both at once overwrite each other."""
    found = []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def available() -> list[str]:
    """Execution providers that the installed runtime was built with. Raises DeviceError when there is none."""
    return list(_runtime().get_available_providers())


def _runtime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            "no ONNX Runtime is installed; install one: pip install 'streamer[cpu]', or 'streamer[gpu]' for CUDA"
        ) from error
    runtime: ModuleType = onnxruntime
    return runtime


def session(model: bytes, device: str, *, threads: int = 1) -> ort.InferenceSession:
    """A session that runs on `device` (`cpu` or `cuda`).

    threads: CPU threads inside one call. One is the default, because the other stages want their cores too.
    Raises DeviceError when the device was not obtained, with what is missing.
    """
    onnxruntime = _runtime()
    wanted = _PROVIDER[device]
    if wanted not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"device {device!r} was asked for, but the installed {' and '.join(runtimes()) or 'ONNX Runtime'} has no "
            f"{wanted}; install 'streamer[gpu]' in place of 'streamer[cpu]', or run with --device cpu"
        )
    if device == "cuda":
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its warnings about shapes would fill the terminal; failures raise anyway
    try:
        result = onnxruntime.InferenceSession(model, options, providers=[wanted])
    except Exception as error:
        raise DeviceError(f"ONNX Runtime could not start on {device!r}: {error}") from error
    if wanted not in result.get_providers():
        raise DeviceError(
            f"device {device!r} was asked for and not obtained (got {', '.join(result.get_providers())}); "
            "check the driver and cuDNN, or run with --device cpu"
        )
    return result
