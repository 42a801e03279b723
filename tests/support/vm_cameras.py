"""Runs inside the virtual machine: cameras of both kinds, and what other programs see. Results go to /mnt/exchange.

    python -m support.vm_cameras sink program without

The machine is emulated and slow, so everything here is small, and one start of it serves many tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.errors import StreamerError
from streamer.core.options import Context
from streamer.core.picture import BT709
from streamer.sinks import StreamFormat
from streamer.sinks.virtual_camera import Options, VirtualCameraSink, build, probe
from support.frames import numbered

EXCHANGE = Path("/mnt/exchange")
VIRTUAL, WEBCAM, WEBCAM_OUTPUT = "/dev/video10", "/dev/video0", "/dev/video1"
PERIOD_S = 0.1
SCENE_FRAMES, SEEN_FRAMES = 24, 18
"""How long the drawn scene in scene.mp4 is, and how much of it the other program looks at."""


def opened(stream: tuple[int, int] = (320, 240), **options: Any) -> VirtualCameraSink:
    sink = build(Options(**options), Context())
    sink.open(StreamFormat(*stream, 1 / PERIOD_S, live=True, stills=False, title="test"))
    return sink


def refusal(**options: Any) -> str:
    """What is said when the sink cannot be opened."""
    sink = build(Options(**options), Context())
    try:
        sink.open(StreamFormat(320, 240, 10.0, live=True, stills=False, title="test"))
    except StreamerError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        sink.close()
    return "opened"


@contextmanager
def feeding(sink: VirtualCameraSink, frame: AnonymizedFrame) -> Iterator[None]:
    """Write one frame again and again, as the output stage does."""
    done = threading.Event()

    def feed() -> None:
        while not done.wait(PERIOD_S):
            sink.write(frame)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        done.set()
        feeder.join()


def said(*command: str, timeout_s: float = 60) -> str:
    """Run a program to its end; everything it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.stdout + done.stderr


def seen(name: str, frames: int) -> str:
    """What v4l2-ctl, another program, sees in the virtual camera: raw pictures go to a file. Returns their format."""
    path = EXCHANGE / f"{name}.yuv"
    talk = said(
        "v4l2-ctl", "-d", VIRTUAL, "--stream-mmap", f"--stream-count={frames}", f"--stream-to={path}", timeout_s=120
    )
    shape = said("v4l2-ctl", "-d", VIRTUAL, "--get-fmt-video")
    return shape if path.stat().st_size else f"nothing was read: {talk}"


def announced(device: str = VIRTUAL) -> list[str]:
    """What a device says it can do now."""
    lines = said("v4l2-ctl", "-d", device, "-D").splitlines()
    return [line.strip() for line in lines if line.strip() in ("Video Capture", "Video Output")]


# -- the sink -----------------------------------------------------------------------------------------------------


def pictures() -> dict[str, Any]:
    """Another program reads what was written."""
    sink = opened()
    with feeding(sink, numbered(0b10110010, 0.0, color=BT709)):
        shape = seen("pictures", 3)
    sink.close()
    return {"shape": shape, "written": sink.written}


def letterbox() -> dict[str, Any]:
    """A stream of another shape than the camera; PyAV reads this one."""
    sink = opened((480, 160), width=320, height=240)
    script = (
        f"import av; c = av.open('{VIRTUAL}', format='v4l2')\n"
        f"open('{EXCHANGE}/letterbox.yuv', 'wb').write(next(c.decode(video=0)).to_ndarray().tobytes())"
    )
    with feeding(sink, numbered(0b01010101, 0.0, (480, 160))):
        talk = said(sys.executable, "-c", script)
    sink.close()
    return {"talk": talk}


def again() -> dict[str, Any]:
    """The device can be opened again after every close, and only once at a time."""
    result: dict[str, Any] = {"announced": [], "second": []}
    for _ in range(3):
        sink = opened()
        sink.write(numbered(1, 0.0))
        result["second"].append(refusal(device=VIRTUAL))
        result["announced"].append(announced())
        sink.close()
        result["announced"].append(announced())
    return result


