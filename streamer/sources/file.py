"""A video file: whatever FFmpeg opens, upright, at its own times."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from streamer.core.addresses import Claim, existing_file
from streamer.core.errors import InputError, SourceLost
from streamer.core.files import PICTURES
from streamer.core.options import Context, PartOptions
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.transparency import NOTE, may_be_transparent
from streamer.core.types import Captured, SourceInfo
from streamer.sources import Source
from streamer.sources._av import BOUNDS, Decoder, Timeline, others, pick_video
from streamer.sources._upright import Upright, describe, shown_size

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["FORMS", "FileSource", "Options", "build", "claims"]

_DEFAULT_FPS = 25.0
"""For frames without times in a file that names no rate."""
_HEAD_BYTES = 4096
_SHORT_S = 0.5
"""A file that ends this much before its stated length was cut off."""
_DECODING_TIMES = ("avi",)
"""Formats that number frames in the order of decoding: FFmpeg's guess of when to show them is out of order."""
_NO_LENGTH = ("h264", "hevc", "mpegvideo", "m4v", "mjpeg", "h263", "vc1", "obu", "image2")
"""Formats without a length of their own; FFmpeg estimates one from the size of the file."""
_LISTS = ("hls", "concat", "dash", "imf", "sdp", "rtsp", "rtp", "webm_dash_manifest", "applehttp")
"""Formats that hold addresses of other files, or of servers, instead of pictures."""
_LISTED = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:#EXTM3U|ffconcat|v=0\s)|<MPD|<CompositionPlaylist|<AssetMap")
_STILLS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of AVIF and HEIC: their tiles and their transparency are streams of their own, of which one would be shown."""
_NOT_VIDEO = ("tty", "ansi", "txt")
"""Formats by which FFmpeg would draw a text file as pictures of its letters."""

FORMS = "a video"


class Options(PartOptions):
    """Settings of the file source."""

    path: Path = Field(description="the video file")
    realtime: bool = Field(False, description="play at the file's own speed, as a camera would, instead of all at once")
    decode_threads: int = Field(2, ge=1, le=64, description="CPU threads of the video decoder")


def claims(text: str) -> Claim | None:
    """Every file that is no picture; whether it is a video is the decoder's to say."""
    path = existing_file(text)
    if path is None or path.suffix.lower() in PICTURES:
        return None
    return Claim({"path": str(path)}, str(path))


def build(options: Options, ctx: Context) -> Source:
    """Open the file and decode its first frame. Raises InputError with the reason in one line."""
    path = options.path.expanduser()
    _check(path)
    container = _open(path)
    try:
        stream = pick_video(container)
        if stream is None:
            raise InputError(_without_picture(path, container))
        stream.codec_context.options = BOUNDS
        stream.thread_count = options.decode_threads
        # Frame threads: nearly twice as fast on two cores, for a few frames of delay that a file does not feel.
        stream.thread_type = "AUTO"
        return FileSource(path, container, stream, realtime=options.realtime)
    except BaseException:
        container.close()
        raise


def _check(path: Path) -> None:
    """Raise InputError for what can be said without FFmpeg, whose words are worse."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a video file in it")
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file")
        if not os.access(path, os.R_OK):
            raise InputError(f"{path} may not be read; check its permissions")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes)")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head[4:8] == b"ftyp" and head[8:12] in _STILLS:
                raise InputError(
                    f"{path} is a picture (AVIF or HEIC) of a kind that is not read; save it as JPEG or PNG"
                )
            if _LISTED.search(head):
                raise InputError(f"{path} is a list of other files or addresses, not a video; name the video itself")
    except PermissionError:
        raise InputError(f"{path} may not be read; check its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise InputError(f"{path} cannot be opened: {error}") from None


def _open(path: Path) -> InputContainer:
    import av

    try:
        # `file:` keeps a colon in the name from being read as a protocol, the option a `%` as a numbered series.
        # Of protocols, only that one: whatever the file names, nothing else is opened.
        options = {"pattern_type": "none", "protocol_whitelist": "file", **BOUNDS}
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.error.PermissionError:
        raise InputError(f"{path} may not be read; check its permissions") from None
    except av.error.InvalidDataError:
        raise InputError(_unreadable(path)) from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, av.error.FFmpegError) else error
        raise InputError(f"{path} cannot be opened: {reason}") from None
    if set(container.format.name.split(",")) & set(_LISTS):
        container.close()
        raise InputError(f"{path} is a list of other files or addresses, not a video; name the video itself")
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise InputError(f"{path} is a text file, not a video")
    return container


def _unreadable(path: Path) -> str:
    """Why FFmpeg could make nothing of the file, as far as its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return f"{path} is damaged or cut off: its index is missing, so nothing in it can be played"
    if b"\0" not in head:
        return f"{path} is a text file, not a video"
    return f"{path} is not a video that FFmpeg can read, or it is damaged"


def _without_picture(path: Path, container: InputContainer) -> str:
    if any(stream.codec_context is None for stream in container.streams.video):
        return f"{path} holds video in a format that this FFmpeg cannot decode"
    if container.streams.audio:
        return f"{path} holds sound but no video"
    return f"{path} holds no video"


