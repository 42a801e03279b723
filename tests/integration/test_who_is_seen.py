"""Real people in real clips: the enrolled become visible, and nobody else ever does. Judged on what was emitted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.weights import weights
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.endpoints import parse_input
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.evaluate.faces import Finder
from streamer.evaluate.leak import Face, Pair, pictures_of
from streamer.evaluate.reveal import PersonResult, RevealMeter, faces_in_tiles, read_tiles
from streamer.people.audit import verify
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sinks.memory import MemorySink

PEOPLE = ("auduno", "d10_woman", "d12_man", "d14_woman", "d3_woman", "pyfeat_man")
LEAST_FACE_PX = 32
LEAST_VISIBLE = dict.fromkeys(PEOPLE, 0.9) | {"d12_man": 0.8}
"""Share of the detectable frames from a second on. The man shakes his head so fast that his inner face jumps."""


def finder() -> Finder:
    config = Config()
    detector = build("detectors", config.detector.kind, config.detector.options, Context(model=weights))
    return Finder(detector, 0.6)


def enrolled(gallery: Path, name: str, *sources: Path) -> Path:
    result = CliRunner().invoke(app, ["enroll", name, *map(str, sources), "--gallery", str(gallery)])
    assert result.exit_code == 0, result.output
    return gallery


def judged(clip: Path, config: Config, faces: dict[int, list[Face]], allowed: set[str]) -> list[PersonResult]:
    """Run one clip through the real pipeline, and judge every frame that comes out."""
    source, sink = parse_input(str(clip)), MemorySink()
    parts = Parts.of(config, source, [], Context(model=weights))
    meter = RevealMeter(faces, frozenset(allowed))
    pipeline = Pipeline(
        config,
        Parts(parts.source, parts.detector, parts.effect, [("memory", lambda: sink)], recogniser=parts.recogniser),
    )
    pipeline.start()
    pipeline.join()
    opened = parts.source()
    try:
        for number, (captured, frame) in enumerate(zip(pictures_of(opened), sink.frames, strict=True)):
            assert frame.seq == number
            meter.add(Pair(number, frame.t, captured.image, frame.image, frame.covered, exact=True))
    finally:
        opened.close()
    return meter.result()


@pytest.fixture(scope="module")
def mosaic(media: Path) -> tuple[Path, dict[int, list[Face]]]:
    folder = media / "media" / "video_mosaic"
    clip, tiles = folder / "mosaic6_720p.mp4", read_tiles(folder / "mosaic6_720p_tiles.csv")
    eyes = finder()
    try:
        context = Context(model=weights)
        return clip, faces_in_tiles(parse_input(str(clip)), Config(), context, eyes, tiles, min_face_px=LEAST_FACE_PX)
    finally:
        eyes.close()


@pytest.mark.parametrize("person", PEOPLE)
def test_one_of_six_is_seen(
    mosaic: tuple[Path, dict[int, list[Face]]], media: Path, tmp_path: Path, person: str
) -> None:
    clip, faces = mosaic
    pictures = sorted((media / "media" / "video_mosaic" / "enrol" / person).glob("*.jpg"))
    gallery = enrolled(tmp_path / "one.gallery", person, *pictures)
    config = Config().updated({"identity.who": "unknown", "identity.gallery": str(gallery)})
    results = judged(clip, config, faces, {person})
    assert {one.person: one.false_reveals for one in results} == dict.fromkeys(PEOPLE, 0)
    (own,) = [one for one in results if one.person == person]
    assert own.late_visible >= LEAST_VISIBLE[person] * own.late_detectable


def one_person(clip: Path, name: str) -> dict[int, list[Face]]:
    eyes, whole = finder(), {name: (-1e6, -1e6, 1e6, 1e6)}
    try:
        context = Context(model=weights)
        return faces_in_tiles(parse_input(str(clip)), Config(), context, eyes, whole, min_face_px=LEAST_FACE_PX)
    finally:
        eyes.close()


@pytest.fixture(scope="module")
def one_take(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery with one person, enrolled from a video; to be copied by whoever changes it."""
    video = media / "media" / "video" / "webcam_auduno_cap12_300p.mp4"
    return enrolled(tmp_path_factory.mktemp("take") / "one.gallery", "auduno", video)


def test_enrolled_in_one_take_recognised_in_another_and_no_stranger(media: Path, one_take: Path) -> None:
    video = media / "media" / "video"
    config = Config().updated({"identity.who": "unknown", "identity.gallery": str(one_take), "run.duration_s": None})
    (own,) = judged(
        video / "webcam_auduno_cap13_300p.mp4", config, one_person(video / "webcam_auduno_cap13_300p.mp4", "a"), {"a"}
    )
    assert own.late_visible >= 0.9 * own.late_detectable
    for clip in ("head_d10_woman_512.mp4", "talk_obama_720p.mp4"):
        (other,) = judged(video / clip, config, one_person(video / clip, "b"), set())
        assert other.detectable > 50
        assert other.false_reveals == 0


def test_who_is_removed_while_the_stream_runs_is_hidden_within_a_second(
    media: Path, one_take: Path, tmp_path: Path
) -> None:
    """Another program removes the person; the log of the running one says when the last frame was shown."""
    video = media / "media" / "video"
    gallery = Path(shutil.copy(one_take, tmp_path))
    log, command = tmp_path / "audit.jsonl", [sys.executable, "-m", "streamer"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    options = ["-o", "null", "--realtime", "--quiet", "--who", "unknown"]
    options += ["--gallery", str(gallery), "--audit", str(log)]
    running = subprocess.Popen(
        [*command, "run", str(video / "webcam_auduno_cap13_300p.mp4"), *options],
        env=environment,
    )
    try:
        shown = _wait_for(log, "shown")
        assert not any(record["event"] == "hidden" for record in _records(log)[shown:])
        subprocess.run([*command, "people", "remove", "auduno", "--gallery", str(gallery)], env=environment, check=True)
        removed = time.time()
        _wait_for(log, "hidden")
        assert time.time() - removed < 1.0 + _POLL_S + _MACHINE_S
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(30)
    assert verify(log).problem is None
    after = [record["event"] for record in _records(log)]
    assert after.count("shown") == after.count("hidden")
    assert after[-1] == "end"


_POLL_S = 0.02
_MACHINE_S = 1.0
"""For a machine that is busy with other things; the stream itself looks at the file five times a second."""


def _records(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines]


def _wait_for(log: Path, event: str) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for number, record in enumerate(_records(log)):
            if record["event"] == event:
                return number
        time.sleep(_POLL_S)
    raise AssertionError(f"no {event!r} in the log")
