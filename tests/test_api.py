"""The Python API: the same work as on the command line, and the errors of a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import streamer
from streamer.core.errors import ConfigError, DetectorError, EffectError, InputError, UsageError
from streamer.core.types import Box
from streamer.detectors._onnx import OnnxDetector
from streamer.effects.solid import Options as SolidOptions
from streamer.evaluate.readable import is_readable
from streamer.pipeline.pipeline import Status
from streamer.sources.demo import Options, scene

pytestmark = pytest.mark.usefixtures("yunet")

Bgr = NDArray[np.uint8]


@pytest.fixture(scope="module")
def street() -> tuple[Bgr, list[Box]]:
    """One picture of the drawn street, and where faces are that can be seen well."""
    drawn = scene(Options(width=960, height=540))
    number = max(range(0, 200, 5), key=lambda n: sum(truth.visible > 0.95 for truth in drawn.truth(n)))
    boxes = [truth.box for truth in drawn.truth(number) if truth.visible > 0.95 and abs(truth.yaw) < 40]
    assert boxes
    return drawn.picture(number).bgr(), boxes


def readable(before: Bgr, after: Bgr, boxes: list[Box]) -> int:
    grey_before, grey_after = (np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8) for bgr in (before, after))
    return sum(is_readable(grey_before, grey_after, box) for box in boxes)


def test_importing_costs_nothing() -> None:
    program = (
        "import sys, streamer; print(sorted({'cv2', 'numpy', 'av', 'pydantic', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_array(street: tuple[Bgr, list[Box]]) -> None:
    picture, boxes = street
    before = picture.copy()
    hidden = streamer.anonymize_array(picture, effect="solid")
    assert hidden.shape == picture.shape
    assert hidden.dtype == np.uint8
    assert np.array_equal(picture, before), "the given array stays as it is"
    assert readable(picture, picture, boxes) == len(boxes)
    assert readable(picture, hidden, boxes) == 0
    same = (hidden == picture).all(axis=2)
    assert same.mean() > 0.5, "what is no face keeps its exact colours"


def test_many_arrays_with_one_model(street: tuple[Bgr, list[Box]]) -> None:
    picture, boxes = street
    with streamer.Anonymizer(effect="pixelate") as anonymizer:  # the default's noise differs from picture to picture
        first, second = anonymizer.array(picture), anonymizer.array(picture)
        empty = anonymizer.array(np.full((90, 161, 3), 77, np.uint8))
    assert np.array_equal(first, second)
    assert readable(picture, first, boxes) == 0
    assert (empty == 77).all(), "nothing is carried over from the picture before"


def test_an_image_file(street: tuple[Bgr, list[Box]], tmp_path: Path) -> None:
    picture, boxes = street
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    hidden = streamer.anonymize_image(tmp_path / "a.png", effect="pixelate")
    assert hidden.shape == picture.shape
    assert readable(picture, hidden, boxes) == 0
    assert np.array_equal(hidden, streamer.anonymize_image(picture, effect="pixelate"))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        [[1, 2, 3]],
    ],
    ids=["grey", "four channels", "float", "empty", "list"],
)
def test_what_is_no_picture(array: Any) -> None:
    with pytest.raises(UsageError, match="picture"):
        streamer.anonymize_array(array)


@pytest.mark.parametrize(("name", "error"), [("no.png", InputError), (".", InputError), ("clip.mp4", InputError)])
def test_what_is_no_picture_file(name: str, error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(error):
        streamer.anonymize_image(tmp_path / name)


def test_a_failure_is_raised_and_nothing_is_returned(
    street: tuple[Bgr, list[Box]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*arguments: Any) -> Any:
        raise RuntimeError("broken")

    with streamer.Anonymizer() as anonymizer, monkeypatch.context() as patch:
        patch.setattr(OnnxDetector, "detect", breaks)
        with pytest.raises(DetectorError, match="broken"):
            anonymizer.array(street[0])
    with streamer.Anonymizer() as anonymizer:
        monkeypatch.setattr(anonymizer, "_effect", None)
        with pytest.raises(EffectError):
            anonymizer.array(street[0])


def test_a_video(clip: Path, tmp_path: Path) -> None:
    seen: list[Status] = []
    report = streamer.anonymize_video(
        clip, tmp_path / "o.mp4", every=5, duration=2.0, effect="solid", on_status=seen.append
    )
    assert 49 <= report.summary["sealed"] <= 51
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == report.summary["sealed"]
    with pytest.raises(UsageError, match="exists"):
        streamer.anonymize_video(clip, tmp_path / "o.mp4")


def test_a_caller_who_breaks_off_leaves_no_thread(clip: Path, tmp_path: Path) -> None:
    def breaks(status: Status) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streamer.anonymize_video(clip, tmp_path / "o.mp4", realtime=True, on_status=breaks)


def test_start_poll_stop_join(clip: Path, tmp_path: Path) -> None:
    pipeline = streamer.stream(clip, ["null", tmp_path / "o.mp4"], realtime=True)
    pipeline.start()
    while (status := pipeline.poll(0.05)).running:
        if status.sealed > 10:
            pipeline.stop()
    report = pipeline.join()
    assert 10 < report.summary["sealed"] < 250


def test_settings(tmp_path: Path, clip: Path) -> None:
    config = streamer.Config().with_overrides(["effect.kind=solid"])
    assert isinstance(config.effect.options, SolidOptions)
    with pytest.raises(ConfigError, match=r"evry: unknown key \(did you mean 'every'\?\)"):
        streamer.stream(clip, "null", evry=2)
    with pytest.raises(ConfigError, match=r"detect\.every: must be at least 1, got 0"):
        streamer.stream(clip, "null", config=config, every=0)


def test_a_folder_of_videos_is_for_the_command_line(clip: Path) -> None:
    with pytest.raises(UsageError, match="one after the other"):
        streamer.stream(clip.parent, "null")
