"""Writing pictures into a v4l2loopback device, the Linux kernel's virtual camera.

Why not through FFmpeg's muxer or pyvirtualcam: both write without VIDIOC_STREAMON. With `exclusive_caps=1`, which
browsers need, v4l2loopback 0.12 then never notices that its writer has gone, and nobody can write to the device again
until the module is reloaded. Started properly it can be opened any number of times.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.core import videodev2 as v4l2
from streamer.core.errors import SinkError, UsageError

__all__ = ["MODPROBE", "LoopbackDevice", "loopback_devices"]

MODPROBE = 'sudo modprobe v4l2loopback devices=1 video_nr=10 card_label="streamer" exclusive_caps=1'
_INSTALL = f"make one with: {MODPROBE} (Debian, Ubuntu: sudo apt-get install v4l2loopback-dkms first)"
_DEVICES = Path("/sys/class/video4linux")
_DRIVER = b"v4l2 loopback"
_I420 = v4l2.number_of("YU12")


def loopback_devices() -> list[str]:
    """Paths of the v4l2loopback devices, in the order of their numbers."""
    if not sys.platform.startswith("linux") or not _DEVICES.is_dir():
        return []
    found = []
    for entry in _DEVICES.iterdir():
        # A device without hardware; only such are opened, because opening may switch a real camera on.
        if entry.name.startswith("video") and "/virtual/" in os.path.realpath(entry):
            path = f"/dev/{entry.name}"
            with suppress(OSError), _opened(path) as file:
                if _capabilities(file).driver == _DRIVER:
                    found.append(path)
    return sorted(found, key=lambda path: int(path.removeprefix("/dev/video")))


class LoopbackDevice:
    """An open v4l2loopback device, being written to. Used by one thread.

    width, height: the even size in pixels that is wished for. Where a program that is still reading holds the device
    at the size it had, that size is kept if `adapt` is set; `size` says what it became.
    fps: told to readers. Raises UsageError naming the device and the remedy.
    """

    def __init__(self, path: str, width: int, height: int, fps: float, *, adapt: bool) -> None:
        self.path = path
        self._file = -1
        with self._errors_named():
            self._revive()
            self._file = os.open(path, os.O_RDWR)
            try:
                self._check()
                self.size = self._set_format(width, height, adapt=adapt)
                self._start(fps)
            except BaseException:
                self.close()
                raise

    def write(self, samples: NDArray[np.uint8]) -> None:
        """Hand over one i420 picture of this device's size. Raises SinkError."""
        try:
            written = os.write(self._file, samples.data)
        except OSError as error:
            raise SinkError(f"virtual camera {self.path} takes no more pictures ({error.strerror})") from None
        if written != samples.size:
            raise SinkError(f"virtual camera {self.path} took {written} of {samples.size} bytes")

    def close(self) -> None:
        """Let go of the device; calling it twice is fine."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    # -- opening ------------------------------------------------------------------------------------------------

    def _revive(self) -> None:
        """Bring back a device whose last writer went without saying so: it is neither camera nor output any more."""
        with _opened(self.path) as file:
            found = _capabilities(file)
            if found.driver == _DRIVER and not found.device_caps & (v4l2.CAN_CAPTURE | v4l2.CAN_TAKE):
                with suppress(OSError):
                    # Now it has a writer, whose end it notices.
                    fcntl.ioctl(file, v4l2.STREAMON, v4l2.Int(v4l2.BUF_OUTPUT))

    def _check(self) -> None:
        found = _capabilities(self._file)
        if found.driver != _DRIVER:
            raise UsageError(f"{self.path} is {found.card.decode(errors='replace')}, no virtual camera; {_INSTALL}")
        if not found.device_caps & v4l2.CAN_TAKE:
            raise UsageError(f"virtual camera {self.path} is in use by another program that writes to it")

    def _set_format(self, width: int, height: int, *, adapt: bool) -> tuple[int, int]:
        wish = v4l2.Format(type=v4l2.BUF_OUTPUT)
        wish.fmt.pix = v4l2.PixFormat(
            width=width,
            height=height,
            pixelformat=_I420,
            field=1,
            bytesperline=width,
            sizeimage=width * height * 3 // 2,
            colorspace=8,  # sRGB, which means BT.601 and limited range for Y'CbCr
        )
        fcntl.ioctl(self._file, v4l2.S_FMT, wish)
        got = wish.fmt.pix
        if got.pixelformat != _I420:
            raise UsageError(f"virtual camera {self.path} is held in another format; close the programs that use it")
        if (got.width, got.height) != (width, height) and not adapt:
            raise UsageError(
                f"virtual camera {self.path} is held at {got.width}x{got.height} by a program that reads it; "
                f"close it, or do not ask for {width}x{height}"
            )
        return got.width, got.height

    def _start(self, fps: float) -> None:
        rate = Fraction(fps).limit_denominator(1001)
        with suppress(OSError):  # good to know for readers, not needed
            parameters = v4l2.StreamParm(type=v4l2.BUF_OUTPUT)
            parameters.parm.rate.numerator, parameters.parm.rate.denominator = rate.denominator, rate.numerator
            fcntl.ioctl(self._file, v4l2.S_PARM, parameters)
        try:
            fcntl.ioctl(self._file, v4l2.STREAMON, v4l2.Int(v4l2.BUF_OUTPUT))
        except OSError as error:
            # Newer versions want it with buffers only, and notice the end of one who just writes.
            if error.errno != errno.EINVAL:
                raise

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise UsageError(f"virtual camera {self.path} does not exist; {_INSTALL}") from None
        except PermissionError:
            raise UsageError(
                f"virtual camera {self.path} may not be written to; sudo usermod -aG video $USER and log in again"
            ) from None
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EISDIR, errno.ENXIO, errno.ENODEV):
                raise UsageError(f"{self.path} is no virtual camera; {_INSTALL}") from None
            raise UsageError(f"virtual camera {self.path} cannot be opened ({error.strerror})") from None


@contextmanager
def _opened(path: str) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield file
    finally:
        os.close(file)


def _capabilities(file: int) -> v4l2.Capability:
    found = v4l2.Capability()
    fcntl.ioctl(file, v4l2.QUERYCAP, found)
    return found
