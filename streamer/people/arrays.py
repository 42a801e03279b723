"""Arrays in numpy's file format, read by their own form only: the header as numpy writes it, then exactly its bytes.

numpy's reader evaluates the header as Python, makes whatever type it names, and allocates whatever size it announces.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NPY", "array_of", "body_of", "shaped"]

NPY = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=])([fiuUO])(\d{0,4})', 'fortran_order': (False|True), 'shape': \(([0-9, ]{0,80})\), \} *\n?"
)
_LONGEST_HEADER = 4096
_ITEM_BYTES = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}
_LONGEST_TEXT = 400
"""Characters of the longest name in a list of names."""
_MOST_DIMENSIONS = 4
_LONGEST_EMPTY = 1 << 16


def array_of(data: bytes) -> NDArray[Any]:
    """Numbers or names from an .npy file. Read-only. Raises ValueError for anything but what `write_arrays` writes."""
    sort, order, fortran, shape, body = body_of(data)
    if fortran:
        raise ValueError("its rows are its columns")
    return shaped(body, f"{order}{sort}", shape)


def body_of(data: bytes) -> tuple[str, str, bool, tuple[int, ...], memoryview]:
    """Type, byte order, whether columns come first, shape, and what follows the header. Raises ValueError."""
    if not data.startswith(NPY) or data[6:8] not in (b"\x01\0", b"\x02\0", b"\x03\0"):
        raise ValueError("it is no array")
    field = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + field], "little")
    begin = 8 + field
    if length > _LONGEST_HEADER or begin + length > len(data):
        raise ValueError("its header is too long")
    found = _HEADER.fullmatch(data, begin, begin + length)
    if found is None:
        raise ValueError("its header is none of ours")
    order, kind, size, fortran, shape = (group.decode() for group in found.groups())
    sides = tuple(int(word) for word in shape.split(",") if word.strip())
    return f"{kind}{size}", order, fortran == "True", sides, memoryview(data)[begin + length :]


def shaped(body: bytes | memoryview, dtype: str, shape: tuple[int, ...], *, fortran: bool = False) -> NDArray[Any]:
    """An array on these bytes. dtype: byte order, sort and size, as `<f4`. Raises ValueError unless all of it fits."""
    order, kind, size = dtype[:1], dtype[1:2], dtype[2:]
    if order not in "<>|=" or not size.isdecimal() or len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError("it is no array of numbers")
    item = int(size)
    if item not in _ITEM_BYTES.get(kind, ()) and not (kind == "U" and 1 <= item <= _LONGEST_TEXT):
        raise ValueError(f"its numbers are of type {dtype}")
    number = math.prod(shape)
    if number * item * (4 if kind == "U" else 1) != len(body):
        raise ValueError("it is not as long as it says")
    if not number:
        if max(shape) > _LONGEST_EMPTY:
            raise ValueError("it is empty and has too many rows")
        return np.empty(shape, dtype)
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
