"""Bad and odd input through the whole program: the right result, or one clear line and the documented exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from fakes import MovingFace

from streamer.__main__ import command
from streamer.core.picture import Picture

pytestmark = pytest.mark.usefixtures("yunet")

FRAMES = 10


class Result(NamedTuple):
    code: int
    errors: str


Call = Callable[..., Result]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["streamer", "run", *map(str, arguments)])
        code = command()
        return Result(code, capfd.readouterr().err)

    return run


def write_video(
    path: Path,
    *,
    size: tuple[int, int] = (160, 120),
    frames: int = FRAMES,
    pixels: str = "yuv420p",
    codec: str = "libx264",
) -> Path:
    """A drawn video in the form asked for."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.options = {"qp": "0"} if codec == "libx264" and size[1] < 16 else {}
        for number in range(frames):
            bgr = np.full((size[1], size[0], 3), 90 + number, np.uint8)
            bgr[: size[1] // 2, : size[0] // 2] = (40, 120, 200)
            frame = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sizes(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(frame.width, frame.height) for frame in container.decode(video=0)]


# -- what is refused ------------------------------------------------------------------------------------------------


def zero_bytes(folder: Path) -> Path:
    (folder / "in.mp4").write_bytes(b"")
    return folder / "in.mp4"


def text(folder: Path) -> Path:
    (folder / "in.mp4").write_text("this is no video\n" * 50)
    return folder / "in.mp4"


def without_index(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", frames=50).read_bytes()
    (folder / "in.mp4").write_bytes(whole[: len(whole) // 3])
    return folder / "in.mp4"


def sound_only(folder: Path) -> Path:
    with av.open(str(folder / "in.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return folder / "in.m4a"


def empty_folder(folder: Path) -> Path:
    (folder / "in").mkdir()
    return folder / "in"


@pytest.mark.parametrize(
    "make", [lambda folder: folder / "in.mp4", zero_bytes, text, without_index, sound_only, empty_folder]
)
def test_inputs_that_are_none(make: Callable[[Path], Path], call: Call, tmp_path: Path) -> None:
    source = make(tmp_path)
    output = tmp_path / ("out" if source.is_dir() else "out.mp4")
    result = call(source, "-o", output)
    assert result.code == 3, result.errors
    assert len(result.errors.splitlines()) == 1
    assert source.name in result.errors
    assert not output.exists() or not any(output.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["97"], 3, "camera"),
        (["/dev/video97"], 3, "camera"),
        (["rtsp://127.0.0.1:9/nothing"], 3, "127.0.0.1"),
        (["rtsp://user:geheim@no-such-host.invalid/live"], 3, "no-such-host"),
        (["IN", "-o", "nowhere/out.mp4"], 2, "nowhere"),
        (["IN", "-o", "IN"], 2, "input"),
        (["IN", "-o", "out.mp4", "-o", "out.mp4"], 2, "out.mp4"),
        (["IN", "-o", "ftp://host/x"], 2, "ftp"),
        (["IN", "-o", "out.xyz"], 2, "out.xyz"),
        (["IN", "-o", "out.png"], 2, "out.png"),
        (["IN", "--every", "0", "-o", "null"], 2, "every"),
        (["IN", "--effect", "none", "-o", "null"], 2, "effect"),
        (["IN", "--device", "cuda", "-o", "null"], 2, "cuda"),
    ],
)
def test_one_line_and_the_exit_code(
    arguments: list[str], code: int, words: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4")
    if len(arguments) == 1:
        arguments = [*arguments, "-o", "null"]
    result = call(*("in.mp4" if argument == "IN" else argument for argument in arguments))
    assert result.code == code, result.errors
    assert words.lower() in result.errors.lower()
    assert "Traceback" not in result.errors
    assert "geheim" not in result.errors
    assert len(result.errors.splitlines()) == 1, result.errors
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


# -- what is odd, and works -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "size"),
    [
        ({"size": (427, 239), "pixels": "yuv444p"}, (428, 240)),
        ({"frames": 1}, (160, 120)),
        ({"pixels": "yuv420p10le", "codec": "libx265"}, (160, 120)),
        ({"pixels": "yuv444p"}, (160, 120)),
        ({"pixels": "gray"}, (160, 120)),
        ({"size": (64, 8)}, (64, 8)),
        ({"size": (480, 270)}, (480, 270)),
    ],
)
def test_odd_forms(form: dict[str, Any], size: tuple[int, int], call: Call, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", **form)
    result = call(source, "-o", tmp_path / "out.mp4")
    assert result.code == 0, result.errors
    assert sizes(tmp_path / "out.mp4") == [size] * int(str(form.get("frames", FRAMES)))
    with av.open(str(source)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        a, b = (next(container.decode(video=0)).to_ndarray(format="bgr24") for container in (before, after))
    assert np.abs(a.astype(int) - b[: a.shape[0], : a.shape[1]]).mean() < 8


def test_size_that_changes_in_mid_stream(call: Call, tmp_path: Path) -> None:
    """Two H.264 streams one after the other, as a camera that was reconfigured sends them."""
    parts = [write_video(tmp_path / f"{n}.h264", size=size) for n, size in enumerate([(160, 120), (96, 128)])]
    source = tmp_path / "in.h264"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = call(source, "-o", tmp_path / "out.mp4")
    assert result.code == 0, result.errors
    assert sizes(tmp_path / "out.mp4") == [(160, 120)] * (2 * FRAMES)


def test_cut_off_file_plays_to_the_cut(call: Call, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", frames=100).read_bytes()
    source = tmp_path / "in.mkv"
    source.write_bytes(whole[: len(whole) * 2 // 3])
    result = call(source, "-o", tmp_path / "out.mp4")
    assert result.code == 0, result.errors
    assert 10 < len(sizes(tmp_path / "out.mp4")) < 100
    assert "cut off" in result.errors


def test_drawn_face_in_an_odd_sized_still(call: Call, tmp_path: Path) -> None:
    """A picture goes in and comes out at its own size, also an odd one."""
    import cv2

    source = MovingFace(size=(321, 241))
    cv2.imwrite(str(tmp_path / "in.png"), source.picture(3).bgr())
    assert call(tmp_path / "in.png", "-o", tmp_path / "out.png").code == 0
    back = cv2.imread(str(tmp_path / "out.png"))
    assert back is not None
    assert back.shape == (241, 321, 3)
    assert Picture.from_bgr(np.asarray(back, np.uint8)).size == (321, 241)
