"""The device the models run on: what may be asked for, whether it can be had here, and what is missing if not.

All of it is found out without a model, so that a wrong wish is refused before anything is fetched or opened. What is
asked for and cannot be had is an error; nothing else is taken instead.
"""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from streamer.core import install
from streamer.core.errors import DeviceError

__all__ = ["FORMS", "PROVIDERS", "Device", "Runtime", "installed", "obtained", "onnxruntime", "parse", "spelled"]

FORMS = "cpu, cuda[:n], tensorrt[:n][:fp16], coreml, directml[:n], auto"
"""What may be asked for; n is the number of the graphics card, from 0."""

Runtime = Literal["onnxruntime", "torch", "cpu"]
"""What a part runs on: ONNX Runtime, torch, or a library that knows the CPU only."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Kind of device -> ONNX Runtime's name for what runs models there."""

_GRAMMAR = re.compile(r"(?P<kind>cpu|coreml|auto)|(?P<numbered>cuda|tensorrt|directml)(:(?P<index>\d{1,2}))?(:fp16)?")
_AUTO = ("cuda", "directml", "cpu")
"""What `auto` tries, best first. TensorRT builds its engines for minutes, and Core ML compiles anew for each size of
input, so these two have to be asked for."""
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
_SOURCE_OF = {
    "cuda": install.ours("gpu"),
    "tensorrt": install.ours("gpu", "tensorrt-cu13"),
    "coreml": "onnxruntime has it on macOS only",
    "directml": f"{install.packages('onnxruntime-directml')} (Windows only)",
}
_CUDA_NO_DEVICE, _CUDA_MISMATCH = 100, 803
"""Results of cuInit (CUDA driver API, CUresult)."""


@dataclass(frozen=True, slots=True)
class Device:
    """What was asked for, taken apart. `str()` gives it back as it may be written."""

    kind: str
    """One of `PROVIDERS`, or `auto`."""
    index: int = 0
    """Number of the graphics card."""
    fp16: bool = False
    """Half precision; scores then differ from the CPU's in the third digit."""

    def __str__(self) -> str:
        return f"{self.kind}{f':{self.index}' if self.index else ''}{':fp16' if self.fp16 else ''}"


def parse(text: str) -> Device:
    """`cuda:1` -> Device("cuda", 1). Raises DeviceError, naming what there is."""
    found = _GRAMMAR.fullmatch(text)
    fp16 = text.endswith(":fp16")
    if found is None or (fp16 and found["numbered"] != "tensorrt"):
        raise DeviceError(f"must be one of {FORMS}, got {text!r}")
    return Device(found["kind"] or found["numbered"], int(found["index"] or 0), fp16)


def spelled(text: str) -> str:
    """For configurations: the same text in its shortest form. Raises ValueError."""
    try:
        return str(parse(text))
    except DeviceError as error:
        raise ValueError(str(error)) from None


def obtained(text: str, runtime: Runtime = "onnxruntime", *, who: str = "what was chosen") -> str:
    """The device that a part on `runtime` gets when `text` is asked for; `auto` becomes the best there is.

    who: the part, for the message. Raises DeviceError, naming what is missing and what to do.
    """
    wanted = parse(text)
    if wanted.kind != "auto":
        _demand(wanted, runtime, who)
        return str(wanted)
    for kind in _AUTO[:-1]:
        try:
            _demand(Device(kind), runtime, who)
        except DeviceError:
            continue
        return kind
    _demand(Device(_AUTO[-1]), runtime, who)
    return _AUTO[-1]


def _demand(wanted: Device, runtime: Runtime, who: str) -> None:
    """Nothing when the device can be had, otherwise DeviceError."""
    if runtime == "torch":
        _demand_torch(wanted)
    elif runtime == "onnxruntime":
        _demand_provider(wanted)
    elif wanted.kind != "cpu":
        raise DeviceError(f"{who} runs on the CPU only, not on {str(wanted)!r}; run with --device cpu")


# -- ONNX Runtime ---------------------------------------------------------------------------------------------------


def onnxruntime() -> ModuleType:
    """The library. Raises DeviceError when it is not installed or cannot be loaded."""
    try:
        import onnxruntime
    except ImportError as error:
        broken = "is installed but cannot be loaded" if installed() else "is not installed"
        raise DeviceError(
            f"ONNX Runtime {broken}; install one: {install.ours('cpu')}, or for CUDA {install.ours('gpu')}"
        ) from error
    runtime: ModuleType = onnxruntime
    return runtime


