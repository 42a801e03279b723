"""The file source: what is shown, when, and what is said about files that are no good."""

from __future__ import annotations

import gc
import os
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.clips import join, make_clip, make_sound, numbered_bgr, turn_clip
from support.frames import number_of

from streamer.core.errors import InputError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.reasons import DropReason
from streamer.core.types import Captured
from streamer.sources._upright import _orientation, shown_size
from streamer.sources.file import FileSource, Options, build


def opened(path: Path, **options: Any) -> FileSource:
    source = build(Options(path=path, **options), Context())
    assert isinstance(source, FileSource)
    return source


def played(path: Path, **options: Any) -> tuple[FileSource, list[Captured]]:
    """The source, closed, and everything it gave."""
    source = opened(path, **options)
    try:
        pictures = []
        while (captured := source.read()) is not None:
            pictures.append(captured)
        assert source.read() is None  # the end stays the end
    finally:
        source.close()
        source.close()
    return source, pictures


def luma_at(picture: Picture, x: float, y: float) -> int:
    """Luma at a place given as shares of width and height."""
    return int(picture.planes[0][int(y * picture.height), int(x * picture.width)])


# -- pictures and times ---------------------------------------------------------------------------------------------


def test_every_frame_comes_once_and_in_order(tmp_path: Path) -> None:
    source, pictures = played(make_clip(tmp_path / "a.mp4", frames=40, sound=True))
    assert [number_of(one.image) for one in pictures] == list(range(40))
    assert [one.t for one in pictures] == pytest.approx([n / 25 for n in range(40)])
    assert (source.info.width, source.info.height, source.info.fps) == (160, 120, 25.0)
    assert source.info.frames == 40
    assert source.info.duration_s == pytest.approx(1.6)
    assert (source.info.name, source.info.live, source.info.stills, source.info.has_sound) == (
        "a.mp4", False, False, True,
    )  # fmt: skip
    assert source.info.detail.startswith("h264, yuv420p")
    assert source.warnings == []


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "avi", "ts"])
def test_containers(tmp_path: Path, ending: str) -> None:
    source, pictures = played(make_clip(tmp_path / f"a.{ending}", frames=40))
    assert [number_of(one.image) for one in pictures] == list(range(40))
    assert np.diff([one.t or 0.0 for one in pictures]) == pytest.approx(0.04, abs=2e-3)
    assert not source.info.has_sound
    assert source.warnings == []


def test_webm(tmp_path: Path) -> None:
    _, pictures = played(make_clip(tmp_path / "a.webm", frames=8, codec="libvpx-vp9"))
    assert [number_of(one.image) for one in pictures] == list(range(8))


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.52, 1.7, 1.8]
    _, pictures = played(make_clip(tmp_path / "a.mkv", frames=len(times), times=times))
    assert [one.t for one in pictures] == pytest.approx(times)


def test_one_frame(tmp_path: Path) -> None:
    source, pictures = played(make_clip(tmp_path / "a.mp4", frames=1))
    assert [number_of(one.image) for one in pictures] == [0]
    assert source.warnings == []


@pytest.mark.parametrize(
    ("size", "codec", "pix_fmt"),
    [
        ((427, 239), "libx264", "yuv444p"),
        ((427, 239), "ffv1", "yuv420p"),
        ((160, 8), "libx264", "yuv420p"),
        ((160, 120), "ffv1", "yuv420p10le"),
        ((160, 120), "libx265", "yuv420p10le"),
        ((160, 120), "ffv1", "yuv422p"),
        ((160, 120), "ffv1", "gray"),
        ((160, 120), "ffv1", "bgr0"),
        ((160, 120), "mjpeg", "yuvj420p"),
    ],
)
def test_unusual_pictures(tmp_path: Path, size: tuple[int, int], codec: str, pix_fmt: str) -> None:
    path = make_clip(tmp_path / "a.mkv", frames=4, size=size, codec=codec, pix_fmt=pix_fmt, first=5)
    source, pictures = played(path)
    assert (source.info.width, source.info.height) == size
    assert len(pictures) == 4
    for n, one in enumerate(pictures):
        assert one.image.size == size
        assert one.image.format == "i420"
        want = numbered_bgr(5 + n, size).astype(int)
        got = one.image.bgr().astype(int)
        if pix_fmt == "gray":
            want, got = want @ (0.114, 0.587, 0.299), got.mean(axis=2)
        assert np.abs(want - got).mean() < 6


_LEFT, _RIGHT = 0.03, 0.97
_TOP, _BOTTOM = 0.03, 0.97


