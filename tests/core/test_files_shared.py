"""Files in a folder that is shared with others, who may put links there: none is followed, none is mixed up."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from support.weights import weights
from typer.testing import CliRunner

from streamer.anonymize.frame import AnonymizedFrame, derive, slate
from streamer.cli._runs import write_report
from streamer.cli.app import app
from streamer.config.endpoints import jobs, parse_input
from streamer.config.parts import build
from streamer.core.errors import SinkError, StreamerError, UsageError
from streamer.core.files import PRIVATE, append_to, create, write_whole
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.people.attendance import Attendance
from streamer.people.audit import AuditLog, verify
from streamer.people.store import GalleryFile
from streamer.sinks import Sink, StreamFormat
from streamer.sinks._disk import DiskFile

SIZE = (64, 48)
VIDEO = StreamFormat(*SIZE, 25.0, live=False, stills=False, title="clip")
STILLS = StreamFormat(*SIZE, 25.0, live=False, stills=True, title="pictures")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that others may write to, and beside it somebody's file."""
    (tmp_path / "victim").write_bytes(b"theirs")
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture(autouse=True)
def _unharmed(tmp_path: Path) -> Iterator[None]:
    yield
    if (tmp_path / "victim").exists():
        assert (tmp_path / "victim").read_bytes() == b"theirs"


def frame(number: int, name: str | None = None, gray: int = 100) -> AnonymizedFrame:
    picture = Picture.from_bgr(np.full((SIZE[1], SIZE[0], 3), gray, np.uint8), format="bgrp")
    return derive(slate(number, number / 25, SIZE, name=name), lambda _: picture)


def opened(path: Path, *, force: bool = False) -> Sink:
    kind = "file" if path.suffix == ".mp4" else "images"
    sink: Sink = build("sinks", kind, {"path": path, "force": force}, Context())
    sink.open(VIDEO if kind == "file" else STILLS)
    return sink


def written(path: Path, *, force: bool = False, gray: int = 100) -> None:
    sink = opened(path, force=force)
    write(sink, path.name, gray)
    sink.close()


def write(sink: Sink, name: str, gray: int = 100) -> None:
    for number in range(3 if name.endswith(".mp4") else 1):
        sink.write(frame(number, name, gray))


def gray_of(path: Path) -> float:
    """The mean of a video's or picture's first frame."""
    if path.suffix != ".mp4":
        bgr = cv2.imread(str(path))
        assert bgr is not None
        return float(bgr.mean())
    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
