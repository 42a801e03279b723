"""Files of pictures -> pixels. What a file announces is read and judged before anything is decoded.

A few bytes can announce gigapixels, and OpenCV makes room for them first. What is none of the formats below is refused
as well: OpenCV would try a dozen rarer decoders on it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_BYTES", "MOST_PIXELS", "Announced", "announced", "decoded"]

MOST_PIXELS = 200_000_000
"""Of a picture: the largest cameras of telephones. Decoding takes about ten bytes for each."""
LARGEST_BYTES = 1 << 30
"""Of a picture's file."""
_MOST_SCANS = 64
"""Of a JPEG: progressive ones have about ten, and each goes over all pixels."""
_MOST_PAGES = 1000
"""Counted in a TIFF, and parts of a PNG that are looked at before its pixels; more need not be told apart."""
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""JPEG's markers of a frame, whatever its coding."""
_TIFF = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_FIELDS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
"""Types of a TIFF's numbers."""
_WIDTH, _HEIGHT, _SAMPLES = 256, 257, 277
"""Tags of a TIFF; the last one: samples per pixel."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a file says of itself."""

    format: str
    width: int
    height: int
    passes: int = 1
    """How often a decoder goes over all pixels."""
    pages: int = 1
    grey_alpha: bool = False
    """Grey with an opacity, in a format of which OpenCV drops the opacity without a word."""


def announced(data: bytes) -> Announced:
    """What a picture says of itself. Raises ValueError in words that may follow the file's name."""
    try:
        for begin, read in _READERS.items():
            if data.startswith(begin):
                return read(data)
    except (struct.error, IndexError):
        raise ValueError("is not a picture that can be read, or it is damaged") from None
    raise ValueError("is not a picture that can be read, or it is damaged; JPEG, PNG, WebP, TIFF and BMP are")


def decoded(data: bytes, flags: int) -> NDArray[Any] | None:
    """The pixels, as OpenCV's flags say; None when it cannot decode them. Raises ValueError as `announced` does."""
    found = announced(data)
    if found.width * found.height > MOST_PIXELS:
        millions = MOST_PIXELS // 1_000_000
        size = f"{found.width}x{found.height} pixels"
        raise ValueError(f"has {size}, and {millions} million are the most; make it smaller")
    if found.passes > _MOST_SCANS:
        raise ValueError(f"is a JPEG of {found.passes} scans, and {_MOST_SCANS} are the most; save it anew")
    if found.grey_alpha:
        raise ValueError("is a grey TIFF with transparency, and what that hides would be seen; save it as PNG")
    level = cv2.utils.logging.setLogLevel(0)  # OpenCV would print its own words for what becomes one line of ours
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _png(data: bytes) -> Announced:
    if data[12:16] != b"IHDR":
        raise IndexError
    width, height = struct.unpack_from(">II", data, 16)
    return Announced("png", width, height, pages=_png_pages(data))


def _png_pages(data: bytes) -> int:
    """How many pictures an animated one says that it has; 1 for others."""
    place = 8
    for _ in range(_MOST_PAGES):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL":
            return max(1, int(struct.unpack_from(">I", data, place + 8)[0]))
        if kind == b"IDAT":
            break
        place += 12 + length
    return 1


def _bmp(data: bytes) -> Announced:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return Announced("bmp", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return Announced("bmp", abs(width), abs(height))


def _jpeg(data: bytes) -> Announced:
    """The largest of its frames, up to the first scan; thumbnails lie in segments that are stepped over."""
    place, sizes = 2, [(0, 0)]
    while True:
        place = data.find(b"\xff", place)
        if place < 0:
            raise IndexError
        while data[place] == 0xFF:  # any number of them may come before a marker
            place += 1
        marker = data[place]
        place += 1
        if marker == 0xDA:
            break
        if marker in (0x00, 0x01, *range(0xD0, 0xD9)):  # they stand alone
            continue
        length = struct.unpack_from(">H", data, place)[0]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 3)
            sizes.append((width, height))
        place += max(2, length)
    return Announced("jpeg", *max(sizes, key=lambda size: size[0] * size[1]), passes=data.count(b"\xff\xda"))


def _webp(data: bytes) -> Announced:
    if data[8:12] != b"WEBP":
        raise IndexError
    pages = max(1, data.count(b"ANMF"))
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return Announced("webp", width, height, pages=pages)


def _tiff(data: bytes) -> Announced:
    """The first picture's size; the others are counted, along a chain that may lead round in a circle."""
    order, big = _TIFF[data[:4]]
    place = struct.unpack_from(f"{order}Q", data, 8)[0] if big else struct.unpack_from(f"{order}I", data, 4)[0]
    size: dict[int, int] = {}
    seen: set[int] = set()
    while place and place not in seen and len(seen) < _MOST_PAGES:
        try:
            fields, following = _directory(data, place, order, big)
        except struct.error:
            if not seen:
                raise
            break
        size = size or fields
        seen.add(place)
        place = following
    width, height, samples = (size.get(tag, 0) for tag in (_WIDTH, _HEIGHT, _SAMPLES))
    return Announced("tiff", width, height, pages=len(seen), grey_alpha=samples == 2)


def _directory(data: bytes, place: int, order: str, big: bool) -> tuple[dict[int, int], int]:
    """Tag -> number of one picture in a TIFF, and where the next one is described."""
    number = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, place)[0]
    place += 8 if big else 2
    step = 20 if big else 12
    if number * step > len(data):
        raise struct.error
    fields: dict[int, int] = {}
    for at in range(place, place + number * step, step):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        if tag in (_WIDTH, _HEIGHT, _SAMPLES) and kind in _FIELDS:
            value = struct.unpack_from(order + _FIELDS[kind], data, at + (12 if big else 8))[0]
            fields[tag] = max(fields.get(tag, 0), value)
    following = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, place + number * step)[0]
    return fields, following


_READERS = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"BM": _bmp,
    b"RIFF": _webp,
    **dict.fromkeys(_TIFF, _tiff),
}
