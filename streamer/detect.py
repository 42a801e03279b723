"""Stage: request -> pass. The detector's own thread, one look at a time."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.channel import Channel, Closed
from streamer.detectors import Detector
from streamer.errors import DetectorError
from streamer.stats import Stats
from streamer.types import Detection, Pass, PassRequest

__all__ = ["Failed", "Look", "look", "work"]


@dataclass(frozen=True, slots=True)
class Failed:
    """The detector could not examine the frame it was asked to."""

    request: PassRequest
    error: DetectorError


Look = Pass | Failed


def look(detector: Detector, request: PassRequest) -> Look:
    """Examine one frame. Whatever goes wrong, and whatever is no list of faces, is a failure of the detector."""
    frame = request.frame
    try:
        found = detector.detect([frame.image])
        if len(found) != 1 or not all(isinstance(detection, Detection) for detection in found[0]):
            return Failed(request, DetectorError("the detector did not return one list of detections per picture"))
        return Pass(frame.seq, frame.epoch, frame.t, tuple(found[0]))
    except Exception as error:  # a detector is a plug-in: any exception means that the frame was not examined
        return Failed(request, DetectorError(f"the detector failed: {type(error).__name__}: {error}"))


def work(detector: Detector, requests: Channel[PassRequest], looks: Channel[Look], stats: Stats) -> None:
    """The detector's thread; ends when `requests` is closed, and closes the detector."""
    try:
        while True:
            request = requests.get()
            if request is not None:
                with stats.timed("detect"):
                    result = look(detector, request)
                looks.put(result)
    except Closed:
        return
    finally:
        detector.close()
