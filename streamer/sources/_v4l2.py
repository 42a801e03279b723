"""Video4Linux cameras through the kernel's own calls.

FFmpeg's and OpenCV's readers wait for the next picture inside the kernel, for ever where none comes, and a thread left
there keeps the camera busy. Here every wait is a `poll` with a limit.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamer.core import videodev2 as v4l2

if sys.platform.startswith("linux"):  # elsewhere only the import must work
    import fcntl

__all__ = ["Device", "Format", "Raw", "listed"]

_BUFFERS = 4
"""Pictures the driver may hold for us: a tenth of a second of patience for a busy machine."""
_DAMAGED, _CLOCK_MASK, _CLOCK_MONOTONIC = 0x40, 0xE000, 0x2000


@dataclass(frozen=True, slots=True)
class Format:
    """What a camera gives: four letters, size in pixels, bytes per row (0 for compressed pictures)."""

    code: str
    width: int
    height: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class Raw:
    """One picture as the driver hands it over."""

    data: bytes
    t: float | None
    """Seconds on the monotonic clock at which it was taken; None when the driver uses another clock."""
    number: int
    """Counts up by one per picture taken; a gap means that pictures were lost."""
    damaged: bool


def listed() -> list[str]:
    """Paths of all video devices in the order of their numbers, also of those that are no cameras."""
    paths = (path for path in Path("/dev").glob("video[0-9]*") if path.name[5:].isdecimal())
    return [str(path) for path in sorted(paths, key=lambda path: int(path.name[5:]))]


class Device:
    """An open video device. Raises OSError, from any call, with the kernel's error number."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffers: list[mmap.mmap] = []
        self._streaming = False
        try:
            found = v4l2.Capability()
            self._call(v4l2.QUERYCAP, found)
        except BaseException:
            self.close()
            raise
        self.name: str = found.card.decode("utf-8", "replace")
        """What the camera calls itself."""
        self.driver: str = found.driver.decode("utf-8", "replace")
        caps = found.device_caps if found.capabilities & v4l2.HAS_DEVICE_CAPS else found.capabilities
        self.is_camera = bool(caps & v4l2.CAN_CAPTURE and caps & v4l2.CAN_STREAM)
        """It gives pictures."""
        self.takes_pictures = bool(caps & v4l2.CAN_TAKE)
        """Pictures may be written to it: a virtual camera, or a video output."""

    def _call(self, request: int, argument: ctypes.Structure) -> None:
        while True:
            try:
                fcntl.ioctl(self._fd, request, argument, True)
            except InterruptedError:  # Python does not repeat this call by itself after a signal
                continue
            return

    def formats(self) -> list[str]:
        """Four letters of every format the camera offers, its own preference first."""
        return list(self._formats())

    def _formats(self) -> Iterator[str]:
        for index in range(256):
            found = v4l2.FmtDesc(index=index, type=v4l2.BUF_CAPTURE)
            try:
                self._call(v4l2.ENUM_FMT, found)
            except OSError as error:
                if error.errno == errno.EINVAL:  # the kernel's way of saying that there are no more
                    return
                raise
            yield v4l2.fourcc(found.pixelformat)

    def choose(self, code: str, width: int, height: int) -> Format:
        """Ask for a format; the camera answers with the nearest it has."""
        asked = v4l2.Format(type=v4l2.BUF_CAPTURE)
        pix = asked.fmt.pix
        pix.width, pix.height = width, height
        pix.pixelformat = v4l2.number_of(code)
        self._call(v4l2.S_FMT, asked)
        return Format(v4l2.fourcc(pix.pixelformat), pix.width, pix.height, pix.bytesperline)

    def choose_rate(self, fps: float) -> float | None:
        """Ask for pictures per second; returns what the camera answers, None when it does not say."""
        asked = v4l2.StreamParm(type=v4l2.BUF_CAPTURE)
        capture = asked.parm.rate
        capture.numerator, capture.denominator = 1000, round(fps * 1000)
        try:
            self._call(v4l2.S_PARM, asked)
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                return None
            raise
        return capture.denominator / capture.numerator if capture.numerator and capture.denominator else None

    def start(self) -> None:
        """Begin to take pictures."""
        wanted = v4l2.RequestBuffers(count=_BUFFERS, type=v4l2.BUF_CAPTURE, memory=v4l2.MEMORY_MMAP)
        self._call(v4l2.REQBUFS, wanted)
        for index in range(wanted.count):
            buffer = v4l2.Buffer(index=index, type=v4l2.BUF_CAPTURE, memory=v4l2.MEMORY_MMAP)
            self._call(v4l2.QUERYBUF, buffer)
            self._buffers.append(mmap.mmap(self._fd, buffer.length, offset=buffer.m.offset))
            self._call(v4l2.QBUF, buffer)
        self._call(v4l2.STREAMON, v4l2.Int(v4l2.BUF_CAPTURE))
        self._streaming = True

    def read(self, timeout_s: float) -> Raw | None:
        """The next picture; None when none came within timeout_s. A camera that was pulled out raises OSError."""
        deadline = time.monotonic() + timeout_s
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            ready = poller.poll(left * 1000)
            if not ready:
                continue
            buffer = v4l2.Buffer(type=v4l2.BUF_CAPTURE, memory=v4l2.MEMORY_MMAP)
            try:
                self._call(v4l2.DQBUF, buffer)
            except BlockingIOError:
                if ready[0][1] & (select.POLLERR | select.POLLHUP):  # it will never be ready again
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), self.path) from None
                continue
            raw = _raw(buffer, self._buffers[buffer.index][: buffer.bytesused])
            self._call(v4l2.QBUF, buffer)  # the kernel writes into `buffer` again
            return raw

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        if self._fd < 0:
            return
        if self._streaming:
            with contextlib.suppress(OSError):  # the camera may be gone
                self._call(v4l2.STREAMOFF, v4l2.Int(v4l2.BUF_CAPTURE))
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        os.close(self._fd)
        self._fd = -1


def _raw(buffer: v4l2.Buffer, data: bytes) -> Raw:
    monotonic = buffer.flags & _CLOCK_MASK == _CLOCK_MONOTONIC
    taken = buffer.seconds + buffer.microseconds / 1e6
    return Raw(data, taken if monotonic and taken > 0 else None, buffer.sequence, bool(buffer.flags & _DAMAGED))
