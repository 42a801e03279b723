"""A camera for other programs: browsers, meetings, OBS. They see the anonymized picture and nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core import install
from streamer.core.addresses import Claim, video_device
from streamer.core.errors import SinkError, UsageError
from streamer.core.options import Context, PartOptions, Probe
from streamer.core.picture import BT601, even
from streamer.sinks import StreamFormat
from streamer.sinks._fit import Fitter
from streamer.sinks._unattended import Unattended

if TYPE_CHECKING:
    import pyvirtualcam

__all__ = ["FORMS", "Options", "VirtualCameraSink", "build", "claims", "probe"]

_PYVIRTUALCAM = f"{install.optional('virtualcam')} (GPL-2.0)"

FORMS = "virtual, /dev/videoN"


class Options(PartOptions):
    """Settings of the virtual camera."""

    device: str | None = Field(None, description="for example /dev/video10; null takes the first one that is free")
    width: int | None = Field(None, ge=16, le=8192, description="pixels; null takes the stream's")
    height: int | None = Field(None, ge=16, le=8192, description="pixels; null takes the stream's")
    fps: float | None = Field(None, gt=0, le=240, description="frames per second told to readers; null: the stream's")
    backend: Literal["v4l2", "pyvirtualcam"] | None = Field(
        None,
        description="v4l2 writes to Linux's v4l2loopback, pyvirtualcam needs that package and also knows OBS's camera "
        "on macOS and Windows; null takes v4l2 on Linux, else pyvirtualcam",
    )


class _Device(Protocol):
    """What a backend gives: an open camera that takes i420 pictures of one size."""

    path: str
    size: tuple[int, int]

    def write(self, samples: NDArray[np.uint8]) -> None: ...

    def close(self) -> None: ...


class VirtualCameraSink(Unattended):
    """Feeds one virtual camera. Its size is fixed when it is opened; pictures of other sizes are letterboxed."""

    live = True

    def __init__(self, options: Options) -> None:
        self._options = options
        self._device: _Device | None = None
        self._fit: Fitter | None = None
        self.written = 0
        """Pictures handed over so far, repeats included."""

    @property
    def device(self) -> str | None:
        """The device in use; None before `open()`."""
        return self._device.path if self._device else None

    def open(self, format: StreamFormat) -> None:
        """Take the device. Raises UsageError naming what is missing and the command that helps."""
        options = self._options
        width, height = _size(options, format)
        fps = options.fps or format.fps
        backend = options.backend or ("v4l2" if sys.platform.startswith("linux") else "pyvirtualcam")
        if backend == "pyvirtualcam":
            self._device = _PyVirtualCam(options.device, width, height, fps)
        else:
            adapt = options.width is None and options.height is None
            self._device = _first_free(options.device, width, height, fps, adapt=adapt)
        # Readers take what comes from a virtual camera for BT.601 in limited range.
        self._fit = Fitter(*self._device.size, BT601)

    def write(self, frame: AnonymizedFrame) -> None:
        """Hand over one picture. Raises SinkError."""
        if self._device is None or self._fit is None:
            raise SinkError("the virtual camera was written to before it was opened")
        self._device.write(self._fit(frame).image.buffer)
        self.written += 1

    def close(self) -> None:
        """Let go of the device."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


def _size(options: Options, format: StreamFormat) -> tuple[int, int]:
    """The camera's size in even pixels; where one side is given, the other follows the stream's shape."""
    width, height = options.width, options.height
    if width is None:
        width = format.width if height is None else round(format.width * height / format.height)
    if height is None:
        height = round(format.height * width / format.width)
    return even(max(2, width)), even(max(2, height))


def _first_free(device: str | None, width: int, height: int, fps: float, *, adapt: bool) -> _Device:
    """The v4l2loopback device asked for, or the first that can be had."""
    from streamer.sinks._v4l2 import MODPROBE, LoopbackDevice, loopback_devices

    if device is not None:
        return LoopbackDevice(device, width, height, fps, adapt=adapt)
    devices, refusals = loopback_devices(), list[str]()
    if not devices:
        raise UsageError(
            f"there is no virtual camera; make one with: {MODPROBE} "
            "(Debian, Ubuntu: sudo apt-get install v4l2loopback-dkms first)"
        )
    for path in devices:
        try:
            return LoopbackDevice(path, width, height, fps, adapt=adapt)
        except UsageError as error:
            refusals.append(str(error))
    raise UsageError(f"no virtual camera is free: {'; '.join(refusals)}")


class _PyVirtualCam:
    """A camera of the package pyvirtualcam."""

    def __init__(self, device: str | None, width: int, height: int, fps: float) -> None:
        try:
            import pyvirtualcam
        except ImportError:
            raise UsageError(f"this virtual camera needs a package that is not installed: {_PYVIRTUALCAM}") from None
        try:
            self._camera: pyvirtualcam.Camera = pyvirtualcam.Camera(
                width, height, fps, fmt=pyvirtualcam.PixelFormat.I420, device=device
            )
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"no virtual camera{f' {device}' if device else ''}: {reason}; {_remedy()}") from None
        self.path = str(self._camera.device)
        self.size = width, height

    def write(self, samples: NDArray[np.uint8]) -> None:
        """Hand over one picture."""
        try:
            self._camera.send(samples)
        except RuntimeError as error:
            raise SinkError(f"virtual camera {self.path} takes no more pictures ({error})") from None

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.close()


def _remedy() -> str:
    from streamer.sinks._v4l2 import MODPROBE

    if sys.platform.startswith("linux"):
        return f"make one with: {MODPROBE}"
    return "install OBS (https://obsproject.com) and start its virtual camera once"


def claims(text: str) -> Claim | None:
    """The word, which takes a device that is free, and video devices."""
    if text == "virtual":
        return Claim(text=text)
    device = video_device(text)
    return None if device is None else Claim({"device": device}, text)


def build(options: Options, ctx: Context) -> VirtualCameraSink:
    """Make the sink."""
    return VirtualCameraSink(options)


def probe() -> list[Probe]:
    """The virtual cameras found here."""
    if not sys.platform.startswith("linux"):
        return [Probe(*_pyvirtualcam_found())]
    from streamer.sinks._v4l2 import MODPROBE, loopback_devices

    devices = loopback_devices()
    if not devices:
        return [Probe(False, "no virtual camera", MODPROBE)]
    return [Probe(True, f"virtual camera {device}") for device in devices]


def _pyvirtualcam_found() -> tuple[bool, str, str]:
    from importlib.util import find_spec

    found = find_spec("pyvirtualcam") is not None
    return found, "pyvirtualcam is installed" if found else "pyvirtualcam is not installed", _PYVIRTUALCAM
