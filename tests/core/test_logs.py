"""The log: nothing secret in it, nothing twice, and machines can read it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from streamer.core import logs
from streamer.core.logs import Format, StreamLog, configure
from streamer.core.picture import Picture
from streamer.core.types import Frame

URL = "rtsp://ann:s3cret@10.0.0.7/live"


@pytest.fixture
def text(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log of one test; its parameter is the format."""
    chosen: Format = getattr(request, "param", "text")
    written, root = io.StringIO(), logging.getLogger("streamer")
    monkeypatch.setattr(logs, "_QUIET_S", 0.0)  # every test is heard, whatever was said in another
    level = root.level
    handler = configure(written, format=chosen, level="debug")
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def raised(message: str) -> Exception:
    try:
        raise OSError(message)
    except OSError as error:
        return error


@pytest.mark.parametrize("text", ["text", "json"], indirect=True)
def test_no_credentials_wherever_they_stand(text: io.StringIO) -> None:
    log = StreamLog(URL)
    log.say("secrets", logging.INFO, f"opened {URL}")
    log.say("secrets", logging.INFO, "opened %s at last", URL)
    log.say("secrets", logging.WARNING, "broke off", error=raised(f"cannot read {URL}"))
    logging.getLogger("streamer.not_made_by_us").exception("a library's", exc_info=raised(f"no {URL}"))
    assert "s3cret" not in text.getvalue()
    assert text.getvalue().count("rtsp://***@10.0.0.7/live") >= 6
    assert "Traceback" in text.getvalue()


def test_a_handler_of_somebody_else_sees_no_credentials(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="streamer"):
        StreamLog("lobby").say("elsewhere", logging.ERROR, "no %s", URL, error=raised(f"cannot read {URL}"))
    (record,) = caplog.records
    assert "s3cret" not in caplog.text + str(vars(record))


@pytest.mark.parametrize("text", ["text", "json"], indirect=True)
def test_no_picture_and_no_face_vector(text: io.StringIO) -> None:
    vector, picture = np.full(128, 0.12345, np.float32), Picture.blank(8, 8, luma=77).frozen()
    log = StreamLog("lobby")
    log.say("pictures", logging.INFO, "a %s, %s, %r", vector, picture, Frame(0, 0, 0.0, picture))
    log.say("pictures", logging.INFO, "list %s", vector.tolist())
    logging.getLogger("streamer.pictures").info({"vector": vector})
    logging.getLogger("streamer.pictures").info("named %(vector)s", {"vector": vector})
    written = text.getvalue()
    assert "0.12345" not in written
    assert "array(" not in written
    assert all(word in written for word in ("<ndarray>", "<Picture>", "<Frame>", "<list>", "<dict>"))


@pytest.mark.parametrize("text", ["json"], indirect=True)
def test_every_line_is_json_with_time_and_stream(text: io.StringIO) -> None:
    StreamLog("lobby").say("capture", logging.WARNING, 'lost: "a"\nb\x1b[2J')
    StreamLog("entrance").say("capture", logging.ERROR, "failed", error=raised("x"))
    first, second = map(json.loads, text.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    message = 'lost: "a"\nb\x1b[2J'
    assert first == {"level": "warning", "stream": "lobby", "stage": "capture", "message": message}
    assert second["stream"] == "entrance"
    assert "OSError: x" in second["traceback"]


def test_a_text_line(text: io.StringIO) -> None:
    StreamLog("lobby").say("capture", logging.WARNING, "lost: %s\x1b[2J", "cable")
    time, rest = text.getvalue().rstrip("\n").split(" ", 1)
    assert time.endswith("Z")
    assert rest == "WARNING lobby capture: lost: cable\\x1b[2J"


def test_what_is_repeated_is_counted(text: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_QUIET_S", 10.0)
    now = [1000.0]
    make = logging.getLogRecordFactory()

    def record(*args: object, **more: object) -> logging.LogRecord:
        made: logging.LogRecord = make(*args, **more)
        made.created = now[0]
        return made

    logging.setLogRecordFactory(record)
    try:
        for number in range(50):
            now[0] += 0.1
            StreamLog("lobby").say("repeats", logging.WARNING, "waited %s s", number)
        StreamLog("entrance").say("repeats", logging.WARNING, "waited 1 s")
        now[0] += logs._QUIET_S
        StreamLog("lobby").say("repeats", logging.WARNING, "waited 99 s")
    finally:
        logging.setLogRecordFactory(make)
    first, other, last = text.getvalue().splitlines()
    assert first.endswith("lobby repeats: waited 0 s")
    assert other.endswith("entrance repeats: waited 1 s")
    assert last.endswith("lobby repeats: waited 99 s (49 more like this)")


def test_what_differs_in_a_name_is_not_the_same(text: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_QUIET_S", 10.0)
    for name in ("1.mp4", "2.mp4", "in/3", "cam-4"):
        StreamLog("lobby").say("names", logging.INFO, f"{name}: done")
    for number in range(3):
        StreamLog("lobby").say("names", logging.ERROR, f"failed {number}")
    assert len(text.getvalue().splitlines()) == 7


def test_without_configuration_there_is_silence() -> None:
    code = "import logging; from streamer.core.logs import StreamLog; StreamLog('a').say('x', logging.ERROR, 'heard')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == done.stdout == ""
