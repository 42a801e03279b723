"""With `who: unknown`: whatever breaks, no stranger is shown. The real pipeline with its threads, judged by pixels."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import RecordingSink
from support.people import CellEmbedder, Street, StreetDetector, Walker, gallery_of

from streamer.api import Anonymizer
from streamer.config.schema import Config
from streamer.core.errors import EmbedderError, StreamerError, UsageError
from streamer.core.options import Context
from streamer.core.report_schema import RunReport
from streamer.core.stats import Stats
from streamer.effects import solid
from streamer.identity.decide import hide_everyone
from streamer.people.audit import verify
from streamer.people.gallery import Gallery
from streamer.people.live import LiveGallery
from streamer.pipeline import recognition
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline, Report
from streamer.pipeline.recognition import Recogniser, Recognition

ADA, EVE = 1, 2


def people() -> list[Walker]:
    """Ada stands; Eve comes in, goes past before her, and back."""
    return [
        Walker(ADA, lambda n: (60, 70)),
        Walker(EVE, lambda n: (380 - 370 * (0.5 - 0.5 * math.cos(2 * math.pi * max(0, n - 25) / 60)), 70)),
    ]


class Run:
    """One run: its sinks, its report and its error."""

    def __init__(
        self,
        *,
        before: Callable[[int], Any] = lambda call: None,
        look: Callable[[int], None] = lambda number: None,
        street: Street | None = None,
        gallery: Callable[[], Gallery] = lambda: gallery_of(ADA),
        stamp: Callable[[], int] = lambda: 0,
        live: bool = False,
        **settings: Any,
    ) -> None:
        self.street = street or Street(people(), frames=100, live=live)
        self.sink = RecordingSink()
        self.embedder = CellEmbedder(before)
        config = Config().updated(
            {"identity.who": "unknown", "detector.threshold": 0.4, "run.stop_timeout_s": 2.0, **settings}
        )
        known = LiveGallery(gallery, stamp, model=CellEmbedder.model)
        parts = Parts(
            lambda: self.street,
            lambda: StreetDetector(self.street, look),
            lambda kind: solid.build(solid.Options(), Context()),
            [("record", lambda: self.sink)],
            recogniser=lambda: Recogniser(self.embedder, known),
        )
        pipeline = Pipeline(config, parts)
        pipeline.start()
        self.error: StreamerError | None = None
        try:
            pipeline.join()
        except StreamerError as error:
            self.error = error
        self.report: Report = pipeline.report()

    def shown(self, seed: int) -> list[int]:
        frames = [frame for frame in self.sink.frames if not frame.covered]
        return [frame.seq for frame in frames if self.street.shown(frame.image, frame.seq, seed)]


@pytest.mark.parametrize("live", [False, True])
def test_healthy(live: bool) -> None:
    run = Run(live=live)
    assert run.error is None
    assert run.shown(EVE) == []
    assert len(run.shown(ADA)) > 20
    assert RunReport.model_validate(run.report.summary).identity is not None
    identity = run.report.summary["identity"]
    assert identity["reveals"] >= 1
    assert identity["embeddings"] == run.embedder.crops
    assert identity["cache_hit_rate"] > 0.7
    assert run.embedder.closed


def test_a_file_gives_the_same_every_time() -> None:
    first, second = Run(), Run(before=lambda call: time.sleep(0.03))
    assert first.shown(ADA) == second.shown(ADA)


def raising(call: int) -> None:
    raise RuntimeError("the embedder broke")


WRONG = {
    "raises": raising,
    "NaN": lambda call: np.full((1, 64), np.nan, np.float32),
    "zeros": lambda call: np.zeros((1, 64), np.float32),
    "wrong shape": lambda call: np.ones((3, 7), np.float32),
    "no array": lambda call: "Ada",
}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_an_embedder_that_fails_is_no_evidence_and_ends_the_run(wrong: str, live: bool) -> None:
    run = Run(before=WRONG[wrong], live=live)
    assert isinstance(run.error, EmbedderError)
    assert run.shown(ADA) == run.shown(EVE) == []
    assert run.report.summary["other"]["EmbedderError"] >= 5


@pytest.mark.parametrize("live", [False, True])
def test_an_embedder_that_fails_now_and_then(live: bool) -> None:
    run = Run(before=lambda call: raising(call) if call % 3 == 1 else None, live=live)
    assert run.error is None
    assert run.shown(EVE) == []
    assert run.shown(ADA)


def test_a_slow_embedder_holds_up_no_live_frame() -> None:
    run = Run(before=lambda call: time.sleep(0.5), live=True)
    assert run.error is None
    assert run.shown(EVE) == []
    assert len(run.sink.frames) == 100


@pytest.mark.parametrize("live", [False, True])
def test_a_slow_or_failing_detector(live: bool) -> None:
    def look(number: int) -> None:
        time.sleep(0.15 if number % 4 == 0 else 0)
        if number % 5 == 0:
            raise RuntimeError("the detector broke")

    run = Run(look=look, live=live)
    assert run.shown(EVE) == []


def test_a_machine_that_stands_still_for_moments() -> None:
    """Frames that waited come all at once: by the time of their arrival, faces would move faster than anybody can."""
    street = Street(people(), frames=100, live=True, stall_at=(33, 47, 62, 77))
    run = Run(street=street, look=lambda number: time.sleep(0.12))
    assert run.error is None
    assert run.shown(EVE) == []


def test_a_reconnection() -> None:
    run = Run(street=Street(people(), frames=100, live=True, lose_at=(45, 70)))
    assert run.error is None
    assert run.shown(EVE) == []


def test_who_is_removed_is_hidden_in_every_frame_that_comes_after() -> None:
    """On a live source: from when the change is noticed, also in frames that were on their way to an output."""
    galleries, began = [gallery_of(ADA)], time.monotonic()

    def gallery() -> Gallery:
        return galleries.pop() if galleries else Gallery.empty(CellEmbedder.model)

    run = Run(gallery=gallery, stamp=lambda: int(time.monotonic() - began > 2.0), live=True)
    shown = run.shown(ADA)
    assert shown
    # Noticed within 0.2 s; the rest is for a machine that is busy with other things.
    assert max(shown) / 25 <= 2.0 + 1.0


def test_nobody_enrolled_is_said_and_everybody_hidden() -> None:
    run = Run(gallery=lambda: Gallery.empty(CellEmbedder.model))
    assert run.shown(ADA) == run.shown(EVE) == []
    assert any("nobody is enrolled" in note for note in run.report.summary["notes"])


def test_who_all_loads_no_embedder() -> None:
    from streamer.pipeline.recognition import open_recogniser

    assert open_recogniser(Config(), Context()) is None


def test_a_gallery_that_was_named_and_is_not_there(tmp_path: Any) -> None:
    from streamer.pipeline.recognition import open_recogniser

    config = Config().updated({"identity.who": "unknown", "identity.gallery": str(tmp_path / "none")})
    with pytest.raises(UsageError, match="there is no gallery"):
        open_recogniser(config, Context())


def test_pictures_in_memory_know_nobody_and_say_so() -> None:
    with pytest.raises(UsageError, match="everyone is hidden"):
        Anonymizer(who="unknown")


@pytest.mark.parametrize("settings", [{"identity.who": "known"}, {"identity.who": "all"}])
def test_attendance_is_refused_where_nobody_enrolled_is_shown(tmp_path: Any, settings: dict[str, Any]) -> None:
    people = Recognition(
        Config().updated({**settings, "identity.attendance": str(tmp_path / "who.csv")}), Stats(), hide_everyone
    )
    known = LiveGallery(lambda: gallery_of(ADA), lambda: 0, model=CellEmbedder.model)
    recogniser = None if settings["identity.who"] == "all" else Recogniser(CellEmbedder(), known)
    with pytest.raises(UsageError, match="--who unknown"):
        people.open(recogniser, 0.4, Street([]).info)


def test_who_stands_in_a_zone_is_named_nowhere(tmp_path: Any) -> None:
    """Not on the picture, and not in the records: nobody sees them."""
    settings: dict[str, Any] = {"zones.cover": [[[0, 0], [1, 0], [1, 1], [0, 1]]], "identity.labels": True}
    settings |= {"identity.attendance": str(tmp_path / "who.csv"), "identity.audit": str(tmp_path / "audit")}
    run = Run(**settings)
    assert run.error is None
    assert run.report.summary["identity"]["reveals"] >= 1
    assert "person" not in (tmp_path / "who.csv").read_text()
    assert "(tracks of strangers: 0)" in (tmp_path / "who.csv").read_text()
    assert "person" not in (tmp_path / "audit").read_text()
    pictures = [frame.image for frame in run.sink.frames if not frame.covered]
    assert pictures
    assert all(set(picture.planes[0].reshape(-1).tolist()) == {48} for picture in pictures)


def test_records_reach_the_disk_while_the_run_goes_on_and_no_frame_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills the program, or pulls the plug, finds what was recorded until then."""
    monkeypatch.setattr(recognition, "_SYNC_S", 0.01)
    monkeypatch.setattr(recognition, "_LIST_EVERY", 1)
    synced: list[str] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(threading.current_thread().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    who, audit = tmp_path / "who.csv", tmp_path / "audit"
    late: dict[str, Any] = {}

    def look(number: int) -> None:
        if number < 60:
            return
        deadline = time.monotonic() + 10
        while not (who.exists() and "person-1" in who.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        late.setdefault("who", (who.read_text(), who.stat().st_mode & 0o777))
        late.setdefault("audit", verify(audit))
        late.setdefault("synced", set(synced))

    settings: dict[str, Any] = {"identity.attendance": str(who), "identity.audit": str(audit), "detect.every": 1}
    run = Run(look=look, **settings)
    assert run.error is None
    text, mode = late["who"]
    assert "person-1" in text
    assert mode == 0o600
    assert late["synced"] == {"records"}
    assert (late["audit"].problem, late["audit"].ended) == (None, False)
    assert (verify(audit).problem, verify(audit).ended) == (None, True)
    assert run.report.summary["identity"]["reveals"] >= 1


def test_an_attendance_that_cannot_be_written_meanwhile_is_told_once_and_fails_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faces are hidden all the same until then; the run must not end for a list."""
    monkeypatch.setattr(recognition, "_SYNC_S", 0.01)
    monkeypatch.setattr(recognition, "_LIST_EVERY", 1)
    tried: list[str] = []

    def full(path: Path, data: bytes, *, mode: int, replace: bool) -> None:
        tried.append(threading.current_thread().name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streamer.people.attendance.write_whole", full)

    def look(number: int) -> None:
        deadline = time.monotonic() + 10
        while len(tried) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)

    settings: dict[str, Any] = {"identity.attendance": str(tmp_path / "who.csv")}
    run = Run(look=look, **settings)
    assert tried[:3] == ["records"] * 3
    assert tried[-1] == "render"
    assert "No space left" in str(run.error)
    assert len(run.sink.frames) == 100
    assert sum("No space left" in note for note in run.report.summary["notes"]) == 1


def test_an_audit_log_that_the_disk_does_not_keep_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "_SYNC_S", 0.01)

    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    settings: dict[str, Any] = {"identity.audit": str(tmp_path / "audit")}
    run = Run(look=lambda number: time.sleep(0.01), **settings)
    assert isinstance(run.error, StreamerError)
    assert "audit log" in str(run.error)
    assert "Input/output error" in str(run.error)
    assert run.shown(EVE) == []
