"""Cameras through OpenCV, for systems without Video4Linux."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from streamer.core.channel import Channel, Closed, Full
from streamer.core.errors import InputError, SourceLost
from streamer.core.picture import Picture
from streamer.core.types import Captured, SourceInfo
from streamer.core.workers import Workers

if TYPE_CHECKING:
    import cv2

__all__ = ["OpenCvSource", "open_capture"]

_FAILED_READS = 10
"""Reads that fail in a row before the camera is given up; single ones happen."""
_PAUSE_S = 0.02


def open_capture(number: int, *, size: tuple[int, int], fps: float, mjpeg: bool) -> cv2.VideoCapture:
    """Open a camera and ask for a size and a rate. Raises InputError when there is none to be had."""
    import cv2

    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        raise InputError(
            f"camera {number} cannot be opened: it does not exist, is in use, or this program may not use cameras "
            "(see the system's privacy settings)"
        )
    if mjpeg:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    return capture


class OpenCvSource:
    """The source. See `Source` for the contract.

    OpenCV waits for the next picture without a limit: a thread of its own reads, and the newest picture waits here.
    Raises InputError when no picture comes within open_timeout_s.
    """

    def __init__(self, name: str, capture: cv2.VideoCapture, *, open_timeout_s: float, read_timeout_s: float) -> None:
        import cv2

        self.warnings: list[str] = []
        self._name = name
        self._capture = capture
        self._read_timeout_s = read_timeout_s
        self._newest: Channel[Captured] = Channel(1, Full.DROP_OLDEST)
        self._closing = threading.Event()
        fps = capture.get(cv2.CAP_PROP_FPS) or None
        self._workers = Workers(on_failure=lambda error: self._newest.close())
        self._workers.spawn(name, self._work)
        try:
            self._first = self._newest.get(open_timeout_s)
        except Closed:
            self._first = None
        if self._first is None:
            self.close()
            raise InputError(f"{name} gave no picture within {open_timeout_s:g} s; plug it in again")
        width, height = self._first.image.size
        rate = f" at {fps:g} fps" if fps else ""
        self.info = SourceInfo(name, width, height, live=True, fps=fps, detail=f"{width}x{height}{rate}")

    def _work(self) -> None:
        """The thread. It alone uses the camera, and frees it."""
        failed = 0
        try:
            while not self._closing.is_set() and failed < _FAILED_READS:
                good, bgr = self._capture.read()
                if good:
                    failed = 0
                    self._newest.put(Captured(time.monotonic(), Picture.from_bgr(np.asarray(bgr, np.uint8))))
                else:
                    failed += 1
                    self._closing.wait(_PAUSE_S)
        finally:
            self._newest.close()
            self._capture.release()

    def read(self) -> Captured | None:
        """The newest picture, at the time it arrived. Raises SourceLost when the camera is gone or gives none."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            item = self._newest.get(self._read_timeout_s)
        except Closed:
            if self._closing.is_set():
                return None
            raise SourceLost(f"{self._name} was unplugged or failed") from None
        if item is None:
            raise SourceLost(f"{self._name} gave no picture for {self._read_timeout_s:g} s")
        return item

    def close(self) -> None:
        """Have the thread free the camera, after its present picture."""
        self._closing.set()
        self._newest.close()
