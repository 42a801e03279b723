"""Enrolment: which pictures are taken for a person, and in which words others are refused."""

from __future__ import annotations

import csv
import http.server
import math
import random
import re
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.align import ARCFACE_112, PORTRAIT_PX, Pose, Quality
from streamer.core.errors import InputError, UsageError
from streamer.core.picture import Picture
from streamer.core.types import Captured, Detection, SourceInfo
from streamer.embedders import Thresholds
from streamer.enrolment.checks import Refused, Rules
from streamer.enrolment.enrol import Enrolled, Item, Outcome, Terms, enrol, examined
from streamer.enrolment.faces import Face, FaceReader
from streamer.enrolment.roster import _WebOnly, fetch, items_of_folder, items_of_roster, read_roster
from streamer.enrolment.watch import watched
from streamer.enrolment.workbook import rows_of
from streamer.people.gallery import Vectors
from streamer.people.store import GalleryFile

GOOD = Quality(120.0, Pose(0.0, 0.0, 0.0), 0.3, 128.0, 40.0)
TERMS = Terms(now=1000.0)
RULES = Rules()


def vector(degrees: float, axis: int = 1) -> Vectors:
    """A direction so far from the first axis: similarities are cosines."""
    row = np.zeros(8, np.float32)
    row[0], row[axis] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return row


def a_face(of: Vectors, *, px: float = 120.0, quality: Quality = GOOD) -> Face:
    portrait = np.full((PORTRAIT_PX, PORTRAIT_PX, 3), 90, np.uint8)
    return Face(Detection((0, 0, px, px), 0.9, ARCFACE_112), quality, of, portrait)


class Embedder:
    model = "toy-000000000000"
    dim = 8
    crop_px = 112
    template = ARCFACE_112
    thresholds = Thresholds(0.5, 0.2, 0.05)

    def embed(self, crops: object) -> Vectors:
        raise AssertionError("the faces are given")

    def close(self) -> None:
        pass


class Reader(FaceReader):
    """Finds in a picture the faces that were put down for its width."""

    def __init__(self, faces: dict[int, list[Face]]) -> None:
        self.embedder = Embedder()
        self._of_width = faces

    def faces(self, picture: Picture) -> list[Face]:
        return self._of_width[picture.width]


def items(name: str, *widths: int) -> list[Item]:
    return [Item(name, f"{width}.jpg", partial(Picture.blank, width, 8)) for width in widths]


@pytest.fixture
def file(tmp_path: Path) -> GalleryFile:
    return GalleryFile(tmp_path / "people.gallery")


def put_in(
    file: GalleryFile, name: str, *faces: list[Face], rules: Rules = RULES, terms: Terms = TERMS
) -> list[Outcome]:
    reader = Reader(dict(enumerate(faces, 1)))
    _, outcomes = enrol(examined(items(name, *range(1, len(faces) + 1)), reader, rules), reader, file, terms)
    return outcomes


def test_good_pictures_are_taken(file: GalleryFile) -> None:
    terms = Terms(now=1000.0, expires=9e9, consent="signed")
    outcomes = put_in(file, " Ann ", [a_face(vector(0))], [a_face(vector(30))], terms=terms)
    assert [outcome.result for outcome in outcomes] == [Enrolled.TAKEN, Enrolled.TAKEN]
    (ann,) = file.read(Embedder.model).people
    assert (ann.name, ann.added, ann.expires, ann.consent, len(ann.hashes)) == ("Ann", 1000.0, 9e9, "signed", 2)
    content = file.load()
    assert content is not None
    assert content.portraits == {}


def test_faces_are_kept_only_when_asked_for(file: GalleryFile) -> None:
    put_in(file, "Ann", [a_face(vector(0))], terms=Terms(now=1.0, keep_crops=True))
    content = file.load()
    assert content is not None
    assert len(content.portraits_of("Ann")) == 1


@pytest.mark.parametrize(
    ("faces", "why"),
    [
        ([], "no face was found"),
        ([a_face(vector(0)), a_face(vector(9), px=30)], "shows 2 faces; cut one out"),
        ([a_face(vector(0), quality=Quality(40, GOOD.pose, 0.3, 128, 40))], "too small: 40 pixels wide, 48"),
        ([a_face(vector(0), quality=Quality(99, GOOD.pose, 0.05, 128, 40))], "blurred"),
        ([a_face(vector(0), quality=Quality(99, GOOD.pose, 0.3, 20, 4))], "too dark"),
        ([a_face(vector(0), quality=Quality(99, GOOD.pose, 0.3, 240, 4))], "too bright"),
        ([a_face(vector(0), quality=Quality(99, Pose(-55, 0, 0), 0.3, 128, 40))], "turned aside by about 55"),
        ([a_face(vector(0), quality=Quality(99, Pose(0, -40, 0), 0.3, 128, 40))], "looks down"),
    ],
)
def test_refusals_say_why_and_touch_nothing(file: GalleryFile, faces: list[Face], why: str) -> None:
    (outcome,) = put_in(file, "Ann", faces)
    assert outcome.result is Enrolled.REFUSED
    assert why in outcome.why
    assert not file.path.exists()


