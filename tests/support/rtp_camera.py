"""An RTSP camera for tests whose clock says what it is told to: H.264 over TCP, stamps as given, no sender reports."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from streamer.core.picture import Picture

__all__ = ["h264", "rtp_camera"]

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)
_LARGEST = 1400


def h264(pictures: Sequence[Picture], *, key_every: int = 25, options: dict[str, str] | None = None) -> list[bytes]:
    """Each picture coded, with start codes."""
    import av

    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height = pictures[0].size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), 25
    wanted = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "g": str(key_every), "sc_threshold": "0"}
    context.options = {**wanted, **(options or {})}
    coded = []
    for n, picture in enumerate(pictures):
        frame = picture.to_av()
        frame.pts = n
        coded += [bytes(packet) for packet in context.encode(frame)]
    return coded + [bytes(packet) for packet in context.encode(None)]


def _payloads(unit: bytes) -> Iterator[bytes]:
    """RTP payloads of one coded picture (RFC 6184): single units, and pieces of large ones."""
    parts = [part.rstrip(b"\0") for part in unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]
    for part in parts:
        if len(part) <= _LARGEST:
            yield part
            continue
        kind, body = part[0], part[1:]
        pieces = [body[at : at + _LARGEST] for at in range(0, len(body), _LARGEST)]
        for n, piece in enumerate(pieces):
            mark = (0x80 if n == 0 else 0) | (0x40 if n == len(pieces) - 1 else 0)
            yield bytes([kind & 0xE0 | 28, mark | kind & 0x1F]) + piece


@contextmanager
def rtp_camera(
    units: Sequence[bytes],
    *,
    due: Callable[[int], float],
    stamp: Callable[[int], float],
    sent: list[float] | None = None,
    number: int = 1_000_000,
) -> Iterator[str]:
    """Sends picture n `due(n)` seconds after it was asked for, with the stamp `stamp(n)` in seconds."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                self._talk()
            except OSError:
                return

        def _talk(self) -> None:
            while line := self.rfile.readline():
                method, headers = line.split(b" ")[0].decode(), {}
                while (header := self.rfile.readline().strip()) and b":" in header:
                    name, value = header.decode().split(":", 1)
                    headers[name.lower()] = value.strip()
                self._answer(method, headers["cseq"])
                if method == "PLAY":
                    threading.Thread(target=self._swallow, daemon=True).start()
                    self._play()
                    return

        def _swallow(self) -> None:
            try:
                while self.rfile.read(1):
                    pass
            except (OSError, ValueError):
                return

        def _answer(self, method: str, number: str) -> None:
            more, body = {
                "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                "DESCRIBE": ("Content-Type: application/sdp\r\n", _SDP),
                "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
            }.get(method, ("Session: 1\r\n", ""))
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}{length}\r\n{body}".encode())

        def _play(self) -> None:
            started, sequence = time.monotonic(), 0
            for n in range(number):
                time.sleep(max(0.0, started + due(n) - time.monotonic()))
                payloads = list(_payloads(units[n % len(units)]))
                packets = b""
                for at, payload in enumerate(payloads):
                    last = 0x80 if at == len(payloads) - 1 else 0
                    ticks = round(stamp(n) * 90000) & 0xFFFFFFFF
                    packet = struct.pack(">BBHII", 0x80, last | 96, sequence & 0xFFFF, ticks, 77) + payload
                    packets += struct.pack(">BBH", 0x24, 0, len(packet)) + packet
                    sequence += 1
                self.wfile.write(packets)
                if sent is not None:
                    sent.append(time.monotonic())
            time.sleep(30)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{running.server_address[1]}/x"
        finally:
            running.shutdown()
            thread.join()
