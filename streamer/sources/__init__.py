"""Where pictures come from. One file per kind."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from streamer.core.types import Captured, SourceInfo

__all__ = ["Hurried", "Source"]


class Source(Protocol):
    """An open source. It is used by one thread; only `close()` may come from another.

    `build(options, ctx)` opens it, within its own time limit, or raises InputError naming the input and the remedy.
    """

    info: SourceInfo
    warnings: list[str]
    """What went wrong without ending it, for people: a damaged stretch stepped over, a cut-off end. It may grow."""

    def read(self) -> Captured | None:
        """The next picture; None at the end.

        Returns or raises within the source's read time limit. A live source has no end: when it breaks off it raises
        SourceLost. Other sources raise SourceLost too when they break in the middle. A damaged stretch that the decoder
        can step over is stepped over. The picture is the caller's; the source never touches its memory again.
        """
        ...

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        ...


@runtime_checkable
class Hurried(Protocol):
    """A live source that can leave out pictures without decoding them."""

    def hurry(self, behind_s: float, *, patient: bool) -> None:
        """So much lies unread, in seconds of the source's own clock: go on with what is new.

        patient: only where that is no great loss, because every picture stands by itself. How many were left out stands
        in the next picture's `left_out`.
        """
        ...
