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

if sys.platform.startswith("linux"):  # elsewhere only the import must work
    import fcntl

__all__ = ["Device", "Format", "Raw", "fourcc", "listed"]

_BUFFERS = 4
"""Pictures the driver may hold for us: a tenth of a second of patience for a busy machine."""
_CAPTURE, _MMAP = 1, 1
_CAN_CAPTURE, _CAN_TAKE, _CAN_STREAM, _HAS_DEVICE_CAPS = 0x1, 0x2, 0x0400_0000, 0x8000_0000
_DAMAGED, _CLOCK_MASK, _CLOCK_MONOTONIC = 0x40, 0xE000, 0x2000
_u8, _u32 = ctypes.c_uint8, ctypes.c_uint32


# -- the kernel's structures, named as in linux/videodev2.h ---------------------------------------------------------


class _Capability(ctypes.Structure):
    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _u32),
        ("capabilities", _u32),
        ("device_caps", _u32),
        ("reserved", _u32 * 3),
    )


class _FmtDesc(ctypes.Structure):
    _fields_ = (
        ("index", _u32),
        ("type", _u32),
        ("flags", _u32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", _u32),
        ("mbus_code", _u32),
        ("reserved", _u32 * 3),
    )


class _PixFormat(ctypes.Structure):
    _fields_ = (
        ("width", _u32),
        ("height", _u32),
        ("pixelformat", _u32),
        ("field", _u32),
        ("bytesperline", _u32),
        ("sizeimage", _u32),
        ("more", _u32 * 6),
    )


class _FormatUnion(ctypes.Union):
    _fields_ = (("pix", _PixFormat), ("raw", _u8 * 200), ("aligned", ctypes.c_void_p))


class _Format(ctypes.Structure):
    _fields_ = (("type", _u32), ("fmt", _FormatUnion))


class _CaptureParm(ctypes.Structure):
    _fields_ = (
        ("capability", _u32),
        ("capturemode", _u32),
        ("numerator", _u32),
        ("denominator", _u32),
        ("extendedmode", _u32),
        ("readbuffers", _u32),
        ("reserved", _u32 * 4),
    )


class _ParmUnion(ctypes.Union):
    _fields_ = (("capture", _CaptureParm), ("raw", _u8 * 200))


class _StreamParm(ctypes.Structure):
    _fields_ = (("type", _u32), ("parm", _ParmUnion))


class _RequestBuffers(ctypes.Structure):
    _fields_ = (
        ("count", _u32),
        ("type", _u32),
        ("memory", _u32),
        ("capabilities", _u32),
        ("flags", _u8),
        ("reserved", _u8 * 3),
    )


class _BufferUnion(ctypes.Union):
    _fields_ = (("offset", _u32), ("userptr", ctypes.c_ulong), ("planes", ctypes.c_void_p), ("fd", ctypes.c_int32))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("index", _u32),
        ("type", _u32),
        ("bytesused", _u32),
        ("flags", _u32),
        ("field", _u32),
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("timecode", _u32 * 4),
        ("sequence", _u32),
        ("memory", _u32),
        ("m", _BufferUnion),
        ("length", _u32),
        ("reserved2", _u32),
        ("request_fd", ctypes.c_int32),
    )


def _iowr(number: int, structure: type[ctypes.Structure], direction: int = 3) -> int:
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


class _Int(ctypes.Structure):
    _fields_ = (("value", ctypes.c_int),)


_QUERYCAP = _iowr(0, _Capability, direction=2)
_ENUM_FMT = _iowr(2, _FmtDesc)
_S_FMT = _iowr(5, _Format)
_REQBUFS = _iowr(8, _RequestBuffers)
_QUERYBUF = _iowr(9, _Buffer)
_QBUF = _iowr(15, _Buffer)
_DQBUF = _iowr(17, _Buffer)
_STREAMON = _iowr(18, _Int, direction=1)
_STREAMOFF = _iowr(19, _Int, direction=1)
_S_PARM = _iowr(22, _StreamParm)


# -- what the rest of the program sees ------------------------------------------------------------------------------


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


def fourcc(code: int) -> str:
    """A pixel format's number as its four letters, for example `MJPG`."""
    return code.to_bytes(4, "little").decode("latin-1").rstrip()


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
            found = _Capability()
            self._call(_QUERYCAP, found)
        except BaseException:
            self.close()
            raise
        self.name: str = found.card.decode("utf-8", "replace")
        """What the camera calls itself."""
        self.driver: str = found.driver.decode("utf-8", "replace")
        caps = found.device_caps if found.capabilities & _HAS_DEVICE_CAPS else found.capabilities
        self.is_camera = bool(caps & _CAN_CAPTURE and caps & _CAN_STREAM)
        """It gives pictures."""
        self.takes_pictures = bool(caps & _CAN_TAKE)
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
            found = _FmtDesc(index=index, type=_CAPTURE)
            try:
                self._call(_ENUM_FMT, found)
            except OSError as error:
                if error.errno == errno.EINVAL:  # the kernel's way of saying that there are no more
                    return
                raise
            yield fourcc(found.pixelformat)

    def choose(self, code: str, width: int, height: int) -> Format:
        """Ask for a format; the camera answers with the nearest it has."""
        asked = _Format(type=_CAPTURE)
        pix = asked.fmt.pix
        pix.width, pix.height = width, height
        pix.pixelformat = int.from_bytes(code.ljust(4).encode("latin-1"), "little")
        self._call(_S_FMT, asked)
        return Format(fourcc(pix.pixelformat), pix.width, pix.height, pix.bytesperline)

    def choose_rate(self, fps: float) -> float | None:
        """Ask for pictures per second; returns what the camera answers, None when it does not say."""
        asked = _StreamParm(type=_CAPTURE)
        capture = asked.parm.capture
        capture.numerator, capture.denominator = 1000, round(fps * 1000)
        try:
            self._call(_S_PARM, asked)
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                return None
            raise
        return capture.denominator / capture.numerator if capture.numerator and capture.denominator else None

    def start(self) -> None:
        """Begin to take pictures."""
        wanted = _RequestBuffers(count=_BUFFERS, type=_CAPTURE, memory=_MMAP)
        self._call(_REQBUFS, wanted)
        for index in range(wanted.count):
            buffer = _Buffer(index=index, type=_CAPTURE, memory=_MMAP)
            self._call(_QUERYBUF, buffer)
            self._buffers.append(mmap.mmap(self._fd, buffer.length, offset=buffer.m.offset))
            self._call(_QBUF, buffer)
        self._call(_STREAMON, _Int(_CAPTURE))
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
            buffer = _Buffer(type=_CAPTURE, memory=_MMAP)
            try:
                self._call(_DQBUF, buffer)
            except BlockingIOError:
                if ready[0][1] & (select.POLLERR | select.POLLHUP):  # it will never be ready again
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), self.path) from None
                continue
            raw = _raw(buffer, self._buffers[buffer.index][: buffer.bytesused])
            self._call(_QBUF, buffer)  # the kernel writes into `buffer` again
            return raw

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        if self._fd < 0:
            return
        if self._streaming:
            with contextlib.suppress(OSError):  # the camera may be gone
                self._call(_STREAMOFF, _Int(_CAPTURE))
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        os.close(self._fd)
        self._fd = -1


def _raw(buffer: _Buffer, data: bytes) -> Raw:
    monotonic = buffer.flags & _CLOCK_MASK == _CLOCK_MONOTONIC
    taken = buffer.seconds + buffer.microseconds / 1e6
    return Raw(data, taken if monotonic and taken > 0 else None, buffer.sequence, bool(buffer.flags & _DAMAGED))
