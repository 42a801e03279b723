"""Attendance, audit log, labels, and the gallery beside a running stream."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import stat
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.people import CellEmbedder, Street, gallery_of

from streamer.anonymize.labels import labelled
from streamer.config.schema import Config
from streamer.core.errors import GalleryError, StreamerError, UsageError
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.reasons import HideReason
from streamer.core.stats import Stats
from streamer.core.types import Cover, Reveal, TrackBox
from streamer.identity.decide import hide_everyone
from streamer.people.attendance import Attendance
from streamer.people.audit import AuditLog, verify
from streamer.people.content import Content
from streamer.people.gallery import Gallery, Person
from streamer.people.live import LiveGallery
from streamer.people.store import GalleryFile
from streamer.pipeline.recognition import Recogniser, Recognition, open_recogniser

ADA = Reveal("Ada", 0.0, 9.0, 1, 0.7)
EAST = np.array([[0, 1]], np.float32)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_attendance_counts_only_the_time_in_which_somebody_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "who.csv"
    listed = Attendance(path)
    for n in range(100):
        here = {(0, 1): ADA} if 25 <= n < 50 or n >= 75 else {}
        listed.on_frame(10 + n / 25, here, [(0, 1), (0, 2)] + ([(0, 3)] if n < 2 else []))
    assert not path.exists()
    listed.write()
    table = rows(path)
    assert table[0] == ["name", "first_seen_s", "last_seen_s", "visible_s", "best_score"]
    assert table[1][:3] == ["Ada", "1.00", "3.96"]
    assert float(table[1][3]) == pytest.approx(2.0, abs=0.09)
    assert table[1][4] == "0.700"
    assert table[2][0] == "(tracks of strangers: 1)", "a track of two frames is nobody"
    assert mode(path) == 0o600


def test_attendance_replaces_nothing_and_needs_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "who.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        Attendance(path)
    with pytest.raises(UsageError, match="no folder"):
        Attendance(tmp_path / "nowhere" / "who.csv")


def test_names_that_a_spreadsheet_would_execute(tmp_path: Path) -> None:
    listed = Attendance(tmp_path / "who.csv")
    listed.on_frame(0.0, {(0, 1): Reveal("=1+1", 0.0, 9.0, 1)}, [(0, 1)])
    listed.write()
    assert rows(tmp_path / "who.csv")[1][0] == "'=1+1"


def record(path: Path) -> None:
    log = AuditLog(path, model="cells-1", config="0" * 64, clock=lambda: 1_000_000_000.0)
    log.on_frame(5.0, {(0, 1): ADA})
    log.on_frame(5.04, {(0, 1): ADA, (0, 2): Reveal("Bo", 0.0, 9.0, 1, 0.6)})
    log.on_frame(5.08, {(0, 2): Reveal("Bo", 0.0, 9.0, 1, 0.65)})
    log.close()


def test_the_log_says_who_was_shown_from_when_to_when(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    record(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", "shown", "shown", "hidden", "hidden", "end"]
    ada = lines[3]
    assert (ada["name"], ada["from_s"], ada["to_s"], ada["score"]) == ("Ada", 0.0, 0.04, 0.7)
    assert lines[4]["score"] == 0.65
    assert lines[0]["model"] == "cells-1"
    assert verify(path).problem is None
    assert verify(path).ended
    assert mode(path) == 0o600


def test_runs_are_chained(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    record(path)
    record(path)
    found = verify(path)
    assert (found.lines, found.problem) == (12, None)


@pytest.mark.parametrize("line", range(6))
def test_a_changed_line_shows(tmp_path: Path, line: int) -> None:
    path = tmp_path / "audit.jsonl"
    record(path)
    lines = path.read_text().splitlines(keepends=True)
    lines[line] = lines[line].replace("2001-09-09", "2001-09-08")
    path.write_text("".join(lines))
    assert f"line {line + 1}" in (verify(path).problem or "")
    with pytest.raises(UsageError, match="damaged"):
        AuditLog(path, model="cells-1", config="0")


@pytest.mark.parametrize("line", range(5))
def test_a_removed_line_shows(tmp_path: Path, line: int) -> None:
    path = tmp_path / "audit.jsonl"
    record(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:line] + lines[line + 1 :]))
    assert verify(path).problem is not None


def test_a_log_that_was_cut_off_did_not_end(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    record(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    found = verify(path)
    assert found.problem is None
    assert not found.ended


def test_a_log_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    first = AuditLog(path, model="cells-1", config="0")
    with pytest.raises(UsageError, match="another run"):
        AuditLog(path, model="cells-1", config="0")
    first.close()
    AuditLog(path, model="cells-1", config="0").close()


@pytest.mark.parametrize("format", ["i420", "bgrp"])
def test_labels_are_drawn_over_a_copy_and_name_only_who_is_seen(format: Format) -> None:
    picture = Picture.blank(320, 240, luma=100, format=format).frozen()
    before = [plane.copy() for plane in picture.planes]
    box = TrackBox(1, (100, 100, 160, 170), None)

    def drawn(verdict: Cover | Reveal, shown: set[int]) -> bytes:
        return b"".join(plane.tobytes() for plane in labelled(picture, [(box, verdict)], shown).planes)

    assert drawn(ADA, {1}) != drawn(ADA, set()), "the gate hid her: no name"
    assert drawn(ADA, set()) == drawn(Reveal("Bo", 0.0, 9.0, 1, 0.2), set())
    assert drawn(ADA, {1}) != drawn(Cover(HideReason.CROWDED), set())
    assert all((now == then).all() for now, then in zip(picture.planes, before, strict=True))


def test_a_change_of_the_gallery_counts_before_it_is_read() -> None:
    now, stamp, loads = [0.0], ["a"], [gallery_of(1), gallery_of(1, 2)]
    live = LiveGallery(lambda: loads.pop(0), lambda: stamp[0], model=CellEmbedder.model, clock=lambda: now[0])
    assert (live.version(), len(live.current()[0])) == (0, 1)
    stamp[0] = "b"
    now[0] = 0.3
    assert live.version() == 1
    people, version = live.current()
    assert (len(people), version) == (2, 1)


def test_a_gallery_that_cannot_be_read_any_more_knows_nobody() -> None:
    now, stamp, problems = [0.0], ["a"], list[str]()

    def load() -> Gallery:
        if stamp[0] == "b":
            raise GalleryError("it is damaged")
        return gallery_of(1)

    live = LiveGallery(
        load, lambda: stamp[0], model=CellEmbedder.model, clock=lambda: now[0], on_problem=problems.append
    )
    stamp[0] = "b"
    now[0] = 0.3
    assert len(live.current()[0]) == 0
    assert len(live.current()[0]) == 0
    assert problems == ["it is damaged"]
    stamp[0] = "c"
    now[0] = 0.6
    assert len(live.current()[0]) == 1
    assert live.version() == 2


def test_private_also_where_the_system_gives_to_all(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        record(tmp_path / "audit.jsonl")
        Attendance(tmp_path / "who.csv").write()
    finally:
        os.umask(before)
    assert mode(tmp_path / "audit.jsonl") == 0o600
    assert mode(tmp_path / "who.csv") == 0o600


def test_somebodys_end_changes_the_gallery_without_anybody_writing() -> None:
    now, today = [0.0], [1000.0]
    ann = Gallery.of(
        "m", [(Person("Ann", 0.0, expires=2000.0), np.eye(2, dtype=np.float32)[:1]), (Person("Bo", 0.0, 500.0), EAST)]
    )
    live = LiveGallery(lambda: ann, lambda: "a", model="m", clock=lambda: now[0], today=lambda: today[0])
    now[0] += 1
    assert live.version() == 0, "who is over already is no news"
    today[0] = 2000.0
    now[0] += 1
    assert live.version() == 1
    assert live.current()[1] == 1
    now[0] += 1
    assert live.version() == 1


def _instead(new: Content, old: Content) -> Content:
    return new


def test_a_link_to_another_gallery_is_another_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a folder of settings is often swapped: the one who is removed must not stay."""
    monkeypatch.setattr("streamer.pipeline.recognition.build", lambda *_: CellEmbedder())
    for name, seeds in (("old", (1, 2)), ("new", (2,))):
        content = Content(gallery_of(*seeds))
        GalleryFile(tmp_path / name).update(CellEmbedder.model, partial(_instead, content))
    link = tmp_path / "link"
    link.symlink_to("old")
    recogniser = open_recogniser(
        Config().updated({"identity.who": "unknown", "identity.gallery": str(link)}), Context()
    )
    assert recogniser is not None
    gallery = recogniser.gallery
    assert len(gallery.current()[0]) == 2
    link.unlink()
    link.symlink_to("new")
    deadline = time.monotonic() + 10
    while gallery.version() == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [person.name for person in gallery.current()[0].people] == ["person-2"]


