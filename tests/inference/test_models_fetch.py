"""Fetching models where things go wrong: broken connections, killed and competing processes, full and closed disks.

Real processes and a real server; what they share with a real run is everything but the catalogue.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from streamer.cli.terminal import Terminal, Transfer, _Console
from streamer.core.errors import ModelError
from streamer.inference.models import catalogue, store
from streamer.inference.models.catalogue import CATALOGUE, Download, Model
from streamer.inference.models.store import FOLDER_VARIABLE, Found, Store

CONTENT = bytes(range(256)) * 4096
"""One megabyte."""
ROOT = Path(__file__).resolve().parents[2]


class Server(ThreadingHTTPServer):
    """Serves CONTENT, or what a test puts there.

    stop_after: the connection breaks off after so many bytes of an answer. pause_after: it stalls there.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.ranges = True
        self.stop_after: int | None = None
        self.pause_after: int | None = None
        self.going_on = threading.Event()
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/circle.onnx"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.pause_after is not None:
            self.wfile.write(body[: server.pause_after])
            self.wfile.flush()
            server.going_on.wait(60)
            body = body[server.pause_after :]
        self.wfile.write(body[: server.stop_after])

    def log_message(self, *args: Any) -> None:
        """Not into the tests' output."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.going_on.set()
    made.shutdown()
    made.server_close()
    thread.join()


def model_at(url: str) -> Model:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Model("circle", "test", "circle.onnx", digest, len(CONTENT), "MIT", "MIT", True, Download(url))


@pytest.fixture
def circle(server: Server, monkeypatch: pytest.MonkeyPatch) -> Model:
    model = model_at(server.url)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    for place in (catalogue, store):
        monkeypatch.setattr(place, "CATALOGUE", {"circle": model})
    return model


PROGRAM = """
import sys
from pathlib import Path
from streamer.core.errors import ModelError
from streamer.inference.models import catalogue, store
from streamer.inference.models.catalogue import Download, Model
url, cache, digest, length, before = sys.argv[1:6]
model = Model("circle", "test", "circle.onnx", digest, int(length), "MIT", "MIT", True, Download(url))
catalogue.CATALOGUE = store.CATALOGUE = {"circle": model}
exec(before)
try:
    print(store.Store(Path(cache), on_fetch=lambda text: print(text, flush=True)).path("circle"))
except ModelError as error:
    sys.exit(str(error))
