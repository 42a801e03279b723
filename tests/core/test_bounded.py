"""Files and text of strangers: what is too large, too deep or without end is refused at once, in one line."""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from pathlib import Path

import pytest

from streamer.config.endpoints import parse_input, parse_output
from streamer.config.parts import build
from streamer.config.problems import parse_yaml
from streamer.config.schema import Config, load
from streamer.core.bounded import checked_archive, parse_json, read_at_most
from streamer.core.errors import ConfigError, InputError, UsageError, redact
from streamer.core.options import Context
from streamer.enrolment.roster import _table, read_roster

# -- configuration -------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "more than 10,000 values, those behind aliases included"),
        (f"zones: {{cover: {'[' * 500}", "nested more than 32 deep"),
        ("- " * 5000, "nested more than 32 deep"),
        ("? " * 5000, "nested more than 32 deep"),
        ("detect: {every: " + "9" * 5000 + "}", "a number of 5000 characters"),
        ("detect: {every: 0x" + "f" * 5000 + "}", "a number of 5002 characters"),
        ("detect: {every: 1" + ":59" * 3000 + "}", "a number of 9001 characters"),
        ("detect: {every: !!int ''}", "not YAML"),
        ("detect: {every: 2001-99-99}", "not YAML"),
        ("zones: &z {cover: [*z]}", "zones"),
    ],
)
def test_configurations_made_to_harm(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(ConfigError, match=why) as caught:
        load(path)
    assert time.process_time() - begun < 3
    assert all(len(line) < 1000 and line.startswith(str(path)) for line in str(caught.value).splitlines())


def test_aliases_are_taken_where_they_are_few() -> None:
    text = "effect: &e {kind: solid}\ndetect: {every: &n 2}\ncapture: {queue: 2}\n"
    assert parse_yaml(text + "x: [*e, *n]\n")["x"] == [{"kind": "solid"}, 2]


@pytest.mark.parametrize("what", ["/dev/zero", "long"])
def test_a_configuration_without_end(what: str, tmp_path: Path) -> None:
    path = Path(what)
    if what == "long":
        path = tmp_path / "long.yaml"
        path.write_text("# nothing\n" * 30_000)
    with pytest.raises(ConfigError, match=r"cannot be read: it is larger than 256 kB"):
        load(path)


def test_the_shipped_configuration_is_far_from_the_limits() -> None:
    path = Path(__file__).parents[2] / "config.yaml"
    assert path.stat().st_size < 1 << 16
    assert load(path) == Config()


# -- lists ---------------------------------------------------------------------------------------------------------


def workbook(rows: str) -> bytes:
    import openpyxl

    target, filled = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(target)
    with zipfile.ZipFile(target) as plain, zipfile.ZipFile(filled, "w", zipfile.ZIP_DEFLATED) as made:
        for name in plain.namelist():
            data = plain.read(name)
            made.writestr(name, data.replace(b"</sheetData>", rows.encode() + b"</sheetData>"))
    return filled.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("many.csv", b"Ann,a.jpg\n" * 100_001, "more than 100,000 rows; take the empty ones away, or divide it"),
        ("empty.csv", b"\n" * 200_000, "more than 100,000 rows"),
        ("line.csv", b"a," * 100_000, "is no list"),
        ("cell.csv", b"Ann," + b"a" * 40_000, "a cell of more than 32,767 characters; shorten it"),
        ("quote.csv", b'Ann,"' + b"a\n" * 100_000, "is no list"),
        ("rows.xlsx", workbook("<row/>" * 100_001), "more than 100,000 rows"),
        ("bomb.xlsx", workbook(" " * (70 << 20)), "no Excel file .* or too large for a list"),
        ("entries.xlsx", b"", "no Excel file"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(("csv", "xlsx")) else "",
)
def test_lists_without_end(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    if name == "entries.xlsx":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as made:
            for number in range(2000):
                made.writestr(f"{number}", b"")
        data = target.getvalue()
    (tmp_path / name).write_bytes(data)
    begun = time.process_time()
    with pytest.raises(UsageError, match=why):
        read_roster(tmp_path / name)
    assert time.process_time() - begun < 20


_SHEETS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def _styles(number: int) -> bytes:
    return f"<styleSheet {_SHEETS}><cellXfs>{'<xf/>' * number}</cellXfs></styleSheet>".encode()


def _sheet(inside: str) -> bytes:
    return f"<worksheet {_SHEETS}><sheetData>{inside}</sheetData></worksheet>".encode()


_LONG_TAG = "<row " + " ".join(f'a{number}=""' for number in range(200_000)) + "/>"


@pytest.mark.parametrize(
    ("part", "content", "why"),
    [
        ("xl/styles.xml", _styles(2_000_000), None),
        ("xl/worksheets/sheet1.xml", _sheet(f"<row>{'<c/>' * 6_000_000}</row>"), "too large for a list"),
        ("xl/worksheets/sheet1.xml", _sheet(_LONG_TAG), "too large"),
        ("xl/worksheets/sheet1.xml", _sheet("<a>" * 100 + "</a>" * 100), "no Excel file"),
        (
            "xl/worksheets/sheet1.xml",
            b'<!DOCTYPE a [<!ENTITY b "c">]>' + _sheet("<row><c><v>&b;</v></c></row>"),
            "no Ex",
        ),
        ("xl/worksheets/sheet1.xml", _sheet('<row><c t="s"><v>7</v></c></row>'), "no Excel file"),
        ("xl/worksheets/sheet1.xml", _sheet('<row><c r="7"><v>7</v></c></row>'), "no Excel file"),
        ("xl/worksheets/sheet1.xml", _sheet("<row><c><v>" + "9" * 5000 + "</v></c></row>"), "no Excel file"),
        ("xl/worksheets/sheet1.xml", _sheet('<row r="1048577"/>'), "more than 100,000 rows"),
        ("xl/worksheets/sheet1.xml", _sheet('<row><c t="str"><v>' + "a" * 99_999 + "</v></c></row>"), "a cell of more"),
        ("xl/workbook.xml", b"<workbook/>", "no Excel file"),
        ("_rels/.rels", b"<Relationships/>", "no Excel file"),
    ],
)
def test_workbooks_made_to_harm(part: str, content: bytes, why: str | None, tmp_path: Path) -> None:
    """As trees, 96 kB that unpack to styles without end took 4.6 GB and minutes."""
    filled = io.BytesIO()
    usual = io.BytesIO(workbook('<row r="1"><c t="str"><v>Ann</v></c></row>'))
    with zipfile.ZipFile(usual) as plain, zipfile.ZipFile(filled, "w", zipfile.ZIP_DEFLATED) as made:
        for name in plain.namelist():
            made.writestr(name, content if name == part else plain.read(name))
    (tmp_path / "list.xlsx").write_bytes(filled.getvalue())
    begun = time.process_time()
    if why is None:
        assert [row.name for row in read_roster(tmp_path / "list.xlsx")] == ["Ann"]
    else:
        with pytest.raises(UsageError, match=why):
            read_roster(tmp_path / "list.xlsx")
    assert time.process_time() - begun < 15


def test_rows_without_end_in_width(tmp_path: Path) -> None:
    """Of a table, only so many columns are kept; 64 MB of commas took a gigabyte."""
    (tmp_path / "wide.csv").write_bytes(b"Ann,a.jpg," + b"," * 60_000 + b"\n")
    assert [len(row) for row in _table(tmp_path / "wide.csv")] == [64, 0]


def test_a_list_that_never_ends(tmp_path: Path) -> None:
    """A pipe that somebody keeps filling has no size to go by."""
    pipe = tmp_path / "list.csv"
    os.mkfifo(pipe)

    def fill() -> None:
        with pipe.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"Ann,a.jpg\n" * 6000)
            except BrokenPipeError:
                pass

    writer = threading.Thread(target=fill)
    writer.start()
    with pytest.raises(UsageError, match=r"list\.csv cannot be read: it is larger than 64 MB"):
        read_roster(pipe)
    writer.join()


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lists_of_every_system(ends: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(ends.join(["name,photo", "Ann,a.jpg", "", '"Ben, B.",b.jpg']).encode())
    rows = read_roster(tmp_path / "list.csv")
    assert [(row.name, row.place) for row in rows] == [("Ann", "a.jpg"), ("Ben, B.", "b.jpg")]


# -- playlists and addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n",
        "\ufeff#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n",
        "ffconcat version 1.0\nfile 'a.mp4'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD type="dynamic"></MPD>',
    ],
)
@pytest.mark.parametrize("ending", ["m3u8", "mp4"])
def test_a_playlist_is_no_video(text: str, ending: str, tmp_path: Path) -> None:
    """One without an end mark is read again for ever, and one may name files and servers."""
    path = tmp_path / f"list.{ending}"
    path.write_text(text)
    with pytest.raises(InputError, match=r"is a list of other files or addresses, not a video; name the video itself"):
        build("sources", "file", {"path": path}, Context())


