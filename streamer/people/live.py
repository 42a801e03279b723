"""The gallery of a running stream. A change of its file changes who is shown within a fraction of a second.

So does the end of an entry: the gallery changes at that moment, and nobody writes the file.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path

from streamer.core.errors import StreamerError
from streamer.people.gallery import Gallery

__all__ = ["LiveGallery", "stamp_of"]

_LOOK_S = 0.2
"""Seconds between two checks of the file: a change reaches the stream within a second, with room to spare."""


class LiveGallery:
    """A gallery that is read again when its file changes. Safe to use from several threads.

    load: reads the file. stamp: something cheap that changes with the file. on_problem: called once per change that
    cannot be read; then nobody is enrolled until the file can be read. today: seconds since 1970, for expiry.
    """

    def __init__(
        self,
        load: Callable[[], Gallery],
        stamp: Callable[[], Hashable],
        *,
        model: str,
        on_problem: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._read_stamp = stamp
        self._model = model
        self._on_problem = on_problem
        self._clock = clock
        self._today = today
        self._lock = threading.Lock()
        self._version = 0
        self._looked_at = clock()
        self._stamp = stamp()
        began = today()  # before the reading: an end that comes meanwhile is noticed later
        self._gallery: Gallery | None = load()
        self._ends = self._gallery.next_end(began)

    def version(self) -> int:
        """The version of the file as it was last checked: +1 as soon as it changes, before it is read again."""
        with self._lock:
            return self._looked()

    def current(self) -> tuple[Gallery, int]:
        """The gallery as it is now, read again when it has changed, and its version."""
        with self._lock:
            version, gallery = self._looked(), self._gallery
            began = self._today()
        if gallery is not None:
            return gallery, version
        try:
            gallery = self._load()
        except StreamerError as error:
            self._on_problem(str(error))
            gallery = Gallery.empty(self._model)
        with self._lock:
            # Changed once more while it was read: the next call reads again.
            if self._version == version:
                self._gallery, self._ends = gallery, gallery.next_end(began)
        return gallery, version

    def _looked(self) -> int:
        now = self._clock()
        if not 0 <= now - self._looked_at < _LOOK_S:
            self._looked_at = now
            stamp = self._read_stamp()
            if stamp != self._stamp or self._today() >= self._ends:
                self._stamp, self._ends = stamp, math.inf
                self._version += 1
                self._gallery = None
        return self._version


def stamp_of(path: Path) -> Hashable:
    """What changes with a file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
