"""Whether a camera sends one and the same picture for ever. Pure: `now` comes in.

The sensor of a camera that works is never still to the last sample, and a coder makes every key frame anew. A device or
a server that hangs behind a clock that runs repeats itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.picture import Picture

__all__ = ["Stillness"]

_EVERY_PX = 8
_LOST_AFTER = 3.0
"""After so many times `freeze_s` the source counts as lost."""


class Stillness:
    """How long the picture has been the same. freeze_s: for how long it may be; None: for ever."""

    def __init__(self, freeze_s: float | None) -> None:
        self.freeze_s = freeze_s
        self._last: NDArray[np.uint8] | None = None
        self._since = 0.0
        self.frozen = False
        """The picture has been the same for too long."""
        self._given_up = False
        """The source was opened again for it, and what it sends is still the same."""

    def look(self, image: Picture, now: float) -> bool:
        """A picture came. True when the source is to be opened again; once, until the picture changes."""
        if self.freeze_s is None:
            return False
        samples = image.planes[0][::_EVERY_PX, ::_EVERY_PX]
        if self._last is None or not np.array_equal(samples, self._last):
            self._last, self._since = samples.copy(), now
            self.frozen = self._given_up = False
        self.frozen = now - self._since >= self.freeze_s
        lost = not self._given_up and now - self._since >= _LOST_AFTER * self.freeze_s
        self._given_up = self._given_up or lost
        return lost
