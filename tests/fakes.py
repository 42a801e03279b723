"""Stand-ins for the swappable parts, and the oracle that says whether a drawn face can be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.picture import Picture
from streamer.core.types import Box, Captured, Command, Detection, SourceInfo
from streamer.sinks import StreamFormat

SIZE = (320, 240)
FACE_PX = 64


def face(seed: int = 7, size_px: int = FACE_PX) -> NDArray[np.uint8]:
    """A face-sized patch of strong, irregular detail: whatever covers it badly leaves something of it readable."""
    coarse = np.random.default_rng(seed).integers(30, 226, (8, 8), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_NEAREST), np.uint8)


def readable(image: Picture, box: Box, seed: int = 7) -> bool:
    """Whether the drawn face in `box` can still be read in the picture.

    The luma inside the ellipse inscribed in the box is compared with the drawn patch, cell by cell of its 8 x 8
    pattern. It counts as readable when the cells that are wholly inside follow the pattern with a correlation above
    0.6, or when a third of them still have their values.
    """
    x0, y0, x1, y1 = (round(edge) for edge in box)
    size = x1 - x0
    shown = image.planes[0][max(0, y0) : y1, max(0, x0) : x1]
    if shown.shape != (size, size):  # partly outside: only whole faces are judged
        return False
    cells = cv2.resize(shown, (8, 8), interpolation=cv2.INTER_AREA).astype(float)
    truth = cv2.resize(face(seed, size), (8, 8), interpolation=cv2.INTER_AREA).astype(float)
    rows, columns = np.mgrid[0:8, 0:8]
    inside = (rows - 3.5) ** 2 + (columns - 3.5) ** 2 <= 3.5**2
    got, want = cells[inside], truth[inside]
    if float(np.mean(np.abs(got - want) < 6)) > 1 / 3:
        return True
    return bool(got.std() > 8 and np.corrcoef(got, want)[0, 1] > 0.6)


@dataclass
class MovingFace:
    """A drawn face that moves over a flat room; where it is at frame n is known exactly.

    live: frames come in real time and t is None, so that arrival counts; otherwise t is n / fps.
    lose_at: frame numbers before which the source breaks off once.
    hang_at: frame number before which `read` blocks until `close`.
    """

    frames: int = 60
    fps: float = 25.0
    live: bool = False
    speed_px: float = 3.0
    size: tuple[int, int] = SIZE
    enter_at: int = 0
    lose_at: tuple[int, ...] = ()
    hang_at: int | None = None
    n: int = 0
    closed: threading.Event = field(default_factory=threading.Event)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.info = SourceInfo("drawn", *self.size, live=self.live, fps=self.fps, frames=self.frames)
        self._started = time.monotonic()

    def box(self, n: int) -> Box | None:
        """The face's box in frame n."""
        if n < self.enter_at:
            return None
        span = self.size[0] - FACE_PX
        way = (n * self.speed_px) % (2 * span)
        x = round(way if way <= span else 2 * span - way)
        y = 60 + round(20 * np.sin(n / 9))
        return x, y, x + FACE_PX, y + FACE_PX

    def picture(self, n: int) -> Picture:
        """Frame n. Its number is written into the first row, so that an emitted frame can be told."""
        image = Picture.blank(*self.size, luma=120)
        if (box := self.box(n)) is not None:
            x0, y0, x1, y1 = (int(edge) for edge in box)
            image.planes[0][y0:y1, x0:x1] = face()
        return image.frozen()

    def read(self) -> Captured | None:
        """See `Source.read`."""
        from streamer.core.errors import SourceLost

        if self.n in self.lose_at:
            self.lose_at = tuple(n for n in self.lose_at if n != self.n)
            raise SourceLost("the drawn source broke off")
        if self.n == self.hang_at:
            self.closed.wait(30)
            return None
        if self.n >= self.frames:
            return None
        if self.live:
            time.sleep(max(0.0, self._started + self.n / self.fps - time.monotonic()))
        captured = Captured(None if self.live else self.n / self.fps, self.picture(self.n))
        self.n += 1
        return captured

    def close(self) -> None:
        """See `Source.close`."""


class Oracle:
    """A detector that knows the drawn pattern: it finds it by looking at the picture, wherever it is.

    before: called before every detection; may raise, sleep, or return detections to be returned instead.
    """

    def __init__(self, before: Callable[[int], list[Detection] | None] = lambda look: None) -> None:
        self.looks = 0
        self._before = before

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """See `Detector.detect`."""
        self.looks += 1
        instead = self._before(self.looks)
        return [self._find(picture) if instead is None else instead for picture in pictures]

    def close(self) -> None:
        """See `Detector.close`."""

    def _find(self, picture: Picture) -> list[Detection]:
        different = np.abs(picture.planes[0].astype(int) - 120) > 3
        if not different.any():
            return []
        rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
        x0, y0 = float(columns[0]), float(rows[0])
        return [Detection((x0, y0, x0 + FACE_PX, y0 + FACE_PX), 0.9)]


@dataclass
class RecordingSink:
    """Keeps what it was given.

    before: called before every write; may raise or block.
    """

    live: bool = False
    main_thread: bool = False
    before: Callable[[int], None] = lambda count: None
    frames: list[AnonymizedFrame] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    format: StreamFormat | None = None
    closed: bool = False

    def open(self, format: StreamFormat) -> None:
        """See `Sink.open`."""
        self.format = format

    def write(self, frame: AnonymizedFrame) -> None:
        """See `Sink.write`."""
        self.before(len(self.frames))
        self.frames.append(frame)

    def poll(self) -> list[Command]:
        """See `Sink.poll`."""
        given, self.commands = self.commands, []
        return given

    def close(self) -> None:
        """See `Sink.close`."""
        self.closed = True
