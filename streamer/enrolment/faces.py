"""A picture -> its faces, each with box, quality and vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.zones import NO_ZONES
from streamer.config import parts
from streamer.config.schema import Config
from streamer.core.align import PORTRAIT, PORTRAIT_PX, Quality, aligned, quality
from streamer.core.errors import UsageError
from streamer.core.geometry import side
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection, DetectionRequest, Frame
from streamer.detectors import Detector
from streamer.embedders import Embedder
from streamer.people.gallery import Vectors
from streamer.pipeline.assembly import detector_of, detector_options
from streamer.stages.detect import DetectionFailed, Scope, examine

__all__ = ["Face", "FaceReader"]

_COUNTS_FROM = 0.5
"""Lowest score of a detection that counts as a face at enrolment."""


@dataclass(frozen=True)
class Face:
    """One face of one picture."""

    detection: Detection
    quality: Quality
    vector: Vectors
    """(D,)"""
    portrait: NDArray[np.uint8]
    """Aligned to `align.PORTRAIT`, BGR."""

    @property
    def size_px(self) -> float:
        """Longer side of the box."""
        return side(self.detection.box)


class FaceReader:
    """A detector and an embedder, one after the other. Used by one thread."""

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        *,
        threshold: float = _COUNTS_FROM,
        stills: Scope | None = None,
        verify: bool = True,
    ) -> None:
        self._detector = detector
        self._stills, self._verify = stills, verify
        self.embedder = embedder
        self._threshold = threshold

    @classmethod
    def of(cls, config: Config, ctx: Context, *, stills: bool = False) -> FaceReader:
        """Open the configured detector and embedder. stills: also search for small faces, and for faces at any angle.

        Raises ModelError, DeviceError or UsageError when one cannot be provided.
        """
        detector = detector_of(config, ctx, stills=stills)
        try:
            embedder: Embedder = parts.build("embedders", config.embedder.kind, config.embedder.options, ctx)
        except BaseException:
            detector.close()
            raise
        reader = cls(detector, embedder, threshold=max(_COUNTS_FROM, detector_options(config).threshold))
        return reader.for_stills(config) if stills else reader

    def for_stills(self, config: Config) -> FaceReader:
        """The same detector and embedder for pictures that stand alone, with faces at any angle. Closed with this one.

        Read upright, a face that is upside down has its eyes where the mouth is, and is like nobody, or like another
        that is upside down.
        """
        options = detector_options(config)
        scope, verify = Scope.of(NO_ZONES, options), getattr(options, "confirm", False)
        return FaceReader(self._detector, self.embedder, threshold=self._threshold, stills=scope, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free both."""
        self._detector.close()
        self.embedder.close()

    def faces(self, picture: Picture) -> list[Face]:
        """Every face of a picture, the largest first.

        Raises UsageError when the detector gives no landmarks, DetectorError when it fails.
        """
        found = self._found(picture)
        return self.read(picture, [one for one in found if one.score >= self._threshold])

    def _found(self, picture: Picture) -> Sequence[Detection]:
        if self._stills is None:
            return self._detector.detect([picture])[0]
        result = examine(
            self._detector, DetectionRequest(Frame(0, 0, 0.0, picture), still=True, verify=self._verify), self._stills
        )
        if isinstance(result, DetectionFailed):
            raise result.error
        return result.detections

    def read(self, picture: Picture, detections: Sequence[Detection]) -> list[Face]:
        """The faces of these detections, largest first; faces that cannot be aligned are left out."""
        usable = []
        for one in sorted(detections, key=lambda one: side(one.box), reverse=True):
            if one.landmarks is None:
                raise UsageError("this detector gives no landmarks, which recognition needs; take yunet, for example")
            try:
                crop = aligned(picture, one.landmarks, self.embedder.template, self.embedder.crop_px)
                portrait = aligned(picture, one.landmarks, PORTRAIT, PORTRAIT_PX)
            except ValueError:  # landmarks in one point, or outside the picture
                continue
            usable.append((one, crop, portrait))
        vectors = self.embedder.embed([crop for _, crop, _ in usable])
        return [
            Face(one, quality(one, crop, self.embedder.template), vector, portrait)
            for (one, crop, portrait), vector in zip(usable, vectors, strict=True)
        ]
