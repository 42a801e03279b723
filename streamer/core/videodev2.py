"""What Linux and its programs say to each other about video devices, as in linux/videodev2.h: structures and requests.

Cameras are read, and virtual cameras written, through these; every size and number is part of the kernel's interface.
"""

from __future__ import annotations

import ctypes

__all__ = [
    "BUF_CAPTURE",
    "BUF_OUTPUT",
    "CAN_CAPTURE",
    "CAN_STREAM",
    "CAN_TAKE",
    "DQBUF",
    "ENUM_FMT",
    "HAS_DEVICE_CAPS",
    "MEMORY_MMAP",
    "QBUF",
    "QUERYBUF",
    "QUERYCAP",
    "REQBUFS",
    "STREAMOFF",
    "STREAMON",
    "S_FMT",
    "S_PARM",
    "Buffer",
    "Capability",
    "FmtDesc",
    "Format",
    "Int",
    "PixFormat",
    "RequestBuffers",
    "StreamParm",
    "fourcc",
    "number_of",
]

BUF_CAPTURE, BUF_OUTPUT = 1, 2
"""Buffers with pictures from a device, and for one."""
MEMORY_MMAP = 1
CAN_CAPTURE, CAN_TAKE, CAN_STREAM, HAS_DEVICE_CAPS = 0x1, 0x2, 0x0400_0000, 0x8000_0000
"""Bits of the capabilities: gives pictures, takes pictures, does so in buffers; those of the device stand apart."""

_u8, _u32 = ctypes.c_uint8, ctypes.c_uint32


class Capability(ctypes.Structure):
    """v4l2_capability"""

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _u32),
        ("capabilities", _u32),
        ("device_caps", _u32),
        ("reserved", _u32 * 3),
    )


class FmtDesc(ctypes.Structure):
    """v4l2_fmtdesc"""

    _fields_ = (
        ("index", _u32),
        ("type", _u32),
        ("flags", _u32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", _u32),
        ("mbus_code", _u32),
        ("reserved", _u32 * 3),
    )


class PixFormat(ctypes.Structure):
    """v4l2_pix_format"""

    _fields_ = (
        ("width", _u32),
        ("height", _u32),
        ("pixelformat", _u32),
        ("field", _u32),
        ("bytesperline", _u32),
        ("sizeimage", _u32),
        ("colorspace", _u32),
        ("priv", _u32),
        ("flags", _u32),
        ("ycbcr_enc", _u32),
        ("quantization", _u32),
        ("xfer_func", _u32),
    )


class _FormatUnion(ctypes.Union):
    _fields_ = (("pix", PixFormat), ("raw", _u8 * 200), ("aligned", ctypes.c_void_p))


class Format(ctypes.Structure):
    """v4l2_format"""

    _fields_ = (("type", _u32), ("fmt", _FormatUnion))


class _Parm(ctypes.Structure):
    """v4l2_captureparm and v4l2_outputparm, which are laid out alike."""

    _fields_ = (
        ("capability", _u32),
        ("mode", _u32),
        ("numerator", _u32),
        ("denominator", _u32),
        ("extendedmode", _u32),
        ("buffers", _u32),
        ("reserved", _u32 * 4),
    )


class _ParmUnion(ctypes.Union):
    _fields_ = (("rate", _Parm), ("raw", _u8 * 200))


class StreamParm(ctypes.Structure):
    """v4l2_streamparm"""

    _fields_ = (("type", _u32), ("parm", _ParmUnion))


class RequestBuffers(ctypes.Structure):
    """v4l2_requestbuffers"""

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


class Buffer(ctypes.Structure):
    """v4l2_buffer"""

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


class Int(ctypes.Structure):
    """The argument of requests that take a plain number."""

    _fields_ = (("value", ctypes.c_int),)


def _request(number: int, structure: type[ctypes.Structure], direction: int = 3) -> int:
    """An ioctl of the group V; direction: 1 writes to the kernel, 2 reads from it, 3 both."""
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


QUERYCAP = _request(0, Capability, direction=2)
ENUM_FMT = _request(2, FmtDesc)
S_FMT = _request(5, Format)
REQBUFS = _request(8, RequestBuffers)
QUERYBUF = _request(9, Buffer)
QBUF = _request(15, Buffer)
DQBUF = _request(17, Buffer)
STREAMON = _request(18, Int, direction=1)
STREAMOFF = _request(19, Int, direction=1)
S_PARM = _request(22, StreamParm)


def fourcc(code: int) -> str:
    """A pixel format's number as its four letters, for example `MJPG`."""
    return code.to_bytes(4, "little").decode("latin-1").rstrip()


def number_of(letters: str) -> int:
    """The other way."""
    return int.from_bytes(letters.ljust(4).encode("latin-1"), "little")