@pytest.mark.parametrize(
    ("clockwise", "mirrored", "corner"),
    [
        (90, False, (_RIGHT, _TOP)),
        (180, False, (_RIGHT, _BOTTOM)),
        (270, False, (_LEFT, _BOTTOM)),
        (0, True, (_RIGHT, _TOP)),
        (90, True, (_RIGHT, _BOTTOM)),
        (180, True, (_LEFT, _BOTTOM)),
        (270, True, (_LEFT, _TOP)),
    ],
)
def test_rotation_is_honoured(tmp_path: Path, clockwise: int, mirrored: bool, corner: tuple[float, float]) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=3)
    turn_clip(path, clockwise, mirrored=mirrored)
    source, pictures = played(path)
    size = (160, 120) if clockwise % 180 == 0 else (120, 160)
    assert (source.info.width, source.info.height) == size
    assert ("mirrored" in source.info.detail) == mirrored
    assert ("turned by" in source.info.detail) == bool(clockwise)
    for one in pictures:
        assert one.image.size == size
        assert luma_at(one.image, *corner) > 220
        others = {(x, y) for x in (_LEFT, _RIGHT) for y in (_TOP, _BOTTOM)} - {corner}
        assert all(luma_at(one.image, *other) < 200 for other in others)


class _UnknownSideData:
    """A frame of which PyAV lists no side data, because it does not know a kind of it."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame

    def __getattr__(self, name: str) -> object:
        if name == "side_data":
            raise ValueError("31 is not a valid Type")
        return getattr(self._frame, name)


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_rotation_is_honoured_beside_side_data_that_nobody_knows(tmp_path: Path, clockwise: int) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=1)
    turn_clip(path, clockwise, mirrored=False)
    with av.open(path) as file:
        frame: Any = _UnknownSideData(next(file.decode(video=0)))
        assert shown_size(frame, file.streams.video[0]) == ((160, 120) if clockwise % 180 == 0 else (120, 160))
        assert _orientation(frame) == (False, -clockwise % 360)


def test_a_camera_file_with_exif_in_its_frames_plays(media: Path) -> None:
    source, pictures = played(media / "cases" / "mjpeg_exif.avi")
    assert len(pictures) == 30
    assert source.info.width == pictures[0].image.width


@pytest.mark.parametrize(("name", "frames"), [("late_video.mkv", 75), ("midgop.ts", 50)])
def test_a_file_that_begins_before_its_first_picture_is_not_cut_off(media: Path, name: str, frames: int) -> None:
    source, pictures = played(media / "cases" / name)
    assert len(pictures) == frames
    assert not [one for one in source.warnings if "cut off" in one]


@pytest.mark.parametrize("name", ["twostreams.mkv", "coverplain.mkv"])
def test_the_stream_that_players_show_is_shown(media: Path, name: str) -> None:
    source, pictures = played(media / "cases" / name)
    assert len(pictures) == 75
    assert pictures[0].image.size == (640, 360)
    assert any("shows stream 1 (h264 640x360) and leaves out stream 0" in one for one in source.warnings)


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    source, pictures = played(make_clip(tmp_path / "a.mp4", frames=2, aspect=Fraction(4, 3)))
    assert (source.info.width, source.info.height) == (214, 120)
    assert "stored as 160x120" in source.info.detail
    assert pictures[0].image.size == (214, 120)
    assert luma_at(pictures[0].image, 0.13, 0.1) > 220


def test_another_size_in_mid_stream(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "small.ts", frames=10)
    large = make_clip(tmp_path / "large.ts", frames=10, size=(320, 240), first=10)
    _, pictures = played(join(tmp_path / "both.ts", small, large))
    assert {one.image.size for one in pictures} == {(160, 120), (320, 240)}
    assert [number_of(one.image) for one in pictures][-5:] == [15, 16, 17, 18, 19]


def test_time_grows_where_recordings_were_joined(tmp_path: Path) -> None:
    parts = [make_clip(tmp_path / f"{first}.ts", frames=60, first=first) for first in (0, 60)]
    _, pictures = played(join(tmp_path / "both.ts", *parts))
    assert len(pictures) >= 118
    steps = np.diff([one.t or 0.0 for one in pictures])
    assert (steps > 0).all()
    assert steps.max() < 0.5


@pytest.mark.parametrize("name", ["%03d.mp4", "a:b.mp4", "http:x.mp4", "ä ö.mp4", "-i.mp4"])
def test_strange_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / name, frames=3)
    monkeypatch.chdir(tmp_path)
    source, pictures = played(Path(name))
    assert len(pictures) == 3
    assert source.info.name == name


def test_picture_memory_is_the_readers(tmp_path: Path) -> None:
    source = opened(make_clip(tmp_path / "a.mp4", frames=60))
    first = source.read()
    assert first is not None
    before = first.image.buffer.copy()
    while source.read() is not None:
        pass
    source.close()
    assert np.array_equal(before, first.image.buffer)


def test_real_clip(media: Path) -> None:
    source, pictures = played(media / "media" / "video" / "multi_street_walking_720p.mp4")
    assert len(pictures) == 314
    assert source.info.frames == 314
    assert source.warnings == []


# -- damage ---------------------------------------------------------------------------------------------------------


def detailed(path: Path, **options: Any) -> Path:
    """A clip whose frames need many bytes, so that damage falls into pictures."""
    return make_clip(path, frames=60, codec_options={"qp": "6", "g": "20"}, **options)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_cut_off_file_plays_to_the_cut_and_says_so(tmp_path: Path, ending: str) -> None:
    path = detailed(tmp_path / f"a.{ending}", container_options={"movflags": "faststart"} if ending == "mp4" else None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    source, pictures = played(path)
    assert 10 < len(pictures) < 55
    numbers = [number_of(one.image) for one in pictures]
    assert numbers[:-3] == list(range(len(pictures) - 3))  # the last ones may refer to what was cut off
    assert any(f"a.{ending} is cut off: it ends after" in warning for warning in source.warnings)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_damage_is_stepped_over_and_counted(tmp_path: Path, ending: str) -> None:
    path = detailed(tmp_path / f"a.{ending}")
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 2, 499):
        data[at] ^= 255
    path.write_bytes(data)
    source, pictures = played(path)
    assert 15 < len(pictures) < 60
    assert number_of(pictures[-1].image) == 59
    assert (np.diff([one.t or 0.0 for one in pictures]) > 0).all()
    assert any("left out" in warning for warning in source.warnings)


def test_damage_is_told_even_when_nobody_plays_to_the_end(tmp_path: Path) -> None:
    path = detailed(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 2, 499):
        data[at] ^= 255
    path.write_bytes(data)
    source = opened(path)
    while (captured := source.read()) is not None and (captured.t or 0.0) < 1.9:
        pass
    source.close()
    source.close()
    assert len(source.warnings) == 1
    assert "left out" in source.warnings[0]


def test_an_mp4_without_its_index(tmp_path: Path) -> None:
    path = detailed(tmp_path / "a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a\.mp4 is damaged or cut off: its index is missing"):
        opened(path)


def test_no_frame_can_be_decoded(tmp_path: Path) -> None:
    path = detailed(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged or cut off: not one frame of it can be decoded"):
        opened(path)


# -- what is no video -------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        opened(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert caught.value.exit_code == 3
    assert caught.value.__context__ is None or caught.value.__suppress_context__  # no library's traceback
    return message


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.mp4")


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert "is empty (0 bytes)" in refused(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.nfo"])
def test_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("These are words, not pictures.\n" * 100)
    assert "is a text file, not a video" in refused(tmp_path / name)


def test_noise(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(np.random.default_rng(1).bytes(20_000))
    assert "not a video that FFmpeg can read" in refused(tmp_path / "a.mp4")


def test_sound_only(tmp_path: Path) -> None:
    assert "holds sound but no video" in refused(make_sound(tmp_path / "a.m4a"))


def test_music_with_a_cover_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as container:
        sound: Any = container.add_stream("flac", rate=8000)
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = [*cover.encode(av.VideoFrame(64, 64, "yuvj420p")), *cover.encode()]
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(picture)
        container.mux(sound.encode())
    assert "holds sound but no video" in refused(path)


def test_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    assert "is not a regular file" in refused(tmp_path / "a.mp4")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=2)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything: pretend to be somebody else
        monkeypatch.setattr(os, "access", lambda *_: False)
    assert "may not be read; check its permissions" in refused(path)


# -- real time ------------------------------------------------------------------------------------------------------


def test_real_time_takes_its_time(tmp_path: Path) -> None:
    source = opened(make_clip(tmp_path / "a.mp4", frames=11), realtime=True)
    assert source.info.live
    start = time.monotonic()
    while source.read() is not None:
        pass
    assert time.monotonic() - start >= 0.39
    source.close()


def test_real_time_loses_what_nobody_fetched(tmp_path: Path) -> None:
    source = opened(make_clip(tmp_path / "a.mp4", frames=60), realtime=True)
    assert source.read() is not None
    time.sleep(0.5)
    after = source.read()
    assert after is not None
    assert (after.t or 0.0) >= 0.44
    ((why, number),) = after.left_out
    assert why is DropReason.TOO_OLD
    assert number >= 10
    assert number_of(after.image) == round((after.t or 0.0) * 25)
    source.close()


def test_close_ends_a_waiting_read(tmp_path: Path) -> None:
    source = opened(make_clip(tmp_path / "a.mkv", frames=2, times=[0.0, 60.0]), realtime=True)
    assert source.read() is not None
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(source.read()))
    thread.start()
    time.sleep(0.2)
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    assert source.read() is None


def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    """At 4K, those that wait for it took a gigabyte."""
    import av

    source = opened(make_clip(tmp_path / "a.mp4", frames=30))
    gc.collect()
    gc.disable()
    try:
        for _ in range(25):
            assert source.read() is not None
        assert sum(isinstance(one, av.VideoFrame) for one in gc.get_objects()) <= 4
    finally:
        gc.enable()
    source.close()


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"mif1"])
def test_pictures_in_a_video_container_are_refused(brand: bytes, tmp_path: Path) -> None:
    """Of their tiles one would be shown, and what their transparency hides."""
    path = tmp_path / "a.avif"
    path.write_bytes(b"\0\0\0\x20ftyp" + brand + bytes(100))
    with pytest.raises(InputError, match=r"a\.avif is a picture \(AVIF or HEIC\) .*; save it as JPEG or PNG"):
        opened(path)
