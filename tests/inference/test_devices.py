"""Devices: what may be asked for, what is had, and that what is missing is named before anything else is touched."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import SIZE, Oracle

from streamer.config import parts
from streamer.config.schema import Config
from streamer.core.errors import ConfigError, DeviceError
from streamer.core.install import ours
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.detectors._onnx import OnnxDetector
from streamer.inference import devices, providers
from streamer.inference.devices import Device, obtained, parse, spelled
from streamer.inference.onnx_graph import plain_graph
from streamer.pipeline.assembly import device_of
from streamer.stages import detect

MISSING = "{}: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("text", "device", "short"),
    [
        ("cpu", Device("cpu"), "cpu"),
        ("auto", Device("auto"), "auto"),
        ("cuda", Device("cuda"), "cuda"),
        ("cuda:0", Device("cuda"), "cuda"),
        ("cuda:1", Device("cuda", 1), "cuda:1"),
        ("directml:2", Device("directml", 2), "directml:2"),
        ("tensorrt:fp16", Device("tensorrt", 0, True), "tensorrt:fp16"),
        ("tensorrt:3:fp16", Device("tensorrt", 3, True), "tensorrt:3:fp16"),
    ],
)
def test_what_may_be_asked_for(text: str, device: Device, short: str) -> None:
    assert parse(text) == device
    assert str(device) == spelled(text) == short


@pytest.mark.parametrize(
    "text", ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:0:1", "cpu:0", "coreml:1", "cuda:fp16", "cuda 1"]
)
def test_what_may_not(text: str) -> None:
    with pytest.raises(DeviceError, match="must be one of cpu, cuda"):
        parse(text)
    with pytest.raises(ConfigError, match=r"run\.device: must be one of cpu, cuda"):
        Config().updated({"run.device": text})


class Machine:
    """A machine with a graphics card, a driver and libraries, as far as the program can see."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.providers = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        self.packages = ["onnxruntime-gpu 1.31.1"]
        self.started = 0
        self.cards = 2
        self.missing = ""
        """Name of the library that is not there."""
        self.loaded: list[str] = []
        self.runtime = SimpleNamespace(
            __file__="/site/onnxruntime/__init__.py",
            get_available_providers=lambda: self.providers,
            preload_dlls=lambda: sys.stdout.write("Failed to load libsomething\n"),
        )
        patch.setattr(devices, "onnxruntime", lambda: self.runtime)
        patch.setattr(devices, "installed", lambda: self.packages)
        patch.setattr(ctypes, "CDLL", self.load)
        patch.setattr(sys, "platform", "linux")

    def load(self, name: str) -> Any:
        self.loaded.append(Path(name).name)
        provider = name.startswith("/site/onnxruntime/capi/libonnxruntime_providers_")
        if self.missing and (name == self.missing or (provider and self.missing.startswith(self._needs(name)))):
            raise OSError(MISSING.format(self.missing))
        if provider:
            raise OSError(f"{name}: undefined symbol: Provider_GetHost")
        return SimpleNamespace(cuInit=lambda flags: self.started, cuDeviceGetCount=self._count)

    @staticmethod
    def _needs(provider: str) -> tuple[str, ...]:
        return ("libnvinfer",) if "tensorrt" in provider else ("libcublas", "libcurand")

    def _count(self, place: Any) -> int:
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.cards
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_what_is_there_is_had(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert [obtained(text) for text in ("cpu", "cuda", "cuda:1", "tensorrt:fp16", "auto")] == [
        "cpu", "cuda", "cuda:1", "tensorrt:fp16", "cuda"
    ]  # fmt: skip
    assert capsys.readouterr().out == "", "what the library prints does not get among the results"


@pytest.mark.parametrize(
    ("asked", "state", "words"),
    [
        ("cuda", {"providers": ["CPUExecutionProvider"], "packages": ["onnxruntime 1.31.1"]},
         "the installed onnxruntime 1.31.1 has no CUDAExecutionProvider; pip uninstall -y onnxruntime; "
         f"{ours('gpu')}, or run with --device cpu"),
        ("cuda", {"providers": ["CPUExecutionProvider"], "packages": ["onnxruntime 1.31.1", "onnxruntime-gpu 1.26.0"]},
         "onnxruntime 1.31.1 and onnxruntime-gpu 1.26.0 are both installed and overwrite each other; pip uninstall -y "
         f"onnxruntime onnxruntime-gpu; {ours('gpu')}"),
        ("directml", {}, "the installed onnxruntime-gpu 1.31.1 has no DmlExecutionProvider"),
        ("coreml", {}, "has no CoreMLExecutionProvider; onnxruntime has it on macOS only"),
        ("cuda", {"missing": "libcuda.so.1"}, "NVIDIA's driver is missing (libcuda.so.1 cannot be loaded)"),
        ("cuda", {"started": 100}, "NVIDIA's driver sees no graphics card"),
        ("cuda", {"cards": 0}, "NVIDIA's driver sees no graphics card"),
        ("cuda", {"started": 803}, "NVIDIA's driver and its library are of different versions; restart"),
        ("cuda", {"started": 999}, "NVIDIA's driver does not start (cuInit: 999)"),
        ("cuda:2", {}, "device 'cuda:2' was asked for, but there are only 2 graphics cards, counted from 0"),
        ("cuda", {"missing": "libcublasLt.so.13"},
         "libcublasLt.so.13 cannot be loaded; pip install 'onnxruntime-gpu[cuda,cudnn]'"),
        ("cuda", {"missing": "libcudnn.so.9"}, "cuDNN is missing (libcudnn.so.9 cannot be loaded)"),
        ("tensorrt", {"missing": "libnvinfer.so.10"}, "libnvinfer.so.10 cannot be loaded; pip install tensorrt"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(machine: Machine, asked: str, state: dict[str, Any], words: str) -> None:
    vars(machine).update(state)
    with pytest.raises(DeviceError) as caught:
        obtained(asked)
    assert words in str(caught.value)
    assert f"device {asked!r} was asked for" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert obtained("auto") == ("cuda" if asked in ("directml", "coreml", "tensorrt", "cuda:2") else "cpu")


def test_a_missing_tensorrt_does_not_touch_cuda(machine: Machine) -> None:
    machine.missing = "libnvinfer.so.10"
    assert obtained("cuda") == "cuda"


def test_parts_that_know_the_cpu_only_or_torch(machine: Machine) -> None:
    assert obtained("auto", "cpu") == "cpu"
    with pytest.raises(DeviceError, match="detector 'hog' runs on the CPU only, not on 'cuda:1'"):
        obtained("cuda:1", "cpu", who="detector 'hog'")
    with pytest.raises(DeviceError, match="torch runs on the CPU or CUDA only"):
        obtained("tensorrt", "torch")
    machine.missing = "libcuda.so.1"
    with pytest.raises(DeviceError, match="driver is missing"):
        obtained("cuda", "torch")
    assert obtained("auto", "torch") == "cpu"


def test_torch_follows_the_same_setting(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_available=lambda: True)
    built = SimpleNamespace(cuda="13.0")
    torch = SimpleNamespace(__version__="2.13", version=built, cuda=cuda, device=lambda name: name)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert [providers.torch_device(text) for text in ("cpu", "cuda", "cuda:1", "auto")] == [
        "cpu", "cuda:0", "cuda:1", "cuda:0"
    ]  # fmt: skip
    cuda.is_available = lambda: False
    with pytest.raises(DeviceError, match=r"torch 2\.13 finds no CUDA"):
        providers.torch_device("cuda")
    vars(built)["cuda"] = None
    with pytest.raises(DeviceError, match=r"torch 2\.13 is built for the CPU; install a torch with CUDA"):
        providers.torch_device("cuda")


@pytest.mark.parametrize("folder", ["detectors", "embedders"])
def test_every_part_with_a_model_says_what_it_runs_on(folder: str) -> None:
    for kind in parts.kinds(folder):
        assert parts.load(folder, kind).RUNTIME in ("onnxruntime", "torch", "cpu")


@pytest.mark.parametrize("kind", parts.kinds("detectors"))
def test_the_device_is_refused_before_a_model_is_asked_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def model(name: str) -> Path:
        asked.append(name)
        raise AssertionError("asked for a model")

    Machine(monkeypatch).missing = "libcuda.so.1"
    with pytest.raises(DeviceError, match="cuda"):
        parts.build("detectors", kind, {}, Context(model=model, device="cuda"))
    with pytest.raises(DeviceError, match="cuda"):
        device_of(Config().updated({"detector.kind": kind, "run.device": "cuda"}))
    assert asked == []


@pytest.mark.skipif("CUDAExecutionProvider" in providers.available(), reason="CUDA can be had here")
def test_the_whole_program_refuses_before_it_touches_anything(tmp_path: Path) -> None:
    """An empty cache stays empty, the input is not even looked for, and it is one line."""
    environment = {name: value for name, value in os.environ.items() if name != "STREAMER_MODELS"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for source in ("demo", "rtsp://127.0.0.1:9/nothing", str(tmp_path / "absent.mp4")):
        done = subprocess.run(
            [sys.executable, "-m", "streamer", "run", source, "--device", "cuda", "-o", str(tmp_path / "o.mp4")],
            capture_output=True, text=True, check=False, env=environment, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("streamer: error: device 'cuda' was asked for")
        assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# -- sessions -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(yunet: Path) -> bytes:
    return plain_graph(yunet)


def test_sessions_are_shared_and_go_with_their_last_user(graph: bytes) -> None:
    made: list[Any] = []
    threads = [threading.Thread(target=lambda: made.append(providers.session(graph, "cpu"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in made}) == 1
    assert providers.session(graph, "auto") is made[0]
    assert providers.session(graph, "cpu", threads=2) is not made[0]
    assert providers.session(graph + b"", "cpu") is made[0]
    watched = weakref.ref(made[0])
    made.clear()
    gc.collect()
    assert watched() is None


def test_one_session_gives_the_same_from_many_threads(graph: bytes, yunet: Path) -> None:
    ctx = Context(model=lambda name: yunet)
    pictures = [Picture.blank(320, 240, luma=luma) for luma in (20, 90, 160, 230)]
    alone = parts.build("detectors", "yunet", {"floor": 0.05, "threshold": 0.1}, ctx)
    wanted = [alone.detect([picture]) for picture in pictures]
    got: dict[int, Any] = {}

    def work(number: int) -> None:
        mine = parts.build("detectors", "yunet", {"floor": 0.05, "threshold": 0.1}, ctx)
        for _ in range(5):
            got[number] = mine.detect([pictures[number]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[number] for number in range(len(pictures))] == wanted


class Session:
    """A session that got the providers it was made with, as far as they are told."""

    got: Sequence[str] = ()
    nodes: Sequence[tuple[str, int]] = ()
    asked: Sequence[Any] = ()

    def __init__(self, model: bytes, options: Any, providers: Sequence[Any]) -> None:
        type(self).asked = providers

    def get_providers(self) -> list[str]:
        return list(self.got)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda number=number: list(range(number)))
            for name, number in self.nodes
        ]


@pytest.fixture
def pretended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make a session of a runtime that pretends."""
    import onnxruntime

    class Made(Session):
        """One for this test."""

    vars(machine.runtime).update(
        SessionOptions=onnxruntime.SessionOptions, ExecutionMode=onnxruntime.ExecutionMode, InferenceSession=Made
    )
    monkeypatch.setattr(providers, "onnxruntime", lambda: machine.runtime)

    def make(device: str, got: Sequence[str], nodes: Sequence[tuple[str, int]] = ()) -> Any:
        Made.got, Made.nodes = got, nodes
        return providers.session(os.urandom(8), device)

    return make


def test_a_session_that_fell_back_is_an_error(pretended: Callable[..., Any]) -> None:
    with pytest.raises(DeviceError, match=r"'cuda' was asked for and not obtained \(got CPUExecutionProvider\)"):
        pretended("cuda", ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"'tensorrt' was asked for and not obtained"):
        pretended("tensorrt", ["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_a_session_that_runs_nothing_there_is_an_error(pretended: Callable[..., Any]) -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.raises(DeviceError, match="takes no operator of this model"):
        pretended("cuda", both, [("CPUExecutionProvider", 140)])
    made = pretended("cuda", both, [("CUDAExecutionProvider", 130), ("CPUExecutionProvider", 10)])
    assert providers.nodes_per_provider(made) == {"CUDAExecutionProvider": 130, "CPUExecutionProvider": 10}
    assert pretended("cuda", both) is not None, "an older ONNX Runtime does not tell"


def test_providers_get_their_options(pretended: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = pretended("tensorrt:1:fp16", ["TensorrtExecutionProvider", "CUDAExecutionProvider"])
    (first, of_tensorrt), (second, of_cuda) = made.asked
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert of_tensorrt["device_id"] == of_cuda["device_id"] == "1"
    assert of_tensorrt["trt_fp16_enable"] == "1"
    assert of_tensorrt["trt_engine_cache_path"] == str(tmp_path / "streamer" / "engines")
    assert of_cuda["use_tf32"] == "0"
    assert of_cuda["cudnn_conv_algo_search"] == "HEURISTIC"
    ((_, plain),) = pretended("cuda", ["CUDAExecutionProvider"]).asked
    assert plain["device_id"] == "0"


def test_a_real_session_tells_where_it_runs(graph: bytes) -> None:
    nodes = providers.nodes_per_provider(providers.session(graph, "cpu"))
    assert nodes.keys() <= {"CPUExecutionProvider"}


def test_what_is_no_model_is_one_line() -> None:
    with pytest.raises(DeviceError, match="could not start on 'cpu'") as caught:
        providers.session(b"no model", "cpu")
    assert "\n" not in str(caught.value)


def test_nothing_is_reported_to_anybody(yunet: Path, tmp_path: Path) -> None:
    """ONNX Runtime keeps an identifier of the machine in the cache folder when it is going to report."""
    program = (
        "import sys; from pathlib import Path; from streamer.inference.onnx_graph import plain_graph\n"
        "from streamer.inference.providers import session; session(plain_graph(Path(sys.argv[1])), 'cpu')"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program, str(yunet)], check=True, env=environment, timeout=60)
    assert list(tmp_path.iterdir()) == []


# -- warming up -----------------------------------------------------------------------------------------------------


def test_the_first_picture_finds_a_warm_detector(monkeypatch: pytest.MonkeyPatch, yunet: Path) -> None:
    """Every size of input that the first frame needs has been run before it comes."""
    detector = parts.build("detectors", "yunet", {}, Context(model=lambda name: yunet))
    sizes: list[tuple[int, int]] = []
    run = OnnxDetector._run

    def watched(self: OnnxDetector, looks: Any, size: tuple[int, int]) -> Any:
        sizes.append(size)
        return run(self, looks, size)

    monkeypatch.setattr(OnnxDetector, "_run", watched)
    detect.warm_up(detector, (1280, 720))
    warmed = set(sizes)
    sizes.clear()
    detector.detect([Picture.blank(1280, 720)])
    assert set(sizes) == warmed != set()


def test_a_detector_without_a_start_of_its_own_is_left_alone() -> None:
    oracle = Oracle()
    detect.warm_up(oracle, SIZE)
    assert oracle.looks == 0


def test_two_packages_in_one_folder_are_seen(tmp_path: Path) -> None:
    """Only those that lie where the library is loaded from: others do not overwrite anything."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name, version in (
        (first, "onnxruntime", "1.31.1"), (first, "onnxruntime-gpu", "1.26.0"), (second, "onnxruntime-directml", "1.2")
    ):  # fmt: skip
        (folder / "onnxruntime").mkdir(parents=True, exist_ok=True)
        (folder / "onnxruntime" / "__init__.py").touch()
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    program = "from streamer.inference.devices import installed; import sys; sys.stdout.write('|'.join(installed()))"

    def seen(*folders: Path) -> str:
        path = os.pathsep.join([*map(str, folders), str(Path(devices.__file__).parents[2])])
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    assert seen(first, second) == "onnxruntime 1.31.1|onnxruntime-gpu 1.26.0"
    assert seen(second, first) == "onnxruntime-directml 1.2"


def test_the_library_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "libempty.so").touch()
    assert devices._missing_library("libno-such-thing.so.7") == "libno-such-thing.so.7"
    assert devices._missing_library(tmp_path / "libempty.so") == "libempty.so"
    assert devices._missing_library("libc.so.6") == ""