def test_the_clearly_largest_face_by_choice(file: GalleryFile) -> None:
    rules = Rules(largest=True)
    two = [a_face(vector(0), px=150), a_face(vector(90), px=90)]
    assert put_in(file, "Ann", two, rules=rules)[0].result is Enrolled.TAKEN
    close = [a_face(vector(0, 2), px=130), a_face(vector(90), px=90)]
    (outcome,) = put_in(file, "Ben", close, rules=rules)
    assert "none is clearly the largest" in outcome.why


def test_near_duplicates_are_left_out(file: GalleryFile) -> None:
    outcomes = put_in(file, "Ann", [a_face(vector(0))], [a_face(vector(5))], [a_face(vector(40))])
    assert [outcome.result for outcome in outcomes] == [Enrolled.TAKEN, Enrolled.KNOWN, Enrolled.TAKEN]
    before = file.path.read_bytes()
    (again,) = put_in(file, "Ann", [a_face(vector(41))])
    assert again.result is Enrolled.KNOWN
    assert file.path.read_bytes() == before


def test_who_is_enrolled_already_is_not_enrolled_under_another_name(file: GalleryFile) -> None:
    put_in(file, "Ann", [a_face(vector(0))])
    (outcome,) = put_in(file, "Ben", [a_face(vector(50))])
    assert outcome.result is Enrolled.REFUSED
    assert "looks like Ann, who is enrolled already (similarity 0.64)" in outcome.why
    assert put_in(file, "Ben", [a_face(vector(65))])[0].result is Enrolled.TAKEN


def test_two_names_for_one_face_in_one_go(file: GalleryFile) -> None:
    reader = Reader({1: [a_face(vector(0))], 2: [a_face(vector(10))]})
    found = examined([*items("Ann", 1), *items("Ben", 2)], reader, Rules())
    _, outcomes = enrol(found, reader, file, TERMS)
    assert [outcome.result for outcome in outcomes] == [Enrolled.TAKEN, Enrolled.REFUSED]


def test_a_picture_unlike_the_others_is_refused(file: GalleryFile) -> None:
    outcomes = put_in(file, "Ann", [a_face(vector(0))], [a_face(vector(85))])
    assert outcomes[1].result is Enrolled.REFUSED
    assert "does not look like the other pictures of Ann" in outcomes[1].why


def test_a_bad_picture_does_not_stop_the_others(file: GalleryFile) -> None:
    def broken() -> Picture:
        raise InputError("bad.jpg cannot be read")

    reader = Reader({1: [a_face(vector(0))]})
    found = examined([Item("Ann", "bad.jpg", broken), *items("a/b", 1), *items("Ann", 1)], reader, Rules())
    _, outcomes = enrol(found, reader, file, TERMS)
    by_label = {(outcome.name, outcome.label): outcome for outcome in outcomes}
    assert "cannot be read" in by_label["Ann", "bad.jpg"].why
    assert "would be a path" in by_label["a/b", "1.jpg"].why
    assert by_label["Ann", "1.jpg"].result is Enrolled.TAKEN


# -- moving inputs --------------------------------------------------------------------------------------------------


class Frames:
    """A source of blank pictures, ten per second; their width says what the reader finds."""

    warnings: list[str]

    def __init__(self, widths: list[int], *, live: bool = False) -> None:
        self.info = SourceInfo("drawn", 8, 8, live, fps=10.0)
        self.warnings = []
        self._left = list(enumerate(widths))

    def read(self) -> Captured | None:
        if not self._left:
            return None
        number, width = self._left.pop(0)
        return Captured(number / 10, Picture.blank(width, 8))

    def close(self) -> None:
        pass


