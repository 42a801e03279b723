"""Cameras: Video4Linux devices on Linux, what OpenCV opens elsewhere."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from typing import Literal

from pydantic import Field

from streamer.core.addresses import Claim, video_device
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import Context, PartOptions, Probe
from streamer.core.types import Captured, SourceInfo
from streamer.sources import Source
from streamer.sources._opencv import OpenCvSource, open_capture
from streamer.sources._samples import COMPRESSED, RAW, Samples
from streamer.sources._v4l2 import Device, Format, Raw, listed

__all__ = ["FORMS", "CameraSource", "Options", "build", "cameras", "claims", "probe"]

_WANTED = {"mjpeg": [*COMPRESSED], "yuyv": ["YUYV"], "auto": [*COMPRESSED, *RAW]}
"""For each setting of `format`, what is taken, the first that the camera offers."""
_SETTLING_S = 1.0
"""After the first read: pictures lost before, while the rest of the program was made ready, are nobody's loss."""
_OLD_S = 0.2
"""Pictures this old at the first read waited in the driver while the rest of the program was made ready."""
_JOIN_VIDEO = "sudo usermod -aG video $USER, then log in again"

FORMS = "a camera (0, 1, ... or /dev/video0)"


class Options(PartOptions):
    """Settings of the camera source. Cameras give the nearest they have; what it was is shown."""

    device: int | str = Field(description="the camera's number or path")
    width: int = Field(1280, ge=16, le=16384, description="pixels to ask for")
    height: int = Field(720, ge=16, le=16384, description="pixels to ask for")
    fps: float = Field(30.0, gt=0, le=480, description="pictures per second to ask for")
    format: Literal["auto", "mjpeg", "yuyv"] = Field(
        "auto", description="auto takes MJPEG where the camera has it: only that is fast in large sizes over USB 2"
    )
    open_timeout_s: float = Field(5.0, gt=0, le=60, description="longest wait for the first picture")
    read_timeout_s: float = Field(3.0, gt=0, le=60, description="a camera that gives no picture for this long is lost")


def claims(text: str) -> Claim | None:
    """Numbers, and video devices."""
    if text.isascii() and text.isdecimal():
        return Claim({"device": text}, f"camera {text}")
    device = video_device(text)
    return None if device is None else Claim({"device": device}, text)


def build(options: Options, ctx: Context) -> Source:
    """Open the camera and wait for its first picture. Raises InputError naming the camera and the remedy."""
    if not sys.platform.startswith("linux"):
        return _elsewhere(options)
    path = _path(options.device)
    try:
        device = Device(path)
        try:
            return _started(device, options)
        except BaseException:
            device.close()
            raise
    except OSError as error:
        raise InputError(_unusable(path, error)) from None


def _elsewhere(options: Options) -> Source:
    number = _number(options.device)
    capture = open_capture(
        number, size=(options.width, options.height), fps=options.fps, mjpeg=options.format != "yuyv"
    )
    return OpenCvSource(
        f"camera {number}", capture, open_timeout_s=options.open_timeout_s, read_timeout_s=options.read_timeout_s
    )


def _number(device: int | str) -> int:
    try:
        return int(device)
    except ValueError:
        raise InputError(f"camera {device!r}: on this system cameras have numbers: 0, 1, ...") from None


def _path(device: int | str) -> str:
    text = str(device)
    return f"/dev/video{text}" if text.isdecimal() else text


