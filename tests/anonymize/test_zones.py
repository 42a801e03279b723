"""Zones: nothing in them is ever shown, on any picture, in any emitted frame; and what is wrong with one is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import MovingFace, Oracle, RecordingSink
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.anonymize.gate import Freshness, MaskOptions, seal
from streamer.anonymize.zones import NO_ZONES, ZoneOptions, search_window, zoned, zoned_out
from streamer.api import Anonymizer
from streamer.config import parts
from streamer.config.schema import Config
from streamer.core.errors import ConfigError
from streamer.core.options import Context
from streamer.core.picture import Format, Picture, Plane
from streamer.core.types import Box, Detection, DetectionRequest, DetectionResult, Frame, Plan
from streamer.effects import solid
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.stages import detect

Polygon = list[list[float]]

TRIANGLE: Polygon = [[0.2, 0.1], [0.9, 0.4], [0.3, 0.95]]
LEFT_HALF: Polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
MARK = 201
"""Luma of a picture in which every pixel is alike, so that any that survives is seen."""


def options(inside: Sequence[Polygon] = (), cover: Sequence[Polygon] = ()) -> ZoneOptions:
    return ZoneOptions.model_validate({"inside": inside, "cover": cover})


def holds(polygon: Sequence[Sequence[float]], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule, straight from its definition; on an edge it may say either."""
    inside = np.zeros(np.broadcast(x, y).shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def wholly(polygons: Sequence[Polygon], width: int, height: int, reach: float, every: bool) -> NDArray[np.bool_]:
    """Pixels of which every (or any) one of nine points, `reach` from the middle, lies in a polygon."""
    result = np.full((height, width), every)
    for dx in (-reach, 0, reach):
        for dy in (-reach, 0, reach):
            x = (np.arange(width)[None] + 0.5 + dx) / width
            y = (np.arange(height)[:, None] + 0.5 + dy) / height
            one = np.zeros((height, width), bool)
            for polygon in polygons:
                one |= holds(polygon, x, y)
            result = result & one if every else result | one
    return result


def survived(image: Picture, plane: Plane, shift: int) -> NDArray[np.bool_]:
    """Per pixel of the picture, whether the sample that colours it is still the one it was."""
    full = np.repeat(np.repeat(plane, 1 << shift, axis=0), 1 << shift, axis=1)
    return np.asarray(full[: image.height, : image.width] == MARK)


@st.composite
def polygons(draw: st.DrawFn) -> Polygon:
    """A star around a point: never crosses itself, often reaches the picture's edges."""
    n = draw(st.integers(3, 9))
    x, y = draw(st.floats(0.2, 0.8)), draw(st.floats(0.2, 0.8))
    radii = draw(st.lists(st.floats(0.1, 1.0), min_size=n, max_size=n))
    turn = draw(st.floats(0, 1))
    angles = [2 * math.pi * (k + turn) / n for k in range(n)]
    # Along each ray to the radius or to the picture's edge: shortening a ray keeps the star a star.
    points = []
    for radius, angle in zip(radii, angles, strict=True):
        dx, dy = math.cos(angle), math.sin(angle)
        limits = [((1 if d > 0 else 0) - at) / d for d, at in ((dx, x), (dy, y)) if abs(d) > 1e-9]
        reach = min(radius, *limits)
        points.append([min(1.0, max(0.0, x + reach * dx)), min(1.0, max(0.0, y + reach * dy))])
    return points


@settings(max_examples=150, deadline=None)
@given(
    st.lists(polygons(), max_size=3),
    st.lists(polygons(), max_size=2),
    st.integers(3, 131),
    st.integers(3, 131),
    st.sampled_from(["i420", "bgrp"]),
)
def test_no_pixel_of_a_zone_survives(
    inside: list[Polygon], cover: list[Polygon], width: int, height: int, format: Format
) -> None:
    picture = Picture.blank(width, height, luma=MARK, format=format)
    picture.buffer[:] = MARK
    result = zoned(picture.frozen(), options(inside, cover))
    # A pixel may be shown when all of it lies inside, and none of it in what is covered.
    may = ~wholly(cover, width, height, 0.49, every=False) if cover else np.ones((height, width), bool)
    if inside:
        may &= wholly(inside, width, height, 0.49, every=True)
    for plane, shift in zip(result.planes, result.shifts, strict=True):
        assert not (survived(picture, plane, shift) & ~may).any()


@pytest.mark.parametrize("size", [(64, 48), (101, 77), (1279, 719)])
@pytest.mark.parametrize("which", ["inside", "cover"])
def test_no_more_is_covered_than_the_zone_and_its_edge(size: tuple[int, int], which: str) -> None:
    picture = Picture.blank(*size, luma=MARK).frozen()
    inside = which == "inside"
    result = zoned(picture, options(**{which: [TRIANGLE]}))
    may = wholly([TRIANGLE], *size, 0.49, every=True) if inside else ~wholly([TRIANGLE], *size, 0.49, every=False)
    near = cv2.dilate((~may).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert may.any()
    assert (survived(picture, result.planes[0], 0) | near).all()


def test_a_zone_is_covered_in_the_colour_of_a_covered_frame() -> None:
    picture = Picture.blank(64, 48, luma=MARK).frozen()
    result = zoned(picture, options(cover=[LEFT_HALF]))
    luma, *chroma = result.planes
    assert (luma[:, :33] == 48).all(), "with the column that the edge touches"
    assert (luma[:, 33:] == MARK).all()
    assert all((plane == 128).all() for plane in chroma)
    assert (picture.planes[0] == MARK).all(), "the given picture is not changed"
    assert zoned(picture, NO_ZONES) is picture


def test_zones_that_overlap_show_no_seam() -> None:
    right_half = [[0.4, 0.0], [1.0, 0.0], [1.0, 1.0], [0.4, 1.0]]
    picture = Picture.blank(101, 77, luma=MARK).frozen()
    assert (zoned(picture, options(inside=[LEFT_HALF, right_half])).planes[0][:77, :101] == MARK).all()


def test_a_zone_too_thin_to_show_anything_shows_nothing() -> None:
    sliver = [[0.5, 0.0], [0.502, 0.0], [0.502, 1.0], [0.5, 1.0]]
    result = zoned(Picture.blank(320, 240, luma=MARK).frozen(), options(inside=[sliver]))
    assert (result.planes[0] != MARK).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[[0.1, 0.1], [0.9, 0.9]]]", "zones.inside.0: a zone needs three points or more, got 2"),
        ("[[[0.1, 0.1], [0.9, 1.2], [0.1, 0.9]]]", "zones.inside.0.1.1: must be at most 1, got 1.2"),
        ("[[[0.1, 0.1], [0.9, -1], [0.1, 0.9]]]", "zones.inside.0.1.1: must be at least 0, got -1"),
        ("[[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]]", "zones.inside.0: a zone needs an area; these points lie on a line"),
        (
            "[[[0, 0], [1, 1], [1, 0], [0, 1]]]",
            "zones.inside.0: its edges cross: the one from point 1 and the one from point 3",
        ),
        (
            "[[[0, 0], [1, 0], [1, 1], [0, 0]]]",
            "zones.inside.0: points 1 and 4 are the same; a zone closes by itself",
        ),
        ("[[[0, 0], [1, 0], [0.5]]]", "zones.inside.0.2.1: is required"),
        ("[[[0, 0], [1, 0], [0.5, a]]]", "zones.inside.0.2.1: must be a number, got 'a'"),
        ("[[0, 0], [1, 0], [0.5, 1]]", "zones.inside.0.0: "),
        ("[[[0, 0], [1, 0], [0.5, .nan]]]", "zones.inside.0.2.1: "),
        ("3", "zones.inside: "),
    ],
)
def test_a_bad_zone_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        Config().with_overrides([f"zones.inside={text}"])
    assert any(problem.startswith(message) for problem in told.value.problems), told.value.problems