def test_the_best_and_most_different_views_are_taken() -> None:
    far = Quality(80.0, GOOD.pose, 0.3, 128.0, 40.0)
    reader = Reader(
        {
            1: [a_face(vector(0))],
            2: [a_face(vector(3), quality=far)],  # the same view again
            3: [a_face(vector(30), quality=far)],
            4: [],
            5: [a_face(vector(0)), a_face(vector(90))],
            6: [a_face(vector(90), quality=far)],  # somebody else walks in
        }
    )
    told: list[str] = []
    widths = [width for width in (4, 2, 1, 5, 6, 3, 2) for _ in range(4)]
    found = watched("Ann", Frames(widths), reader, Rules(), told=told.append)
    vectors = [one.face.vector for one in found if not isinstance(one, Outcome)]
    assert len(vectors) == len(found) == 2
    assert np.allclose(vectors, [vector(0), vector(30)])
    assert told[0] == "no face was found"
    assert len(told) == 2


def test_a_camera_is_watched_for_its_time_only() -> None:
    source = Frames([1] * 1000, live=True)
    watched("Ann", source, Reader({1: [a_face(vector(0))]}), Rules(), seconds=3)
    assert 960 < len(source._left) < 975


def test_no_good_view_says_why() -> None:
    (outcome,) = watched("Ann", Frames([1] * 50), Reader({1: []}), Rules())
    assert isinstance(outcome, Outcome)
    assert outcome.why == "no good view of one face: no face was found"


# -- lists ----------------------------------------------------------------------------------------------------------


