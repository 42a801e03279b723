"""Dictionaries of name -> vector in a pickle, read without Python's unpickler and without numpy's constructors.

A pickle is a program. Restricting what it may call does not suffice: `numpy.ndarray((1,), 'O', b'AAAAAAAA')` alone
makes an object at an address that the file chooses. Here its instructions are read one by one. Those that build text,
numbers, lists and dictionaries do so; the few calls that arrays consist of are recognised by their names and written
down. Nothing is ever called or imported.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import UsageError
from streamer.people.arrays import NPY, body_of, shaped

__all__ = ["table_of"]

_MOST_STEPS = 8_000_000
"""Instructions: a million take about two seconds."""
_MOST_NUMBERS = 1 << 26
"""Of all vectors together: 131,072 of 512."""
_DEEPEST = 3
_LONGEST_TOLD = 60
"""Characters of what a file says of itself, in a message."""


@dataclass(slots=True)
class _Name:
    """Something the pickle would import."""

    module: str
    name: str


@dataclass(slots=True)
class _Type:
    """An array's type: sort and size, then the byte order that follows."""

    text: str
    order: str = "="


@dataclass(slots=True)
class _Array:
    """An array that is written down, not made. A single object in it stands for the whole."""

    content: Any = None
    type: _Type | None = None
    shape: tuple[int, ...] = ()
    fortran: bool = False


class _Mark:
    """Where a group of values begins."""


_KNOWN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}
"""What a dictionary of arrays consists of, whichever numpy wrote it."""


def table_of(data: bytes) -> dict[str, NDArray[Any]]:
    """Name -> numbers, from an .npy file with one pickled dictionary in it, or from a bare pickle.

    Raises UsageError, naming what the file wanted, when it holds anything else; ValueError and the like when damaged.
    """
    if data.startswith(NPY):
        kind, _, _, shape, body = body_of(data)
        if kind not in ("O", "O8") or shape not in ((), (1,)):
            raise UsageError("it holds no dictionary")
        data = bytes(body)
    loaded = _Machine(data).run()
    if isinstance(loaded, _Array) and isinstance(loaded.content, list) and len(loaded.content) == 1:
        loaded = loaded.content[0]
    if not isinstance(loaded, dict):
        raise UsageError("it holds no dictionary")
    numbers = _Numbers()
    return {name: numbers.of(name, value) for name, value in loaded.items()}


@dataclass
class _Machine:
    """One pickle, run."""

    data: bytes
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self) -> Any:
        """What it builds."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(self.data)):
            if step > _MOST_STEPS:
                raise UsageError("it has too many single numbers; save the vectors as arrays")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _PLAIN:
                self.stack.append(argument)
            elif (action := _ACTIONS.get(opcode.name)) is not None:
                action(self, argument)
            else:
                raise UsageError(f"it holds more than names and vectors ({opcode.name})")
        raise ValueError("it has no end")

    def group(self) -> list[Any]:
        """The values since the last mark, taken away with it."""
        for place in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[place], _Mark):
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise ValueError("no group was begun")

    def imported(self, module: str, name: str) -> None:
        """Write down what would be imported. Raises UsageError for what no dictionary of vectors needs."""
        module = module.replace("numpy.core.", "numpy._core.")  # its name before numpy 2
        if (module, name) not in _KNOWN:
            raise UsageError(f"it wants to use {f'{module}.{name}'[:_LONGEST_TOLD]!r}, which no gallery needs")
        self.stack.append(_Name(module, name))

    def remember(self, place: int | None = None) -> None:
        """Keep the last value, to be used again."""
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def call(self) -> None:
        """Write down a call."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise UsageError("it calls something that is no part of a vector")
        if called.name not in _CALLS:
            raise UsageError(f"it wants to use {called.module}.{called.name} as no gallery needs it")
        self.stack.append(_CALLS[called.name](*arguments))

    def fill(self) -> None:
        """Write down the state of a type or an array."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Type) and isinstance(state, tuple) and len(state) >= 2 and isinstance(state[1], str):
            target.order = state[1]
        elif isinstance(target, _Array) and target.type is None and isinstance(state, tuple) and len(state) == 5:
            _, target.shape, target.type, target.fortran, target.content = state
        else:
            raise UsageError("it changes something that is no part of a vector")

    def put(self, pairs: list[Any]) -> None:
        """Names and values into the dictionary below them."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(pairs) % 2:
            raise UsageError("it changes something that is no dictionary")
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            text = _text_of(name) if isinstance(name, _Array) else name
            if not isinstance(text, str):
                raise UsageError("its names are no text")
            target[text] = value

    def extend(self, values: list[Any]) -> None:
        """Values to the list below them."""
        if not isinstance(self.stack[-1], list):
            raise UsageError("it changes something that is no list")
        self.stack[-1].extend(values)


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """The only use that old pickles make of `_codecs.encode`: bytes written as text."""
    if encoding not in ("latin1", "latin-1"):
        raise UsageError("it wants to use another encoding than latin1")
    return text.encode("latin-1")


def _scalar(type_: _Type, content: bytes) -> _Array:
    return _Array(content, type_, (), False)


