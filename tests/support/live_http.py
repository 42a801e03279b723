"""Live streams over HTTP for tests: a multipart MJPEG camera, and HLS whose segments are published as they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from streamer.core.picture import Picture

__all__ = ["hls_camera", "jpeg", "mjpeg_camera"]


def jpeg(picture: Picture) -> bytes:
    """A picture as a camera would send it."""
    good, data = cv2.imencode(".jpg", picture.bgr(), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert good
    return bytes(np.asarray(data))


class _Handler(BaseHTTPRequestHandler):
    serve: Callable[[_Handler], None]

    def do_GET(self) -> None:
        try:
            type(self).serve(self)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def _serving(serve: Callable[[_Handler], None]) -> Iterator[int]:
    handler = type("Handler", (_Handler,), {"serve": serve})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running.server_port
        finally:
            running.shutdown()
            thread.join()


@contextmanager
def mjpeg_camera(fps: float, pictures: list[bytes], sent: list[float]) -> Iterator[str]:
    """A camera that sends the pictures over and over. sent: is told the moment of each."""

    def serve(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        handler.end_headers()
        started = time.monotonic()
        for n in range(1_000_000):
            time.sleep(max(0.0, started + n / fps - time.monotonic()))
            data = pictures[n % len(pictures)]
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
            handler.wfile.flush()
            sent.append(time.monotonic())

    with _serving(serve) as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def hls_camera(segments: list[bytes], length_s: float, *, ready: int = 4, kept: int = 6) -> Iterator[str]:
    """A live playlist over MPEG-TS segments, `ready` of which are there when it starts; one more every length_s."""
    started = time.monotonic()

    def playlist() -> bytes:
        newest = min(len(segments), ready + int((time.monotonic() - started) / length_s))
        first = max(0, newest - kept)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{round(length_s)}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
        for number in range(first, newest):
            lines += [f"#EXTINF:{length_s:.3f},", f"{number}.ts"]
        return "\n".join([*lines, ""]).encode()

    def serve(handler: _Handler) -> None:
        name = handler.path.rsplit("/", 1)[-1]
        data = playlist() if name.endswith(".m3u8") else segments[int(name.split(".")[0])]
        handler.send_response(200)
        kind = "application/vnd.apple.mpegurl" if name.endswith(".m3u8") else "video/mp2t"
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    with _serving(serve) as port:
        yield f"http://127.0.0.1:{port}/live.m3u8"
