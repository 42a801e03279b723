"""A window with keys. Everything drawn here is drawn on the anonymized picture."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

import cv2
from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame, derive
from streamer.core.addresses import Claim
from streamer.core.errors import SinkError, StreamerError, UsageError
from streamer.core.files import check_folder, write_error, write_whole
from streamer.core.options import Context, PartOptions, Probe
from streamer.core.picture import Picture
from streamer.core.types import Command
from streamer.sinks import StreamFormat
from streamer.sinks._display import Watch, display, display_problem

__all__ = ["FORMS", "Options", "WindowSink", "build", "claims", "probe"]

_ESCAPE = 27
_COMMANDS = {
    ord("q"): Command.QUIT,
    _ESCAPE: Command.QUIT,
    ord(" "): Command.TOGGLE_COVER,
    ord("e"): Command.NEXT_EFFECT,
}
_HELP = (
    "q, Esc   quit",
    "space    hide everything, and back",
    "e        next effect",
    "s        save this picture",
    "h        this help",
)
_NOTICE_S = 2.0
"""How long a notice stays."""
_RATE_FRAMES = 30
_MOST_KEYS = 16
"""Keys read in one go."""

FORMS = "window"


class Options(PartOptions):
    """Settings of the window."""

    title: str | None = Field(None, description="title of the window; null shows the input's name")
    max_width: int = Field(1280, ge=64, description="pixels; wider pictures are shown smaller")
    max_height: int = Field(720, ge=64, description="pixels; higher pictures are shown smaller")
    show_fps: bool = Field(True, description="show the frames per second in a corner")
    snapshot_dir: Path = Field(Path(), description="where the s key saves the anonymized picture")


class WindowSink:
    """Shows the stream, and reads the user's keys. All calls come from the program's main thread."""

    live = True
    main_thread = True

    def __init__(self, options: Options) -> None:
        self._options = options
        self._window: str | None = None
        self._watch: Watch | None = None
        self._shown: AnonymizedFrame | None = None
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._help = False
        self._notice, self._notice_until = "", 0.0
        self.snapshots: list[Path] = []
        """Pictures saved so far."""

    def open(self, format: StreamFormat) -> None:
        """Show the window. Raises UsageError where there is no screen."""
        window = self._options.title or f"streamer: {format.title}"
        with display() as problem:
            if problem is not None:
                raise UsageError(problem)
            if cv2.currentUIFramework().startswith("QT"):
                # The wheel's Qt knows no other platform, and ends the program when the environment asks for one.
                os.environ["QT_QPA_PLATFORM"] = "xcb"
            cv2.namedWindow(window, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            self._watch = Watch()
        self._window = window

    def write(self, frame: AnonymizedFrame) -> None:
        """Show one frame."""
        if self._window is None:
            return
        self._check_screen()
        if frame.seq < 0:  # a slate of no frame: the rate starts anew
            self._times.clear()
        elif self._shown is None or frame.seq != self._shown.seq:
            self._times.append(frame.t)
        self._shown = frame
        cv2.imshow(self._window, derive(frame, lambda picture: self._dressed(picture, frame.t)).image.bgr())

    def poll(self) -> list[Command]:
        """Keep the window alive; what the user asked for since the last call."""
        if self._window is None:
            return []
        commands = []
        self._check_screen()
        for _ in range(_MOST_KEYS):
            key = cv2.waitKey(1)
            if key == -1:
                break
            command = self._pressed(ord(chr(key & 0xFF).lower()))
            if command is not None:
                commands.append(command)
        if self._closed_by_user():
            self.close()
            commands.append(Command.QUIT)
        return commands

    def close(self) -> None:
        """Take the window away."""
        window, self._window = self._window, None
        watch, self._watch = self._watch, None
        if watch is not None:
            if watch.gone():  # nothing is left to take away, and Qt would not survive the attempt
                window = None
            watch.close()
        if window is None:
            return
        with suppress(cv2.error):  # the user may have closed it
            cv2.destroyWindow(window)
            cv2.waitKey(1)

    def _check_screen(self) -> None:
        if self._watch is not None and self._watch.gone():
            raise SinkError("the display of the window has gone; start anew in a session that stays")

    # -- keys ---------------------------------------------------------------------------------------------------

    def _pressed(self, key: int) -> Command | None:
        if key == ord("h"):
            self._help = not self._help
        elif key == ord("s"):
            self._save()
        return _COMMANDS.get(key)

    def _closed_by_user(self) -> bool:
        if self._shown is None:
            return False
        try:
            return cv2.getWindowProperty(self._window or "", cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            return True

    def _save(self) -> None:
        """Save the anonymized picture under the next free name. A failure is shown, and does not end the stream."""
        if self._shown is None:
            return
        folder = self._options.snapshot_dir.expanduser().absolute()
        try:
            check_folder(folder)
            number = 1
            while os.path.lexists(path := folder / f"snapshot_{number:04d}.png"):
                number += 1
            _, data = cv2.imencode(".png", self._shown.image.laid_on(255).bgr())
            try:
                write_whole(path, data.tobytes(), replace=False)
            except OSError as error:
                raise write_error(path, error) from None
        except StreamerError as error:
            self._tell(str(error))
            return
        self.snapshots.append(path)
        self._tell(f"saved {path.name}")

    def _tell(self, notice: str) -> None:
        self._notice = notice
        self._notice_until = (self._shown.t if self._shown else 0.0) + _NOTICE_S

    # -- drawing ------------------------------------------------------------------------------------------------

    def _dressed(self, picture: Picture, t: float) -> Picture:
        """The picture at the size of the window, with what is to be read on it."""
        scale = min(1.0, self._options.max_width / picture.width, self._options.max_height / picture.height)
        picture = picture.laid_on(255).scaled(
            max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        )
        lines = [f"{self._fps():.1f} fps"] if self._options.show_fps and len(self._times) > 1 else []
        if t < self._notice_until:
            lines.append(self._notice)
        if self._help:
            lines += _HELP
        if not lines:
            return picture
        picture = picture.canvas()
        _print_on(picture, lines)
        return picture

    def _fps(self) -> float:
        return (len(self._times) - 1) / max(1e-6, self._times[-1] - self._times[0])


def _print_on(picture: Picture, lines: list[str]) -> None:
    """Lines of text on a dark panel in the upper left corner."""
    font, scale, step, margin = cv2.FONT_HERSHEY_PLAIN, 1.0, 18, 6
    width = max(cv2.getTextSize(line, font, scale, 1)[0][0] for line in lines)
    panel = slice(0, step * len(lines) + margin), slice(0, width + 2 * margin)
    for plane, shift in zip(picture.planes, picture.shifts, strict=True):
        area = plane[: panel[0].stop >> shift, : panel[1].stop >> shift]
        if shift:
            area[:] = 128
            continue
        area[:] = area // 4
        for number, line in enumerate(lines, start=1):
            cv2.putText(plane, line, (margin, step * number), font, scale, (235,), 1, cv2.LINE_AA)


def claims(text: str) -> Claim | None:
    """The word alone."""
    return Claim(text=text) if text == "window" else None


def build(options: Options, ctx: Context) -> WindowSink:
    """Make the sink."""
    return WindowSink(options)


def probe() -> list[Probe]:
    """Whether a window can be shown here."""
    problem = display_problem()
    if problem is None:
        return [Probe(True, f"display {os.environ.get('DISPLAY', '')}".strip())]
    finding, _, remedy = problem.partition("; ")
    return [Probe(False, finding, remedy)]
