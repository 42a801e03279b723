"""Real cameras of both kinds, in a small virtual machine: what other programs see in the virtual camera, and a webcam
that is unplugged. One start of the machine serves all tests here; it begins with the session.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.frames import number_of, numbered, read_video
from support.vm import SCENE, SCENE_START, Errand
from support.vm_cameras import SCENE_FRAMES, SEEN_FRAMES

from streamer.core.picture import BT709, Picture
from streamer.evaluate.readable import is_readable
from streamer.sources import demo

pytestmark = [pytest.mark.device, pytest.mark.timeout(960)]


@pytest.fixture(scope="module")
def exchange(errand: Errand) -> Path:
    """The folder in which the machine left what it saw."""
    print(errand.done())
    return errand.folder


@pytest.fixture(scope="module")
def results(exchange: Path) -> dict[str, Any]:
    """What the machine told."""
    told: dict[str, Any] = json.loads((exchange / "results.json").read_text())
    return told


def raw_pictures(path: Path, width: int, height: int) -> list[Picture]:
    """Raw i420 pictures, as other programs read them from a camera."""
    samples: NDArray[np.uint8] = np.fromfile(path, np.uint8)
    length = width * height * 3 // 2
    assert samples.size, f"nothing was read into {path.name}"
    assert samples.size % length == 0
    return [Picture(width, height, "i420", part) for part in samples.reshape(-1, length)]


# -- the sink -----------------------------------------------------------------------------------------------------


def test_another_program_sees_the_pictures(exchange: Path, results: dict[str, Any]) -> None:
    seen = raw_pictures(exchange / "pictures.yuv", 320, 240)
    assert [number_of(picture) for picture in seen] == [0b10110010] * 3
    sent = numbered(0b10110010, 0.0, color=BT709).image
    # Written as BT.709, and seen as what such devices carry, BT.601, with the same colours.
    assert np.abs(seen[0].bgr().astype(int) - sent.bgr()).mean() < 3
    assert "'YU12'" in results["pictures"]["shape"]
    assert "320/240" in results["pictures"]["shape"]


def test_another_shape_is_letterboxed(exchange: Path, results: dict[str, Any]) -> None:
    assert results["letterbox"]["talk"] == ""
    (picture,) = raw_pictures(exchange / "letterbox.yuv", 320, 240)
    luma = picture.planes[0]
    assert (luma[:66] == 16).all()
    assert (luma[-66:] == 16).all()
    inner = picture.cropped((0, 66, 320, 174))
    assert number_of(inner) == 0b01010101


def test_the_device_can_be_opened_again_and_by_one_only(results: dict[str, Any]) -> None:
    again = results["again"]
    writing, free = again["announced"][::2], again["announced"][1::2]
    assert all(set(caps) == {"Video Capture"} for caps in writing), writing
    assert all(set(caps) == {"Video Output"} for caps in free), free
    assert all("in use by another program" in said for said in again["second"])


def test_a_reader_that_stays_keeps_its_size(results: dict[str, Any]) -> None:
    assert results["held"]["size"] == [160, 120]
    assert "is held at 160x120 by a program that reads it" in results["held"]["asked"]


def test_a_device_left_dead_is_brought_back(exchange: Path, results: dict[str, Any]) -> None:
    assert results["careless"]["talk"] == ""
    assert results["careless"]["dead"] == []
    assert [number_of(picture) for picture in raw_pictures(exchange / "careless.yuv", 320, 240)] == [7, 7]
    assert set(results["careless"]["after"]) == {"Video Output"}


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("/dev/video0", "/dev/video0 is vivid, no virtual camera; make one with: sudo modprobe v4l2loopback"),
        ("/dev/video1", "/dev/video1 is vivid, no virtual camera; make one with: sudo modprobe v4l2loopback"),
        ("/dev/video99", "virtual camera /dev/video99 does not exist; make one with: sudo modprobe v4l2loopback"),
        ("/dev/null", "/dev/null is no virtual camera; make one with: sudo modprobe v4l2loopback"),
        ("/tmp", "/tmp is no virtual camera; make one with: sudo modprobe v4l2loopback"),
    ],
)
def test_what_is_no_virtual_camera(results: dict[str, Any], device: str, message: str) -> None:
    assert results["refusals"][device].startswith(f"UsageError: {message}")


def test_virtual_cameras_are_found(results: dict[str, Any]) -> None:
    assert results["refusals"]["probe"] == [[True, "virtual camera /dev/video10"]]
    ((ok, finding, remedy),) = results["without_module"]["probe"]
    assert (ok, finding) == (False, "no virtual camera")
    assert remedy.startswith("sudo modprobe v4l2loopback ")
    assert results["without_module"]["refusal"].startswith("UsageError: there is no virtual camera; make one with: ")


# -- the whole program --------------------------------------------------------------------------------------------


def test_no_face_of_the_scene_is_readable_in_the_virtual_camera(exchange: Path, results: dict[str, Any]) -> None:
    told = results["scene_shown"]
    assert told["code"] == 0, told["talk"]
    assert told["report"]["emitted"] == {"/dev/video10": {"frame": SCENE_FRAMES}}
    seen = raw_pictures(exchange / "scene.yuv", SCENE.width, SCENE.height)
    assert len(seen) == SEEN_FRAMES
    drawn, originals = demo.scene(SCENE), read_video(exchange / "scene.mp4").pictures
    small = np.array([thumbnail(picture) for picture in originals])
    numbers, judged = [], 0
    for picture in seen:
        number = int(np.abs(small - thumbnail(picture)).mean(axis=(1, 2)).argmin())
        numbers.append(number)
        for truth in drawn.truth(SCENE_START + number):
            assert is_readable(originals[number].planes[0], originals[number].planes[0], truth.box)
            assert not is_readable(originals[number].planes[0], picture.planes[0], truth.box), f"frame {number}"
            judged += 1
    assert numbers == sorted(set(numbers))
    assert judged == 2 * SEEN_FRAMES


def thumbnail(picture: Picture) -> NDArray[np.int16]:
    return cv2.resize(picture.planes[0], (120, 68), interpolation=cv2.INTER_AREA).astype(np.int16)


def test_an_unplugged_webcam_is_a_slate_then_back_then_an_error(exchange: Path, results: dict[str, Any]) -> None:
    told = results["webcam_unplugged"]
    assert told["began"]
    assert told["survived"]
    assert told["code"] == 1, told["talk"]
    assert told["waited_s"] < 30  # it gives up after 8 s
    last = told["talk"].strip().splitlines()[-1]
    assert "/dev/video0" in last
    assert "unplugged" in last
    assert "Traceback" not in told["talk"]
    report = told["report"]
    assert report["other"]["lost"] == 2
    assert report["other"]["reconnected"] == 1
    recorded = report["emitted"][str(Path("/mnt/exchange/unplugged.mp4"))]
    assert recorded["slate"] >= 10  # two times at least six seconds, one a second
    read = read_video(exchange / "unplugged.mp4")
    shown = [picture.planes[0].std() > 30 for picture in read.pictures]  # colour bars, or the flat slate
    assert shown[0]
    away = shown.index(False)
    assert any(shown[away:]), "it came back"
    assert not shown[-1]
    assert len(read.pictures) == sum(recorded.values())
    assert np.diff(read.times).max() < 1.1  # no hole in the record: a slate a second
