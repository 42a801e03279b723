"""What most sinks have in common: nobody sits in front of them."""

from __future__ import annotations

from streamer.core.types import Command

__all__ = ["Unattended"]


class Unattended:
    """A sink that nobody asks for anything, fed by its own worker, with nothing to finish unless it says so."""

    main_thread = False

    def poll(self) -> list[Command]:
        """Nobody asks for anything here."""
        return []

    def close(self) -> None:
        """Nothing to finish."""