class FileSource:
    """The source. See `Source` for the contract."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream, *, realtime: bool) -> None:
        self.warnings: list[str] = []
        """What a person should know about this file; complete at the end."""
        self._path = path
        self._container = container
        self._stream = stream
        self._turned = Upright(stream)
        self._decoder = Decoder(container, stream)
        rate = stream.average_rate or stream.guessed_rate
        self._interval_s = 1 / float(rate) if rate else 1 / _DEFAULT_FPS
        self._timeline = Timeline(self._interval_s)
        self._clock = _Pace(self._interval_s) if realtime else None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._first: av.VideoFrame | None = self._first_frame()
        self._ended = False
        self._start_s: float | None = None
        self._end_s = 0.0
        self.info = self._describe(self._first, live=realtime)
        if may_be_transparent(self._first.format):
            self.warnings.append(f"{path.name}: {NOTE}")
        if note := others(self._container, self._stream):
            self.warnings.append(f"{path.name} {note}")

    def _first_frame(self) -> av.VideoFrame:
        import av

        try:
            frame = self._decoder.frame()
        except (av.error.FFmpegError, OSError):
            frame = None
        if frame is None:
            raise InputError(
                f"{self._path} is damaged or cut off: not one frame of it can be decoded, of 100 million pixels at most"
            )
        return frame

    def _describe(self, frame: av.VideoFrame, *, live: bool) -> SourceInfo:
        width, height = shown_size(frame, self._stream)
        rate = self._stream.average_rate or self._stream.guessed_rate
        return SourceInfo(
            name=self._path.name,
            width=width,
            height=height,
            live=live,
            fps=float(rate) if rate else None,
            frames=self._stream.frames or None,
            duration_s=self._duration_s(),
            has_sound=bool(self._container.streams.audio),
            detail=describe(frame, self._stream),
        )

    def _duration_s(self) -> float | None:
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        tag = self._stream.metadata.get("DURATION", "")  # Matroska keeps the length of a stream in a tag
        try:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            return self._container.duration / 1e6 if self._container.duration else None

    def read(self) -> Captured | None:
        """The next picture; None at the end. Raises SourceLost when the file can no longer be read."""
        with self._lock:
            try:
                return self._read()
            finally:
                if self._closing.is_set():
                    self._container.close()

    def _read(self) -> Captured | None:
        late_before_s = self._clock.asked() if self._clock else None
        skipped = 0
        while not self._closing.is_set():
            frame = self._next_frame()
            if frame is None:
                self._finish()
                return None
            t = self._timeline.place(self._time(frame))
            self._start_s = t if self._start_s is None else self._start_s
            self._end_s = t + self._interval_s
            if self._clock and late_before_s is not None and self._clock.missed(t, late_before_s):
                skipped += 1
                continue
            picture = self._upright(frame)
            if self._clock is None:
                return Captured(t, picture)
            self._clock.wait(t, self._closing)
            left_out = ((DropReason.TOO_OLD, skipped),) if skipped else ()
            # Nothing lies ready, as nothing lies ready in a camera.
            return Captured(t, picture, waited_s=math.inf, left_out=left_out)
        return None

    def _next_frame(self) -> av.VideoFrame | None:
        import av

        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        try:
            return self._decoder.frame()
        except (av.error.FFmpegError, OSError) as error:
            raise self._lost(error) from None

    def _upright(self, frame: av.VideoFrame) -> Picture:
        import av

        try:
            return self._turned(frame)
        except (av.error.FFmpegError, OSError) as error:  # no memory, or no threads, for the conversion of its colours
            raise self._lost(error) from None

    def _lost(self, error: av.error.FFmpegError | OSError) -> SourceLost:
        return SourceLost(f"{self._path} can no longer be read: {error.strerror or type(error).__name__}")

    def _time(self, frame: av.VideoFrame) -> float | None:
        ticks = frame.dts if self._container.format.name in _DECODING_TIMES else frame.pts
        return None if ticks is None or frame.time_base is None else float(ticks * frame.time_base)

    def _finish(self) -> None:
        """Say what was wrong with the file."""
        if self._ended:
            return
        self._ended = True
        self._tell_damage()
        begins_s, stated_s = self._start_s or 0.0, self.info.duration_s
        if self._container.start_time is not None:  # sound, or pictures that lack others, may begin before
            begins_s = min(begins_s, self._container.start_time / 1e6)
        played_s = self._end_s - begins_s
        if self._container.format.name in _NO_LENGTH:
            return
        if stated_s is not None and played_s < stated_s - max(_SHORT_S, 2 * self._interval_s):
            self.warnings.append(f"{self._path.name} is cut off: it ends after {played_s:.1f} of {stated_s:.1f} s")
        elif self._decoder.cut:
            self.warnings.append(f"{self._path.name} is cut off: its last frame is incomplete")

    def _tell_damage(self) -> None:
        number, self._decoder.damaged = self._decoder.damaged, 0
        if number:
            frames = "frame was" if number == 1 else "frames were"
            self.warnings.append(f"{self._path.name}: {number} damaged {frames} left out")

    def close(self) -> None:
        """Free everything. While another thread reads, its read ends at the next frame and frees it."""
        self._tell_damage()
        self._closing.set()
        if self._lock.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._lock.release()


class _Pace:
    """Lets frames out at their own times, as a camera would: what nobody fetched in time is gone."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._zero: float | None = None
        """Monotonic moment at which the frame of time 0 is due."""

    def asked(self) -> float | None:
        """The time of the frame due now; None before the first. Later decoding does not count as lateness."""
        return None if self._zero is None else time.monotonic() - self._zero

    def missed(self, t: float, due_s: float) -> bool:
        """True when the frame of time t was over before the reader asked for it."""
        return t < due_s - self._interval_s

    def wait(self, t: float, closing: threading.Event) -> None:
        """Sleep until the frame is due. When decoding itself is too slow, the clock waits for it."""
        now = time.monotonic()
        if self._zero is None or now > self._zero + t + self._interval_s:
            self._zero = now - t
        closing.wait(max(0.0, self._zero + t - now))