@pytest.mark.parametrize(
    "text",
    [
        "_user" * 2000,
        "-" * 20_000 + ":",
        "a://u:" * 3000,
        "a" * 100_000,
        "a:b" * 30_000,
        "?key=_" * 20_000,
        "@:" * 50_000,
    ],
)
def test_long_text_is_redacted_in_time(text: str) -> None:
    """The first took time with the third power of its length."""
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 2


def test_a_line_too_long_to_be_redacted_is_left_out() -> None:
    secret = f"rtsp://ann:{'x' * 20_000}@host/"
    assert redact(f"before\n{secret}\nafter") == "before\n(a line of 20,017 characters)\nafter"


def test_addresses_without_end() -> None:
    for asked in ("rtsp://" + "a" * 5000, "x" * 5000):
        with pytest.raises(UsageError, match=r"the input has [\d,]+ characters; an address has at most 4,096"):
            parse_input(asked)
        with pytest.raises(UsageError, match=r"the output has [\d,]+ characters"):
            parse_output(asked, source=parse_input("demo"))


# -- the rest ------------------------------------------------------------------------------------------------------


def test_json_without_end() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)


def test_no_more_is_read_than_was_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345678")
    assert read_at_most(tmp_path / "a", 8) == b"12345678"
    with pytest.raises(OSError, match="larger than"):
        read_at_most(tmp_path / "a", 7)


def test_an_archive_that_says_less_than_it_holds() -> None:
    """The list of contents is measured before it is read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for number in range(50):
            made.writestr(f"{number}", b"")
    with pytest.raises(ValueError, match="too many files"):
        checked_archive(target, most_entries=5, largest=100, packed=False)
