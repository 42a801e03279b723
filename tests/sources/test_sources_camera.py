"""The camera source: what the kernel may say, what cameras may do, and every kind of picture they give.

A real camera in a virtual machine is tested elsewhere; here the kernel's side is played by a script.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core import videodev2
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.sources import camera
from streamer.sources._opencv import OpenCvSource, open_capture
from streamer.sources._samples import COMPRESSED, RAW, Samples
from streamer.sources._v4l2 import Format, Raw
from streamer.sources.camera import Options, build

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Video4Linux is part of Linux")

SIZE = (64, 48)
BLUE = (200, 60, 20)


def plain(bgr: tuple[int, int, int] = BLUE, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A picture of one colour."""
    return np.full((size[1], size[0], 3), bgr, np.uint8)


def jpeg(bgr: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", bgr)[1].tobytes()


# -- the kernel's structures ---------------------------------------------------------------------------------------


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the numbers are those of 64-bit systems")
def test_calls_have_the_numbers_of_the_kernels_header() -> None:
    assert videodev2.QUERYCAP == 0x80685600
    assert videodev2.ENUM_FMT == 0xC0405602
    assert videodev2.S_FMT == 0xC0D05605
    assert videodev2.REQBUFS == 0xC0145608
    assert videodev2.QUERYBUF == 0xC0585609
    assert videodev2.QBUF == 0xC058560F
    assert videodev2.DQBUF == 0xC0585611
    assert videodev2.STREAMON == 0x40045612
    assert videodev2.STREAMOFF == 0x40045613
    assert videodev2.S_PARM == 0xC0CC5616


def test_four_letters() -> None:
    assert videodev2.fourcc(0x47504A4D) == "MJPG"
    assert videodev2.fourcc(0x20303159) == "Y10"


# -- devices that are none ------------------------------------------------------------------------------------------


def refusal(device: int | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        build(Options(device=device, **options), Context())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def no_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "listed", list)


@pytest.mark.usefixtures("no_cameras")
def test_what_does_not_exist_or_is_no_camera(tmp_path: Path) -> None:
    assert refusal(99) == "/dev/video99 does not exist; no camera was found; try the drawn scene: streamer run demo"
    assert "/dev/video98 does not exist" in refusal("98")
    text = tmp_path / "a.txt"
    text.write_text("a")
    for device in (text, tmp_path, Path("/dev/null")):
        assert f"{device} is no camera" in refusal(str(device))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "may not be opened by this user: sudo usermod -aG video"),
        (errno.EBUSY, "is in use by another program"),
        (errno.ENODEV, "has no camera behind it any more"),
        (errno.ENOSPC, "the USB bus has no room"),
        (errno.EMFILE, "cannot be opened: Too many open files"),
    ],
)
def test_what_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def refuses(path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(camera, "Device", refuses)
    assert words in refusal(0)


# -- a camera that follows a script ---------------------------------------------------------------------------------

Event = Raw | OSError | Callable[[], Raw] | None


class Scripted:
    """Takes the place of `Device`. events: what `read` gives one after the other; at their end nothing more comes."""

    def __init__(self, path: str = "/dev/video0") -> None:
        self.path, self.name = path, "Test camera"
        self.is_camera, self.takes_pictures = True, False
        self.offers = ["YUYV", "MJPG"]
        self.events: list[Event] = []
        self.asked: list[tuple[str, int, int]] = []
        self.closed = 0
        self.started = False

    def formats(self) -> list[str]:
        return self.offers

    def choose(self, code: str, width: int, height: int) -> Format:
        self.asked.append((code, width, height))
        return Format(code, *SIZE, SIZE[0] * 2 if code == "YUYV" else 0)

    def choose_rate(self, fps: float) -> float | None:
        return 15.0

    def start(self) -> None:
        self.started = True

    def read(self, timeout_s: float) -> Raw | None:
        event = self.events.pop(0) if self.events else None
        if event is None:
            time.sleep(timeout_s)
        if isinstance(event, OSError):
            raise event
        return event() if callable(event) else event

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(camera, "Device", lambda path: scripted)
    monkeypatch.setattr(camera, "listed", lambda: ["/dev/video0"])
    return scripted


def shot(number: int, *, data: bytes = jpeg(plain()), damaged: bool = False, age_s: float = 0.0) -> Callable[[], Raw]:
    """A picture that is taken `age_s` before it is read."""
    return lambda: Raw(data, time.monotonic() - age_s, number, damaged)


def opened(**options: Any) -> camera.CameraSource:
    source = build(Options(device=0, **{"open_timeout_s": 0.3, "read_timeout_s": 0.2, **options}), Context())
    assert isinstance(source, camera.CameraSource)
    return source


def test_gives_pictures_at_the_times_they_were_taken(device: Scripted) -> None:
    device.events = [shot(0), shot(1), shot(2)]
    source = opened()
    assert device.asked == [("MJPG", 1280, 720)]
    assert device.started
    assert source.info.live
    assert (source.info.name, source.info.fps) == ("/dev/video0 (Test camera)", 15.0)
    assert source.info.detail == "MJPG 64x48 at 15 fps (asked for 1280x720 at 30 fps)"
    times: list[float] = []
    for _ in range(3):
        item = source.read()
        assert isinstance(item, Captured)
        assert item.t is not None
        times.append(item.t)
        assert np.abs(item.image.bgr().reshape(-1, 3).mean(0) - BLUE).max() < 4
    assert times == sorted(times)
    source.close()
    source.close()
    assert source.warnings == []


def test_says_nothing_of_asking_when_it_got_it(device: Scripted) -> None:
    device.events = [shot(0)]
    source = opened(width=SIZE[0], height=SIZE[1], fps=15)
    assert source.info.detail == "MJPG 64x48 at 15 fps"
    source.close()


@pytest.mark.parametrize(
    ("asked", "offers", "taken"),
    [
        ("auto", ["YUYV", "MJPG"], "MJPG"),
        ("auto", ["H264", "YUYV"], "YUYV"),
        ("auto", ["GREY"], "GREY"),
        ("yuyv", ["MJPG", "YUYV"], "YUYV"),
        ("mjpeg", ["YUYV", "JPEG"], "JPEG"),
    ],
)
def test_takes_the_format(device: Scripted, asked: str, offers: list[str], taken: str) -> None:
    device.offers = offers
    device.events = [shot(0, data=jpeg(plain()) if taken in COMPRESSED else bytes(SIZE[0] * SIZE[1] * 2))]
    opened(format=asked).close()
    assert device.asked[0][0] == taken


def test_a_format_that_is_not_offered_is_not_replaced_by_another(device: Scripted) -> None:
    device.offers = ["YUYV"]
    assert refusal(0, format="mjpeg") == "/dev/video0 (Test camera) does not offer mjpeg; it offers YUYV"
    device.offers = ["H264", *(f"X{n}" for n in range(20))]
    assert "does not offer auto; it offers H264, X0, X1, X2, X3, X4, X5, X6, ..." in refusal(0)
    assert device.closed == 2


def test_devices_that_give_no_pictures(device: Scripted) -> None:
    device.is_camera = False
    assert "gives no pictures; no camera was found" in refusal(0)
    device.takes_pictures = True
    assert "gives no pictures: no program writes to it now" in refusal(0)
    assert device.closed >= 2


def test_no_first_picture(device: Scripted) -> None:
    assert "gave no picture within 0.2 s" in refusal(0, open_timeout_s=0.2)
    device.events = [OSError(errno.EBUSY, "busy")]
    assert "in use by another program" in refusal(0)
    assert device.closed == 2


def test_silence_and_unplugging_are_losses(device: Scripted) -> None:
    device.events = [shot(0)]
    source = opened()
    source.read()
    with pytest.raises(SourceLost, match=r"gave no picture for 0\.2 s"):
        source.read()
    device.events = [OSError(errno.ENODEV, "No such device")]
    with pytest.raises(SourceLost, match="was unplugged"):
        source.read()
    device.events = [OSError(errno.ENOMEM, "Out of memory")]
    with pytest.raises(SourceLost, match="failed: Out of memory"):
        source.read()
    source.close()


def test_damaged_pictures_are_left_out_and_counted(device: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_SETTLING_S", 0.0)
    half = jpeg(plain())[:300]
    # Before the first whole picture damage is usual; after it, it is told.
    device.events = [shot(0, data=half), shot(1), shot(2, damaged=True), shot(3, data=half), shot(4, data=b""), shot(7)]
    source = opened()
    source.read()
    time.sleep(0.01)
    assert isinstance(source.read(), Captured)
    source.close()
    assert source.warnings == [
        "/dev/video0 (Test camera): 3 damaged pictures were left out",
        "/dev/video0 (Test camera): 2 pictures were lost in the driver",
    ]


def test_only_damaged_pictures_are_a_loss(device: Scripted) -> None:
    device.events = [shot(0)]
    source = opened()
    source.read()

    def bad() -> Raw:
        device.events.append(bad)
        time.sleep(0.005)
        return Raw(b"nonsense", None, 1, False)

    device.events = [bad]
    with pytest.raises(SourceLost, match="gave no picture"):
        source.read()
    source.close()


def test_begins_with_the_present(device: Scripted) -> None:
    device.events = [shot(0), shot(1, age_s=0.3), shot(2, age_s=0.25), shot(3)]
    source = opened()
    time.sleep(0.25)  # the rest of the program is made ready
    item = source.read()
    assert isinstance(item, Captured)
    assert item.t is not None
    assert time.monotonic() - item.t < 0.2
    source.close()


def test_close_from_another_thread_waits_for_the_read(device: Scripted) -> None:
    device.events = [shot(0)]
    source = opened(read_timeout_s=0.5)
    source.read()
    failures: list[BaseException] = []

    def read_on() -> None:
        try:
            source.read()
        except SourceLost as lost:
            failures.append(lost)

    reader = threading.Thread(target=read_on)
    reader.start()
    time.sleep(0.1)
    source.close()
    assert device.closed == 0
    reader.join(10)
    assert device.closed == 1
    assert len(failures) == 1
    assert source.read() is None


def test_probe(device: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert [(probe.ok, probe.finding) for probe in camera.probe()] == [(True, "/dev/video0 (Test camera)")]
    assert camera.cameras() == ["/dev/video0"]
    device.is_camera = False
    assert [(probe.ok, probe.finding) for probe in camera.probe()] == [(False, "no camera was found")]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "usermod" in camera.probe()[0].remedy


# -- pictures -------------------------------------------------------------------------------------------------------


def encoded(code: str, bgr: tuple[int, int, int], size: tuple[int, int]) -> bytes:
    """A picture of one colour, as the format's definition says."""
    count = size[0] * size[1]
    half, quarter = count // 2, count // 4
    i420 = cv2.cvtColor(plain(bgr, size), cv2.COLOR_BGR2YUV_I420).reshape(-1)
    y, u, v = (int(i420[at]) for at in (0, count, count + quarter))
    return {
        "YUYV": bytes([y, u, y, v]) * half,
        "YVYU": bytes([y, v, y, u]) * half,
        "UYVY": bytes([u, y, v, y]) * half,
        "NV12": bytes([y]) * count + bytes([u, v]) * quarter,
        "NV21": bytes([y]) * count + bytes([v, u]) * quarter,
        "YU12": bytes([y]) * count + bytes([u]) * quarter + bytes([v]) * quarter,
        "422P": bytes([y]) * count + bytes([u]) * half + bytes([v]) * half,
        "RGB3": bytes(bgr[::-1]) * count,
        "BGR3": bytes(bgr) * count,
        "GREY": bytes([y]) * count,
    }[code]


@pytest.mark.parametrize("code", RAW)
def test_raw_formats_have_their_colours(code: str) -> None:
    grey = (int(np.dot(BLUE, (0.114, 0.587, 0.299))),) * 3
    samples = Samples(code, *SIZE, 0)
    for data in (encoded(code, BLUE, SIZE), encoded(code, BLUE, SIZE) + bytes(100)):
        picture = samples.picture(data)
        assert picture is not None
        assert picture.size == SIZE
        mean = picture.bgr().reshape(-1, 3).mean(0)
        if code == "GREY":  # limited range taken as full: darker greys, no colour
            assert np.ptp(mean) < 3
            assert abs(mean[0] - grey[0]) < 25
        else:
            assert np.abs(mean - BLUE).max() < 4
    assert samples.picture(encoded(code, BLUE, SIZE)[:-1]) is None
    assert samples.picture(b"") is None


@pytest.mark.parametrize("code", ["YUYV", "NV12", "BGR3"])
def test_gaps_between_rows_are_left_out(code: str) -> None:
    used = SIZE[0] * {"YUYV": 2, "NV12": 1, "BGR3": 3}[code]
    rows = np.frombuffer(encoded(code, BLUE, SIZE), np.uint8).reshape(-1, used)
    padded = np.pad(rows, ((0, 0), (0, 32)), constant_values=77)
    picture = Samples(code, *SIZE, used + 32).picture(padded.tobytes())
    assert picture is not None
    assert np.abs(picture.bgr().reshape(-1, 3) - np.array(BLUE, np.int16)).max() < 8


def test_formats_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="format H264 cannot be read"):
        Samples("H264", *SIZE, 0)
    with pytest.raises(ValueError, match="format YU12 with 128 bytes per row"):
        Samples("YU12", *SIZE, 128)


def test_jpeg() -> None:
    half = np.hstack([plain(BLUE), plain((20, 60, 200))])
    data = jpeg(half)
    samples = Samples("MJPG", 128, 48, 0)
    for whole in (data, data + bytes(200)):
        picture = samples.picture(whole)
        assert picture is not None
        assert picture.size == (128, 48)
        assert np.abs(picture.bgr()[:, :56].reshape(-1, 3).mean(0) - BLUE).max() < 4
    for broken in (data[:-2], data[: len(data) * 2 // 3], data[: len(data) * 2 // 3] + b"\xff\xd9", b"text", b""):
        assert samples.picture(broken) is None
    assert samples.picture(data) is not None


# -- OpenCV, for other systems -------------------------------------------------------------------------------------


class Endless:
    """Takes the place of cv2.VideoCapture: a picture, then `then`."""

    def __init__(self, then: Callable[[], tuple[bool, Any]]) -> None:
        self.then = then
        self.reads = 0
        self.released = threading.Event()

    def get(self, what: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, Any]:
        self.reads += 1
        return (True, plain()) if self.reads == 1 else self.then()

    def release(self) -> None:
        self.released.set()


def through_opencv(capture: Any, **limits: float) -> OpenCvSource:
    return OpenCvSource("camera 0", capture, **{"open_timeout_s": 5.0, "read_timeout_s": 0.3, **limits})


def test_opencv_reads_and_notices_the_end(clip: Path) -> None:
    source = through_opencv(cv2.VideoCapture(str(clip)), read_timeout_s=10)
    assert (source.info.width, source.info.height, source.info.fps, source.info.live) == (320, 240, 25.0, True)
    item = source.read()
    assert isinstance(item, Captured)
    assert item.image.size == (320, 240)
    with pytest.raises(SourceLost, match="camera 0 was unplugged or failed"):
        all(iter(source.read, None))
    source.close()
    assert source.read() is None


def test_opencv_that_hangs_is_a_loss() -> None:
    go_on = threading.Event()

    def hang() -> tuple[bool, Any]:
        go_on.wait(20)
        return True, plain()

    capture = Endless(hang)
    source = through_opencv(capture)
    source.read()
    with pytest.raises(SourceLost, match=r"gave no picture for 0\.3 s"):
        source.read()
    source.close()
    assert source.read() is None
    go_on.set()
    assert capture.released.wait(10)


def test_opencv_without_a_picture() -> None:
    capture = Endless(lambda: (False, None))
    capture.reads = 1
    with pytest.raises(InputError, match="camera 0 gave no picture"):
        through_opencv(capture, open_timeout_s=0.5)
    assert capture.released.wait(10)


def test_elsewhere_cameras_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "on this system cameras have numbers" in refusal("/dev/video0")
    assert camera.probe() == []


def test_opencv_without_such_a_camera() -> None:
    with pytest.raises(InputError, match="camera 97 cannot be opened: it does not exist, is in use"):
        open_capture(97, size=(640, 480), fps=30, mjpeg=True)
