"""Inputs made from other inputs: what readers of files and text go wrong at, drawn again and again."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Sequence

__all__ = ["mutated"]

_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    (1 << 63) - 1,
)
_WORDS = (
    b"",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"null",
    b"9" * 400,
    b"[" * 200,
    b"{" * 200,
    b"\xff",
    b"\0",
    b"\n",
    b"\r",
    b'"',
)
_LARGEST = 1 << 16
"""Bytes: what is longer takes time and shows nothing new."""


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> bytes:
    """One seed after one to eight changes. words: what means something to the reader."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        draw.choice(_CHANGES)(data, seeds, words, draw)
    return bytes(data[:_LARGEST])


def _place(data: bytearray, draw: random.Random) -> int:
    return draw.randrange(len(data) + 1)


def _flip(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 4, 16))):
        if data:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    if data:
        data[draw.randrange(len(data))] = draw.randrange(256)


def _cut(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    begin = _place(data, draw)
    del data[begin : begin + draw.choice((1, 2, 8, 64, len(data)))]


def _again(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    begin = _place(data, draw)
    part = data[begin : begin + draw.choice((1, 4, 16, 64))]
    at = _place(data, draw)
    data[at:at] = part * draw.choice((1, 2, 16, 256))


def _splice(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    other = draw.choice(seeds)
    begin = draw.randrange(len(other) + 1)
    data[_place(data, draw) :] = other[begin:]


def _word(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    at = _place(data, draw)
    word = draw.choice((*words, *_WORDS))
    data[at : at + draw.choice((0, len(word)))] = word


def _number(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    form = draw.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    value = draw.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    at = _place(data, draw)
    data[at : at + size] = struct.pack(form, value)


def _digits(data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], draw: random.Random) -> None:
    """Another number where one is written out."""
    found = list(re.finditer(rb"-?\d+", data[:4096]))
    if found:
        one = draw.choice(found)
        data[one.start() : one.end()] = draw.choice((*_WORDS, str(draw.choice(_NUMBERS)).encode()))


_CHANGES = (_flip, _flip, _byte, _cut, _again, _splice, _word, _word, _number, _digits)
