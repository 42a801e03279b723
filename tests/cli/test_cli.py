"""The command line as a person uses it: words, exit codes, signals, files left behind."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.weights import weights

from streamer import __version__
from streamer.__main__ import command
from streamer.cli import discover
from streamer.cli import run as run_verb
from streamer.cli.terminal import Notes, Terminal, expected_frames, live_line, summary_line
from streamer.config.endpoints import parse_input
from streamer.config.schema import Config
from streamer.core.report import Note
from streamer.core.types import SourceInfo
from streamer.inference.providers import available
from streamer.pipeline.pipeline import Status

PROGRAM = [sys.executable, "-m", "streamer"]
STOPPED_WITHIN_S = 5.0


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


class Call:
    """Runs the command line inside the test's process: the same code without starting Python anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        self._monkeypatch.setattr(sys, "argv", ["streamer", *map(str, arguments)])
        code = command()
        out, err = self._capsys.readouterr()
        return code, out, err


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(
    "arguments",
    [["config", "rtsp://ann:s3cret@h/x"], ["rtsp://ann:s3cret@h/x"], ["run", "rtsp://ann:s3cret@h/x", "rtsp://h/y"]],
)
def test_wrong_usage_does_not_repeat_a_login(call: Call, arguments: list[str]) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert "s3cret" not in err
    assert "***@h/x" in err


def test_closed_streams_are_no_failure(tmp_path: Path) -> None:
    command = f'"$@" -o {tmp_path}/out.mp4 --duration 0.2 <&- >&- 2>&-'
    weights("yunet")
    done = subprocess.run(["sh", "-c", command, "sh", *PROGRAM, "run", "demo"], timeout=60, check=False)
    assert done.returncode == 0
    assert frames_in(tmp_path / "out.mp4") == 5


@pytest.mark.parametrize("reader", ["/dev/full", "gone"])
def test_recording_goes_on_when_nobody_reads_the_messages(tmp_path: Path, reader: str) -> None:
    weights("yunet")
    command = [*PROGRAM, "run", "demo", "-o", str(tmp_path / "out.mkv"), "--duration", "1"]
    if reader == "gone":
        read, messages = os.pipe()
        os.close(read)
    else:
        messages = os.open(reader, os.O_WRONLY)
    try:
        done = subprocess.run(command, stderr=messages, timeout=60, check=False)
    finally:
        os.close(messages)
    assert done.returncode == 0
    assert frames_in(tmp_path / "out.mkv") == 25


# -- words and exit codes -----------------------------------------------------------------------------------------


def test_version(call: Call) -> None:
    assert call("--version") == (0, f"streamer {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "-h"], ["check", "-h"], ["models", "-h"], ["config", "-h"]])
def test_help(call: Call, arguments: list[str]) -> None:
    code, out, _ = call(*arguments)
    assert code == 0
    assert "Usage: streamer" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nothing.mp4", "-o", "o.mp4"], 3, "input nothing.mp4 does not exist"),
        (["run", "empty.mp4", "-o", "o.mp4"], 3, "empty.mp4 is empty"),
        (["run", "text.mp4", "-o", "o.mp4"], 3, "text.mp4"),
        (["run", "srt://host/x", "-o", "o.mp4"], 2, "input scheme srt:// is not known"),
        (["run", "text.mp4", "-o", "o.xyz"], 2, "ending '.xyz' is not known"),
        (["run", "text.mp4", "-o", "no/o.mp4"], 2, "create it with: mkdir -p"),
        (["run", "text.mp4", "-o", "text.mp4", "--force"], 2, "is the input itself"),
        (["run", "text.mp4", "-o", "o.mp4", "-o", "./o.mp4"], 2, "one and the same"),
        (["run", "text.mp4", "--every", "0"], 2, "detect.every: must be at least 1, got 0"),
        (["run", "text.mp4", "--threshold", "7"], 2, "detector.threshold: must be at most 0.8, got 7.0"),
        (["run", "text.mp4", "--effect", "blurr"], 2, "did you mean 'blur'?"),
        (["run", "text.mp4", "--device", "gpu"], 2, "run.device: must be one of cpu, cuda[:n], tensorrt"),
        (["run", "text.mp4", "--set", "detect.evry=3"], 2, "detect.evry: unknown key (did you mean 'every'?)"),
        (["run", "text.mp4", "-c", "no.yaml"], 2, "no.yaml: cannot be read"),
        (["run", "text.mp4", "-o", "o.mp4", "--report", "r.txt"], 2, "name a file ending in .json"),
        (["run", "text.mp4", "-o", "o.mp4", "--report", "no/r.json"], 2, "report folder"),
        (["run", "text.mp4", "--log-format", "xml"], 2, "--log-format is one of text, json"),
        (["run", "text.mp4", "--log-level", "loud"], 2, "--log-level is one of debug, info"),
        (["run", "7", "-q"], 2, "camera 7 needs an output"),
        (["config", "--check", "bad.yaml"], 2, "bad.yaml: detect.evry: unknown key (did you mean 'every'?)"),
        (["models", "path", "yunett"], 2, "unknown model 'yunett' (did you mean 'yunet'?)"),
    ],
)
def test_one_line_and_the_exit_code(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 40)
    (tmp_path / "bad.yaml").write_text("detect: {evry: 3}")
    before = sorted(tmp_path.rglob("*"))
    got, out, err = call(*arguments)
    assert words in err
    assert err.startswith("streamer: error: ")
    assert err.count("\n") == 1
    assert (got, out) == (code, "")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["run", "--nonsense"], ["frob"], ["run", "--every", "x", "demo"]])