def test_attendance_and_audit_have_a_file_each(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("who.csv")
    records = {"identity.attendance": str(tmp_path / "who.csv"), "identity.audit": str(tmp_path / "link")}
    recognition = Recognition(Config().updated({"identity.who": "unknown", **records}), Stats(), hide_everyone)
    known = LiveGallery(lambda: gallery_of(1), lambda: 0, model=CellEmbedder.model)
    with pytest.raises(UsageError, match="one and the same"):
        recognition.open(Recogniser(CellEmbedder(), known), 0.4, Street([]).info)
    assert not (tmp_path / "who.csv").exists()


def test_an_attendance_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Attendance(tmp_path / "who.csv")

    def full(made: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StreamerError, match="No space left"):
        listed.write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"n": 1, "before": "' + b"0" * 64 + b'"}', b"\xff", b"0"])
def test_lines_that_are_no_records(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(line + b"\n")
    assert "line 1" in (verify(path).problem or "")


def test_a_record_of_nothing_that_happened(tmp_path: Path) -> None:
    """With a hash that is right: whoever writes it can do that."""
    record = {"n": 1, "before": "0" * 64}
    digits = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    (tmp_path / "audit.jsonl").write_text(json.dumps({**record, "hash": digits}) + "\n")
    assert verify(tmp_path / "audit.jsonl").problem == "line 1 is no record"


@pytest.mark.parametrize("key", ["gallery", "attendance", "audit", "key_file"])
def test_homes_that_nobody_has(key: str) -> None:
    config = Config().updated({"identity.who": "unknown", f"identity.{key}": "~nobody-of-that-name/x"})
    recognition = Recognition(config, Stats(), hide_everyone)
    known = LiveGallery(lambda: gallery_of(1), lambda: 0, model=CellEmbedder.model)
    with pytest.raises(UsageError, match="no such home"):
        open_recogniser(config, Context()) if key in ("gallery", "key_file") else recognition.open(
            Recogniser(CellEmbedder(), known), 0.4, Street([]).info
        )


def test_months_of_strangers_are_counted_and_none_is_remembered(tmp_path: Path) -> None:
    listed = Attendance(tmp_path / "who.csv")
    for number in range(300):
        for frame in range(10):
            listed.on_frame(number * 10 + frame / 25, {}, {(0, number)})
    listed.write()
    assert "(tracks of strangers: 300)" in (tmp_path / "who.csv").read_text()
    assert len(listed._tracks) < 20


def test_strangers_on_stills_are_counted_in_every_picture(tmp_path: Path) -> None:
    for least_frames, number in ((1, 2), (5, 0)):
        listed = Attendance(tmp_path / f"{least_frames}.csv", least_frames=least_frames)
        listed.on_frame(0.0, {(0, 1): ADA}, [(0, 1), (0, 2)])
        listed.on_frame(0.04, {}, [(1, 1)])
        listed.write()
        assert rows(tmp_path / f"{least_frames}.csv")[-1][0] == f"(tracks of strangers: {number})"
