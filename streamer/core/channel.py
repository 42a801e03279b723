"""A bounded channel between two threads that can drop its oldest item, be closed, and be aborted.

`queue.Queue` has no atomic "drop the oldest and put" and, before Python 3.13, no way to wake a blocked `put`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["Channel", "Closed", "Full"]

T = TypeVar("T")


class Full(Enum):
    """What `put` does when there is no room."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


class Closed(Exception):
    """Nothing more will come (get) or be taken (put)."""


class Channel(Generic[T]):
    """First in, first out.

    capacity: how many items fit, at least 1.
    full: what `put` does when they are all there.
    on_drop: called with every item dropped, outside the lock, in the thread that put.
    changed: share one condition among several channels to wait for any of them.
    """

    def __init__(
        self,
        capacity: int,
        full: Full,
        *,
        on_drop: Callable[[T], None] | None = None,
        changed: threading.Condition | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError("a channel holds at least one item")
        self._capacity = capacity
        self._full = full
        self._on_drop = on_drop
        self._items: deque[T] = deque()
        self._changed = changed if changed is not None else threading.Condition()
        self._closed = False
        self._aborted = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def drained(self) -> bool:
        """True when it is closed and empty, or aborted: `get` would raise at once."""
        with self._changed:
            return self._aborted or (self._closed and not self._items)

    def put(self, item: T) -> None:
        """Add an item. Blocks or drops when full, as the channel was made. Raises Closed after close or abort."""
        dropped: list[T] = []
        with self._changed:
            if self._full is Full.BLOCK:
                self._changed.wait_for(lambda: self._closed or self._aborted or len(self._items) < self._capacity)
            if self._closed or self._aborted:
                raise Closed
            while len(self._items) >= self._capacity:
                dropped.append(self._items.popleft())
            self._items.append(item)
            self._changed.notify_all()
        if self._on_drop is not None:
            for old in dropped:
                self._on_drop(old)

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the oldest item; None when none came within timeout_s (None waits for ever).

        Raises Closed once the channel is closed and empty, or aborted.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                if self._closed or self._aborted:
                    raise Closed
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            if self._aborted:
                raise Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more items will come; those inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Throw everything away and wake everybody with Closed."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()