def test_wrong_options_are_wrong_usage(call: Call, arguments: list[str]) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("streamer: error: ")
    assert err.count("\n") == 1
    assert "--help" in err


def test_every_problem_of_a_configuration_has_its_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("detect: {evry: 3, every: 0}\ntrakc: {}\n")
    code, _, err = call("run", "demo", "-c", tmp_path / "c.yaml")
    assert code == 2
    assert [line.split("c.yaml: ")[1].split(":")[0] for line in err.splitlines()] == [
        "trakc", "detect.every", "detect.evry"
    ]  # fmt: skip


def test_an_unexpected_fault_is_one_line_and_a_traceback_when_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(text: str) -> None:
        raise ZeroDivisionError(f"while looking at {text} of rtsp://ann:s3cret@host/x\nsecond line")

    monkeypatch.setattr(run_verb, "parse_input", breaks)
    code, _, err = call("run", "demo")
    assert code == 1
    assert err == (
        "streamer: error: unexpected ZeroDivisionError: while looking at demo of rtsp://***@host/x; "
        "run with -v for the traceback\n"
    )
    code, _, err = call("run", "demo", "-v")
    assert code == 1
    assert "Traceback" in err
    assert "s3cret" not in err


def test_without_input_and_camera(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "cameras", list)
    code, _, err = call("run")
    assert code == 3
    assert "streamer run demo" in err


def test_enrolment_without_a_camera_asks_for_pictures(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "cameras", list)
    monkeypatch.setattr("streamer.sources.camera._found", list)
    monkeypatch.setattr("streamer.sources.camera._closed", list)
    code, _, err = call("enroll", "Ann", "--camera")
    assert code == 3
    assert err.endswith("no camera was found; plug one in, or name pictures\n")


def test_without_input_the_first_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "cameras", lambda: ["/dev/video2", "/dev/video10"])
    assert discover.first_camera() == "/dev/video2"


