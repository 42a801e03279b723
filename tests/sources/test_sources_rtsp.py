"""The network source against real servers: healthy, dying, silent, refusing, and talking nonsense."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.clips import make_clip
from support.rtsp import RtspServer, free_port

from streamer.core.errors import InputError, SourceLost
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.sources import Source
from streamer.sources._av import Decoder
from streamer.sources.rtsp import Options, build, claims

SECRET = "s3cret/@:?#%"


def opened(url: str, **options: Any) -> Source:
    return build(Options(url=url, **options), Context())


def refusal(url: str, **options: Any) -> str:
    """The message with which an input is refused; it is one line and holds no secret."""
    with pytest.raises(InputError) as caught:
        opened(url, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.__cause__ is None  # a library's exception holds the URL in its text
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    for secret in (SECRET, "s3cret", "%2F"):
        assert secret not in message.replace("@ : / ? # as %40 %3A %2F", "")
    return message


def pictures(source: Source, number: int) -> list[Captured]:
    found: list[Captured] = []
    while len(found) < number:
        item = source.read()
        assert isinstance(item, Captured)
        found.append(item)
    return found


@pytest.fixture(scope="module")
def server(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(file=clip) as running:
        yield running


# -- healthy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_gives_pictures_with_their_times(server: RtspServer, transport: str) -> None:
    source = opened(server.url(), transport=transport)
    try:
        info = source.info
        assert (info.width, info.height, info.fps, info.live) == (640, 360, 25.0, True)
        assert "h264" in info.detail
        assert transport in info.detail
        found = pictures(source, 30)
        times = [item.t or 0.0 for item in found]
        steps = [after - before for before, after in pairwise(times)]
        assert min(steps) > 0
        assert sorted(steps)[len(steps) // 2] == pytest.approx(0.04, abs=0.002)
        assert found[0].image.size == (640, 360)
        assert found[0].image.bgr().std() > 20  # colour bars, not a flat picture
    finally:
        source.close()
        source.close()
    assert source.warnings == []


def test_finds_the_rate_of_a_stream_that_names_none(server: RtspServer) -> None:
    source = opened(server.url("/file"))
    try:
        assert (source.info.width, source.info.height) == (320, 240)
        assert source.info.fps == pytest.approx(25, abs=0.1)
        assert len(pictures(source, 10)) == 10
    finally:
        source.close()


@pytest.mark.parametrize("basic", [False, True], ids=["digest", "basic"])
def test_login(basic: bool) -> None:
    with RtspServer(user="ann", password=SECRET, basic=basic) as server:
        source = opened(server.url())
        try:
            assert source.info.name == f"rtsp://***@127.0.0.1:{server.port}/test"
            assert len(pictures(source, 3)) == 3
        finally:
            source.close()
        assert "user name or password is wrong" in refusal(server.url(password="s3cret"))
        message = refusal(server.url(user=""))
        assert "a login is needed" in message
        assert "404" in refusal(server.url("/nothing"))


def test_the_url_is_not_shown() -> None:
    options = Options(url=f"rtsp://ann:{SECRET}@host/x")
    assert "s3cret" not in f"{options!r} {options}"


# -- breaking off -------------------------------------------------------------------------------------------------


def test_a_killed_server_is_a_lost_source(clip: Path) -> None:
    with RtspServer() as server:
        source = opened(server.url())
        try:
            pictures(source, 3)
            server.kill()
            with pytest.raises(SourceLost, match="broke off"):
                pictures(source, 1000)
        finally:
            source.close()


@pytest.mark.parametrize("url", ["rtsp://ann:s3 c/ret@10.0.0.7/live", "rtsp://ann:s3 \tc/ret@10.0.0.7:x/live"])
def test_a_password_with_a_blank_is_not_repeated(url: str) -> None:
    """In other text, an address ends at a blank."""
    claim = claims(url)
    assert claim is not None
    assert claim.text.startswith("rtsp://***@10.0.0.7")
    with pytest.raises(InputError) as caught:
        build(Options(url=url, open_timeout_s=0.1), Context())
    assert "s3" not in str(caught.value)
    assert "ret" not in str(caught.value)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_beyond_the_bounds_are_not_decoded(
    server: RtspServer, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.sources.rtsp.BOUNDS", {"max_pixels": "100"})
    with pytest.raises(InputError, match=r"before the first picture|no whole picture|cannot be opened|no video"):
        opened(server.url(), transport=transport, picture_timeout_s=2.0)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_silent_server_is_a_lost_source(transport: str) -> None:
    with RtspServer() as server:
        source = opened(server.url(), transport=transport, read_timeout_s=0.7)
        try:
            pictures(source, 3)
            server.freeze()
            started = time.monotonic()
            with pytest.raises(SourceLost, match=r"nothing for 0\.7 s"):
                pictures(source, 1000)
            assert time.monotonic() - started < 10
        finally:
            source.close()


def test_close_from_another_thread_ends_a_read(server: RtspServer) -> None:
    source = opened(server.url())
    ended = threading.Event()

    def read_on() -> None:
        while source.read() is not None:
            pass
        ended.set()

    reader = threading.Thread(target=read_on)
    reader.start()
    source.close()
    assert ended.wait(10)
    reader.join()


# -- never opening ------------------------------------------------------------------------------------------------


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which every connection is handed to `serve`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        connections: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                try:
                    serve(connection)
                except OSError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def nonsense(connection: socket.socket) -> None:
    if connection.recv(1000):
        connection.sendall(b"220 hello\r\n\r\n" * 10)
    connection.shutdown(socket.SHUT_RDWR)


def test_wrong_path(server: RtspServer) -> None:
    assert "nothing under this path (404)" in refusal(server.url("/nothing", user="ann", password=SECRET))


def test_closed_port() -> None:
    port = free_port()
    message = refusal(f"rtsp://ann:s3cret@127.0.0.1:{port}/x")
    assert f"nothing listens on 127.0.0.1 port {port}" in message


def test_unknown_host() -> None:
    assert "the host nowhere.invalid is not known" in refusal("rtsp://ann:s3cret@nowhere.invalid/x")
    assert "is not known" in refusal(f"rtsp://{'a' * 70}.invalid/x")


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
def test_silent_server(scheme: str) -> None:
    with answering(lambda connection: None) as port:
        started = time.monotonic()
        message = refusal(f"{scheme}://ann:s3cret@127.0.0.1:{port}/app/x", open_timeout_s=0.5)
        assert "does not answer within 0.5 s" in message
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "http"])
def test_something_else_answers(scheme: str) -> None:
    with answering(nonsense) as port:
        message = refusal(f"{scheme}://ann:s3cret@127.0.0.1:{port}/app/x", open_timeout_s=2)
        assert f"127.0.0.1:{port}" in message


def test_a_look_up_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *_: released.wait(20))
    try:
        assert "does not answer within 0.3 s" in refusal("rtsp://ann:s3cret@camera.example/x", open_timeout_s=0.3)
    finally:
        released.set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://ann:s3cret/1@host/x", "no valid host and port; in a password, write"),
        ("rtsp://host:99999/x", "no valid host and port"),
        ("rtsp:///x", "names no host"),
        ("ftp://ann:s3cret@host/x", "is no network stream"),
        ("", "the URL is no network stream"),
    ],
)
def test_urls_that_name_no_server(url: str, words: str) -> None:
    assert words in refusal(url)


# -- HTTP ---------------------------------------------------------------------------------------------------------


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def web(clip: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(clip.parent))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_recording_over_http_has_an_end(web: str) -> None:
    source = opened(f"{web}/clip.mp4")
    try:
        assert not source.info.live
        assert source.info.duration_s == pytest.approx(10, abs=0.1)
        assert len(pictures(source, 250)) == 250
        assert source.read() is None
    finally:
        source.close()


def test_http_not_found(web: str) -> None:
    assert "404" in refusal(f"{web}/nothing.mp4")


# -- damage -------------------------------------------------------------------------------------------------------


class Damaging:
    """A container in which one packet lost its second half on the way."""

    def __init__(self, container: Any, at: int) -> None:
        self._container = container
        self._at = at

    def demux(self, *streams: Any) -> Iterator[Any]:
        import av

        for number, packet in enumerate(self._container.demux(*streams)):
            if number != self._at:
                yield packet
                continue
            half = av.Packet(bytes(packet)[: packet.size // 2])
            half.stream, half.pts, half.dts, half.time_base = packet.stream, packet.pts, packet.dts, packet.time_base
            yield half


@pytest.mark.parametrize(("resume_at_key", "missing"), [(True, range(13, 20)), (False, range(13, 14))])
def test_what_is_built_upon_damage_is_left_out_too(tmp_path: Path, resume_at_key: bool, missing: range) -> None:
    import av

    options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10", "sc_threshold": "0"}
    path = make_clip(tmp_path / "a.mp4", size=(320, 240), frames=30, codec_options=options)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        damaging: Any = Damaging(container, 13)
        decoder = Decoder(damaging, stream, resume_at_key=resume_at_key)
        numbers: list[int] = []
        while (frame := decoder.frame()) is not None:
            numbers.append(round(frame.time * 25))
        assert numbers == [number for number in range(30) if number not in missing]
        assert decoder.damaged == len(missing)


@pytest.fixture
def never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a file on a busy machine looks like waiting for a network."""
    monkeypatch.setattr("streamer.sources._av._WAITED_S", float("inf"))


