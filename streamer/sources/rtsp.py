"""Network streams: RTSP first, and what FFmpeg opens the same way (RTMP, HTTP)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from streamer.core.addresses import SCHEME, Claim
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import Context, PartOptions
from streamer.core.reasons import DropReason
from streamer.core.transparency import NOTE, may_be_transparent
from streamer.core.types import Captured, SourceInfo
from streamer.sources import Source
from streamer.sources._av import BOUNDS, Decoder, Timeline, pick_video
from streamer.sources._network import SCHEMES, Address, explain, knock, without_login
from streamer.sources._unread import opened, unread_bytes
from streamer.sources._upright import Upright, describe, shown_size

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["FORMS", "NetworkSource", "Options", "build", "claims"]

_LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps")
_QUICK_LOOK = {"analyzeduration": "200000", "probesize": "65536"}
"""RTSP says what it sends before it sends it, so FFmpeg's usual second of looking is time lost.

`fflags=nobuffer` would undo it: the key frame looked at is thrown away and the next one waited for.
"""
_UDP_BUFFER = str(4 << 20)
"""Bytes; a key frame arrives at once, and what does not fit is lost. The system may give less."""
_FASTEST_FPS = 240.0
"""Rates above this are units of time that FFmpeg took for rates."""
_LOOKED_AT = 4
"""Pictures looked at to find the rate of a stream that names none."""
_END_S = 1.0
"""A recording that ends within this of its stated length has ended, not broken off."""
_SEGMENTED = ("hls", "dash")
"""Formats of FFmpeg that fetch several seconds at once."""
_OLDEST_S = 3.0
"""For so long a live stream is read without showing it, until it has to be waited for."""
_WAITED_S, _WAITED_SHARE, _WAITED_IN_A_ROW = 0.002, 0.25, 2
"""A picture was waited for if that took so long, and such a share of the time to get it."""

FORMS = "rtsp:// rtsps:// rtmp:// http:// https://"


class Options(PartOptions):
    """Settings of the network source."""

    url: str = Field(repr=False, description="rtsp:// rtsps:// rtmp:// rtmps:// http:// or https://, with login")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="how RTSP carries the pictures; with udp, what the network loses smears them"
    )
    open_timeout_s: float = Field(5.0, gt=0, le=60, description="longest wait for each of the server's answers")
    picture_timeout_s: float = Field(
        10.0, gt=0, le=60, description="longest wait for the first whole picture; cameras send one every 1 to 10 s"
    )
    read_timeout_s: float = Field(
        3.0, gt=0, le=60, description="a server silent for this long is lost; HLS needs more than its segments last"
    )
    decode_threads: int = Field(
        2, ge=1, le=64, description="CPU threads of the decoder, for the slices of one picture: they add no delay"
    )


def claims(text: str) -> Claim | None:
    """URLs of the schemes that FFmpeg opens."""
    scheme = SCHEME.match(text)
    return Claim({"url": text}, without_login(text)) if scheme and scheme[1].lower() in SCHEMES else None


def build(options: Options, ctx: Context) -> Source:
    """Connect, log in, wait for the first picture. Raises InputError saying which of it failed, without the login."""
    address = Address.of(options.url)
    knock(address, options.open_timeout_s)
    container, connection = opened(lambda: _open(address, options))
    try:
        stream = pick_video(container)
        if stream is None:
            what = "sound but no video" if container.streams.audio else "no video that this FFmpeg can decode"
            raise InputError(f"{address} holds {what}")
        stream.codec_context.options = BOUNDS
        stream.thread_count = options.decode_threads
        stream.thread_type = "SLICE"  # threads over frames would add one frame of delay each
        if options.transport == "udp":
            # A lost packet is a hole that the decoder would paint over. Elsewhere nothing gets lost, and cameras whose
            # streams are a little wrong should not be refused.
            stream.codec_context.options = {**BOUNDS, "err_detect": "explode"}
        return NetworkSource(address, container, stream, options, unread=lambda: unread_bytes(connection))
    except BaseException:
        container.close()
        raise


def _open(address: Address, options: Options) -> InputContainer:
    import av

    settings: dict[str, str] = {**BOUNDS}
    if address.scheme in ("rtsp", "rtsps"):
        settings = {**BOUNDS, **_QUICK_LOOK, "rtsp_transport": options.transport, "allowed_media_types": "video+audio"}
        if options.transport == "udp":
            settings["buffer_size"] = _UDP_BUFFER
    started = time.monotonic()
    try:
        return av.open(
            options.url,
            options=settings,
            timeout=(options.open_timeout_s, options.read_timeout_s),
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        silent = time.monotonic() - started >= 0.9 * options.open_timeout_s
        raise InputError(explain(address, error, silent_s=options.open_timeout_s if silent else None)) from None


class NetworkSource:
    """The source. See `Source` for the contract."""

    def __init__(
        self,
        address: Address,
        container: InputContainer,
        stream: VideoStream,
        options: Options,
        *,
        unread: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.warnings: list[str] = []
        self._address = address
        self._container = container
        self._stream = stream
        self._upright = Upright(stream)
        self._read_timeout_s = options.read_timeout_s
        self._decoder = Decoder(container, stream, limit_s=options.picture_timeout_s, resume_at_key=True, unread=unread)
        self._ready = [self._first_frame(options)]
        self._decoder.damaged = 0  # what came before the first key frame was no damage
        self._decoder.limit_s = options.read_timeout_s
        rate = self._rate()
        self._interval_s = 1 / rate if rate else 0.04
        self._timeline = Timeline(self._interval_s)
        self._last_s = 0.0
        self._caught_up = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        first = self._ready[0]
        if may_be_transparent(first.format):
            self.warnings.append(f"{address}: {NOTE}")
        width, height = shown_size(first, stream)
        duration_s = container.duration / 1e6 if container.duration else None
        self.info = SourceInfo(
            name=str(address),
            width=width,
            height=height,
            live=address.scheme in _LIVE_SCHEMES or duration_s is None,
            fps=rate,
            duration_s=duration_s,
            has_sound=bool(container.streams.audio),
            segmented=container.format.name in _SEGMENTED,
            detail=", ".join(
                [describe(first, stream), *([f"over {options.transport}"] if address.scheme[:4] == "rtsp" else [])]
            ),
        )

    def _first_frame(self, options: Options) -> av.VideoFrame:
        import av

        hint = "; try transport tcp" if options.transport == "udp" and self._address.scheme == "rtsp" else ""
        try:
            frame = self._decoder.frame()
        except TimeoutError:
            frame = None
        except (av.error.FFmpegError, OSError) as error:
            if isinstance(error, av.error.ExitError):
                reason = f"sent nothing for {options.read_timeout_s:g} s"
            else:
                reason = f"broke off: {error.strerror}"
            raise InputError(f"{self._address} was opened, but {reason} before the first picture{hint}") from None
        if frame is None:
            limit_s = options.picture_timeout_s
            raise InputError(f"{self._address} was opened, but gave no whole picture within {limit_s:g} s{hint}")
        return frame

    def _rate(self) -> float | None:
        """Pictures per second: as the stream says, else as its first pictures come."""
        import av

        if self._stream.average_rate and 0 < self._stream.average_rate <= _FASTEST_FPS:
            return float(self._stream.average_rate)
        times: list[float] = []
        for _ in range(_LOOKED_AT):
            try:
                frame = self._decoder.frame()
            except (av.error.FFmpegError, OSError):
                break  # read() will meet it again, and say so
            if frame is None:
                break
            self._ready.append(frame)
            if frame.pts is not None:
                times.append(frame.time)
        steps = sorted(after - before for before, after in pairwise(times))
        middle = steps[len(steps) // 2] if steps else 0.0
        return round(1 / middle, 2) if middle >= 1 / _FASTEST_FPS else None

    def read(self) -> Captured | None:
        """The next picture; None at the end of a recording. Raises SourceLost when the stream breaks off.

        A server that falls silent is noticed after `read_timeout_s`; one that sends, but no whole picture, after twice
        that at the latest.
        """
        with self._lock:
            try:
                return None if self._closing.is_set() else self._read()
            finally:
                if self._closing.is_set():
                    self._container.close()

    def _read(self) -> Captured | None:
        import av

        try:
            frame, waited_s = self._next_frame()
        except av.error.ExitError:
            raise SourceLost(f"{self._address} sent nothing for {self._read_timeout_s:g} s") from None
        except TimeoutError:
            raise SourceLost(f"{self._address} gave no picture for {self._read_timeout_s:g} s") from None
        except (av.error.FFmpegError, OSError) as error:
            raise SourceLost(f"{self._address} broke off: {error.strerror or type(error).__name__}") from None
        if frame is None:
            length_s = self.info.duration_s
            if length_s is not None and self._last_s >= length_s - _END_S:
                return None
            # A server that is killed ends the stream in good order; a live one has no end.
            raise SourceLost(f"{self._address} broke off: the server closed the connection")
        stamp = frame.time if frame.pts is not None else None
        try:
            picture = self._upright(frame)
        except (av.error.FFmpegError, OSError) as error:  # no memory, or no threads, for the conversion of its colours
            raise SourceLost(f"{self._address} cannot be shown: {error.strerror or type(error).__name__}") from None
        if self.info.live:  # whether it stands still, jumps or runs backwards, is seen only in the stamps as they are
            return Captured(stamp, picture, waited_s=waited_s, left_out=self._left_out())
        self._last_s = t = self._timeline.place(stamp)
        return Captured(t, picture)

    def _left_out(self) -> tuple[tuple[DropReason, int], ...]:
        """What was left out since this was asked last."""
        skipped, self._decoder.skipped = self._decoder.skipped, 0
        return ((DropReason.NOT_DECODED, skipped),) if skipped else ()

    def _next_frame(self) -> tuple[av.VideoFrame | None, float | None]:
        """The next picture, and how long it had to be waited for."""
        frame, waited_s = self._one()
        if self._caught_up or not self.info.live or self.info.segmented:
            return frame, waited_s
        # What came in while this stream and the rest of the program were made ready is old, and so is what some servers
        # send first, to be quick. It comes at once; for the present one has to wait. The run begins with that.
        self._caught_up = True
        began, in_a_row = time.monotonic(), 0
        while in_a_row < _WAITED_IN_A_ROW and time.monotonic() - began < _OLDEST_S:
            asked = time.monotonic()
            newer, waited_s = self._one()
            if newer is None:
                break
            frame = newer
            # A share of the time that passed, as streams come at other rates than they name. Busy machines make
            # everybody wait once.
            waited = (waited_s or 0.0) > max(_WAITED_S, _WAITED_SHARE * (time.monotonic() - asked))
            in_a_row = in_a_row + 1 if waited else 0
            if (waited_s or 0.0) > self._interval_s / 2:
                break
        return frame, waited_s

    def _one(self) -> tuple[av.VideoFrame | None, float | None]:
        if self._ready:
            return self._ready.pop(0), None
        return self._decoder.frame(), self._decoder.waited_s

    def hurry(self, behind_s: float, *, patient: bool) -> None:
        """See `Hurried.hurry`: it goes on with the next key frame of the present."""
        self._decoder.skip_to_present(behind_s, patient=patient)

    def close(self) -> None:
        """Free everything. While another thread reads, its read ends within its limit and frees it."""
        if not self._closing.is_set() and self._decoder.damaged:
            self.warnings.append(f"{self._address}: {self._decoder.damaged} damaged frames were left out")
        self._closing.set()
        if self._lock.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._lock.release()
