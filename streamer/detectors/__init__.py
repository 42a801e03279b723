"""Who finds faces. One file per kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from pydantic import Field, model_validator

from streamer.parts import PartOptions
from streamer.picture import Picture
from streamer.types import Detection

__all__ = ["Detector", "DetectorOptions"]


class DetectorOptions(PartOptions):
    """What every detector can be told; each adds its own."""

    threshold: float = Field(0.4, ge=0.1, le=0.8, description="a detection of at least this score starts a track")
    floor: float = Field(0.2, ge=0.05, le=0.95, description="weaker detections than this are not reported at all")

    @model_validator(mode="after")
    def _report_what_counts(self) -> Self:
        # A floor above the threshold would keep back the very faces that the threshold asks for.
        if self.floor > self.threshold:
            object.__setattr__(self, "floor", self.threshold)
        return self


class Detector(Protocol):
    """Finds faces. Used by one thread at a time."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Find every face in a batch of pictures.

        pictures: read-only; not kept after the return. They may differ in size.
        Returns one list per picture: boxes and landmarks in that picture's pixels, score in [0, 1]; empty when there is
        no face. Reports down to its own low threshold; who counts as a face is the tracker's business.
        Raises DetectorError or any other exception when it fails; never returns None.
        """
        ...

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        ...