"""


def pulling(server: Server, cache: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that pulls the model into the cache."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    command = [sys.executable, "-c", PROGRAM, server.url, str(cache), digest, str(len(CONTENT)), before]
    environment = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def part_of(cache: Path) -> Path:
    (found,) = cache.glob(".fetch/*/download.part")
    return found


def waited_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_broken_connection_is_told_and_the_next_try_goes_on(server: Server, circle: Model, tmp_path: Path) -> None:
    server.stop_after = 300_000
    with pytest.raises(ModelError, match=r"broke off after 300000 of 1048576 bytes"):
        Store(tmp_path).path("circle")
    assert Store(tmp_path).look("circle")[1] is Found.ABSENT
    server.stop_after = None
    told: list[tuple[int, int | None]] = []
    path = Store(tmp_path, on_progress=lambda here, total: told.append((here, total))).path("circle")
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert told[0][0] > 300_000
    assert {total for _, total in told[:-1]} == {len(CONTENT)}
    assert told[-1] == (0, 0), "a bar on a terminal goes away"


def test_a_server_that_cannot_go_on_sends_all_of_it_again(server: Server, circle: Model, tmp_path: Path) -> None:
    server.stop_after = 1000
    with pytest.raises(ModelError, match="broke off"):
        Store(tmp_path).path("circle")
    server.stop_after, server.ranges = None, False
    assert Store(tmp_path).path("circle").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else" * 100, CONTENT + b"more"], ids=["other bytes", "too long"])
def test_what_does_not_fit_is_fetched_again(server: Server, circle: Model, tmp_path: Path, left: bytes) -> None:
    server.stop_after = 1000
    with pytest.raises(ModelError):
        Store(tmp_path).path("circle")
    part_of(tmp_path).write_bytes(left)
    server.stop_after = None
    said: list[str] = []
    assert Store(tmp_path, on_fetch=said.append).path("circle").read_bytes() == CONTENT
    assert any("does not fit" in line for line in said)


def test_a_wrong_file_is_refused_and_removed(server: Server, circle: Model, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(ModelError, match="wrong sha256"):
        Store(tmp_path).path("circle")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_an_answer_that_is_no_file_is_one_line(server: Server, circle: Model, tmp_path: Path) -> None:
    server.content = b""  # the server then answers 416, and a fresh start is not asked twice
    with pytest.raises(ModelError) as caught:
        Store(tmp_path).path("circle")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_of_two_processes_one_fetches_and_both_succeed(server: Server, tmp_path: Path) -> None:
    server.pause_after = 200_000
    first = pulling(server, tmp_path)
    waited_for(lambda: list(tmp_path.glob(".fetch/*/download.part")))
    second = pulling(server, tmp_path)
    assert second.stdout is not None
    assert "another process is fetching" in second.stdout.readline()
    server.going_on.set()
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.endswith("circle.onnx\n")
    assert len(server.asked) == 1
    assert (tmp_path / "circle.onnx").read_bytes() == CONTENT


def test_a_killed_process_leaves_no_lock_and_no_half_file(server: Server, tmp_path: Path) -> None:
    server.pause_after = 400_000
    first = pulling(server, tmp_path)
    waited_for(lambda: list(tmp_path.glob(".fetch/*/download.part")) and part_of(tmp_path).stat().st_size)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert not (tmp_path / "circle.onnx").exists()
    here = part_of(tmp_path).stat().st_size
    server.pause_after = None
    second = pulling(server, tmp_path)
    _, err = second.communicate(timeout=60)
    assert (second.returncode, err) == (0, "")
    assert server.asked == [None, f"bytes={here}-"]
    assert (tmp_path / "circle.onnx").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on the size of files to set")
def test_a_disk_without_room_is_one_line(server: Server, tmp_path: Path) -> None:
    """The system refuses to let a file grow, as it does when the disk is full."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    process = pulling(server, tmp_path, limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "model circle cannot be stored in" in err
    assert "has room" in err
    assert FOLDER_VARIABLE in err
    assert err.count("\n") == 1
    assert not (tmp_path / "circle.onnx").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="rights are another matter there")
def test_a_cache_that_may_not_be_written(server: Server) -> None:
    """By somebody who is not root, to whom nothing is forbidden."""
    nobody = "import os; os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))"
    with tempfile.TemporaryDirectory() as name:  # not below the tests' own folder, which only its owner may enter
        Path(name).chmod(0o555)
        process = pulling(server, Path(name), nobody)
        _, err = process.communicate(timeout=60)
        Path(name).chmod(0o755)
    assert process.returncode == 1
    assert "cannot be stored in" in err
    assert "Permission denied; set XDG_CACHE_HOME" in err
    assert FOLDER_VARIABLE in err
    assert err.count("\n") == 1


# -- the whole program ----------------------------------------------------------------------------------------------


def streamer(cache: Path, *arguments: str, folder: Path | None = None) -> tuple[int, str, str]:
    """Run the command line with caches of its own and without a package index."""
    environment = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
    environment |= {"XDG_CACHE_HOME": str(cache), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    environment |= {"https_proxy": "http://127.0.0.1:9"}  # no network, whatever the machine has
    if folder is not None:
        environment[FOLDER_VARIABLE] = str(folder)
    done = subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("content", [b"", CONTENT[:5000], b"no model at all"], ids=["empty", "truncated", "other"])
def test_a_damaged_file_in_the_named_folder_stops_a_run(tmp_path: Path, content: bytes) -> None:
    model = CATALOGUE["yunet"]
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / model.file).write_bytes(content)
    code, _, err = streamer(
        tmp_path, "run", "demo", "--duration", "1", "-o", str(tmp_path / "o.mp4"), folder=tmp_path / "named"
    )
    assert code == 2
    assert f"{model.file} is damaged: its sha256 is not {model.sha256}" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "o.mp4").exists()


