"""A file under construction that is never left in pieces: a failed write takes back what it had begun."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from streamer.core.files import create

__all__ = ["DiskFile"]


class DiskFile:
    """A file as FFmpeg's muxers want it: write, seek, tell. It is created by the first write.

    replace: whatever is there before gives way; without it, it is an error.
    `mark()` says that all up to now is worth keeping. When a later write fails (a full disk), `failure` is set, every
    further write is swallowed, and `close()` brings the file back to what it was at the last mark: cut off there, and
    with what had been overwritten since put back.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self.name = str(path)
        self._replace = replace
        self.failure: OSError | None = None
        self._path = path
        self._file: FileIO | None = None
        self._position = 0
        self._size = 0
        self._marked_size = 0
        self._overwritten: list[tuple[int, bytes]] = []

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, data: bytes) -> int:
        """Write all of `data` at the present position. Raises OSError once, then pretends."""
        if self.failure is None:
            try:
                self._write(data)
            except OSError as error:
                self.failure = error
                raise
        self._position += len(data)
        return len(data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = create(self._path, replace=self._replace)
        file = self._file
        if self._position < self._marked_size:
            file.seek(self._position)
            self._overwritten.append((self._position, file.read(min(len(data), self._marked_size - self._position))))
        file.seek(self._position)
        left = memoryview(data)
        while left:  # a write may be short, above all the last one before the disk is full
            left = left[file.write(left) :]
        self._size = max(self._size, self._position + len(data))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; returns it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The present position in bytes."""
        return self._position

    def mark(self) -> None:
        """All that was written up to now is worth keeping as it is."""
        if self.failure is None:
            self._marked_size = self._size
            self._overwritten.clear()

    def close(self) -> None:
        """Close the file; after a failure, as it was at the last mark, or not at all when there was none."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            if self.failure is None:
                return
            for position, data in reversed(self._overwritten):
                file.seek(position)
                file.write(data)
            file.truncate(self._marked_size)
            ours = self._is_there(file)
        if self._marked_size == 0 and ours:
            self._path.unlink(missing_ok=True)

    def _is_there(self, file: FileIO) -> bool:
        """Whether the file still has its name: another program may have put its own there."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.lstat())
        except OSError:
            return False