@pytest.mark.usefixtures("never_waits")
def test_leaves_out_what_no_frame_is_built_upon(tmp_path: Path) -> None:
    import av

    options = {"preset": "veryfast", "x264-params": "bframes=2:b-adapt=0:b-pyramid=none:keyint=250:scenecut=0"}
    path = make_clip(tmp_path / "a.mp4", size=(320, 240), frames=100, codec_options=options)
    with av.open(str(path)) as container:
        decoder = Decoder(container, container.streams.video[0], resume_at_key=True)
        numbers: list[int] = []
        while (frame := decoder.frame()) is not None:
            numbers.append(round(frame.time * 25))
            if numbers[-1] == 33:
                decoder.skip_to_present(1.0, patient=True)
        assert numbers[:34] == [*range(34)]
        assert len(numbers) == pytest.approx(34 + 66 / 3, abs=4)
        assert decoder.skipped == pytest.approx(100 - len(numbers), abs=4)
        assert decoder.damaged == 0


@pytest.mark.usefixtures("never_waits")
def test_goes_on_with_a_key_frame_of_the_present(tmp_path: Path) -> None:
    import av

    options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10", "sc_threshold": "0"}
    path = make_clip(tmp_path / "a.mp4", size=(320, 240), frames=100, codec_options=options)
    with av.open(str(path)) as container:
        decoder = Decoder(container, container.streams.video[0], resume_at_key=True)
        numbers: list[int] = []
        while (frame := decoder.frame()) is not None:
            numbers.append(round(frame.time * 25))
            if numbers[-1] == 5:
                decoder.skip_to_present(1.0)  # key frames were not seen to come again
            if numbers[-1] == 33:
                decoder.skip_to_present(1.0, patient=True)  # a group is too much to lose
                assert decoder.skipped == 0
                decoder.skip_to_present(1.0)  # the present is picture 58; the group before it is young enough
        assert decoder.skipped == 16
        assert numbers == [*range(34), *range(50, 100)]
        assert decoder.damaged == 0


def test_begins_with_the_present(server: RtspServer) -> None:
    source = opened(server.url())
    try:
        time.sleep(1)  # the rest of the program is made ready
        first, second = pictures(source, 2)
        assert first.t is not None
        assert second.t is not None
        # Pictures that had waited would be read in no time; the present takes its time.
        started = time.monotonic()
        found = pictures(source, 25)
        assert time.monotonic() - started > 0.7
        assert (found[-1].t or 0) - second.t == pytest.approx(1, abs=0.1)
    finally:
        source.close()
