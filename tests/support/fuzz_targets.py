"""Every importer and parser of what strangers may have made, with small inputs that it takes."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamer.core.errors import StreamerError, UsageError

__all__ = ["TARGETS", "Target"]

MODEL = "toy-000000000000"


@dataclass(frozen=True)
class Target:
    """A reader."""

    read: Callable[[bytes, Path], object]
    """Take in one input. The folder is empty and may be written to. Only the program's own errors may come out."""
    seeds: Callable[[], Sequence[bytes]]
    words: tuple[bytes, ...] = ()
    cpu_s: float = 5.0
    """Longest time for one input."""
    memory: int = 1 << 30
    """Bytes of address space, above what the libraries take."""


# -- exports and galleries -----------------------------------------------------------------------------------------


def _arrays() -> dict[str, bytes]:
    """The entries of an export."""
    from streamer.people.container import EXPORT, write_arrays

    people = [{"name": name, "added": 1.0, "expires": None, "consent": "signed"} for name in ("Ann", "Ben")]
    arrays = {"names": np.array(["Ann", "Ben"]), "vectors": np.eye(2, 16, dtype=np.float32)}
    with zipfile.ZipFile(io.BytesIO(write_arrays(arrays, {"model": MODEL, "people": people}, EXPORT))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _kept() -> dict[str, bytes]:
    """The entries of a gallery with pictures."""
    from streamer.people.container import encode
    from streamer.people.content import Content
    from streamer.people.gallery import Gallery

    content = Content(Gallery.empty(MODEL))
    for row, name in enumerate(("Ann", "Ben")):
        portraits = [np.full((4, 4, 3), row, np.uint8)]
        content = content.added(name, np.eye(2, 16, dtype=np.float32)[row : row + 1], now=1.0, portraits=portraits)
    body = encode(content, None).partition(b"\n")[2]
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _numbered(entries: Mapping[str, bytes]) -> list[bytes]:
    """One seed per entry: its number, then its content."""
    return [bytes([number]) + data for number, data in enumerate(entries.values())]


def _zipped(entries: Mapping[str, bytes], data: bytes, packed: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with one entry as the input says; numbers of no entry stand for the archive's own bytes."""
    number = data[0] if data else 0
    changed = dict(entries)
    if number < len(changed):
        changed[list(changed)[number]] = data[1:]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packed) as archive:
        for name, content in changed.items():
            archive.writestr(name, content)
    made = bytearray(target.getvalue())
    if number >= len(changed):
        for at, value in zip(data[1::3], data[2::3], strict=False):
            made[-1 - at if at < 128 else at] = value
    return bytes(made)


def _import(data: bytes, folder: Path, name: str, model: str | None) -> None:
    from streamer.enrolment.transfer import import_from
    from streamer.people.store import GalleryFile

    (folder / name).write_bytes(data)
    import_from(folder / name, GalleryFile(folder / "people.gallery"), model=model, now=5.0)


def _read_npz(data: bytes, folder: Path) -> None:
    _import(_zipped(_arrays(), data), folder, "x.npz", None)


def _read_npy(data: bytes, folder: Path) -> None:
    _import(data, folder, "x.npy", MODEL)


def _npy_seeds() -> list[bytes]:
    vector = np.arange(1, 5)
    table = {
        "Ann": vector.astype(np.float32),
        "Ben": [0.5, 1, 2, 3],
        "Cem": [np.float64(1), np.float32(2), 3, 4.5],
        "Dora": vector[None].astype("i8"),
    }
    seeds = [pickle.dumps(table, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    saved = io.BytesIO()
    np.save(saved, np.array(table, dtype=object), allow_pickle=True)
    evil = b"cnumpy\nndarray\n(K\x01\x85X\x01\x00\x00\x00OC\x08AAAAAAAAtR."
    return [*seeds, saved.getvalue(), evil]


def _read_gallery(data: bytes, folder: Path) -> None:
    from streamer.people.store import GalleryFile

    body = _zipped(_kept(), data)
    path = folder / "people.gallery"
    path.write_bytes(b"streamer-gallery 1 plain sha256=" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    GalleryFile(path).read(MODEL)


def _read_gallery_header(data: bytes, folder: Path) -> None:
    from streamer.people.store import GalleryFile

    (folder / "people.gallery").write_bytes(data)
    GalleryFile(folder / "people.gallery", key="a key of enough letters").load()


def _header_seeds() -> list[bytes]:
    from streamer.people.container import encode
    from streamer.people.content import Content
    from streamer.people.gallery import Gallery

    content = Content(Gallery.empty(MODEL))
    return [encode(content, None), encode(content, "a key of enough letters")]


# -- lists of people -----------------------------------------------------------------------------------------------


def _read_roster(ending: str, data: bytes, folder: Path) -> None:
    from streamer.enrolment.roster import items_of_roster

    path = folder / f"list.{ending}"
    path.write_bytes(data)
    items_of_roster(path)


def _workbook() -> dict[str, bytes]:
    import openpyxl

    book, target = openpyxl.Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    for row in (("name", "photo"), ("Ann", "a.jpg"), ("Ben", 3.5), ("=A1", "https://host/b.jpg")):
        sheet.append(row)
    book.save(target)
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _read_xlsx(data: bytes, folder: Path) -> None:
    _read_roster("xlsx", _zipped(_workbook(), data, zipfile.ZIP_DEFLATED), folder)


def _csv_seeds() -> list[bytes]:
    text = 'name,photo\nAnn,a.jpg\n"Ben, B.",https://ann:pw@host/b.jpg\n,\n'
    return [text.encode(), text.replace(",", ";").encode("utf-8-sig"), text.replace("\n", "\r\n").encode()]


# -- configuration and addresses -----------------------------------------------------------------------------------


def _read_config(data: bytes, folder: Path) -> None:
    from streamer.config.schema import load

    (folder / "x.yaml").write_bytes(data)
    load(folder / "x.yaml")


def _config_seeds() -> list[bytes]:
    from streamer.config.reference import render_default_yaml

    small = "a: &a {kind: solid}\neffect: *a\ndetect: {every: 2}\nzones: {cover: [[[0, 0], [1, 0], [1, 1]]]}\n"
    default = render_default_yaml()
    return [small.encode(), *(part.encode() for part in default.split("\n\n") if len(part) > 200)]


def _read_overrides(data: bytes, folder: Path) -> None:
    from streamer.config.schema import Config, parse_overrides

    Config().updated(parse_overrides(data.decode("utf-8", "surrogateescape").split("\0")))


def _read_address(data: bytes, folder: Path) -> None:
    from streamer.config.endpoints import parse_input, parse_output
    from streamer.core.errors import redact
    from streamer.sources._network import Address

    text = data.decode("utf-8", "surrogateescape")
    redact(text)
    _all(
        lambda: parse_input(text),
        lambda: Address.of(text),
        lambda: parse_output(text, source=parse_input("demo")),
    )


def _all(*attempts: Callable[[], object]) -> None:
    """Each of them. Raises the program's own error that came last, when none was without."""
    errors = []
    for attempt in attempts:
        try:
            attempt()
        except StreamerError as error:
            errors.append(error)
    if len(errors) == len(attempts):
        raise errors[-1]


_OVERRIDES = (b"detect.every=2\0effect.kind=solid", b"zones.cover=[]")
_ADDRESSES = (
    b"rtsp://ann:s3cret@10.0.0.7:554/live?channel=1",
    b"https://ann:s3cret@host/index.m3u8",
    b"/dev/video0",
    b"demo",
    b"out/a.mp4",
    b"virtual",
    b"window",
    b"0",
    b"http://[::1]:8080/a",
    b"~/a.jpg",
)


# -- pictures and playlists ----------------------------------------------------------------------------------------


def _read_picture(data: bytes, folder: Path) -> None:
    from streamer.config.parts import build
    from streamer.core.options import Context

    path = folder / "x.png"
    path.write_bytes(data)
    _all(
        lambda: build("sources", "images", {"path": path}, Context()),
        lambda: build("effects", "replace", {"image": path}, Context()),
    )


def _picture_seeds() -> list[bytes]:
    import cv2

    art = np.random.default_rng(5).integers(0, 256, (9, 13, 4), np.uint8)
    seeds = [bytes(cv2.imencode(ending, art[:, :, :3])[1]) for ending in (".png", ".jpg", ".bmp", ".webp", ".tiff")]
    seeds += [bytes(cv2.imencode(ending, art)[1]) for ending in (".png", ".webp", ".tiff", ".bmp")]
    seeds.append(bytes(cv2.imencode(".jpg", art[:, :, :3], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]))
    return [*seeds, bytes(cv2.imencodemulti(".tiff", [art, art])[1])]


def _read_playlist(data: bytes, folder: Path) -> None:
    from streamer.config.parts import build
    from streamer.core.options import Context

    (folder / "x.m3u8").write_bytes(data)
    with closing(build("sources", "file", {"path": folder / "x.m3u8"}, Context())) as source:
        for _ in range(3):
            source.read()


_PLAYLISTS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:1/a.m3u8\n",
    b"ffconcat version 1.0\nfile 'x.m3u8'\nduration 1\n",
    b"v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    b'<?xml version="1.0"?><MPD><Period><BaseURL>a.mp4</BaseURL></Period></MPD>',
    b"\n  #EXTM3U\n/dev/zero\n",
)


# -- records -------------------------------------------------------------------------------------------------------


def _read_audit(data: bytes, folder: Path) -> None:
    from streamer.people.audit import verify

    (folder / "audit.log").write_bytes(data)
    if (found := verify(folder / "audit.log")).problem is not None:
        raise UsageError(found.problem)


def _audit_seeds() -> list[bytes]:
    record = {"n": 1, "time": "2026-01-01T00:00:00Z", "event": "start", "before": "0" * 64}
    digest = hashlib.sha256(json.dumps(record, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return [(json.dumps({**record, "hash": digest}) + "\n").encode()]


def _read_licences(data: bytes, folder: Path) -> None:
    from streamer.inference.models.store import Store

    (folder / "accepted-licences.json").write_bytes(data)
    if not Store(folder, folder).acceptances():
        raise UsageError("no list of licences")


_JSON_WORDS = (b'{"', b'": ', b"[{", b"}]", b"true", b"1e400", b"\\ud800", b'"people": ', b'"added": ')
_ZIP_WORDS: tuple[bytes, ...] = (
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"PK\x06\x07",
    b"{'descr': '<f4', ",
    b"'shape': (9999999999, 128), }",
)
_ZIP_WORDS += (b"{'descr': '<f4', ", b"'shape': (9999999999, 128), }")
_PICKLE_WORDS = tuple(bytes([code]) for code in b"(.0122FGIJKLMNQRSTUVX]abcdeghijlopqrstu})")
_PICKLE_WORDS += tuple(bytes([code]) for code in range(0x80, 0x99))
_PICKLE_WORDS += (
    b"cnumpy\nndarray\n",
    b"cos\nsystem\n",
    b"cnumpy._core.multiarray\nscalar\n",
    b"\0\0\0\x80",
)
_YAML_WORDS = (b"&a ", b"*a", b"<<: ", b"!!int ", b"!!set ", b"- ", b"? ", b": ", b"{", b"[", b"|", b">", b"%YAML 1.1")
_XML_WORDS = (b"<row ", b"<c r=", b"<!DOCTYPE a [", b"&a;")
_PICTURE_WORDS = (b"IHDR", b"acTL", b"\xff\xda", b"VP8L")
_LIST_WORDS = (b"#EXTM3U", b"#EXT-X-KEY:", b"file ", b"concat:", b"http://")

TARGETS = {
    "npy": Target(_read_npy, _npy_seeds, _PICKLE_WORDS),
    "npz": Target(_read_npz, lambda: [*_numbered(_arrays()), b"\xff" * 7], (*_ZIP_WORDS, *_JSON_WORDS)),
    "gallery": Target(_read_gallery, lambda: [*_numbered(_kept()), b"\xff" * 7], (*_ZIP_WORDS, *_JSON_WORDS)),
    "gallery_header": Target(_read_gallery_header, _header_seeds, (b"plain", b"aes-256-gcm", b"salt=", b"nonce=")),
    "csv": Target(lambda data, folder: _read_roster("csv", data, folder), _csv_seeds, (b'"', b";", b"\t", b"\r")),
    "xlsx": Target(_read_xlsx, lambda: [*_numbered(_workbook()), b"\xff" * 7], _XML_WORDS),
    "config": Target(_read_config, _config_seeds, _YAML_WORDS),
    "overrides": Target(_read_overrides, lambda: _OVERRIDES, _YAML_WORDS),
    "addresses": Target(_read_address, lambda: _ADDRESSES, (b"://", b"@", b":", b"/", b"%", b"[")),
    "pictures": Target(_read_picture, _picture_seeds, _PICTURE_WORDS, cpu_s=20, memory=4 << 30),
    "playlists": Target(_read_playlist, lambda: _PLAYLISTS, _LIST_WORDS),
    "audit": Target(_read_audit, _audit_seeds, _JSON_WORDS),
    "licences": Target(_read_licences, lambda: [b'{"a": "2026-01-01"}'], _JSON_WORDS),
}