def _from_buffer(content: bytes, type_: _Type, shape: tuple[int, ...], order: str = "C", axes: None = None) -> _Array:
    if axes is not None:
        raise UsageError("it holds arrays whose axes are mixed; save them as usual ones")
    return _Array(content, type_, shape, order == "F")


_CALLS: dict[str, Callable[..., Any]] = {
    "dtype": lambda text, align=False, copy=True: _Type(text),
    "_reconstruct": lambda kind, shape, sort: _Array(),
    "scalar": _scalar,
    "_frombuffer": _from_buffer,
    "encode": _encoded,
}
_PLAIN = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "NONE"}
_PLAIN |= {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_PLAIN |= {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "NEWTRUE": lambda m, a: m.stack.append(True),
    "NEWFALSE": lambda m, a: m.stack.append(False),
    "MARK": lambda m, a: m.stack.append(_Mark()),
    "POP": lambda m, a: m.stack.pop(),
    "POP_MARK": lambda m, a: m.group(),
    "DUP": lambda m, a: m.stack.append(m.stack[-1]),
    "EMPTY_LIST": lambda m, a: m.stack.append([]),
    "EMPTY_DICT": lambda m, a: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, a: m.stack.append(()),
    "LIST": lambda m, a: m.stack.append(m.group()),
    "TUPLE": lambda m, a: m.stack.append(tuple(m.group())),
    "TUPLE1": lambda m, a: m.stack.append(_last(m, 1)),
    "TUPLE2": lambda m, a: m.stack.append(_last(m, 2)),
    "TUPLE3": lambda m, a: m.stack.append(_last(m, 3)),
    "DICT": lambda m, a: _dictionary(m),
    "APPEND": lambda m, a: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, a: m.extend(m.group()),
    "SETITEM": lambda m, a: m.put(list(_last(m, 2))),
    "SETITEMS": lambda m, a: m.put(m.group()),
    "PUT": lambda m, a: m.remember(a),
    "BINPUT": lambda m, a: m.remember(a),
    "LONG_BINPUT": lambda m, a: m.remember(a),
    "MEMOIZE": lambda m, a: m.remember(),
    "GET": lambda m, a: m.stack.append(m.memo[a]),
    "BINGET": lambda m, a: m.stack.append(m.memo[a]),
    "LONG_BINGET": lambda m, a: m.stack.append(m.memo[a]),
    "GLOBAL": lambda m, a: m.imported(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda m, a: m.imported(*_names(m)),
    "REDUCE": lambda m, a: m.call(),
    "BUILD": lambda m, a: m.fill(),
}


def _text_of(array: _Array) -> object:
    """A name that came out of an array of names. Raises ValueError or TypeError when it is none."""
    if array.type is None or array.shape != () or not isinstance(array.content, bytes):
        raise ValueError("a name that is an array")
    order = array.type.order if array.type.order in ("<", ">") else "="
    return shaped(array.content, f"{order}{array.type.text}", ()).item()


def _last(machine: _Machine, number: int) -> tuple[Any, ...]:
    values = tuple(machine.stack[-number:])
    if len(values) != number:
        raise ValueError("it takes more than there is")
    del machine.stack[-number:]
    return values


def _dictionary(machine: _Machine) -> None:
    pairs = machine.group()
    machine.stack.append({})
    machine.put(pairs)


def _names(machine: _Machine) -> tuple[str, str]:
    module, name = _last(machine, 2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("an import without a name")
    return module, name


@dataclass
class _Numbers:
    """Written-down values -> arrays. All of them together are bounded: one list may stand in thousands of places."""

    left: int = _MOST_NUMBERS
    left_listed: int = field(default_factory=lambda: _MOST_STEPS)
    """Of those that stand by themselves in lists."""

    def of(self, name: str, value: Any) -> NDArray[Any]:
        """The numbers that stand for a name. Raises UsageError when they are none."""
        try:
            return self._array(value, 0)
        except (ValueError, TypeError, OverflowError):
            raise UsageError(f"what stands for {name[:_LONGEST_TOLD]!r} is no vector") from None

    def _array(self, value: Any, depth: int) -> NDArray[Any]:
        if isinstance(value, _Array):
            return self._made(value)
        if _is_number(value):
            return np.array(float(value))
        if not isinstance(value, list | tuple) or depth > _DEEPEST or not value:
            raise ValueError("no numbers")
        self.left_listed -= len(value)
        if self.left_listed < 0:
            raise UsageError("it has too many single numbers; save the vectors as arrays")
        if all(map(_is_number, value)):
            return np.array(value, np.float64)
        return np.stack([self._array(one, depth + 1) for one in value])

    def _made(self, array: _Array) -> NDArray[Any]:
        if array.type is None or not isinstance(array.content, bytes | bytearray) or not isinstance(array.shape, tuple):
            raise ValueError("an array that is not whole")
        order = array.type.order if array.type.order in ("<", ">") else "="
        made = shaped(memoryview(array.content), f"{order}{array.type.text}", array.shape, fortran=bool(array.fortran))
        if made.dtype.kind not in "fiu":
            raise ValueError("an array of text")
        self._take(made.size)
        return made

    def _take(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise UsageError(f"its vectors come to more than {_MOST_NUMBERS:,} numbers; divide it")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
