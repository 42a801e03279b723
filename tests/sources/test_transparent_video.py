"""Video with transparency: what is hidden under it appears in no frame and in no output."""

from __future__ import annotations

import gc
import sys
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.parts import build
from streamer.core.errors import InputError, SourceLost
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.transparency import NOTE
from streamer.core.types import Captured
from streamer.sources import Source, _av
from streamer.sources._upright import Upright

FORMATS = [
    ("a.mov", "qtrle", "argb"),
    ("a.mov", "prores_ks", "yuva444p10le"),
    ("a.webm", "libvpx-vp9", "yuva420p"),
    ("a.mkv", "libvpx-vp9", "yuva420p"),
    ("a.mkv", "ffv1", "bgra"),
    ("a.mkv", "ffv1", "yuva420p"),
    ("a.mkv", "ffv1", "yuva444p16le"),
    ("a.mkv", "ffv1", "gbrap16le"),
    ("a.mov", "png", "rgba"),
    ("a.avi", "rawvideo", "bgra"),
]
"""Containers and codecs that keep an opacity."""
WIDTH, HEIGHT = 96, 64
SECRET, SEEN = (0, 0, 255), (0, 200, 0)


def art(opacity: int = 0) -> NDArray[np.uint8]:
    """BGRA: red of this opacity on the left, opaque green on the right."""
    bgra = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    bgra[:, : WIDTH // 2] = (*SECRET, opacity)
    bgra[:, WIDTH // 2 :, :3] = SEEN
    return bgra


def video(path: Path, codec: str, format: str, opacity: int = 0, number: int = 5) -> Path:
    options = {"lossless": "1"} if codec == "libvpx-vp9" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, format
        for pts in range(number):
            frame = av.VideoFrame.from_ndarray(art(opacity), format="bgra").reformat(format=format)
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def opened(path: Path) -> Source:
    source: Source = build("sources", "file", {"path": path}, Context())
    return source


def first(path: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """The first frame as BGR, away from the edge in the middle; and what was noted."""
    with closing(opened(path)) as source:
        frames = []
        while isinstance(captured := source.read(), Captured):
            frames.append(captured.image.bgr())
        assert len(frames) == 5
        return frames[-1], source.warnings


@pytest.mark.parametrize(("name", "codec", "format"), FORMATS)
def test_what_is_transparent_is_black(name: str, codec: str, format: str, tmp_path: Path) -> None:
    bgr, notes = first(video(tmp_path / name, codec, format))
    assert bgr[:, : WIDTH // 2 - 4].max() < 8, "nothing of the red"
    assert np.abs(bgr[:, WIDTH // 2 + 4 :].reshape(-1, 3).mean(axis=0) - SEEN).max() < 12
    assert notes == [f"{name}: {NOTE}"]


def test_half_transparent_is_half_as_bright(tmp_path: Path) -> None:
    bgr, _ = first(video(tmp_path / "a.mkv", "ffv1", "bgra", opacity=128))
    assert bgr[:, : WIDTH // 2 - 4].reshape(-1, 3).mean(axis=0)[2] == pytest.approx(128, abs=10)


def test_an_opaque_video_keeps_its_samples(tmp_path: Path) -> None:
    """The opacity is dropped, and nothing is converted there and back."""
    plain, opaque = (
        video(tmp_path / "a.mkv", "ffv1", "yuv420p", 255),
        video(tmp_path / "b.mkv", "ffv1", "yuva420p", 255),
    )
    assert np.array_equal(first(plain)[0], first(opaque)[0])
    assert first(plain)[1] == []


@pytest.mark.parametrize(("name", "codec", "format"), [FORMATS[0], FORMATS[2]])
def test_nothing_of_it_is_in_the_output(name: str, codec: str, format: str, tmp_path: Path) -> None:
    video(tmp_path / name, codec, format)
    result = CliRunner().invoke(app, ["run", str(tmp_path / name), "-o", str(tmp_path / "out.mp4")])
    assert result.exit_code == 0, result.output
    assert NOTE in result.output
    with av.open(str(tmp_path / "out.mp4")) as container:
        for frame in container.decode(video=0):
            assert frame.to_ndarray(format="bgr24")[:, : WIDTH // 2 - 8, 2].max() < 24


def test_without_a_decoder_for_it_the_video_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(tmp_path / "a.webm", "libvpx-vp9", "yuva420p")
    monkeypatch.setitem(_av._WITH_ALPHA, "vp9", "libvpx-of-nobody")
    with pytest.raises(InputError, match=r"has no libvpx-of-nobody to see that; lay it on a colour first"):
        opened(path)


def test_the_other_decoder_keeps_to_the_bounds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(tmp_path / "a.webm", "libvpx-vp9", "yuva420p")
    monkeypatch.setattr(_av, "BOUNDS", {"max_pixels": "100"})
    with pytest.raises(InputError, match=r"a\.webm"):
        opened(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads as Linux lists them")
def test_frames_start_no_threads_of_their_own(tmp_path: Path) -> None:
    """Every frame had a converter with threads, which lived until memory was tidied: hundreds, of a folder of films."""
    path = tmp_path / "a.cdg"
    path.write_bytes(b"\x89><Bas-1eNaNURL>a.mp4</BaseURL></Period></MPD>")  # to FFmpeg, graphics of a karaoke disc

    def played() -> None:
        with closing(opened(path)) as source:
            while source.read() is not None:
                pass

    tasks = Path("/proc/self/task")
    gc.collect()
    gc.disable()
    try:
        played()
        before = len(list(tasks.iterdir()))
        for _ in range(30):
            played()
        assert len(list(tasks.iterdir())) <= before + 8
    finally:
        gc.enable()


def test_a_conversion_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no threads left, FFmpeg's word is an error of the system."""
    source = opened(video(tmp_path / "a.mkv", "ffv1", "bgra"))

    def fail(turned: Upright, frame: av.VideoFrame) -> Picture:
        raise av.error.BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Upright, "__call__", fail)
    with closing(source), pytest.raises(SourceLost, match=r"a\.mkv can no longer be read: Resource temporarily"):
        source.read()
