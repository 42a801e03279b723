"""The video file: what another program reads from it, what is refused, and what is left after a failure."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.frames import numbered, psnr, read_video

from streamer.anonymize.frame import derive, slate
from streamer.core.errors import SinkError, UsageError
from streamer.core.options import Context
from streamer.core.picture import BT709, Color
from streamer.sinks import StreamFormat
from streamer.sinks.file import FileSink, Options, build

ENDINGS = ["mp4", "mov", "mkv", "avi", "webm"]


def a_format(width: int = 320, height: int = 240, fps: float = 25.0, *, live: bool = False) -> StreamFormat:
    return StreamFormat(width, height, fps, live=live, stills=False, title="test")


def opened(path: Path, format: StreamFormat | None = None, **options: Any) -> FileSink:
    sink = build(Options(path=path, **options), Context())
    sink.open(format or a_format())
    return sink


@contextmanager
def closing(sink: FileSink) -> Iterator[FileSink]:
    try:
        yield sink
    finally:
        sink.close()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_frame_comes_back_in_order_and_at_its_time(tmp_path: Path, ending: str, live: bool) -> None:
    path = tmp_path / f"out.{ending}"
    frames = [numbered(index, 100.0 + index / 25) for index in range(40)]
    with closing(opened(path, a_format(live=live))) as sink:
        for frame in frames:
            sink.write(frame)
        assert sink.written == 40
    read = read_video(path)
    assert read.numbers == list(range(40))
    assert read.duration_s == pytest.approx(40 / 25, abs=0.002)
    assert np.diff(read.times) == pytest.approx(1 / 25, abs=0.0011)
    assert min(psnr(shown, frame.image) for shown, frame in zip(read.pictures, frames, strict=True)) >= 35
    assert sink.poll() == []


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("h265", "hevc"), ("vp9", "vp9")])
def test_codecs(tmp_path: Path, codec: str, name: str) -> None:
    with closing(opened(tmp_path / "out.mkv", codec=codec, crf=20, preset="veryfast", threads=2)) as sink:
        for index in range(5):
            sink.write(numbered(index, index / 25))
    read = read_video(tmp_path / "out.mkv")
    assert read.codec == name
    assert read.numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_varying_frame_times_are_kept(tmp_path: Path, ending: str) -> None:
    times = [0.0, 0.021, 0.1, 0.5, 0.533, 2.0]
    with closing(opened(tmp_path / f"out.{ending}")) as sink:
        for index, t in enumerate(times):
            sink.write(numbered(index, 7.25 + t))
    read = read_video(tmp_path / f"out.{ending}")
    assert read.times == pytest.approx(times, abs=0.001)
    # A long pause before the last frame says nothing about how long that one lasts: the nominal rate does.
    assert read.duration_s == pytest.approx(2.0 + 0.04, abs=0.002)


def test_an_avi_repeats_pictures_over_gaps_and_keeps_the_speed(tmp_path: Path) -> None:
    times = [0.0, 0.041, 0.079, 0.081, 0.16, 1.0]  # jitter: 0.079 and 0.081 are nearest to the same frame number
    with closing(opened(tmp_path / "out.avi")) as sink:
        for index, t in enumerate(times):
            sink.write(numbered(index, t))
    read = read_video(tmp_path / "out.avi")
    assert [round(t * 25) for t in read.times] == [0, 1, 2, 3, 4, 25]
    assert read.numbers == [0, 1, 2, 3, 4, 5]
    assert read.duration_s == pytest.approx(26 / 25, abs=0.001)


def test_an_avi_leaves_frames_out_that_come_faster_than_its_rate(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "out.avi")) as sink:
        for index in range(100):
            sink.write(numbered(index, index / 50))
    assert sink.written + sink.skipped == 100
    assert read_video(tmp_path / "out.avi").duration_s == pytest.approx(2.0, abs=0.09)


def test_a_frame_that_is_not_later_is_left_out_and_counted(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "out.mp4")) as sink:
        for index, t in enumerate([0.0, 0.04, 0.04, 0.02, 0.08]):
            sink.write(numbered(index, t))
    assert (sink.written, sink.skipped) == (3, 2)
    assert read_video(tmp_path / "out.mp4").numbers == [0, 1, 4]


def test_keyframes_come_by_time(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "out.mp4", keyframe_s=0.5)) as sink:
        for index in range(50):
            sink.write(numbered(index, index / 20))
    read = read_video(tmp_path / "out.mp4")
    assert [index for index, key in enumerate(read.keys) if key] == [0, 10, 20, 30, 40]


def test_another_size_is_letterboxed(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "out.mp4")) as sink:
        sink.write(numbered(5, 0.0))
        sink.write(numbered(0b10101010, 0.04, (480, 160)))  # fits as 320 x 107, with bars above and below
    picture = read_video(tmp_path / "out.mp4").pictures[1]
    assert picture.size == (320, 240)
    assert picture.planes[0][:60].mean() == pytest.approx(16, abs=2)
    assert picture.planes[0][-60:].mean() == pytest.approx(16, abs=2)
    assert picture.planes[0][115:125, 45:75].mean() > 150 > picture.planes[0][115:125, 5:35].mean()


@pytest.mark.parametrize("size", [(427, 239), (64, 8), (16, 16), (1, 33), (2, 2)])
@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_odd_and_tiny_sizes(tmp_path: Path, size: tuple[int, int], codec: str) -> None:
    with closing(opened(tmp_path / "out.mkv", a_format(*size), codec=codec)) as sink:
        for index in range(3):
            sink.write(slate(index, index / 25, size))
    read = read_video(tmp_path / "out.mkv")
    width, height = size
    assert [picture.size for picture in read.pictures] == [(width + width % 2, height + height % 2)] * 3


@pytest.mark.parametrize("color", [Color("bt601", True), BT709])
def test_colours_are_tagged_as_they_are(tmp_path: Path, color: Color) -> None:
    frame = numbered(3, 0.0, color=color)
    with closing(opened(tmp_path / "out.mp4")) as sink:
        sink.write(frame)
    read = read_video(tmp_path / "out.mp4")
    assert read.full_range == color.full_range
    assert (read.matrix == 1) == (color.matrix == "bt709")
    assert np.abs(read.pictures[0].bgr().astype(int) - frame.image.bgr()).mean() < 4


def test_other_colours_in_mid_stream_are_converted(tmp_path: Path) -> None:
    frame = numbered(3, 0.04, color=Color("bt601", True))
    with closing(opened(tmp_path / "out.mp4")) as sink:
        sink.write(numbered(3, 0.0, color=BT709))
        sink.write(frame)
    shown = read_video(tmp_path / "out.mp4").pictures[1]
    assert shown.color == BT709
    assert np.abs(shown.bgr().astype(int) - frame.image.bgr()).mean() < 4


# -- being killed, and full disks ---------------------------------------------------------------------------------

_WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from support.frames import numbered
from test_sinks_file import a_format, opened
sink = opened(Path(sys.argv[1]), a_format(live=sys.argv[2] == "live"), keyframe_s=1.0)
for index in range(90):
    sink.write(numbered(index, index / 25))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("source", ["live", "file"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_after_a_kill_the_file_plays_up_to_the_last_second(tmp_path: Path, ending: str, source: str) -> None:
    path = tmp_path / f"out.{ending}"
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent, here.parents[1])))}
    died = subprocess.run(
        [sys.executable, "-c", _WRITE_AND_DIE, str(path), source], env=environment, timeout=60, check=False
    )
    assert died.returncode == -signal.SIGKILL
    numbers = read_video(path).numbers
    assert len(numbers) >= 90 - 25  # 90 frames are 3.6 s; the fourth second was not finished
    assert numbers == list(range(len(numbers)))


@contextmanager
def size_limit(bytes_: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def noisy(number: int) -> Any:
    """A frame that does not compress, to fill a disk with."""
    noise = np.random.default_rng(number).integers(0, 256, 320 * 240 * 3 // 2, dtype=np.uint8)

    def painted(picture: Any) -> Any:
        canvas = picture.canvas()
        canvas.buffer[:] = noise
        return canvas

    return derive(slate(number, number / 25, (320, 240)), painted)


def fill(sink: FileSink, message: str) -> int:
    """Write until the sink complains; how many frames went in."""

    def write_all() -> None:
        for number in range(400):
            sink.write(noisy(number))

    with pytest.raises(SinkError, match=message) as caught:
        write_all()
    sink.close()  # the failure was told once
    sink.close()
    assert "\n" not in str(caught.value)
    return sink.written


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_size_limit_is_one_clear_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    with size_limit(3_000_000):
        written = fill(opened(path, keyframe_s=0.2), f"^file size limit reached: .*out.{ending}")
    assert 20 < len(read_video(path).pictures) <= written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_is_one_clear_error_and_the_file_plays(small_disk: Path, ending: str) -> None:
    path = small_disk / f"out.{ending}"
    written = fill(opened(path, keyframe_s=0.2), f"^disk full: .*out.{ending}")
    assert 20 < len(read_video(path).pictures) <= written


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_wherever_the_space_ends_the_file_plays(tmp_path: Path, ending: str, live: bool) -> None:
    """A file's end is written in several steps, some of them at its beginning; each may be the one that fails."""

    def write(name: str) -> Path:
        sink = opened(tmp_path / f"{name}.{ending}", a_format(64, 48, live=live))
        with closing(sink):
            for index in range(60):
                sink.write(numbered(index, index / 25, (64, 48)))
        return sink.path

    whole = write("whole").stat().st_size
    for limit in range(whole // 2, whole, max(1, whole // 60)):
        path = tmp_path / f"{limit}.{ending}"
        with size_limit(limit), pytest.raises(SinkError, match=r"^file size limit reached"):
            write(str(limit))
        if not path.exists():  # not even the first second was finished
            assert limit < whole * 0.7
            continue
        numbers = read_video(path).numbers
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= (1 if ending == "avi" else 25)


def test_a_disk_that_is_full_at_the_very_end(small_disk: Path) -> None:
    path = small_disk / "out.mp4"
    sink = opened(path)
    for number in range(26):
        sink.write(noisy(number))
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "other").write_bytes(bytes(free))
    with pytest.raises(SinkError, match=r"^disk full"):
        sink.close()
    sink.close()
    assert len(read_video(path).pictures) == 25  # the finished fragment