def _unusable(path: str, error: OSError) -> str:
    """Why a device could not be opened, with the remedy."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"{path} does not exist; {_there_is()}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path} may not be opened by this user: {_JOIN_VIDEO}"
    if error.errno == errno.EBUSY:
        return f"{path} is in use by another program; close that, or choose another camera"
    if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return f"{path} is no camera; {_there_is()}"
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return f"{path} has no camera behind it any more; plug it in again"
    if error.errno == errno.ENOSPC:
        return f"{path}: the USB bus has no room for it; use another port, a smaller picture, or format mjpeg"
    return f"{path} cannot be opened: {error.strerror}"


def _there_is() -> str:
    found = [f"{path} ({name})" for path, name in _found()]
    return f"there is {', '.join(found)}" if found else "no camera was found; try the drawn scene: streamer run demo"


def _found() -> list[tuple[str, str]]:
    """Path and name of every device that gives pictures, as far as this user may look."""
    found: list[tuple[str, str]] = []
    for path in listed():
        try:
            device = Device(path)
        except OSError:
            continue
        if device.is_camera:
            found.append((path, device.name))
        device.close()
    return found


def cameras() -> list[str]:
    """Paths of the devices that give pictures, in the order of their numbers; cameras have more than one device."""
    return [path for path, _ in _found()]


def _started(device: Device, options: Options) -> CameraSource:
    """Agree on a format and begin. Raises InputError, or OSError where the kernel has the word."""
    if not device.is_camera:
        if device.takes_pictures:
            raise InputError(f"{device.path} ({device.name}) gives no pictures: no program writes to it now")
        raise InputError(f"{device.path} ({device.name}) gives no pictures; {_there_is()}")
    offered = device.formats()
    code = next((code for code in _WANTED[options.format] if code in offered), None)
    if code is None:
        has = ", ".join([*offered[:8], *(["..."] if len(offered) > 8 else [])]) or "nothing"
        raise InputError(f"{device.path} ({device.name}) does not offer {options.format}; it offers {has}")
    got = device.choose(code, options.width, options.height)
    rate = device.choose_rate(options.fps)
    device.start()
    return CameraSource(device, got, rate, options)


def _samples(name: str, got: Format) -> Samples:
    try:
        return Samples(got.code, got.width, got.height, got.row_bytes)
    except ValueError as error:
        raise InputError(f"{name}: {error}; try format mjpeg or yuyv") from None


def _described(got: Format, rate: float | None, options: Options) -> str:
    """What the camera really gives, and what was asked for where that differs."""
    text = f"{got.code} {got.width}x{got.height}{f' at {rate:g} fps' if rate else ''}"
    as_asked = (got.width, got.height) == (options.width, options.height) and (
        not rate or abs(rate - options.fps) < 0.5
    )
    return text if as_asked else f"{text} (asked for {options.width}x{options.height} at {options.fps:g} fps)"


def probe() -> list[Probe]:
    """Every camera by path and name, and the way on where there is none or where it may not be opened."""
    if not sys.platform.startswith("linux"):
        return []  # asking means opening one after the other, with its lamp on
    found, closed = _found(), _closed()
    probes = [Probe(True, f"{path} ({name})") for path, name in found]
    if closed:
        probes.append(Probe(False, f"{', '.join(closed)} may not be opened by this user", _JOIN_VIDEO))
    if not probes:
        probes.append(Probe(False, "no camera was found", "plug one in, or try the drawn scene: streamer run demo"))
    return probes


def _closed() -> list[str]:
    return [path for path in listed() if not os.access(path, os.R_OK | os.W_OK)]


class CameraSource:
    """The source. See `Source` for the contract."""

    def __init__(self, device: Device, got: Format, rate: float | None, options: Options) -> None:
        self.warnings: list[str] = []
        self._device = device
        self._name = f"{device.path} ({device.name})"
        self._samples = _samples(self._name, got)
        self._read_timeout_s = options.read_timeout_s
        self._damaged = self._lost = 0
        self._number: int | None = None
        self._settled_at: float | None = None
        self._old_before_s = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        first = self._next(options.open_timeout_s)
        if first is None:
            raise InputError(f"{self._name} gave no picture within {options.open_timeout_s:g} s; plug it in again")
        self._first: Captured | None = first
        self._damaged = 0  # many cameras begin with half a picture
        width, height = first.image.size
        self.info = SourceInfo(
            name=self._name,
            width=width,
            height=height,
            live=True,
            fps=rate,
            detail=_described(got, rate, options),
        )

    def read(self) -> Captured | None:
        """The next picture, at the time it was taken. Raises SourceLost when the camera is gone or gives none."""
        with self._lock:
            try:
                return None if self._closing.is_set() else self._read()
            finally:
                if self._closing.is_set():
                    self._device.close()

    def _read(self) -> Captured:
        if self._first is not None:
            first, self._first = self._first, None
            asked = time.monotonic()
            self._settled_at = asked + _SETTLING_S
            if first.t is None or first.t > asked - _OLD_S:
                return first
            self._old_before_s = asked - _OLD_S
        try:
            item = self._next(self._read_timeout_s)
        except OSError as error:
            gone = error.errno in (errno.ENODEV, errno.ENXIO, errno.EIO)
            raise SourceLost(f"{self._name} {'was unplugged' if gone else f'failed: {error.strerror}'}") from None
        if item is None:
            raise SourceLost(f"{self._name} gave no picture for {self._read_timeout_s:g} s")
        return item

    def _next(self, within_s: float) -> Captured | None:
        """The next whole picture; None when none came in time."""
        asked = time.monotonic()
        while (left := asked + within_s - time.monotonic()) > 0:
            raw = self._device.read(left)
            waited_s = time.monotonic() - asked
            if raw is None:
                return None
            self._count(raw)
            if raw.t is not None and raw.t < self._old_before_s:
                continue
            image = None if raw.damaged else self._samples.picture(raw.data)
            if image is not None:
                return Captured(raw.t, image, waited_s=waited_s)
            self._damaged += 1
        return None

    def _count(self, raw: Raw) -> None:
        settled = self._settled_at is not None and time.monotonic() > self._settled_at
        if settled and self._number is not None and raw.number > self._number + 1:
            self._lost += raw.number - self._number - 1
        self._number = raw.number

    def close(self) -> None:
        """Free everything. While another thread reads, its read ends within its limit and frees it."""
        if not self._closing.is_set():
            if self._damaged:
                self.warnings.append(f"{self._name}: {self._damaged} damaged pictures were left out")
            if self._lost:
                self.warnings.append(f"{self._name}: {self._lost} pictures were lost in the driver")
        self._closing.set()
        if self._lock.acquire(blocking=False):
            try:
                self._device.close()
            finally:
                self._lock.release()
