"""Pictures and videos made to fill the memory: what they announce is judged before anything is decoded."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.confined import streamer

from streamer.config.parts import build
from streamer.core.decoding import announced, decoded
from streamer.core.errors import InputError, UsageError
from streamer.core.options import Context


def png(width: int, height: int) -> bytes:
    """A PNG that announces this size and holds one row of nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG, its frame made larger; before it a thumbnail's, in a segment of its own."""
    data = bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1])
    at = data.index(b"\xff\xc0") + 5
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data
    return data[:2] + thumbnail + b"\xff\xff" + data[2:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, width, -height, 1, 24, 0, 0, 0, 0, 0, 0)


def tiff(width: int, height: int, order: str = "<", *, big: bool = False) -> bytes:
    """A TIFF of one description that is its own successor: pages without end."""
    if big:
        head = (b"II+\0" if order == "<" else b"MM\0+") + struct.pack(f"{order}HHQQ", 8, 0, 16, 2)
        sides = [struct.pack(f"{order}HHQII", tag, 4, 1, side, 0) for tag, side in ((256, width), (257, height))]
        return head + b"".join(sides) + struct.pack(f"{order}Q", 16)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 2)
    sides = [struct.pack(f"{order}HHII", tag, 4, 1, side) for tag, side in ((256, width), (257, height))]
    return head + b"".join(sides) + struct.pack(f"{order}I", 8)


def webp(width: int, height: int) -> bytes:
    data = (
        b"WEBPVP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(data)) + data


MADE = {
    "png": png(60_000, 60_000),
    "jpg": jpeg(65_500, 65_500),
    "bmp": bmp(40_000, 40_000),
    "tif": tiff(50_000, 50_000),
    "tiff": tiff(50_000, 50_000, ">"),
    "big.tif": tiff(50_000, 50_000, big=True),
    "webp": webp(16_000, 16_000),
}


@pytest.mark.parametrize("ending", MADE)
def test_gigapixels_are_refused_before_they_are_decoded(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"huge.{ending}"
    path.write_bytes(MADE[ending])
    assert path.stat().st_size < 2000
    with pytest.raises(InputError, match=r"huge\S+ has \d+x\d+ pixels, and 200 million are the most; make it smaller"):
        build("sources", "images", {"path": path}, Context())
    with pytest.raises(UsageError, match=r"effect.image: \S+ has \d+x\d+ pixels, and 200 million are the most"):
        build("effects", "replace", {"image": path}, Context())


def test_a_video_of_gigapixels_takes_no_memory(tmp_path: Path) -> None:
    """Two kilobytes took 770 MB to be opened, and as much again for every thread that decodes."""
    resource = pytest.importorskip("resource", reason="Windows tells it in another way")
    with av.open(str(tmp_path / "huge.mov"), "w") as container:
        stream = container.add_stream("png", rate=Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        stream.codec_context.open()
        for number in range(5):
            packet = av.Packet(png(16_000, 16_000))
            packet.pts = packet.dts = number
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            container.mux(packet)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="not one frame of it can be decoded, of 100 million pixels at most"):
        build("sources", "file", {"path": tmp_path / "huge.mov"}, Context())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize("verb", [["run"], ["enroll", "Ann"], ["recognise"]])
def test_a_gigapixel_in_the_program_itself(verb: list[str], tmp_path: Path) -> None:
    (tmp_path / "huge.bmp").write_bytes(bmp(30_000, 30_000))
    told = streamer(*verb, "huge.bmp", *(["-o", "out.png"] if verb == ["run"] else []), folder=tmp_path, memory=2 << 30)
    assert told.returncode in (1, 2, 3), told
    if verb != ["recognise"]:  # it says first that nobody is enrolled
        assert (
            "huge.bmp has 30000x30000 pixels, and 200 million are the most; make it smaller"
            in told.stderr + told.stdout
        )


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
@pytest.mark.parametrize("size", [(97, 61), (1, 1), (640, 480)])
def test_what_is_announced_is_what_is_decoded(ending: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    data = bytes(cv2.imencode(ending, picture)[1])
    found = announced(data)
    assert (found.width, found.height, found.pages) == (*size, 1)
    image = decoded(data, cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == picture.shape


def test_pages_are_counted_without_decoding_them() -> None:
    two = cv2.imencodemulti(".tiff", [np.zeros((8, 8, 3), np.uint8)] * 2)[1]
    assert announced(bytes(two)).pages == 2
    assert announced(tiff(10, 10)).pages == 1, "a circle"


def test_a_jpeg_of_a_thousand_scans() -> None:
    data = bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1])
    with pytest.raises(ValueError, match="is a JPEG of 1001 scans, and 64 are the most; save it anew"):
        decoded(data[:-2] + b"\xff\xda\x00\x02" * 1000 + data[-2:], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "data", [b"P6 99999 99999 255 ", b"#?RADIANCE\n", b"GIF89a" + b"\xff" * 40, b"v/1\x01" * 10, b""]
)
def test_rarer_formats_reach_no_decoder(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ValueError, match="JPEG, PNG, WebP, TIFF and BMP are"):
        decoded(data, cv2.IMREAD_COLOR)


def test_an_animated_png_says_how_many_pictures_it_has(tmp_path: Path) -> None:
    """Only the first is taken, and a person is told so, as of WebP and TIFF."""
    data = bytes(cv2.imencode(".png", np.full((20, 20, 3), 90, np.uint8))[1])
    chunk = b"acTL" + struct.pack(">II", 7, 0)
    animated = data[:33] + struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    assert (announced(data).pages, announced(animated).pages) == (1, 7)