def test_a_disk_that_is_full_from_the_beginning_leaves_no_file(small_disk: Path) -> None:
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "other").write_bytes(bytes(free))
    sink = opened(small_disk / "out.mp4", keyframe_s=0.1)
    with pytest.raises(SinkError, match=r"^disk full"):
        sink.write(noisy(0))
    sink.close()
    assert not sink.path.exists()


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/out.mp4", "output folder .*missing does not exist; create it with: mkdir"),
        ("file/out.mp4", "output folder .*file is not a folder"),
        ("folder.mp4", "output .*folder.mp4 is a folder"),
        ("there.mp4", "output .*there.mp4 exists; .*--force"),
        ("out.xyz", "output .*out.xyz: .xyz is no video file; use one of .mp4, .mov, .mkv, .webm, .avi"),
        ("out", "output .*out: no extension is no video file"),
        ("fifo.mp4", "output .*fifo.mp4 is not an ordinary file"),
        ("n" * 300 + ".mp4", "output .*cannot be used"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "there.mp4").write_bytes(b"precious")
    os.mkfifo(tmp_path / "fifo.mp4")
    before = sorted(tmp_path.iterdir())
    sink = build(Options(path=tmp_path / path), Context())
    with pytest.raises(UsageError, match=message) as caught:
        sink.open(a_format())
    sink.close()
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = Path("/proc/sys")  # not even root may make a file here
    if not folder.is_dir():
        pytest.skip("there is no /proc here")
    sink = build(Options(path=folder / "out.mp4"), Context())
    with pytest.raises(UsageError, match=r"/proc/sys may not be written"):
        sink.open(a_format())


