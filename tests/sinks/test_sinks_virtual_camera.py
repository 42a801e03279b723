"""The virtual camera as far as it goes without one; tests/integration/test_virtual_camera.py has real ones."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from support.frames import number_of, numbered

from streamer.core import install
from streamer.core.errors import SinkError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Color, Picture
from streamer.sinks import StreamFormat, _v4l2, virtual_camera
from streamer.sinks.virtual_camera import Options, VirtualCameraSink, build

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="v4l2loopback is a part of Linux")


def a_format(width: int = 320, height: int = 240) -> StreamFormat:
    return StreamFormat(width, height, 25.0, live=True, stills=False, title="test")


class FakeCamera:
    """Stands in for pyvirtualcam.Camera."""

    made: ClassVar[list[FakeCamera]] = []
    failure: ClassVar[RuntimeError | None] = None

    def __init__(self, width: int, height: int, fps: float, *, fmt: str, device: str | None) -> None:
        if self.failure is not None:
            raise self.failure
        self.arguments = (width, height, fps, fmt, device)
        self.device = device or "OBS Virtual Camera"
        self.sent: list[NDArray[np.uint8]] = []
        self.closed = 0
        self.made.append(self)

    def send(self, samples: NDArray[np.uint8]) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(samples)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def pyvirtualcam(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeCamera]]:
    """The package, as far as the sink uses it."""
    FakeCamera.made, FakeCamera.failure = [], None
    module: Any = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    yield FakeCamera
    FakeCamera.made, FakeCamera.failure = [], None


def opened(format: StreamFormat, **options: Any) -> VirtualCameraSink:
    sink = build(Options(backend="pyvirtualcam", **options), Context())
    sink.open(format)
    return sink


@pytest.mark.parametrize(
    ("stream", "options", "size"),
    [
        ((320, 240), {}, (320, 240)),
        ((427, 239), {}, (428, 240)),
        ((1280, 720), {"width": 640}, (640, 360)),
        ((1280, 720), {"height": 480}, (854, 480)),
        ((1280, 720), {"width": 640, "height": 480}, (640, 480)),
    ],
)
def test_the_camera_keeps_one_even_size(
    pyvirtualcam: type[FakeCamera], stream: tuple[int, int], options: dict[str, int], size: tuple[int, int]
) -> None:
    sink = opened(a_format(*stream), fps=12.5, device="/dev/video7", **options)
    sink.write(numbered(0b11001010, 0.0, stream))
    sink.write(numbered(0b11001010, 0.1, (64, 64)))
    sink.close()
    (camera,) = pyvirtualcam.made
    assert camera.arguments == (*size, 12.5, "I420", "/dev/video7")
    assert [samples.size for samples in camera.sent] == [size[0] * size[1] * 3 // 2] * 2
    if stream[0] * size[1] == stream[1] * size[0]:
        assert number_of(Picture(*size, "i420", camera.sent[0])) == 0b11001010
    assert camera.closed == 1
    assert (sink.written, sink.poll(), sink.live, sink.main_thread) == (2, [], True, False)


def test_colours_become_what_readers_expect(pyvirtualcam: type[FakeCamera]) -> None:
    frame = numbered(3, 0.0, color=Color("bt709", True))
    sink = opened(a_format())
    sink.write(frame)
    sink.close()
    shown = Picture(320, 240, "i420", pyvirtualcam.made[0].sent[0])
    assert np.abs(shown.bgr().astype(int) - frame.image.bgr()).mean() < 3


def test_a_camera_that_cannot_be_had(pyvirtualcam: type[FakeCamera]) -> None:
    pyvirtualcam.failure = RuntimeError("'obs' backend: virtual camera\noutput could not be started")
    with pytest.raises(UsageError, match="no virtual camera: 'obs' backend: virtual camera output could not") as caught:
        opened(a_format())
    assert "\n" not in str(caught.value)


def test_a_camera_that_breaks(pyvirtualcam: type[FakeCamera]) -> None:
    sink = opened(a_format())
    pyvirtualcam.failure = RuntimeError("gone")
    with pytest.raises(SinkError, match=r"virtual camera OBS Virtual Camera takes no more pictures \(gone\)"):
        sink.write(numbered(0, 0.0))
    sink.close()
    sink.close()
    assert pyvirtualcam.made[0].closed == 1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UsageError, match=re.escape(install.optional("virtualcam"))):
        opened(a_format())


@LINUX
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("/dev/video98", "virtual camera /dev/video98 does not exist; make one with: sudo modprobe v4l2loopback"),
        ("/dev/null", "/dev/null is no virtual camera; make one with: sudo modprobe v4l2loopback"),
        ("/tmp", "/tmp is no virtual camera; make one with: "),
    ],
)
def test_devices_that_are_none(device: str, message: str) -> None:
    sink = build(Options(backend="v4l2", device=device), Context())
    with pytest.raises(UsageError) as caught:
        sink.open(a_format())
    assert str(caught.value).startswith(message)
    sink.close()


@LINUX
def test_a_device_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    path = tmp_path / "video"
    path.touch(mode=0)
    sink = build(Options(backend="v4l2", device=str(path)), Context())
    with pytest.raises(UsageError, match="sudo usermod -aG video"):
        sink.open(a_format())


@LINUX
def test_no_device_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_v4l2, "_DEVICES", tmp_path)
    (tmp_path / "video0").mkdir()  # a camera with hardware behind it is not looked at
    sink = build(Options(backend="v4l2"), Context())
    with pytest.raises(UsageError, match="there is no virtual camera; make one with: sudo modprobe v4l2loopback"):
        sink.open(a_format())
    (probe,) = virtual_camera.probe()
    assert not probe.ok
    assert probe.remedy.startswith("sudo modprobe v4l2loopback")


def test_writing_before_opening() -> None:
    sink = build(Options(), Context())
    with pytest.raises(SinkError, match="before it was opened"):
        sink.write(numbered(0, 0.0))
    sink.close()