def drawn(path: Path) -> NDArray[np.uint8]:
    picture = np.full((20, 30, 3), 77, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return picture


def test_a_folder_of_people(tmp_path: Path) -> None:
    for name in ("Ann/1.png", "Ann/more/2.png", "Ben Ö/a.png", ".hidden/b.png", "Ann/.c.png"):
        drawn(tmp_path / name)
    (tmp_path / "Ann" / "notes.txt").write_text("no picture")
    found = items_of_folder(tmp_path)
    assert [(item.name, item.label) for item in found] == [
        ("Ann", "Ann/1.png"),
        ("Ann", "Ann/more/2.png"),
        ("Ben Ö", "Ben Ö/a.png"),
    ]
    assert found[0].picture().size == (30, 20)
    with pytest.raises(UsageError, match="one folder per person"):
        items_of_folder(tmp_path / "Ben Ö")
    with pytest.raises(UsageError, match="is no folder"):
        items_of_folder(tmp_path / "none")


ROWS = [["Ann", "a.png"], ["Zoë, the 2nd", "https://example.org/z.jpg"], ["", ""], ["Cem", ""]]


def write_csv(path: Path, rows: list[list[str]], delimiter: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as target:
        csv.writer(target, delimiter=delimiter).writerows(rows)


def write_xlsx(path: Path, rows: list[list[str]]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([cell or None for cell in row])
    book.save(path)


def test_a_workbook_is_read_as_others_read_it(tmp_path: Path) -> None:
    """Numbers, truth, formulas, gaps, what is pronounced otherwise; sheets in any order."""
    openpyxl = pytest.importorskip("openpyxl")
    draw = random.Random(5)
    values = [None, "Ann", "a & b <x>", "\u6f22\u5b57", " pad ", 3, -2.5, 1e20, True, False, "=A1", "two\nlines"]
    path = tmp_path / "list.xlsx"
    for _ in range(20):
        book = openpyxl.Workbook()
        book.create_sheet("other").append(["other"])
        sheet = book.worksheets[0]
        for _ in range(draw.randrange(1, 8)):
            sheet.append([draw.choice(values) for _ in range(draw.randrange(6))])
        sheet["C12"] = "far"
        book.save(path)
        opened = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = opened.worksheets[0].iter_rows(values_only=True)
        wanted = [["" if cell is None else str(cell) for cell in row] for row in rows]
        opened.close()
        found = list(rows_of(path.read_bytes(), columns=64))
        assert [row + [""] * (len(wanted[0]) - len(row)) for row in found] == wanted


@pytest.mark.parametrize("how", [",", ";", "\t", "xlsx"])
@pytest.mark.parametrize("heading", [["Name", "Photo"], None])
def test_rosters(tmp_path: Path, how: str, heading: list[str] | None) -> None:
    rows = [*([heading] if heading else []), *ROWS]
    path = tmp_path / ("list.xlsx" if how == "xlsx" else "list.csv")
    write_xlsx(path, rows) if how == "xlsx" else write_csv(path, rows, how)
    found = read_roster(path)
    assert [(row.name, row.place) for row in found] == [tuple(row) for row in ROWS if any(row)]
    assert found[0].number == (2 if heading else 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "", "no rows"),
        ("list.csv", "name,age\nAnn,3\n", "no column image"),
        ("list.csv", "\x00\xff", "no list|no rows|no column"),
        ("list.xlsx", "no workbook", "no Excel file"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_rosters_that_are_none(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    if content == "\x00\xff":
        with pytest.raises(UsageError):
            read_roster(tmp_path / name)
        return
    with pytest.raises(UsageError, match=message):
        read_roster(tmp_path / name)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A small web server with one picture and many ways to fail."""
    picture = cv2.imencode(".png", np.full((20, 30, 3), 77, np.uint8))[1].tobytes()
    (tmp_path / "secret.png").write_bytes(picture)
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/slow":
                time.sleep(1.5)
            if path == "/drip":  # headers without an end: never silent for long
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Name: ")
                    while not over.wait(0.02):
                        self.wfile.write(b"x")
                return
            if path in ("/file", "/again"):
                self.send_response(302)
                self.send_header("Location", f"file://{tmp_path}/secret.png" if path == "/file" else "/good.png")
                self.end_headers()
                return
            self.send_response(404 if path == "/none" else 200)
            self.end_headers()
            body = {"/good.png": picture, "/text": b"<html>", "/huge": bytes(31 << 20)}.get(path, b"")
            with suppress(OSError):  # the reader had enough
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_pictures_from_the_web(web: str) -> None:
    assert fetch(f"{web}/good.png").size == (30, 20)
    assert fetch(f"{web}/again").size == (30, 20)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none", "answered 404"),
        ("/text", "no picture"),
        ("/huge", "larger than 30 MB"),
        ("/file", "302|not of the web"),
        ("/slow", "cannot be fetched"),
    ],
)
def test_what_is_not_fetched_from_the_web(web: str, path: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        fetch(f"{web}{path}", timeout_s=0.5)


def test_a_server_that_never_comes_to_an_end(web: str) -> None:
    """It is never silent for long, so no timeout of the socket ends it."""
    with pytest.raises(Refused, match=r"longer than 0\.3 s"):
        fetch(f"{web}/drip", timeout_s=5, longest_s=0.3)


def test_https_leads_to_nothing_less() -> None:
    asked = urllib.request.Request("https://example.org/a.png")
    with pytest.raises(urllib.error.URLError, match="from https to http"):
        _WebOnly().redirect_request(asked, None, 302, "Found", {}, "http://example.org/a.png")
    for there in ("https://example.org/b.png", "HTTPS://example.net/b.png"):
        onward = _WebOnly().redirect_request(asked, None, 302, "Found", {}, there)
        assert onward is not None
    plain = urllib.request.Request("http://example.org/a.png")
    assert _WebOnly().redirect_request(plain, None, 302, "Found", {}, "https://example.org/a.png") is not None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.png", "data:image/png;base64,AAAA"])
def test_only_the_web_is_fetched(url: str) -> None:
    with pytest.raises(Refused, match="only http"):
        fetch(url)


def test_rows_of_a_roster_have_results_of_their_own(tmp_path: Path, web: str, file: GalleryFile) -> None:
    drawn(tmp_path / "a.png")
    rows = [
        ["name", "url"],
        ["Ann", "a.png"],
        ["Ben", f"{web}/none?token=s3cret"],
        ["Cem", "http://ann:s3cret@127.0.0.1:9/x.png"],
        ["Dora", "missing.png"],
        ["Eve", ""],
        ["", "a.png"],
        ["Finn", f"{web}/good.png"],
        ["Gus", "file:///etc/passwd"],
    ]
    write_csv(tmp_path / "list.csv", rows, ",")
    faces: dict[int, list[Face]] = {30: [a_face(vector(0))]}
    reader = Reader(faces)
    found = list(examined(items_of_roster(tmp_path / "list.csv"), reader, Rules()))
    why = {one.name: one.why for one in found if isinstance(one, Outcome)}
    assert [one.name for one in found if not isinstance(one, Outcome)] == ["Ann", "Finn"]
    assert "404" in why["Ben"]
    assert "cannot be fetched" in why["Cem"]
    assert "does not exist" in why["Dora"]
    assert "names no picture" in why["Eve"]
    assert "needs a name" in why[""]
    assert "only http" in why["Gus"]
    assert not any("s3cret" in one.label + getattr(one, "why", "") for one in found)


def test_reading_needs_a_real_picture(tmp_path: Path) -> None:
    def make() -> list[Item]:
        return items_of_folder(tmp_path)

    drawn(tmp_path / "Ann" / "1.png")
    (tmp_path / "Ann" / "2.png").write_bytes(b"no picture")
    good, bad = make()
    assert good.picture().size == (30, 20)
    with pytest.raises(InputError):
        bad.picture()


@pytest.mark.parametrize("terms", [Terms(now=2000.0, expires=9e9), Terms(now=2000.0, consent="signed anew")])
def test_until_when_and_on_what_terms_is_news_without_a_new_picture(file: GalleryFile, terms: Terms) -> None:
    put_in(file, "Ann", [a_face(vector(0))], terms=Terms(now=1000.0, expires=8e9, consent="signed"))
    (outcome,) = put_in(file, "Ann", [a_face(vector(5))], terms=terms)
    assert outcome.result is Enrolled.KNOWN
    (ann,) = file.read(Embedder.model).people
    assert (ann.expires, ann.consent) == (terms.expires or 8e9, terms.consent or "signed")
    assert (ann.added, len(ann.hashes)) == (1000.0, 1)


def test_whose_time_is_over_begins_anew(file: GalleryFile) -> None:
    """Also with the same picture: nothing of the old terms is left, and the end above all."""
    over = Terms(now=1000.0, expires=2000.0, consent="until summer", keep_crops=True)
    put_in(file, "Ann", [a_face(vector(0))], [a_face(vector(30))], terms=over)
    (outcome,) = put_in(file, "Ann", [a_face(vector(5))], terms=Terms(now=3000.0))
    assert outcome.result is Enrolled.TAKEN
    (ann,) = file.read(Embedder.model).people
    assert (ann.added, ann.expires, ann.consent, len(ann.hashes)) == (3000.0, None, "", 1)
    content = file.load()
    assert content is not None
    assert content.portraits == {}


def test_whose_time_is_over_stays_when_nothing_new_is_taken(file: GalleryFile) -> None:
    put_in(file, "Ben", [a_face(vector(90))])
    put_in(file, "Ann", [a_face(vector(0))], terms=Terms(now=1000.0, expires=2000.0))
    (outcome,) = put_in(file, "Ann", [a_face(vector(88))], terms=Terms(now=3000.0))
    assert outcome.result is Enrolled.REFUSED
    assert file.read(Embedder.model).expired(3000.0) == ("Ann",)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("~nobody-of-that-name/x.jpg", "no such home"),
        ("http://[::1", "cannot be fetched"),
        ("http://user:secret@[::1", "cannot be fetched"),
        ("http://", "cannot be fetched"),
        ("a\0b.jpg", "does not exist|cannot be"),
        ("x" * 5000, "cannot be|too long"),
    ],
)
def test_odd_places_in_a_list_keep_no_others_from_it(tmp_path: Path, file: GalleryFile, place: str, why: str) -> None:
    assert cv2.imwrite(str(tmp_path / "ben.png"), np.full((8, 1, 3), 77, np.uint8))
    write_csv(tmp_path / "list.csv", [["name", "image"], ["Ann", place], ["Ben", "ben.png"]], ",")
    reader = Reader({1: [a_face(vector(0))]})
    found = examined(items_of_roster(tmp_path / "list.csv"), reader, RULES)
    _, outcomes = enrol(found, reader, file, TERMS)
    assert [outcome.result for outcome in outcomes] == [Enrolled.REFUSED, Enrolled.TAKEN]
    assert re.search(why, outcomes[0].why)
    assert "secret" not in outcomes[0].label + outcomes[0].why


def test_workbooks_that_unfold_into_more_than_there_is_memory(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "list.xlsx", [["name", "image"], ["Ann", "ann.png"]])
    with zipfile.ZipFile(tmp_path / "list.xlsx", "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/more.xml", bytes(201 << 20))
    assert (tmp_path / "list.xlsx").stat().st_size < 1 << 20
    with pytest.raises(UsageError, match="too large for a list"):
        read_roster(tmp_path / "list.xlsx")


def test_workbooks_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "plain.xlsx", [["name", "image"], ["Ann", "ann.png"]])
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as plain, zipfile.ZipFile(tmp_path / "list.xlsx", "w") as packed:
        for name in plain.namelist():
            data = plain.read(name).replace(b'ref="A1:B2"', b'ref="A1:XFD1000000"')
            for old in (b'r="2"', b'r="A2"', b'r="B2"'):
                data = data.replace(old, old.replace(b"2", b"1000000"))
            packed.writestr(name, data)
    with pytest.raises(UsageError, match="more than 100,000 rows"):
        read_roster(tmp_path / "list.xlsx")
