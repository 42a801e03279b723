"""The meter of reveals: on drawn pictures it sees exactly who can be read, and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.core.errors import InputError
from streamer.core.picture import Picture
from streamer.core.types import Box
from streamer.evaluate.leak import Face, Pair
from streamer.evaluate.reveal import PersonResult, RevealMeter, read_tiles

BOXES: dict[str, Box] = {"ann": (20, 20, 84, 84), "bob": (120, 20, 184, 84)}
FPS = 25


def original(number: int) -> Picture:
    """Two textured faces on grey."""
    canvas = np.full((100, 200, 3), 110, np.uint8)
    for index, (x0, y0, x1, y1) in enumerate(BOXES.values()):
        noise = np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8)
        canvas[int(y0) : int(y1), int(x0) : int(x1)] = cv2.resize(noise, (int(x1 - x0), int(y1 - y0)))
    return Picture.from_bgr(canvas)


def emitted(number: int, hidden: Sequence[str]) -> Picture:
    """The same with some faces filled."""
    canvas = original(number).canvas()
    for name in hidden:
        x0, y0, x1, y1 = map(int, BOXES[name])
        canvas.planes[0][y0:y1, x0:x1] = 60
    return canvas.frozen()


def judged(allowed: set[str], hidden_at: Sequence[Sequence[str]], *, bob_from: int = 0) -> dict[str, PersonResult]:
    """One run: who is hidden in each frame."""
    faces = {
        number: [Face(name, box) for name, box in BOXES.items() if name == "ann" or number >= bob_from]
        for number in range(len(hidden_at))
    }
    meter = RevealMeter(faces, frozenset(allowed))
    for number, hidden in enumerate(hidden_at):
        meter.add(Pair(number, number / FPS, original(number), emitted(number, hidden), exact=True))
    return {one.person: one for one in meter.result()}


def test_everybody_hidden() -> None:
    found = judged({"ann"}, [("ann", "bob")] * 60)
    assert (found["ann"].detectable, found["ann"].visible, found["ann"].false_hides) == (60, 0, 60)
    assert found["ann"].seconds_until_visible is None
    assert found["bob"].false_reveals == found["bob"].false_hides == found["ann"].false_reveals == 0


def test_the_right_one_is_shown_after_a_while() -> None:
    found = judged({"ann"}, [("ann", "bob")] * 10 + [("bob",)] * 50)
    ann = found["ann"]
    assert (ann.visible, ann.false_hides, ann.longest_visible) == (50, 10, 50)
    assert ann.seconds_until_visible == pytest.approx(0.4)
    assert (ann.late_detectable, ann.late_visible) == (34, 34)  # later than a second
    assert found["bob"].false_reveals == 0


def test_every_frame_that_shows_a_stranger_counts() -> None:
    hidden: list[tuple[str, ...]] = [("bob",)] * 60
    for number in (7, 8, 30):
        hidden[number] = ()
    bob = judged({"ann"}, hidden)["bob"]
    assert (bob.false_reveals, bob.longest_visible, bob.allowed) == (3, 2, False)


def test_time_begins_when_the_person_appears() -> None:
    found = judged({"bob"}, [("ann", "bob")] * 35 + [("ann",)] * 5, bob_from=30)["bob"]
    assert found.detectable == 10
    assert found.seconds_until_visible == pytest.approx(0.2)
    assert found.late_detectable == 0


def test_the_other_way_round_both_are_wrong() -> None:
    found = judged({"ann"}, [("ann",)] * 30)
    assert found["ann"].false_hides == found["bob"].false_reveals == 30


def test_tiles(tmp_path: Path) -> None:
    table = tmp_path / "tiles.csv"
    table.write_text("person,x,y,w,h,source\nann,0,0,100,50,a.mp4\nbob,100,0,100,50,b.mp4\n")
    assert read_tiles(table) == {"ann": (0, 0, 100, 50), "bob": (100, 0, 200, 50)}
    for text, words in [
        ("person,x,y\nann,0,0\n", "no table of tiles"),
        ("person,x,y,w,h\nann,0,0,a,5\n", "no table of tiles"),
        ("person,x,y,w,h\n", "no tile"),
    ]:
        table.write_text(text)
        with pytest.raises(InputError, match=words):
            read_tiles(table)
    with pytest.raises(InputError, match="no table of tiles"):
        read_tiles(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--truth FILE.csv"),
        (["--truth", "none.csv"], "no table of tiles"),
        (["--truth", "none.csv", "--json", "none/at.json"], "is no folder"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", "reveal", "clip.mp4", *arguments])
    assert result.exception is not None
    assert words in str(result.exception)


@pytest.mark.timeout(600)
def test_of_six_people_only_the_enrolled_one_is_shown(media: Path, tmp_path: Path) -> None:
    mosaic, out = media / "media" / "video_mosaic", tmp_path / "out.json"
    command = [
        "evaluate",
        "reveal",
        str(mosaic / "mosaic6_720p.mp4"),
        "--truth",
        str(mosaic / "mosaic6_720p_tiles.csv"),
    ]
    result = CliRunner().invoke(
        app, [*command, "--enrol", str(mosaic / "enrol"), "--person", "d10_woman", "--json", str(out)]
    )
    assert result.exception is None, result.output
    run = json.loads(out.read_text())["runs"][0]
    people = {one["person"]: one for one in run["people"]}
    assert run["enrolled"] == ["d10_woman"]
    assert len(people) == 6
    assert all(one["detectable"] > 250 for one in people.values())
    assert {name for name, one in people.items() if one["visible"]} == {"d10_woman"}
    assert "false reveals 0 of" in result.stdout