def installed() -> list[str]:
    """The ONNX Runtime packages, with versions, whose files lie where it is loaded from. Two overwrite each other."""
    found = [package for name in _PACKAGES if (package := _distribution(name)) is not None]
    place = find_spec("onnxruntime")
    used = None if place is None or place.origin is None else Path(place.origin).parent.parent.resolve()
    return [
        f"{package.metadata['Name']} {package.version}"
        for package in found
        if used is None or Path(str(package.locate_file(""))).resolve() == used
    ]


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _demand_provider(wanted: Device) -> None:
    runtime, provider = onnxruntime(), PROVIDERS[wanted.kind]
    if provider not in runtime.get_available_providers():
        raise _refused(wanted, *_no_provider(wanted, provider))
    if wanted.kind in ("cuda", "tensorrt"):
        _demand_driver(wanted)
        _demand_libraries(wanted, runtime)


def _no_provider(wanted: Device, provider: str) -> tuple[str, str]:
    """What is missing, and the remedy, when the installed package was built without a provider."""
    packages = installed()
    if len(packages) > 1:
        return (
            f"{' and '.join(packages)} are both installed and overwrite each other",
            f"{install.without(*(name.split()[0] for name in packages))}; {_SOURCE_OF[wanted.kind]}",
        )
    has = " and ".join(packages) or "ONNX Runtime"
    remedy = _SOURCE_OF[wanted.kind]
    if packages and wanted.kind != "coreml":
        remedy = f"{install.without(packages[0].split()[0])}; {remedy}"
    return f"the installed {has} has no {provider}", remedy


def _demand_driver(wanted: Device) -> None:
    """NVIDIA's driver, and the card of that number."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        raise _refused(wanted, f"NVIDIA's driver is missing ({name} cannot be loaded)", "install the driver") from None
    result, count = driver.cuInit(0), ctypes.c_int()
    if result == 0:
        result = driver.cuDeviceGetCount(ctypes.byref(count))
    if result == _CUDA_NO_DEVICE or (result == 0 and count.value == 0):
        raise _refused(wanted, "NVIDIA's driver sees no graphics card", "see what nvidia-smi says")
    if result == _CUDA_MISMATCH:
        raise _refused(wanted, "NVIDIA's driver and its library are of different versions", "restart the machine")
    if result != 0:
        raise _refused(wanted, f"NVIDIA's driver does not start (cuInit: {result})", "see what nvidia-smi says")
    if wanted.index >= count.value:
        raise _refused(wanted, f"there are only {count.value} graphics cards, counted from 0", "name one of them")


def _demand_libraries(wanted: Device, runtime: ModuleType) -> None:
    """Every library that the provider needs. ONNX Runtime itself would only log their names and take the CPU."""
    with redirect_stdout(StringIO()):  # it prints what it does not find, where results belong
        runtime.preload_dlls()
    if sys.platform != "linux":
        return  # elsewhere the session tells, though less precisely
    for kind in ("cuda",) if wanted.kind == "cuda" else ("cuda", "tensorrt"):
        library = Path(str(runtime.__file__)).parent / "capi" / f"libonnxruntime_providers_{kind}.so"
        if missing := _missing_library(library):
            remedy = install.packages("onnxruntime-gpu[cuda,cudnn]" if kind == "cuda" else "tensorrt-cu13")
            raise _refused(wanted, f"{missing} cannot be loaded", remedy)
    if missing := _missing_library("libcudnn.so.9"):  # opened by the provider only when it is used
        raise _refused(
            wanted, f"cuDNN is missing ({missing} cannot be loaded)", install.packages("onnxruntime-gpu[cudnn]")
        )


def _missing_library(library: Path | str) -> str:
    """Name of the library that keeps this one from being loaded; empty when nothing does.

    The loader finds all libraries before it looks at symbols. A provider always fails at those, because ONNX Runtime
    itself gives them; then everything it needs was there.
    """
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        found = re.match(r"(?P<name>[^:\s]+): (cannot open shared object file|file too short|invalid ELF)", str(error))
        return Path(found["name"]).name if found else ""
    return ""


def _refused(wanted: Device, missing: str, remedy: str) -> DeviceError:
    return DeviceError(f"device {str(wanted)!r} was asked for, but {missing}; {remedy}, or run with --device cpu")


# -- torch ----------------------------------------------------------------------------------------------------------


def _demand_torch(wanted: Device) -> None:
    """See `_demand`. Where torch itself is missing, the part that wants it says so."""
    if wanted.kind == "cpu":
        return
    if wanted.kind != "cuda":
        raise _refused(wanted, "torch runs on the CPU or CUDA only", "take cuda")
    _demand_driver(wanted)
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return
    if torch.version.cuda is None:
        raise _refused(wanted, f"torch {torch.__version__} is built for the CPU", "install a torch with CUDA")
    if not torch.cuda.is_available():
        raise _refused(wanted, f"torch {torch.__version__} finds no CUDA that it can use", "see what nvidia-smi says")
