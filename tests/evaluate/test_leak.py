"""The leak meter on drawn scenes, whose truth is known exactly."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.clips import write_pictures
from support.weights import weights

from streamer.config.endpoints import Endpoint
from streamer.config.schema import Config
from streamer.core.errors import InputError, StreamerError
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.evaluate.leak import Face, LeakMeter, Pair, file_pairs, judge_run, load_reference
from streamer.sources.demo import Options, scene

ADDRESS = {"seed": 3, "width": 640, "height": 360, "duration_s": 2.0}
DRAWN = scene(Options.model_validate(ADDRESS))
FRAMES = 50


@pytest.fixture(scope="module")
def reference() -> dict[int, list[Face]]:
    return {
        n: [Face(str(truth.person), truth.box) for truth in DRAWN.truth(n) if truth.visible > 0.9]
        for n in range(FRAMES)
    }


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [DRAWN.picture(n) for n in range(FRAMES)]


def judged(reference: dict[int, list[Face]], pairs: Iterator[Pair]) -> LeakMeter:
    meter = LeakMeter(reference)
    for pair in pairs:
        meter.add(pair)
    return meter


def hidden(picture: Picture, faces: list[Face]) -> Picture:
    canvas = picture.canvas()
    for face in faces:
        x0, y0, x1, y1 = (max(0, round(edge)) for edge in face.box)
        canvas.planes[0][y0:y1, x0:x1] = 90
    return canvas.frozen()


def test_the_program_leaks_nothing_on_the_demo(reference: dict[int, list[Face]]) -> None:
    meter = LeakMeter(reference)
    judge_run(Endpoint("demo", ADDRESS, "demo"), Config(), meter, Context(model=weights))
    result = meter.result()
    assert result["frames"] == FRAMES
    assert result["face_frames"] > 50
    assert result["leaked"] == 0


def test_an_untouched_copy_leaks_everything(reference: dict[int, list[Face]], pictures: list[Picture]) -> None:
    meter = judged(reference, (Pair(n, n / 25, p, p, exact=True) for n, p in enumerate(pictures)))
    result = meter.result()
    assert result["leaked"] == result["face_frames"] > 50
    assert result["longest_exposure_frames"] > 10
    assert result["needless_cover_percent"] == 0
    assert result["grazed"] == result["face_frames"]


def test_a_face_that_is_covered_late(reference: dict[int, list[Face]], pictures: list[Picture]) -> None:
    """Hidden from the sixth frame on: five frames of exposure, 200 ms until the first cover."""
    pairs = (Pair(n, n / 25, p, p if n < 5 else hidden(p, reference[n]), exact=True) for n, p in enumerate(pictures))
    result = judged(reference, pairs).result()
    assert result["longest_exposure_frames"] == 5
    assert result["longest_exposure_ms"] == pytest.approx(200)
    assert max(result["late_first_cover_ms"].values()) == pytest.approx(200, abs=1)


def test_needless_cover_is_what_is_far_from_faces(reference: dict[int, list[Face]], pictures: list[Picture]) -> None:
    def with_bar(picture: Picture) -> Picture:
        canvas = picture.canvas()
        canvas.planes[0][:36] = 255 - canvas.planes[0][:36]  # a tenth of the picture
        return canvas.frozen()

    pairs = (Pair(n, n / 25, p, with_bar(hidden(p, reference[n])), exact=True) for n, p in enumerate(pictures))
    result = judged(reference, pairs).result()
    assert result["needless_cover_percent"] == pytest.approx(10, abs=1.5)


def test_two_files(reference: dict[int, list[Face]], pictures: list[Picture], tmp_path: Path) -> None:
    original = write_pictures(tmp_path / "a.mp4", pictures)
    covered = write_pictures(tmp_path / "b.mp4", [hidden(p, reference[n]) for n, p in enumerate(pictures)])
    assert judged(reference, file_pairs(original, covered)).result()["leaked"] == 0
    untouched = judged(reference, file_pairs(original, original)).result()
    assert untouched["leaked"] == untouched["face_frames"]
    assert untouched["grazed"] is None


def test_files_that_are_not_the_same_moments(pictures: list[Picture], tmp_path: Path) -> None:
    original = write_pictures(tmp_path / "a.mp4", pictures)
    shorter = write_pictures(tmp_path / "b.mp4", pictures[:-1])
    other = write_pictures(
        tmp_path / "c.mp4", [Picture.from_bgr(np.ascontiguousarray(p.bgr()[:, ::-1])) for p in pictures]
    )
    for wrong, words in ((shorter, "another number of frames"), (other, "does not show the moment")):
        with pytest.raises(InputError, match=words):
            list(file_pairs(original, wrong))


def test_a_face_that_fills_the_picture_may_be_hidden(tmp_path: Path) -> None:
    """Where a face is known to be, the content need not be the same; elsewhere it must."""
    drawn = scene(Options.model_validate({**ADDRESS, "faces": 0})).picture(0)
    large = [Face("1", (100.0, 0.0, 320.0, 340.0))]
    original = write_pictures(tmp_path / "a.mp4", [drawn] * 2)
    covered = write_pictures(tmp_path / "b.mp4", [hidden(drawn, large)] * 2)
    assert len(list(file_pairs(original, covered, {0: large}))) == 2
    mirrored = write_pictures(tmp_path / "c.mp4", [Picture.from_bgr(np.ascontiguousarray(drawn.bgr()[:, ::-1]))] * 2)
    with pytest.raises(InputError, match="does not show the moment"):
        list(file_pairs(original, mirrored, {0: large}))


def test_reference_files(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "id", "x", "y", "w", "h", "src"])
        rows.writerow([3, 1, 10, 20, 30, 40, "det"])
        rows.writerow([4, 1, 10, 20, 30, 40, "gap"])
    assert load_reference(path) == {3: [Face("1", (10, 20, 40, 60))]}
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="needs the columns"):
        load_reference(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_reference(tmp_path / "none.csv")


def test_montage(reference: dict[int, list[Face]], pictures: list[Picture], tmp_path: Path) -> None:
    meter = judged(reference, (Pair(n, n / 25, p, p, exact=True) for n, p in enumerate(pictures[:5])))
    with pytest.raises(StreamerError, match="could not be written"):
        meter.montage(tmp_path / "leaks.nonsense")
    meter.montage(tmp_path / "leaks.png")
    montage = cv2.imread(str(tmp_path / "leaks.png"))
    assert montage is not None
    assert montage.shape[1] % 192 == 0