def test_zones_are_settings_like_others() -> None:
    config = Config().with_overrides(["zones.inside=[[[0,0],[1,0],[0.5,1]]]", "zones.cover=[[[0,0],[0.1,0],[0,0.1]]]"])
    assert Config.from_mapping(config.to_mapping()) == config
    assert config.zones.inside == (((0, 0), (1, 0), (0.5, 1)),)
    assert Config().zones == NO_ZONES


class Eyeless:
    """A detector that finds nothing, and remembers the sizes of what it was shown."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        self.sizes += [picture.size for picture in pictures]
        return [[] for _ in pictures]

    def close(self) -> None:
        pass


def emitted(config: Config, detector: Any, *, frames: int = 16, live: bool = False) -> list[Any]:
    sink = RecordingSink()
    context = Context()

    def effect(kind: str) -> Any:
        return parts.build("effects", kind, config.effect.options if kind == config.effect.kind else {}, context)

    made = Parts(lambda: MovingFace(frames=frames, live=live), lambda: detector, effect, [("record", lambda: sink)])
    pipeline = Pipeline(config, made)
    pipeline.start()
    while pipeline.poll(0.05).running:
        pass
    pipeline.join()
    assert len(sink.frames) >= frames - 2
    return sink.frames


@pytest.mark.parametrize("privacy", ["fast", "balanced", "strict"])
@pytest.mark.parametrize("effect", parts.kinds("effects"))
@pytest.mark.parametrize("finds", [True, False])
def test_no_emitted_frame_shows_a_zone(privacy: str, effect: str, finds: bool) -> None:
    """Through the real pipeline, by pixels: also where the detector finds nothing, and where it does."""
    screen: Polygon = [[0.0, 0.0], [0.25, 0.0], [0.25, 0.3], [0.0, 0.3]]
    values = {"privacy": privacy, "effect.kind": effect, "zones.inside": [TRIANGLE], "zones.cover": [screen]}
    frames = emitted(Config().updated(values), Oracle() if finds else Eyeless())
    width, height = MovingFace().size
    shown = wholly([TRIANGLE], width, height, 0.49, every=True) & ~wholly([screen], width, height, 0.49, every=False)
    for frame in frames:
        luma = frame.image.planes[0]
        assert set(luma[~shown].tolist()) == {48}
    if privacy != "strict":  # which covers the first frames whole
        assert not frames[0].covered
        assert set(frames[0].image.planes[0].reshape(-1).tolist()) - {48}, "what lies inside is shown"


def test_a_still_in_memory_is_covered_too(yunet: object) -> None:
    bgr = np.full((91, 121, 3), MARK, np.uint8)
    with Anonymizer(Config().updated({"zones.inside": [TRIANGLE]})) as anonymizer:
        result = anonymizer.array(bgr)
    shown = wholly([TRIANGLE], 121, 91, 0.49, every=True)
    assert (result[~shown] == 48).all()
    assert (result == MARK).any()


def test_a_failing_zone_covers_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(picture: Picture, zones: ZoneOptions) -> Picture:
        raise RuntimeError("no memory")

    monkeypatch.setattr("streamer.anonymize.gate.zoned", broken)
    frame = Frame(0, 0, 0.0, Picture.blank(64, 48, luma=MARK).frozen())
    sealed = seal(
        frame,
        Plan(0, 0, (DetectionResult(0, 0, 0.0, ()),), ()),
        effect=solid.build(solid.Options(), Context()),
        mask=MaskOptions(),
        rules=Freshness(0.1),
        zones=options(cover=[LEFT_HALF]),
    )
    assert sealed.covered
    assert not (sealed.image.planes[0] == MARK).any()


def test_only_the_region_and_its_margin_are_searched() -> None:
    zones = options(inside=[[[0.5, 0.5], [0.75, 0.5], [0.75, 0.75]], [[0.6, 0.6], [0.7, 0.9], [0.6, 0.8]]])
    assert search_window(zones, (1280, 720)) == (576, 296, 1024, 712)
    assert search_window(options(cover=[LEFT_HALF]), (1280, 720)) is None
    detector = Eyeless()
    frame = Frame(0, 0, 0.0, Picture.blank(1280, 720).frozen())
    assert isinstance(detect.examine(detector, DetectionRequest(frame), detect.Scope(zones)), DetectionResult)
    assert detector.sizes == [(448, 416)]


def test_a_face_in_the_region_is_told_in_the_frames_pixels() -> None:
    source = MovingFace()
    box = source.box(20)
    assert box is not None
    middle = (box[0] + box[2]) / 2 / 320, (box[1] + box[3]) / 2 / 240
    around: Polygon = [[middle[0] + dx, middle[1] + dy] for dx, dy in ((-0.1, -0.1), (0.1, -0.1), (0.1, 0.1))]
    frame = Frame(20, 0, 0.8, source.picture(20))
    result = detect.examine(Oracle(), DetectionRequest(frame), detect.Scope(options(inside=[around])))
    assert isinstance(result, DetectionResult)
    assert [one.box for one in result.detections] == [box]


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize(
    ("box", "gone"),
    [
        ((5, 5, 50, 80), True),
        ((5, 5, 61, 80), True),
        ((5, 5, 63, 80), False),
        ((70, 5, 90, 80), False),
        ((-40, -40, -5, -5), True),
        ((130, 5, 150, 20), True),
    ],
)
def test_whether_a_zone_leaves_anything_of_a_place(format: Format, box: Box, gone: bool) -> None:
    picture = Picture.blank(121, 91, luma=MARK, format=format)
    assert zoned_out(picture, options(cover=[LEFT_HALF]), box) is gone
    assert not zoned_out(picture, NO_ZONES, box)


def test_a_bracket_too_few_is_told() -> None:
    with pytest.raises(ConfigError, match=r"zones\.inside\.0\.0: must be a list, got 0"):
        Config().updated({"zones.inside": [[0, 0], [1, 0], [1, 1]]})