def test_no_model_and_no_network_stops_a_run(tmp_path: Path) -> None:
    code, _, err = streamer(tmp_path, "run", "demo", "--duration", "1", "-o", str(tmp_path / "o.mp4"))
    assert code == 2
    assert "streamer models pull yunet" in err.splitlines()[-1]
    assert FOLDER_VARIABLE in err.splitlines()[-1]
    assert not (tmp_path / "o.mp4").exists()


def test_the_list_names_everything_and_its_licence(tmp_path: Path) -> None:
    code, out, _ = streamer(tmp_path, "models", "list", "--licence")
    assert code == 0
    for model in CATALOGUE.values():
        assert f"{model.name:14} {model.task}; weights {model.licence_weights}" in out
        assert str(model.source) in out
    assert {model.name for model in CATALOGUE.values()} >= {
        "yunet", "det_500m", "det_2.5g", "det_10g", "retinaface", "centerface", "mtcnn", "haar", "hog",
        "sface", "arcface_r50", "arcface_mbf", "facenet", "dlib_resnet",
    }  # fmt: skip
    assert all(model.commercial_use for model in CATALOGUE.values() if model.default)


def test_weights_that_are_not_free_are_asked_about_once(tmp_path: Path) -> None:
    code, _, err = streamer(tmp_path, "models", "pull", "det_500m")
    assert code == 2
    assert "no commercial use" in err
    assert "--accept-licence" in err
    assert not list(tmp_path.rglob("lock")), "nothing was tried"
    code, _, err = streamer(tmp_path, "models", "pull", "det_500m", "--accept-licence")
    assert "could not be fetched" in err  # there is no network here
    kept = json.loads((tmp_path / "streamer" / "models" / "accepted-licences.json").read_text())
    assert list(kept) == ["det_500m"]
    code, out, _ = streamer(tmp_path, "models", "list", "--licence")
    assert f"accepted   on {kept['det_500m']}" in out
    code, _, err = streamer(tmp_path, "models", "pull", "det_500m")
    assert "could not be fetched" in err, "it is not asked again"


def test_an_accepted_licence_counts_for_the_next_run(tmp_path: Path, models_dir: Path) -> None:
    run = ["run", "demo", "--duration", "0.2", "-o", "null", "--set", "detector.kind=scrfd"]
    code, _, err = streamer(tmp_path, *run, folder=models_dir)
    assert code == 2
    assert "say so once with --accept-licence" in err
    assert streamer(tmp_path, *run, "--accept-licence", folder=models_dir)[0] == 0
    assert streamer(tmp_path, *run, folder=models_dir)[0] == 0
    code, out, _ = streamer(tmp_path, "check", folder=models_dir)
    assert "no commercial use, licence accepted on 20" in out
    assert "det_2.5g (face detection), weights LicenseRef-InsightFace-non-commercial-research, no commercial use, " \
        "licence not accepted here" in out  # fmt: skip


def test_what_belongs_to_a_package_says_so(tmp_path: Path) -> None:
    code, _, err = streamer(tmp_path, "models", "path", "mtcnn")
    assert code == 2
    assert "comes with the Python package facenet-pytorch==2.6.0: scripts/extras facenet" in err
    assert streamer(tmp_path, "models", "verify", "hog") == (0, "hog            packaged compiled into dlib\n", "")


def test_the_bar_is_for_terminals_and_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Transfer(Terminal())
    quiet(10, 100)
    quiet(0, 0)
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    terminal.console = _Console(stderr=True, force_terminal=True, width=100, highlight=False)
    shown = Transfer(terminal)
    shown(50, 100)
    assert "50/100 bytes" in capsys.readouterr().err
    shown(0, 0)
    shown(0, 0)
    assert shown._shown is None
