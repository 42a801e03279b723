"""What single effects promise beyond the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import MovingFace, Oracle, readable
from numpy.typing import NDArray

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness, paint
from streamer.anonymize.masks import MaskOptions
from streamer.anonymize.zones import ZoneOptions
from streamer.config.parts import kinds
from streamer.config.schema import Config
from streamer.core.channel import Channel, Full
from streamer.core.errors import UsageError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.reasons import HideReason
from streamer.core.run import RunContext
from streamer.core.stats import Stats
from streamer.core.types import Command, Cover, Detection, DetectionResult, Frame, Plan, Planned, TrackBox
from streamer.effects import Effect, solid
from streamer.effects.mosaic_noise import MosaicNoise
from streamer.effects.mosaic_noise import Options as NoiseOptions
from streamer.effects.pixelate import Options as PixelateOptions
from streamer.effects.pixelate import Pixelate
from streamer.effects.replace import Options, Replace
from streamer.evaluate.contact_sheet import drawn, room
from streamer.identity.decide import hide_everyone
from streamer.pipeline.assembly import Parts
from streamer.pipeline.channels import Channels
from streamer.pipeline.loops import Hiding, Render, Settings
from streamer.pipeline.pipeline import Pipeline
from streamer.pipeline.recognition import Recognition

MASK = MaskOptions(shape="box")
GREY = solid.Options(color="#808080")


def person(x: float = 120, track_id: int = 1) -> tuple[Picture, TrackBox]:
    bgr = room(240, 240)
    track = drawn(bgr, (x, 120), 80, 11)
    return Picture.from_bgr(bgr), replace(track, track_id=track_id)


def noise_of(effect: MosaicNoise, picture: Picture, track: TrackBox) -> NDArray[np.float64]:
    """What the effect added to the averages, in the middle of the face."""
    plain = Pixelate(PixelateOptions())
    pair = [paint(picture, [track], one, MASK, 0.0).planes[0] for one in (effect, plain)]
    x, y = round((track.box[0] + track.box[2]) / 2), round((track.box[1] + track.box[3]) / 2)
    parts = [plane[y - 30 : y + 30, x - 30 : x + 30].astype(float) for plane in pair]
    return np.asarray(parts[0] - parts[1])


def test_more_frames_of_a_face_say_nothing_more_about_its_noise() -> None:
    effect = MosaicNoise(NoiseOptions())
    effect.enter(1)
    first = noise_of(effect, *person())
    assert 5 < first.std() < 75  # few blocks, so it varies much
    for _ in range(5):
        assert np.array_equal(noise_of(effect, *person()), first)
    moved = noise_of(effect, *person(x=124))
    assert np.corrcoef(moved.ravel(), first.ravel())[0, 1] > 0.9, "the noise stays in its place in the face"


def test_noise_differs_from_face_to_face_from_epoch_to_epoch_and_from_run_to_run() -> None:
    effect = MosaicNoise(NoiseOptions())
    effect.enter(1)
    seen = [noise_of(effect, *person()), noise_of(effect, *person(track_id=2))]
    effect.enter(2)
    seen.append(noise_of(effect, *person()))
    effect.enter(1)
    assert np.array_equal(noise_of(effect, *person()), seen[0])
    other = MosaicNoise(NoiseOptions())
    other.enter(1)
    seen.append(noise_of(other, *person()))
    for i, one in enumerate(seen):
        for another in seen[i + 1 :]:
            assert abs(np.corrcoef(one.ravel(), another.ravel())[0, 1]) < 0.95
            assert not np.array_equal(one, another)


def test_noise_does_not_change_when_many_faces_were_seen_in_between() -> None:
    effect = MosaicNoise(NoiseOptions())
    effect.enter(1)
    first = noise_of(effect, *person())
    picture, track = person()
    for number in range(2, 600):
        paint(picture, [replace(track, track_id=number)], effect, MASK, 0.0)
    assert np.array_equal(noise_of(effect, *person()), first)
    for number in range(600, 1700):
        paint(picture, [replace(track, track_id=number)], effect, MASK, 0.0)
    assert len(effect._of_face) <= 1024, "memory is bounded"


def test_later_frames_of_a_face_are_not_measured_anew() -> None:
    """Blocks slide along with the face: what the face looks like later is not in the picture at all."""
    effect = MosaicNoise(NoiseOptions())
    effect.enter(1)
    picture, track = person()
    paint(picture, [track], effect, MASK, 0.0)
    for step in range(1, 9):
        bgr = room(240, 240)
        track = replace(drawn(bgr, (120 + 3.3 * step, 118 + step), 80 + 2 * step, 11), track_id=1)
        picture = Picture.from_bgr(bgr)
        negative = Picture(*picture.size, picture.format, 255 - picture.buffer, picture.color)
        x0, y0, x1, y1 = (round(edge) for edge in track.box)
        one, other = (paint(image, [track], effect, MASK, 0.1 * step).planes for image in (picture, negative))
        assert np.array_equal(one[0][y0:y1, x0:x1], other[0][y0:y1, x0:x1])
        assert np.array_equal(
            one[1][y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], other[1][y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        )


def art(*channels: int, size: Sequence[int] = (40, 60)) -> NDArray[np.uint8]:
    return np.full((*size, len(channels)), channels, np.uint8)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_replace_lays_a_picture_over_the_face(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"red.{ending}"
    cv2.imwrite(str(path), art(0, 0, 255, size=(50, 50)))
    picture, track = person()
    shown = paint(picture, [track], Replace(Options(image=path)), MASK, 0.0).bgr()
    middle = shown[110:130, 110:130].reshape(-1, 3).mean(axis=0)
    assert np.abs(middle - (0, 0, 255)).max() < 12


@pytest.mark.parametrize(("color", "expected"), [("#00ff00", (0, 255, 0)), (None, (255, 0, 0))])
def test_through_what_is_transparent_shows_a_colour_and_never_the_face(
    color: str | None, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    ghost = np.zeros((64, 64, 4), np.uint8)
    ghost[28:36, 28:36] = (255, 0, 0, 255)
    ghost[:8] = (255, 0, 0, 40)
    path = tmp_path / "ghost.png"
    cv2.imwrite(str(path), ghost)
    effect = Replace(Options(image=path, color=color))
    picture, track = person()
    negative = Picture(*picture.size, picture.format, 255 - picture.buffer, picture.color)
    x0, y0, x1, y1 = (round(edge) for edge in track.box)
    one, other = (paint(image, [track], effect, MASK, 0.0).planes[0][y0:y1, x0:x1] for image in (picture, negative))
    assert np.array_equal(one, other)
    shown = paint(picture, [track], effect, MASK, 0.0).bgr()[y0 + 4 : y0 + 12, x0 + 4 : x0 + 12].reshape(-1, 3)
    assert np.abs(shown.mean(axis=0) - expected).max() < 16


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is not a picture"),
        (b"no picture at all", "is not a picture"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_one_line(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"effect.image: .*x.png {words}") as caught:
        Replace(Options(image=path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(30, 30), (30, 30, 1), (30, 30, 3), (30, 30, 4), (3, 700, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_every_sort_can_be_laid(shape: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), np.full(shape, np.iinfo(dtype).max // 2, dtype))
    picture, track = person()
    assert paint(picture, [track], Replace(Options(image=path)), MASK, 0.0) is not picture


def test_the_next_effect_key_goes_through_all_of_them_and_back() -> None:
    source = MovingFace()
    pipeline = Pipeline(Config(), Parts(lambda: source, Oracle, lambda kind: MosaicNoise(NoiseOptions()), []))
    started = pipeline.settings.effect
    seen = []
    for _ in kinds("effects"):
        pipeline._obey(Command.NEXT_EFFECT)
        seen.append(pipeline.settings.effect)
    assert sorted(seen) == kinds("effects")
    assert seen[-1] == started


def test_an_effect_that_does_not_exist_is_refused_at_once() -> None:
    pipeline = Pipeline(Config(), Parts(MovingFace, Oracle, lambda kind: MosaicNoise(NoiseOptions()), []))
    with pytest.raises(UsageError, match="effect 'none' does not exist; choose one of"):
        pipeline.update(effect="none")
    assert pipeline.settings.effect == Config().effect.kind


def test_an_effect_that_cannot_be_had_any_more_leaves_the_present_one(tmp_path: Path) -> None:
    """Its picture was deleted meanwhile: said once, however often the key comes by, and no frame shows the face."""
    wanted = ["pixelate", "replace", "replace", "pixelate", "replace", "solid", "box", "box", "replace", "pixelate"]
    asked: list[str] = []

    def effect(kind: str) -> Effect:
        asked.append(kind)
        if kind == "box":
            raise MemoryError("nothing left")
        return Replace(Options(image=tmp_path / "gone.png")) if kind == "replace" else solid.build(GREY, Context())

    source, stats, settings = MovingFace(), Stats(), iter([wanted[0], *wanted])
    decided: Channel[Planned] = Channel(len(wanted), Full.BLOCK)
    written: Channel[AnonymizedFrame] = Channel(len(wanted), Full.BLOCK)
    for n in range(len(wanted)):
        result = DetectionResult(n, 0, n / 25, (Detection(box := source.box(n) or (0, 0, 1, 1), 0.9),))
        plan = Plan(n, 0, (result,), ((TrackBox(1, box, None), Cover(HideReason.EVERYONE)),))
        decided.put(Planned(Frame(n, 0, n / 25, source.picture(n)), plan))
    decided.close()
    channels = Channels.make(live=False, on_drop=lambda frame: None, sinks=[written])
    hiding = Hiding(effect, lambda: Settings(next(settings)), MASK, ZoneOptions(), lambda: Freshness(0.25, 0))
    people = Recognition(Config(), stats, hide_everyone)
    Render(replace(channels, decided=decided), RunContext(stats), hiding, effect("pixelate"), people).work()
    assert asked == ["pixelate", "replace", "pixelate", "replace", "solid", "box", "replace", "pixelate"]
    assert [note.text for note in stats.notes()] == [
        f"effect replace cannot be had (effect.image: {tmp_path}/gone.png cannot be read: No such file or directory); "
        "pixelate stays",
        "effect box cannot be had (MemoryError: nothing left); solid stays",
    ]
    for n in range(len(wanted)):
        sealed = written.get(0)
        assert sealed is not None
        assert (sealed.seq, sealed.covered) == (n, False)
        assert not readable(sealed.image, source.box(n) or (0, 0, 1, 1))