@pytest.mark.parametrize("leads_to", ["victim", "nowhere"])
class TestAPlantedLink:
    """Videos and pictures treat links alike, wherever they lead."""

    def test_is_refused_like_a_file_that_is_there(self, shared: Path, name: str, leads_to: str) -> None:
        (shared / name).symlink_to(Path("..") / leads_to)
        with pytest.raises(UsageError, match=rf"{name} exists; choose another path, or --force to replace it"):
            opened(shared / name)
        if name == "out.mp4":  # said before anything is opened, too
            with pytest.raises(UsageError, match=rf"{name} exists; choose another path, or --force"):
                jobs(parse_input("demo"), [str(shared / name)])
        assert not (shared.parent / "nowhere").exists()

    def test_is_replaced_and_not_followed(self, shared: Path, name: str, leads_to: str) -> None:
        (shared / name).symlink_to(Path("..") / leads_to)
        written(shared / name, force=True)
        assert not (shared / name).is_symlink()
        assert gray_of(shared / name) == pytest.approx(100, abs=3)
        assert [path.name for path in shared.iterdir()] == [name]
        assert not (shared.parent / "nowhere").exists()

    def test_is_refused_when_it_comes_after_the_check(self, shared: Path, name: str, leads_to: str) -> None:
        sink = opened(shared / name)
        (shared / name).symlink_to(Path("..") / leads_to)
        with pytest.raises((SinkError, UsageError), match=name):
            write(sink, name)
        sink.close()
        assert (shared / name).is_symlink()
        assert not (shared.parent / "nowhere").exists()


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
@pytest.mark.parametrize("leads_to", ["victim", "nowhere"])
def test_a_link_planted_after_every_check_is_refused(
    shared: Path, name: str, leads_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the very moment at which the file is made."""
    sink = opened(shared / name)
    kind = "file" if name == "out.mp4" else "images"
    monkeypatch.setattr(
        f"streamer.sinks.{kind}.check_output", lambda path, force: path.symlink_to(Path("..") / leads_to)
    )
    with pytest.raises(SinkError, match=rf"{name}: cannot write \(File exists\)"):
        write(sink, name)
    sink.close()
    assert (shared / name).is_symlink()
    assert [path.name for path in shared.iterdir()] == [name]
    assert not (shared.parent / "nowhere").exists()


def test_a_link_in_the_folder_of_pictures_leads_nowhere(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (shared / "out").mkdir()
    (shared / "out" / "sub").symlink_to("../../elsewhere")
    sink = opened(shared / "out")
    for name in ("sub/a.png", "sub/deep/a.png"):
        with pytest.raises(SinkError, match=r"sub\S* leads out of .*out; take the link away, or choose another folder"):
            sink.write(frame(0, name))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (shared / "out" / "round").symlink_to("round")
    with pytest.raises(SinkError, match=r"round leads out of .*out; take the link away"):
        sink.write(frame(0, "round/a.png"))


def test_a_link_in_the_folder_of_videos_leads_nowhere(shared: Path, tmp_path: Path) -> None:
    """Videos and pictures treat links alike, also between the output folder and the file."""
    (tmp_path / "elsewhere").mkdir()
    (shared / "in" / "sub").mkdir(parents=True)
    written(shared / "in" / "sub" / "a.mp4")
    (shared / "out").mkdir()
    (shared / "out" / "sub").symlink_to("../../elsewhere")
    weights("yunet")
    asked = ["run", str(shared / "in"), "-o", f"{shared / 'out'}/"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 1
    assert "sub leads out of" in result.output.replace("\n", " ")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (shared / "out" / "sub").unlink()
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert (shared / "out" / "sub" / "a.mp4").is_file()


def test_what_came_meanwhile_is_kept(shared: Path) -> None:
    """Without leave to replace, the file that is there at the last moment counts, not the one looked for before."""
    attendance = Attendance(shared / "list.csv")
    (shared / "list.csv").write_bytes(b"theirs")
    with pytest.raises(StreamerError, match=r"list\.csv could not be written: File exists"):
        attendance.write()
    assert (shared / "list.csv").read_bytes() == b"theirs"
    (shared / "list.csv").unlink()
    attendance.write()
    attendance.write()
    assert (shared / "list.csv").read_bytes().startswith(b"name,")


def test_a_video_that_fails_takes_only_its_own_file_away(shared: Path) -> None:
    """Another program may have moved its own there."""
    file = DiskFile(shared / "a.mp4", replace=False)
    file.write(b"begun")
    write_whole(shared / "a.mp4", b"theirs")
    file.failure = OSError(28, "No space left on device")
    file.close()
    assert (shared / "a.mp4").read_bytes() == b"theirs"


def test_an_output_that_grows_takes_the_place_of_what_was_there(shared: Path) -> None:
    (shared / "a").symlink_to("../victim")
    with create(shared / "a", replace=True) as file:
        file.write(b"mine")
        assert (shared / "a").read_bytes() == b"mine", "everybody sees it grow"
    with pytest.raises(FileExistsError):
        create(shared / "a", replace=False)
    assert [path.name for path in shared.iterdir()] == ["a"]


def test_what_cannot_be_put_in_its_place_leaves_nothing(shared: Path) -> None:
    (shared / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        create(shared / "a", replace=True)
    assert [path.name for path in shared.iterdir()] == ["a"]


def test_appending_follows_no_link_and_fills_no_pipe(shared: Path) -> None:
    (shared / "link").symlink_to("../victim")
    os.mkfifo(shared / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|no ordinary file"):
            append_to(shared / name, mode=PRIVATE)
        with pytest.raises(UsageError, match=rf"audit log .*{name} cannot be written"):
            AuditLog(shared / name, model="m", config="c")


# -- two outputs in one folder -------------------------------------------------------------------------------------


def test_two_outputs_in_one_folder_are_each_right_a_hundred_times(shared: Path) -> None:
    """Under one common name beside them, one held the other's pictures."""
    names = {"x.png": b"\x89PNG", "y.jpg": b"\xff\xd8\xff", "z.mp4": b"\0\0\0"}
    for number in range(100):
        grays = {name: 20 + 10 * place + number for place, name in enumerate(names)}
        threads = [
            threading.Thread(target=written, args=(shared / name,), kwargs={"force": True, "gray": gray})
            for name, gray in grays.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(path.name for path in shared.iterdir()) == sorted(names)
        for name, begin in names.items():
            assert (shared / name).read_bytes().startswith(begin)
            assert gray_of(shared / name) == pytest.approx(grays[name], abs=3)


# -- what names or shows people ------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("there", [False, True])
def test_what_names_people_is_private_whatever_the_umask(shared: Path, umask: int, there: bool) -> None:
    names = ["report.json", "attendance.csv", "audit.log", "people.gallery"]
    if there:
        for name in {"report.json", "audit.log"}:
            (shared / name).touch()
            (shared / name).chmod(0o666)
    write_report(shared / "report.json", [{"schema": 1}])
    attendance = Attendance(shared / "attendance.csv")
    attendance.write()
    AuditLog(shared / "audit.log", model="m", config="c").close()
    file = GalleryFile(shared / "people.gallery")
    file.update("m-0", lambda c: c.added("Ann", np.eye(1, 4, dtype=np.float32), now=1.0))
    assert {name: mode(shared / name) for name in names} == dict.fromkeys(names, 0o600)
    assert verify(shared / "audit.log").problem is None


def test_the_montage_and_crops_are_private(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The montage is written by the sink of pictures, told to keep it private."""
    sink: Any = opened(shared / "montage.png")
    sink.mode = PRIVATE
    sink.write(frame(0))
    write_whole(shared / "crop", b"x", mode=PRIVATE)
    assert (mode(shared / "montage.png"), mode(shared / "crop")) == (0o600, 0o600)


def test_other_files_have_the_rights_that_the_system_gives(shared: Path) -> None:
    before = os.umask(0o027)
    try:
        written(shared / "a.mp4")
        written(shared / "a.png")
    finally:
        os.umask(before)
    assert (mode(shared / "a.mp4"), mode(shared / "a.png")) == (0o640, 0o640)