@pytest.mark.skipif("CUDAExecutionProvider" in available(), reason="CUDA can be had here, so asking for it is no error")
def test_cuda_is_never_replaced_in_silence(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    code, _, err = call("run", clip, "-o", tmp_path / "o.mp4", "--device", "cuda")
    assert code == 2
    assert "device 'cuda' was asked for" in err
    assert "--device cpu" in err
    assert not (tmp_path / "o.mp4").exists()
    code, out, _ = call("check", "--device", "cuda")
    assert code == 1
    assert "not ready" in out


def test_a_thread_that_hangs_does_not_keep_the_program() -> None:
    program = (
        "import threading, sys, streamer.__main__ as entry\n"
        "def command():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"  # no daemon: Python would wait for it for ever
        "    print('the end')\n"
        "    return 3\n"
        "entry.command = command\n"
        "entry.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (3, "the end\n")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{' '.join(PROGRAM)} config | head -n 1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("# Every setting")
    assert done.stderr == ""


# -- what is run --------------------------------------------------------------------------------------------------


def test_outputs_by_default(monkeypatch: pytest.MonkeyPatch, clip: Path, tmp_path: Path) -> None:
    video, pictures = parse_input(str(clip)), tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").touch()
    folder = parse_input(str(pictures))
    for display, of_video in ((True, ["window"]), (False, [str(clip.with_name("clip_anonymized.mp4"))])):
        monkeypatch.setattr(run_verb, "has_display", lambda display=display: display)
        assert run_verb.chosen_outputs(video, [], preview=False) == of_video
        assert run_verb.chosen_outputs(folder, [], preview=False) == [f"{pictures}_anonymized/"]
    assert run_verb.chosen_outputs(video, ["a.mp4"], preview=True) == ["a.mp4", "window"]
    assert run_verb.chosen_outputs(video, ["window"], preview=True) == ["window"]
    assert run_verb.chosen_outputs(video, [], preview=True) == ["window"]


@pytest.mark.parametrize("options", [["--log-format", "json"], ["--log-level", "warning", "--log-format", "json"]])
def test_a_log_instead_of_messages(call: Call, clip: Path, tmp_path: Path, yunet: Path, options: list[str]) -> None:
    code, out, err = call("run", clip, "-o", tmp_path / "o.mp4", "--duration", "0.4", *options)
    assert (code, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert all(line["time"].endswith("Z") for line in lines)
    if "warning" in options:
        assert lines == []
    else:
        said = {(line["stage"], line["stream"]): line["message"] for line in lines}
        assert said["run", clip.name].startswith("ended: 10 frames")
        assert "10 frames in" in said["cli", ""]
    assert not [one for one in logging.getLogger("streamer").handlers if isinstance(one, logging.StreamHandler)]


def test_a_video_into_two_files_with_a_report(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    one, two, report = tmp_path / "one.mp4", tmp_path / "two.mkv", tmp_path / "r.json"
    code, out, err = call("run", clip, "-o", one, "-o", two, "--report", report, "--every", "5")
    assert (code, out) == (0, "")
    assert frames_in(one) == frames_in(two) == 250
    summary = json.loads(report.read_text())
    assert summary["captured"] == summary["sealed"] == 250
    assert summary["covered"]["total"] == 0
    assert summary["outputs"] == [str(one), str(two)]
    assert 50 <= summary["detector_passes"] <= 52
    assert "250 frames in" in err
    assert "\x1b" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "r.json", "two.mkv"]


def test_the_report_takes_no_other_place(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    """It was moved over the audit log at the end, and over a pipe that somebody waited at."""
    log, pipe = tmp_path / "log.json", tmp_path / "pipe.json"
    os.mkfifo(pipe)
    taken: list[str | Path] = ["--who", "unknown", "--audit", log, "--report", log]
    waiting: list[str | Path] = ["--report", pipe]
    for asked, why in ((taken, "another record"), (waiting, "not an ordinary file")):
        code, _, err = call("run", clip, "-o", tmp_path / "out.mp4", *asked)
        assert code == 2
        assert f"report {asked[-1]} is {why}" in err
    assert not log.exists()
    assert pipe.is_fifo()


def test_quiet_is_silent(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    assert call("run", clip, "-o", tmp_path / "o.mp4", "-q", "--duration", "1") == (0, "", "")
    assert 24 <= frames_in(tmp_path / "o.mp4") <= 26


def test_what_is_left_visible_is_said_also_when_quiet(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    sizes = ["--set", "detector.min_face_px=30", "--set", "detector.max_face_px=90"]
    sizes += ["--set", "detector.i_accept_visible_faces=true"]
    code, out, err = call("run", clip, "-o", tmp_path / "o.mp4", "-q", "--duration", "1", *sizes)
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "streamer: warning: faces below 30 px are left visible (detector.min_face_px)",
        "streamer: warning: faces above 90 px are left visible (detector.max_face_px)",
    ]


def test_notes_are_told_once_each_and_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    info = SourceInfo("drawn", 8, 8, live=True)
    plain, grave = Note("lost: it broke off"), Note("faces are left visible", warning=True)
    told = Notes(Terminal())
    for notes in ((), (grave,), (grave,), (grave, plain), (grave, plain)):
        told.tell(Status(True, info, 0, 0, 0, 0, 0, 0.0, None, 0.0, notes))
    assert capsys.readouterr().err.splitlines() == [
        "streamer: warning: faces are left visible",
        "note: lost: it broke off",
    ]


def test_an_existing_output_needs_force(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"precious")
    code, _, err = call("run", clip, "-o", output)
    assert code == 2
    assert "--force" in err
    assert output.read_bytes() == b"precious"
    assert call("run", clip, "-o", output, "--force", "--duration", "1")[0] == 0
    assert frames_in(output) > 20


def test_sound_is_dropped_and_said(call: Call, media: Path, tmp_path: Path, yunet: Path) -> None:
    video = media / "media/video/webcam_pyfeat_man_360p.mp4"
    code, _, err = call("run", video, "-o", tmp_path / "o.mp4")
    assert code == 0
    assert "sound" in err
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_folder_of_videos(call: Call, clip: Path, tmp_path: Path, yunet: Path) -> None:
    """One bad video does not keep the others from being done, and the exit code tells of it."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.mp4").write_text("this is no video\n" * 40)
    (tmp_path / "in" / "deep" / "b.mp4").write_bytes(clip.read_bytes())
    report = tmp_path / "r.json"
    code, _, err = call("run", tmp_path / "in", "-o", tmp_path / "out", "--duration", "1", "--report", report)
    assert code == 3
    assert f"streamer: error: {tmp_path}/in/a.mp4: " in err
    assert frames_in(tmp_path / "out" / "deep" / "b.mp4") > 20
    assert not (tmp_path / "out" / "a.mp4").exists()
    first, second = json.loads(report.read_text())["runs"]
    assert first["input"]["name"].endswith("a.mp4")
    assert "InputError" in first["error"]
    assert second["captured"] > 20


def test_a_folder_of_pictures(call: Call, tmp_path: Path, yunet: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, size in (("a.png", (90, 161)), ("deep/b.jpg", (64, 64))):
        cv2.imwrite(str(tmp_path / "in" / name), np.full((*size, 3), 77, np.uint8))
    assert call("run", tmp_path / "in", "-q") == (0, "", "")
    results = tmp_path / "in_anonymized"
    assert sorted(str(path.relative_to(results)) for path in results.rglob("*.*")) == ["a.png", "deep/b.jpg"]
    assert np.all(np.asarray(cv2.imread(str(results / "a.png"))) == 77)
    code, _, err = call("run", tmp_path / "in")
    assert code == 2
    assert "holds a.png and 1 more" in err


def test_the_demo_ends_when_it_is_written_and_plays_when_it_is_shown(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yunet: Path
) -> None:
    small = ["--set", "source.demo.width=320", "--set", "source.demo.height=180"]
    code, _, err = call("run", "demo", "-o", "null", *small, "--report", tmp_path / "r.json")
    assert code == 0
    assert "no end" in err
    assert json.loads((tmp_path / "r.json").read_text())["sealed"] == 250
    code, _, err = call("run", "demo", "-o", "null", *small, "--set", "source.demo.duration_s=1")
    assert (code, "no end" in err) == (0, False)
    assert "25 frames in" in err
    terminal = Terminal(quiet=True)
    assert run_verb.demo_settings(Config(), ["window"], terminal).source == {"demo": {"realtime": True}}
    assert run_verb.demo_settings(Config(), ["virtual", "a.mp4"], terminal).run.duration_s is None


def test_pictures_that_cannot_be_read_fail_the_run(call: Call, tmp_path: Path, yunet: Path) -> None:
    """The others are done; a script must not take the folder for complete."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("1.png", "3.png"):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), 90, np.uint8))
    (folder / "2.png").write_text("words")
    code, _, err = call("run", folder, "-o", tmp_path / "safe", "--report", tmp_path / "r.json")
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "safe").iterdir()) == ["1.png", "3.png"]
    assert f"note: {folder / '2.png'} is not a picture that can be read" in err
    assert f"error: 1 of the pictures in {folder} could not be read" in err
    assert json.loads((tmp_path / "r.json").read_text())["sealed"] == 2


# -- signals ------------------------------------------------------------------------------------------------------


def started(clip: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    """The program in the middle of a run of ten seconds."""
    process = subprocess.Popen(
        [*PROGRAM, "run", str(clip), "-o", str(output), "--realtime", *more], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not output.exists() or output.stat().st_size < 1000:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_good_order(clip: Path, tmp_path: Path, yunet: Path, number: signal.Signals) -> None:
    output, report = tmp_path / "o.mp4", tmp_path / "r.json"
    process = started(clip, output, "--report", str(report))
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < STOPPED_WITHIN_S
    assert process.returncode == 0
    assert "stopping" in err
    assert 1 < frames_in(output) < 250
    assert json.loads(report.read_text())["emitted"][str(output)]["frame"] == frames_in(output)


def test_two_signals_end_at_once(clip: Path, tmp_path: Path, yunet: Path) -> None:
    process = started(clip, tmp_path / "o.mp4")
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.15)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert time.monotonic() - asked < STOPPED_WITHIN_S
    assert process.returncode == 0
    assert frames_in(tmp_path / "o.mp4") >= 1


# -- what a person sees -------------------------------------------------------------------------------------------


def test_progress_on_a_terminal(clip: Path, tmp_path: Path, yunet: Path) -> None:
    screen, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*PROGRAM, "run", str(clip), "-o", str(tmp_path / "o.mp4")], stderr=terminal, env=environment
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(screen, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(screen)
    assert process.wait(60) == 0
    assert b"/250" in seen
    assert b"fps" in seen
    assert b"250 frames in" in seen


def test_the_status_line_of_a_live_stream() -> None:
    info = SourceInfo("rtsp://***@host/live", 1280, 720, live=True, fps=25.0)
    status = Status(
        running=True, info=info, captured=200, sealed=190, covered=3, drops=7, faces=2, fps=24.96, latency_s=0.1234,
        elapsed_s=8.2,
    )  # fmt: skip
    assert live_line(status) == ("rtsp://***@host/live  8 s  25.0 fps  dropped 7  latency 123 ms  faces 2  covered 3")


def test_the_status_line_tells_how_old_a_live_picture_is() -> None:
    info = SourceInfo("yard", 1280, 720, live=True, fps=25.0)
    status = Status(
        running=True, info=info, captured=200, sealed=190, covered=3, drops=7, faces=2, fps=24.96, latency_s=0.1234,
        camera_s=1.25, elapsed_s=8.2,
    )  # fmt: skip
    assert "latency 123 ms (from the camera 1250 ms)" in live_line(status)


def test_the_last_line_tells_what_stood_for_frames() -> None:
    summary = {
        "input": {"name": "yard"}, "sealed": 90, "wall_s": 4.0, "fps": 22.5, "faces_hidden": 7, "outputs": ["window"],
        "covered": {"total": 3}, "dropped": {"total": 2}, "emitted": {"window": {"frame": 80, "repeat": 5, "slate": 4}},
    }  # fmt: skip
    assert summary_line(summary).endswith("covered whole 3, dropped 2, shown again 5, slates 4 -> window")
    summary["emitted"] = {"window": {"frame": 80}}
    assert summary_line(summary).endswith("covered whole 3, dropped 2 -> window")


def test_how_many_frames_there_will_be() -> None:
    video = SourceInfo("v", 4, 4, live=False, fps=25.0, frames=100)
    assert expected_frames(video, None) == 100
    assert expected_frames(video, 2.0) == 50
    assert expected_frames(video, 20.0) == 100
    assert expected_frames(SourceInfo("v", 4, 4, live=True), 2.0) is None


# -- the other verbs ----------------------------------------------------------------------------------------------


def test_check_says_what_works(call: Call, yunet: Path) -> None:
    code, out, err = call("check")
    assert (code, err) == (0, "")
    for words in ("onnxruntime", "yunet (face detection), weights MIT", "yunet runs on cpu", "libx264", "ready"):
        assert words in out


def test_check_without_the_model_names_the_remedy(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, out, _ = call("check")
    assert code == 1
    assert "-> streamer models pull yunet" in out
    assert "not ready" in out


def test_models(call: Call, yunet: Path) -> None:
    code, out, _ = call("models", "list")
    assert code == 0
    assert "yunet" in out
    assert "MIT" in out
    assert call("models", "path", "yunet") == (0, f"{yunet}\n", "")
    assert call("models", "verify", "yunet")[0] == 0


def test_models_verify_finds_the_bad_one(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "face_detection_yunet_2023mar_int8bq.onnx").write_bytes(b"damaged")
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path))
    code, out, err = call("models", "verify", "yunet")
    assert code == 2
    assert "damaged" in out
    damaged = tmp_path / "face_detection_yunet_2023mar_int8bq.onnx"  # pull would not touch it
    assert err == f"streamer: error: not good: yunet; replace or remove {damaged}\n"


def test_config_prints_the_shipped_file(call: Call) -> None:
    shipped = Path(__file__).resolve().parents[2] / "config.yaml"
    assert call("config") == (0, shipped.read_text(encoding="utf-8"), "")
    assert call("config", "--check", shipped) == (0, f"{shipped}: good\n", "")
