"""The program is stopped, killed, and started again and again: files stay whole, nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from fakes import MovingFace
from support.display import virtual_screen
from support.lag import environment, lag
from support.weights import weights

_STARTUP_S = 30
_LEFT_MB = 24
"""What 40 further runs may add to the memory of ten; a leak of a few 320x240 frames per run is more."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of 25 frames/s."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    source = MovingFace(frames=500)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *source.size, "yuv420p"
        while (captured := source.read()) is not None:
            container.mux(stream.encode(captured.image.to_av()))
        container.mux(stream.encode())
    return path


def program(*arguments: str) -> subprocess.Popen[str]:
    weights("yunet")
    return subprocess.Popen([sys.executable, "-m", "streamer", "run", *arguments], stderr=subprocess.PIPE, text=True)


@pytest.fixture
def running(clip: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The program in the middle of its work on a live source, and the file it writes."""
    output = tmp_path / "out.mp4"
    process = program(str(clip), "--realtime", "-o", str(output))
    deadline = time.monotonic() + _STARTUP_S
    while not (output.exists() and output.stat().st_size > 6_000):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline, "it does not start"
        time.sleep(0.05)
    yield process, output
    if process.returncode is None:
        process.kill()
        process.communicate()


def frames_of(path: Path) -> list[float]:
    """Times of all frames that can be decoded."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(running: tuple[subprocess.Popen[str], Path], number: signal.Signals) -> None:
    process, output = running
    asked = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=15)
    took = time.monotonic() - asked
    times = frames_of(output)
    print(f"{number.name}: exit {process.returncode} after {took:.2f} s, {len(times)} frames")
    assert process.returncode == 0, errors
    assert took < 5
    assert len(times) >= 10
    assert "Traceback" not in errors
    assert "frames in" in errors


def test_killed_file_plays_to_the_last_fragment(running: tuple[subprocess.Popen[str], Path]) -> None:
    process, output = running
    process.kill()
    process.communicate()
    times = frames_of(output)
    print(f"SIGKILL: {len(times)} frames, {times[-1]:.2f} s")
    assert len(times) >= 10


def test_second_signal_stops_at_once(clip: Path, tmp_path: Path) -> None:
    """A detector input far too large keeps the orderly stop busy; the second signal does not wait for it."""
    output = tmp_path / "out.mp4"
    process = program(str(clip), "-o", str(output), "--every", "1", "-v")
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode is not None


def test_fifty_runs_leave_nothing_behind(clip: Path, tmp_path: Path) -> None:
    """Threads, file descriptors and memory before and after; half of the runs are stopped in the middle."""
    command = [sys.executable, "-m", "support.runs", str(clip), str(weights("yunet")), str(tmp_path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment(lag()), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    for name in before:
        print(f"{name}: {before[name]} after 10 runs, {after[name]} after 50")
    assert after["threads"] == before["threads"]
    assert after["file descriptors"] == before["file descriptors"]
    assert after["MB resident"] - before["MB resident"] < _LEFT_MB


def test_under_nohup_a_closed_terminal_changes_nothing(clip: Path, tmp_path: Path) -> None:
    weights("yunet")
    output = tmp_path / "out.mp4"
    command = ["nohup", sys.executable, "-m", "streamer", "run", str(clip), "-o", str(output), "--duration", "4"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _STARTUP_S
    while not output.exists():
        assert time.monotonic() < deadline, "it does not start"
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=_STARTUP_S) == 0
    assert len(frames_of(output)) == 100


def _plays(path: Path) -> bool:
    try:
        return len(frames_of(path)) > 5
    except (OSError, av.FFmpegError):
        return False


def test_the_screen_goes_away(clip: Path, tmp_path: Path) -> None:
    """Qt would end the program in the middle of the file, and does when it notices first."""
    weights("yunet")
    output = tmp_path / "out.mp4"
    with virtual_screen() as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", "run", str(clip), "--realtime", "-o", str(output), "-o", "window"],
            stderr=subprocess.PIPE,
            text=True,
            env=screen.environment,
        )
        screen.window("^streamer: clip.mp4$")
        deadline = time.monotonic() + 8
        while not _plays(output) and time.monotonic() < deadline:  # a first fragment is written
            time.sleep(0.1)
    _, err = process.communicate(timeout=_STARTUP_S)
    assert process.returncode == 1
    # Whoever notices first: we do nearly always. Qt ends the program on the spot; then the last fragment is the end.
    assert "streamer: error: the display of the window has gone" in err or "The X11 connection broke" in err
    assert len(frames_of(output)) > 5
