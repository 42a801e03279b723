"""Tiles, mirrored and enlarged looks: where they are, how they come back, and that no face is cut off by a seam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.weights import weights

from streamer.api import Anonymizer
from streamer.config.endpoints import parse_input
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.errors import ConfigError, DetectorError
from streamer.core.geometry import iou, stack
from streamer.core.options import Context
from streamer.core.picture import Format, Picture
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult, Frame
from streamer.detectors import Detector, DetectorOptions
from streamer.detectors._views import Views, _grid, in_views
from streamer.drawn.scene import Actor, Scene, Waypoint
from streamer.pipeline.assembly import Parts
from streamer.stages import detect

WALL, FACE = 60, 180


class Finder:
    """Finds the bright square in what it is shown, and calls its corners landmarks.

    score: of the width and height of what was found, so that a part can be made to look better than the whole.
    """

    def __init__(self, score: Callable[[float, float], float] = lambda width, height: 0.9) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.most = 0
        self.closed = False
        self._score = score

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        self.sizes += [picture.size for picture in pictures]
        self.most = max(self.most, len(pictures))
        return [self._find(picture) for picture in pictures]

    def close(self) -> None:
        self.closed = True

    def _find(self, picture: Picture) -> list[Detection]:
        plane = picture.planes[0][: picture.height, : picture.width]
        bright = plane > (WALL + FACE) // 2
        if not bright.any():
            return []
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        x0, y0, x1, y1 = float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return []
        # As detectors do, it calls the eye on the picture's left the right one, mirrored or not.
        face = (x0, y0), (x1, y0), ((x0 + x1) / 2, (y0 + y1) / 2), (x0, y1), (x1, y1)
        return [Detection((x0, y0, x1, y1), self._score(x1 - x0, y1 - y0), face)]


def scene(width: int, height: int, box: tuple[int, int, int, int], format: Format = "i420") -> Picture:
    """A plain wall with a bright square."""
    picture = Picture.blank(width, height, luma=WALL, format=format)
    for plane in picture.planes[: 3 if format == "bgrp" else 1]:
        plane[:] = WALL
        plane[box[1] : box[3], box[0] : box[2]] = FACE
    return picture.frozen()


def test_by_default_a_detector_looks_once() -> None:
    inner = Finder()
    assert in_views(inner, DetectorOptions()) is inner
    assert in_views(inner, DetectorOptions(tiles=1)) is inner
    assert isinstance(in_views(inner, DetectorOptions(tiles=2)), Views)
    assert isinstance(in_views(inner, DetectorOptions(careful=True)), Views)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(40, 900), st.floats(0, 0.5), st.data())
def test_tiles_hold_everything_and_every_small_face_whole(
    width: int, height: int, tile_px: int, overlap: float, data: st.DataObject
) -> None:
    overlap_px = overlap * tile_px
    windows = [view.window for view in _grid((width, height), tile_px, overlap_px, 1.0)]
    assert all(window is not None for window in windows)
    face = int(overlap_px)
    x = data.draw(st.integers(0, max(0, width - face)))
    y = data.draw(st.integers(0, max(0, height - face)))
    assert any(
        w is not None
        and w[0] <= x
        and w[1] <= y
        and min(x + max(face, 1), width) <= w[2]
        and min(y + max(face, 1), height) <= w[3]
        for w in windows
    )
    for window in windows:
        assert window is not None
        x0, y0, x1, y1 = window
        assert x0 % 2 == y0 % 2 == 0
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert max(x1 - x0, y1 - y0) <= tile_px + 5


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize("size", [(640, 480), (427, 239), (1281, 721), (90, 1300)])
@pytest.mark.parametrize(
    "options",
    [{"tiles": 3}, {"tiles": "auto", "smallest_face_px": 8}, {"careful": True}, {"tiles": 4, "careful": True}],
    ids=str,
)
def test_what_is_found_comes_back_to_its_place(options: dict[str, Any], size: tuple[int, int], format: Format) -> None:
    """Also where a picture has an odd size, whose padding must not move anything."""
    width, height = size
    for box in [
        (0, 0, 36, 44),
        (width - 37, height - 41, width, height),
        (width // 2 - 20, height // 2 - 19, *[0] * 2),
    ]:
        x0, y0 = box[:2]
        x1, y1 = (box[2] or x0 + 40), (box[3] or y0 + 40)
        inner = Finder()
        ((face,),) = Views(inner, DetectorOptions(**options)).detect([scene(width, height, (x0, y0, x1, y1), format)])
        assert face.box == pytest.approx((x0, y0, x1, y1), abs=2.1)
        assert face.landmarks is not None
        assert face.landmarks[0] == pytest.approx((x0, y0), abs=2.1), "the right eye stands on the picture's left"
        assert face.landmarks[4] == pytest.approx((x1, y1), abs=2.1)
        assert inner.most <= 16


def test_a_batch_gives_what_single_pictures_give() -> None:
    views = Views(Finder(), DetectorOptions(careful=True, tiles=2))
    pictures = [scene(320, 240, (20, 30, 70, 90)), scene(200, 333, (100, 200, 140, 260), "bgrp")]
    pictures.append(pictures[0])
    assert views.detect(pictures) == [views.detect([picture])[0] for picture in pictures]
    assert views.detect([]) == []


def part_looks_better(width: float, height: float) -> float:
    """A score that is low for the whole square and high for a part of it."""
    return 0.95 if abs(width - height) > 4 else 0.3


def test_a_face_on_a_seam_is_not_cut_off() -> None:
    """Not even where a part of it scores higher than the whole: half of a face would stay visible."""
    cut = 0
    for x in range(0, 560, 7):
        box = (x, 100, x + 80, 180)
        (face,) = Views(Finder(part_looks_better), DetectorOptions(tiles=4)).detect([scene(640, 320, box)])[0]
        assert face.box == pytest.approx(box, abs=2.1)
        cut += face.score > 0.9
    assert cut > 10, "seams were met, and the score of the part counts for the whole"


def test_neighbours_stay_two_faces() -> None:
    class Two(Finder):
        def _find(self, picture: Picture) -> list[Detection]:
            width, height = picture.size
            if max(picture.size) < 300:
                return []
            left: Box = (0.1 * width, 0.1 * height, 0.2 * width, 0.3 * height)
            return [Detection(left, 0.9), Detection((left[2], *left[1:2], 0.3 * width, left[3]), 0.8)]

    found = Views(Two(), DetectorOptions(tiles=2)).detect([scene(400, 400, (0, 0, 9, 9))])[0]
    assert [one.score for one in found] == [0.9, 0.8]


def test_a_failing_look_fails_all() -> None:
    class Breaks(Finder):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            if len(self.sizes) >= 16:  # not at the picture itself, but later on
                raise DetectorError("broken")
            return super().detect(pictures)

    with pytest.raises(DetectorError, match="broken"):
        Views(Breaks(), DetectorOptions(tiles=8)).detect([scene(640, 640, (0, 0, 60, 60))])


def test_close_closes_the_detector() -> None:
    inner = Finder()
    Views(inner, DetectorOptions(tiles=2)).close()
    assert inner.closed


def test_tiles_follow_the_smallest_face() -> None:
    """At 960 px a detector that needs 20 px sees 20 px faces of a 1920 px picture at half of that: four tiles."""
    inner = Finder()
    Views(inner, DetectorOptions(tiles="auto")).detect([scene(1920, 1080, (0, 0, 90, 90))])
    assert inner.sizes[0] == (1920, 1080)
    assert len(inner.sizes) == 1 + 6
    assert all(max(size) <= 962 for size in inner.sizes[1:])
    few = Finder()
    Views(few, DetectorOptions(tiles="auto", smallest_face_px=40)).detect([scene(1920, 1080, (0, 0, 90, 90))])
    assert len(few.sizes) == 1, "the look at the whole picture is enough"


def test_input_auto_is_bounded() -> None:
    options = DetectorOptions.model_validate({"input_px": "auto", "smallest_face_px": 6})
    assert options.longer_px((8000, 100)) == 4096
    assert options.longer_px((10, 10)) == 160
    assert options.longer_px((960, 100)) == 3200
    assert DetectorOptions().longer_px((8000, 100)) == 960


class Built:
    """Stands where parts are built, and keeps the options."""

    def __init__(self) -> None:
        self.options: list[DetectorOptions] = []

    def __call__(self, folder: str, kind: str, options: Any, ctx: Context) -> Any:
        if folder == "detectors":
            self.options.append(options)
            return Finder()
        return build(folder, kind, options, ctx)


@pytest.mark.parametrize(
    ("given", "stills", "video"), [(None, "auto", None), (1, 1, 1), (3, 3, 3), ("auto", "auto", "auto")]
)
def test_stills_are_looked_at_in_tiles(
    given: object, stills: object, video: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    built = Built()
    monkeypatch.setattr("streamer.pipeline.assembly.build", built)
    monkeypatch.setattr("streamer.config.parts.build", built)
    config = Config().updated({"detector.tiles": given})
    (tmp_path / "a.jpg").write_bytes(b"")
    for name in (str(tmp_path / "a.jpg"), "demo"):
        Parts.of(config, parse_input(name), [], Context()).detector()
    Anonymizer(config).close()
    assert [options.tiles for options in built.options] == [stills, video, stills]


def test_small_faces_in_a_large_photograph_are_hidden(yunet: Path) -> None:
    """Through the real gate: thirty drawn people with faces 24 px wide in a picture of 12 megapixels."""
    places = [(200 + 400 * (n % 10), 700 + 900 * (n // 10)) for n in range(30)]
    drawn = Scene([Actor(n, (Waypoint(0, x, y, 33),)) for n, (x, y) in enumerate(places)], width=4000, height=3000)
    bgr = drawn.picture(0).bgr()
    faces = [tuple(round(edge) for edge in face.box) for face in drawn.truth(0)]

    def hidden(**settings: Any) -> int:
        with Anonymizer(Config().updated({"effect.kind": "solid", **settings})) as anonymizer:
            result = anonymizer.array(bgr)
        middles = [((x0 + x1) // 2, (y0 + y1) // 2) for x0, y0, x1, y1 in faces]
        return sum(len(np.unique(result[y - 6 : y + 6, x - 6 : x + 6].reshape(-1, 3), axis=0)) == 1 for x, y in middles)

    assert hidden() == len(faces) == 30
    assert hidden(**{"detector.tiles": 1}) < len(faces) / 2, "one look at the whole picture would not do"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("detector.tiles=0", "detector.tiles: must be auto, null or a whole number from 1 to 16, got 0"),
        ("detector.tiles=many", "detector.tiles: must be auto, null or a whole number from 1 to 16, got 'many'"),
        ("detector.tiles=true", "detector.tiles: must be auto, null or a whole number from 1 to 16, got True"),
        ("detector.min_face_px=-1", "detector.min_face_px: must be at least 0, got -1"),
        ("detector.max_face_px=3", "detector.max_face_px: must be at least 32, got 3"),
    ],
)
def test_bad_options_are_named(item: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        Config().with_overrides([item])
    assert any(problem.startswith(message) for problem in told.value.problems), told.value.problems


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"max_face_px \(40\) must be above min_face_px \(50\)"):
        Config().with_overrides(["detector.min_face_px=50", "detector.max_face_px=40"])


def seen(scope: detect.Scope, *boxes: Box) -> list[Box]:
    class Fixed(Finder):
        def _find(self, picture: Picture) -> list[Detection]:
            return [Detection(box, 0.9) for box in boxes]

    frame = Frame(0, 0, 0.0, Picture.blank(640, 480).frozen())
    result = detect.examine(Fixed(), DetectionRequest(frame), scope)
    assert isinstance(result, DetectionResult)
    return [one.box for one in result.detections]


def test_only_faces_of_the_asked_sizes_are_hidden() -> None:
    tiny, narrow, normal, huge = (0, 0, 9, 9), (20, 0, 25, 30), (50, 0, 110, 60), (0, 100, 300, 420)
    assert seen(detect.EVERYTHING, tiny, narrow, normal, huge) == [tiny, narrow, normal, huge]
    some = DetectorOptions(min_face_px=10, max_face_px=200, i_accept_visible_faces=True)
    scope = detect.Scope.of(Config().zones, some)
    assert seen(scope, tiny, narrow, normal, huge) == [narrow, normal], "one side that is large enough counts"
    assert scope.notes() == [
        "faces below 10 px are left visible (detector.min_face_px)",
        "faces above 200 px are left visible (detector.max_face_px)",
    ]
    assert detect.EVERYTHING.notes() == []
    assert detect.Scope.of(Config().zones, DetectorOptions()) == detect.EVERYTHING


def test_careful_and_tiles_find_small_faces_that_a_usual_look_misses() -> None:
    """A drawn crowd of thirty, faces 12 px wide, in a 1920x1080 picture; the default detector's own weights."""
    places = [(100 + 180 * (n % 10), 380 + 220 * (n // 10)) for n in range(30)]
    drawn = Scene([Actor(n, (Waypoint(0, x, y, 16),)) for n, (x, y) in enumerate(places)], width=1920, height=1080)
    picture, boxes = drawn.picture(0), stack([face.box for face in drawn.truth(0)])
    assert 10 < float((boxes[:, 2] - boxes[:, 0]).mean()) < 13

    def found(**options: Any) -> int:
        made: Detector = build("detectors", "yunet", options, Context(model=weights))
        sure = stack([one.box for one in made.detect([picture])[0] if one.score >= 0.4])
        return int((iou(boxes, sure) > 0.3).any(axis=1).sum()) if len(sure) else 0

    assert found() < 10
    assert found(tiles="auto", smallest_face_px=12) >= 25
    assert found(careful=True) >= 28