@pytest.mark.parametrize(("path", "codec"), [("out.webm", "h264"), ("out.avi", "vp9"), ("out.mov", "vp9")])
def test_codecs_that_do_not_fit_the_container(tmp_path: Path, path: str, codec: str) -> None:
    sink = build(Options.model_validate({"path": tmp_path / path, "codec": codec}), Context())
    with pytest.raises(UsageError, match=f"cannot hold {codec}"):
        sink.open(a_format())


def test_nothing_is_touched_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    opened(tmp_path / "there.mp4", force=True).close()
    opened(tmp_path / "new.mp4").close()
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    assert not (tmp_path / "new.mp4").exists()


def test_force_replaces_the_file(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"worthless" * 100_000)
    with closing(opened(tmp_path / "there.mp4", force=True)) as sink:
        sink.write(numbered(9, 0.0))
    assert read_video(tmp_path / "there.mp4").numbers == [9]


def test_a_file_that_appears_after_opening_is_not_overwritten(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out.mp4")
    (tmp_path / "out.mp4").write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        sink.write(numbered(0, 0.0))
    sink.close()
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_a_size_no_encoder_takes_leaves_no_file(tmp_path: Path) -> None:
    sink = opened(tmp_path / "out.mp4", a_format(20000, 16))
    with pytest.raises(SinkError, match=r"out.mp4: .*cannot encode 20000x16 pixels"):
        sink.write(slate(0, 0.0, (20000, 16)))
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_size_no_encoder_takes_spares_the_file_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"precious")
    sink = opened(tmp_path / "out.mp4", a_format(20000, 16), force=True)
    with pytest.raises(SinkError, match="cannot encode 20000x16 pixels"):
        sink.write(slate(0, 0.0, (20000, 16)))
    sink.close()
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_closing_twice_and_without_opening(tmp_path: Path) -> None:
    sink = build(Options(path=tmp_path / "out.mp4"), Context())
    sink.close()
    with pytest.raises(SinkError, match="before it was opened"):
        sink.write(numbered(0, 0.0))
    sink.close()


def test_no_file_descriptor_is_left(tmp_path: Path) -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc here")
    before = descriptors()
    for index in range(5):
        with closing(opened(tmp_path / f"{index}.mp4")) as sink:
            sink.write(numbered(0, 0.0))
    assert descriptors() == before