def held() -> dict[str, Any]:
    """A reader that stays keeps its size through a restart of the writer."""
    sink = opened((160, 120))
    reader = ["v4l2-ctl", "-d", VIRTUAL, "--stream-mmap", "--stream-count=1000", "--stream-to=/dev/null"]
    with feeding(sink, numbered(1, 0.0, (160, 120))):
        process = subprocess.Popen(reader, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.read(1)  # it has a picture
    sink.close()
    asked = refusal(width=320, height=240)
    sink = opened()
    sink.write(numbered(1, 0.0))
    size = [sink._fit.width, sink._fit.height] if sink._fit else []
    sink.close()
    process.kill()
    process.communicate()
    return {"size": size, "asked": asked}


def careless() -> dict[str, Any]:
    """A program that writes without saying so leaves the device dead; it is brought back."""
    script = (
        "import av; from fractions import Fraction; import numpy as np\n"
        f"c = av.open('{VIRTUAL}', 'w', format='v4l2'); s = c.add_stream('rawvideo', rate=10)\n"
        "s.width, s.height, s.pix_fmt = 320, 240, 'yuv420p'\n"
        "f = av.VideoFrame.from_ndarray(np.zeros((360, 320), np.uint8), format='yuv420p')\n"
        "c.mux(s.encode(f)); c.close()"
    )
    talk = said(sys.executable, "-c", script)
    dead = announced()
    sink = opened()
    with feeding(sink, numbered(7, 0.0)):
        seen("careless", 2)
    sink.close()
    return {"talk": talk, "dead": dead, "after": announced()}


def refusals() -> dict[str, Any]:
    """Everything that is no virtual camera."""
    probes = [(found.ok, found.finding) for found in probe()]
    devices = [WEBCAM, WEBCAM_OUTPUT, "/dev/video99", "/dev/null", "/tmp"]
    return {"probe": probes, **{device: refusal(device=device) for device in devices}}


def without_module() -> dict[str, Any]:
    """No virtual camera at all."""
    subprocess.run(["modprobe", "-r", "v4l2loopback"], check=True)
    return {"refusal": refusal(), "probe": [(found.ok, found.finding, found.remedy) for found in probe()]}


# -- the whole program --------------------------------------------------------------------------------------------


class Run:
    """The program, running with its messages kept."""

    def __init__(self, *arguments: str) -> None:
        self._log = (EXCHANGE / f"{Path(arguments[0]).stem}.log").open("w+")
        command = [sys.executable, "-X", "faulthandler", "-m", "streamer", "run", *arguments]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def ended(self, timeout_s: float) -> dict[str, Any]:
        """How it ended: its code, what it said, and how long that took."""
        start = time.monotonic()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # it says where every thread is
            self._process.wait()
        self._log.seek(0)
        talk = self._log.read()
        self._log.close()
        return {"code": self._process.returncode, "talk": talk, "waited_s": time.monotonic() - start}


SLOW = ["--set", "detect.max_hold_s=5", "--set", "detector.input_px=320"]
"""Settings for a machine on which one look of the detector takes a good part of a second."""
NOBODY = ["--set", "detector.input_px=160"]
"""Where nobody is to be found anyway, a look may take less."""


def wait_for(what: Callable[[], object], run: Run, timeout_s: float = 180) -> bool:
    """Wait until something is true, as long as the program runs."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and run.running:
        if what():
            return True
        time.sleep(0.3)
    return False


def scene_shown() -> dict[str, Any]:
    """The drawn scene through the program into the virtual camera, read by another program."""
    report = EXCHANGE / "scene.json"
    run = Run(str(EXCHANGE / "scene.mp4"), "-o", VIRTUAL, "--effect", "solid", "--report", str(report), *SLOW)
    began = wait_for(lambda: "Video Capture" in announced(), run)
    shape = seen("scene", SEEN_FRAMES) if began else ""
    return {"shape": shape, **run.ended(90), "report": json.loads(report.read_text()) if report.exists() else {}}


def webcam_unplugged() -> dict[str, Any]:
    """A camera through the program into a file; it is gone in the middle, back again, and then gone for good."""
    size = ["--set", "source.camera.width=320", "--set", "source.camera.height=180", "--set", "source.camera.fps=10"]
    path, report = EXCHANGE / "unplugged.mp4", EXCHANGE / "unplugged.json"
    start = time.monotonic()
    run = Run(WEBCAM, "-o", str(path), "--report", str(report), *size, *SLOW, *NOBODY, "--set", "capture.retry_for_s=8")
    began = wait_for(path.exists, run)
    start_s = time.monotonic() - start  # where that takes long, because the machine is busy, so does the rest
    time.sleep(max(3, start_s / 4))
    with unplugged():
        time.sleep(6)
    time.sleep(max(6, start_s / 2))
    survived = run.running
    with unplugged():
        ended = run.ended(40)
    result = {"began": began, "survived": survived, **ended}
    return {**result, "report": json.loads(report.read_text()) if report.exists() else {}}


@contextmanager
def unplugged() -> Iterator[None]:
    """The webcam is away, for those who use it and for those who look for it. It is back when nobody holds any of its
    devices, so one is held.
    """
    file = os.open(WEBCAM_OUTPUT, os.O_RDWR)
    try:
        assert said("v4l2-ctl", "-d", WEBCAM, "-c", "disconnect=1") == ""
        yield
    finally:
        os.close(file)


PARTS: dict[str, list[Callable[[], dict[str, Any]]]] = {
    "sink": [refusals, pictures, letterbox, again, held, careless],
    "program": [scene_shown, webcam_unplugged],
    "without": [without_module],
}


def main(*parts: str) -> None:
    subprocess.run(
        ["modprobe", "v4l2loopback", "devices=1", "video_nr=10", "card_label=streamer", "exclusive_caps=1"], check=True
    )
    subprocess.run(["modprobe", "vivid", "n_devs=1"], check=True)
    results: dict[str, Any] = {}
    for scenario in (scenario for part in parts for scenario in PARTS[part]):
        start = time.monotonic()
        results[scenario.__name__] = scenario()
        sys.stdout.write(f"{scenario.__name__}: {time.monotonic() - start:.1f} s\n")
        sys.stdout.flush()
        (EXCHANGE / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
