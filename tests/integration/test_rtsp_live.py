"""The whole program on a real RTSP server: healthy, killed and restarted, silent, gone, and wrongly addressed.

STREAMER_SOAK_S: seconds that the runs take, and then in 1280x720; the numbers are printed (pytest -s).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.display import missing_tools, virtual_screen
from support.frames import read_video
from support.rtsp import RtspServer, free_port

from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Captured
from streamer.sources import demo

ROOT = Path(__file__).resolve().parents[2]
SOAK_S = float(os.environ.get("STREAMER_SOAK_S") or 0)
SIZE = (1280, 720) if SOAK_S else (640, 360)
FPS = 25
SECRET = "s3cret/@:"

pytestmark = [pytest.mark.timeout(120 + 3 * int(SOAK_S)), pytest.mark.usefixtures("yunet")]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of drawn people walking about, as a camera would send them: H.264, a key frame per second."""
    import av

    path = tmp_path_factory.mktemp("street") / "street.mp4"
    source = demo.build(demo.Options(width=SIZE[0], height=SIZE[1], fps=FPS, duration_s=8), Context())
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        while isinstance(item := source.read(), Captured):
            container.mux(stream.encode(item.image.to_av()))
        container.mux(stream.encode())
    source.close()
    return path


@contextmanager
def program(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`streamer run` with these arguments; killed at the end if it still runs."""
    environment = {**(environment or os.environ), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "run", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until_running(process: subprocess.Popen[str]) -> float:
    """Wait for the first words of a run; returns the monotonic time."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("input:"), line
    return time.monotonic()


def wait_for_end(process: subprocess.Popen[str], timeout_s: float) -> str:
    """Wait for the program's end, which must be a good one; returns what it said."""
    _, said = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


@contextmanager
def window() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Arguments and environment for a second output: a window, where a screen can be had."""
    if missing_tools() is not None:
        yield [], dict(os.environ)
        return
    with virtual_screen() as screen:
        yield ["-o", "window"], screen.environment


def flat(picture: Picture) -> bool:
    """True for the picture that stands in for a missing one: one grey, and a few words."""
    luma = picture.planes[0].astype(np.int16)
    return bool(np.mean(np.abs(luma - int(np.median(luma))) <= 6) > 0.8)


@dataclass(frozen=True)
class Recorded:
    """A file the program wrote."""

    times: list[float]
    covered: list[bool]
    duration_s: float

    @classmethod
    def of(cls, path: Path) -> Recorded:
        read = read_video(path)
        return cls(read.times, [flat(picture) for picture in read.pictures], read.duration_s)

    def gaps(self) -> list[tuple[float, float]]:
        """From the last picture before to the first picture after every stretch of a second or more that is covered.

        Shorter ones are single frames covered on a busy machine.
        """
        found: list[tuple[float, float]] = []
        last = self.times[0]
        inside = False
        for t, covered in zip(self.times, self.covered, strict=True):
            if not covered:
                if inside and t - last > 1.0:
                    found.append((last, t))
                last, inside = t, False
            else:
                inside = True
        return found


def numbers(report: Path) -> dict[str, Any]:
    """The report, with its main numbers printed."""
    read: dict[str, Any] = json.loads(report.read_text())
    chosen = ["wall_s", "captured", "sealed", "covered", "dropped", "emitted", "latency_ms", "stage_ms", "other"]
    sys.stdout.write("".join(f"\n  {key}: {read[key]}" for key in chosen if key in read) + "\n")
    return read


# -- healthy ------------------------------------------------------------------------------------------------------


def test_a_healthy_stream_loses_nothing(street: Path, tmp_path: Path) -> None:
    out, report, length_s = tmp_path / "out.mp4", tmp_path / "r.json", SOAK_S or 8
    with RtspServer(file=street) as server, window() as (also, environment):
        arguments = [server.url("/file"), "-o", str(out), *also, "--report", str(report), "--duration", str(length_s)]
        with program(*arguments, environment=environment) as process:
            wait_for_end(process, length_s + 60)
    read, recorded = numbers(report), Recorded.of(out)
    assert read["input"]["live"]
    assert read["captured"] == pytest.approx(length_s * FPS, rel=0.02)
    assert read["dropped"]["total"] <= 0.02 * read["captured"]
    assert read["covered"]["total"] <= 0.01 * read["captured"]
    assert sum(recorded.covered) <= 0.01 * len(recorded.covered)
    assert read["faces_hidden"] > read["captured"]
    assert all(latency["p95"] < 1000 for latency in read["latency_ms"].values())
    assert recorded.duration_s == pytest.approx(length_s, abs=0.5)
    assert set(read["latency_ms"]) == {str(out), *also[1:]}


# -- lost and found -----------------------------------------------------------------------------------------------


def test_a_server_killed_twice_leaves_two_slates_in_one_file(street: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.mp4", tmp_path / "r.json"
    length_s, healthy_s, away_s = (SOAK_S, SOAK_S / 4, SOAK_S / 20) if SOAK_S else (15.0, 2.5, 2.5)
    killed: list[float] = []
    returned: list[float] = []
    with RtspServer(file=street) as server, window() as (also, environment):
        arguments = [server.url("/file"), "-o", str(out), *also, "--report", str(report), "--duration", str(length_s)]
        with program(*arguments, environment=environment) as process:
            started = wait_until_running(process)
            for _ in range(2):
                time.sleep(healthy_s)
                killed.append(server.kill())
                time.sleep(away_s)
                returned.append(server.start())
            said = wait_for_end(process, length_s + 60)
            ended = time.monotonic()
    read, recorded = numbers(report), Recorded.of(out)
    gaps = recorded.gaps()
    assert len(gaps) == 2
    # The file's clock and ours: its last picture before the first gap is from the moment of the first kill.
    zero = killed[0] - gaps[0][0]
    back_s = [zero + after - at for (_, after), at in zip(gaps, returned, strict=True)]
    slate_s = [after - before for before, after in gaps]
    sys.stdout.write(f"  slate for {np.round(slate_s, 2)} s, back {np.round(back_s, 2)} s after the server\n")
    assert max(back_s) < 10
    assert min(slate_s) > away_s - 0.5
    assert read["other"]["lost"] == read["other"]["reconnected"] == 2
    assert said.count("broke off") == 2
    assert recorded.duration_s == pytest.approx(min(length_s, ended - started), abs=1.0)
    assert all(after > before for before, after in zip(recorded.times, recorded.times[1:], strict=False))
    if also:
        assert read["emitted"]["window"]["slate"] > 0


def test_a_server_that_is_gone_at_the_end(tmp_path: Path) -> None:
    """The run still ends when its time is over, and the file says for how long there was nothing to see."""
    out = tmp_path / "out.mp4"
    with RtspServer() as server, program(server.url(), "-o", str(out), "--duration", "6") as process:
        wait_until_running(process)
        time.sleep(1.5)
        server.kill()
        wait_for_end(process, 30)
    recorded = Recorded.of(out)
    assert recorded.duration_s == pytest.approx(6, abs=1)
    assert recorded.covered[-1]
    assert not recorded.covered[0]


@pytest.mark.parametrize("moment", ["pictures", "silence", "absence"])
def test_a_signal_ends_it_at_any_moment(tmp_path: Path, moment: str) -> None:
    out = tmp_path / "out.mp4"
    with RtspServer() as server, program(server.url(), "-o", str(out)) as process:
        wait_until_running(process)
        time.sleep(1.5)
        if moment == "silence":
            server.freeze()
        elif moment == "absence":
            server.kill()
        time.sleep(1)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        wait_for_end(process, 30)
        assert time.monotonic() - asked < 10
    assert Recorded.of(out).duration_s > 1


# -- never opening ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["host", "port", "path", "password", "login"])
def test_what_cannot_be_opened_is_one_line(tmp_path: Path, wrong: str) -> None:
    out = tmp_path / "out.mp4"
    with RtspServer(user="ann", password=SECRET) as server:
        url = server.url()
        url = {
            "host": url.replace("127.0.0.1", "nowhere.invalid"),
            "port": url.replace(str(server.port), str(free_port())),
            "path": server.url("/nothing"),
            "password": server.url(password=f"not{SECRET}"),
            "login": server.url(user=""),
        }[wrong]
        with program(url, "-o", str(out)) as process:
            _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert len(said.splitlines()) == 1, said
    assert "s3cret" not in said
    words = {
        "host": "the host nowhere.invalid is not known",
        "port": "nothing listens on 127.0.0.1",
        "path": "nothing under this path",
        "password": "user name or password is wrong",
        "login": "a login is needed",
    }
    assert words[wrong] in said
    assert list(tmp_path.iterdir()) == []
