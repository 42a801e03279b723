"""Who looks like somebody enrolled: a sister, another player, another face in the same head. Judged on the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights
from typer.testing import CliRunner

from streamer.cli.app import app
from streamer.config.endpoints import parse_input
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.align import ARCFACE_112, similarity
from streamer.core.geometry import side
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection
from streamer.evaluate.faces import Finder
from streamer.evaluate.leak import pictures_of
from streamer.evaluate.readable import is_readable
from streamer.pipeline.assembly import Parts
from streamer.pipeline.pipeline import Pipeline
from streamer.sinks.memory import MemorySink

Bgr = NDArray[np.uint8]
FRAMES = 62
SISTER = "Nora_Bendijo/Nora_Bendijo_0001.jpg", "Flor_Montulo/Flor_Montulo_0002.jpg"
PLAYER = "Tommy_Haas/Tommy_Haas_0006.jpg", "Juan_Ignacio_Chela/Juan_Ignacio_Chela_0002.jpg"


@pytest.fixture(scope="module")
def eyes() -> Iterator[Finder]:
    config = Config()
    finder = Finder(build("detectors", config.detector.kind, config.detector.options, Context(model=weights)), 0.6)
    yield finder
    finder.close()


def found(eyes: Finder, picture: Picture) -> Detection | None:
    """The largest face."""
    faces = [one for one in eyes.faces(picture) if one.landmarks is not None]
    return max(faces, key=lambda one: side(one.box), default=None)


def film(path: Path, frames: Iterator[Bgr]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast", "crf": "20"})
        for number, frame in enumerate(frames):
            if not number:
                stream.height, stream.width = (edge & ~1 for edge in frame.shape[:2])
                stream.pix_fmt = "yuv420p"
            cut = np.ascontiguousarray(frame[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="bgr24")))
        container.mux(stream.encode())
    return path


def moved(still: Bgr, motion: str) -> Iterator[Bgr]:
    """A still as a video shows it."""
    height, width = still.shape[:2]
    for number in range(FRAMES):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1)
        if motion == "pan":
            matrix[:, 2] += np.array([0.7, 0.3]) * number
        elif motion == "zoom":
            matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1 + 0.5 * number / FRAMES)
        elif motion == "turn":
            matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 15 * np.sin(number / 8), 1)
        yield np.asarray(cv2.warpAffine(still, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def enrolled(gallery: Path, *pictures: Path) -> Config:
    result = CliRunner().invoke(app, ["enroll", "Ann", *map(str, pictures), "--gallery", str(gallery), "--largest"])
    assert result.exit_code == 0, result.output
    return Config().updated({"identity.who": "unknown", "identity.gallery": str(gallery)})


def readable(clip: Path, config: Config, eyes: Finder) -> list[int]:
    """Frames of what comes out of a run in which the face can be read."""
    source, sink = parse_input(str(clip)), MemorySink()
    parts = Parts.of(config, source, [], Context(model=weights))
    pipeline = Pipeline(
        config,
        Parts(parts.source, parts.detector, parts.effect, [("memory", lambda: sink)], recogniser=parts.recogniser),
    )
    pipeline.start()
    pipeline.join()
    opened, shown = parts.source(), []
    try:
        for number, (captured, frame) in enumerate(zip(pictures_of(opened), sink.frames, strict=True)):
            face = found(eyes, captured.image)
            if face is not None and is_readable(captured.image.planes[0], frame.image.planes[0], face.box):
                shown.append(number)
    finally:
        opened.close()
    return shown


@pytest.mark.parametrize("motion", ["held", "pan", "zoom", "turn"])
@pytest.mark.parametrize("pair", [SISTER, PLAYER], ids=["sister", "player"])
def test_a_lookalike_on_a_still_is_not_seen(
    media: Path, tmp_path: Path, eyes: Finder, pair: tuple[str, str], motion: str
) -> None:
    """One still is enrolled, and a video made from one still shows the other person: one view, however it moves."""
    folder = media / "media" / "identities" / "lfw"
    config = enrolled(tmp_path / "one.gallery", folder / pair[0])
    still = cv2.imread(str(folder / pair[1]))
    assert still is not None
    clip = film(tmp_path / "clip.mp4", moved(np.asarray(still, np.uint8), motion))
    assert readable(clip, config, eyes) == []


@pytest.mark.parametrize("swap", [52, 55, 61])
def test_the_same_head_with_the_face_of_another(media: Path, tmp_path: Path, eyes: Finder, swap: int) -> None:
    """Eyes, nose and mouth are another's from one frame to the next, blended in; hair and neck stay."""
    config = enrolled(tmp_path / "one.gallery", *_enrolment(media))
    other = cv2.imread(str(media / "media" / "identities" / "lfw" / "Rick_Perry" / "Rick_Perry_0003.jpg"))
    assert other is not None
    video = media / "media" / "video" / "head_d10_woman_512.mp4"
    clip = film(tmp_path / "clip.mp4", _exchanged(video, np.asarray(other, np.uint8), swap, eyes))
    shown = readable(clip, config, eyes)
    assert [number for number in shown if number >= swap] == []
    assert len(shown) > swap - 10


def _enrolment(media: Path) -> list[Path]:
    return sorted((media / "media" / "video_mosaic" / "enrol" / "d10_woman").glob("*.jpg"))


def _exchanged(video: Path, other: Bgr, swap: int, eyes: Finder) -> Iterator[Bgr]:
    theirs = found(eyes, Picture.from_bgr(other))
    assert theirs is not None
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= swap + 30:
                return
            bgr = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            own = None if number < swap else found(eyes, Picture.from_bgr(bgr))
            yield bgr if own is None else _blended(bgr, own, other, theirs)


def _blended(bgr: Bgr, own: Detection, other: Bgr, theirs: Detection) -> Bgr:
    """Their inner face in the place of the own one, in its colours."""
    assert own.landmarks is not None
    assert theirs.landmarks is not None
    size = bgr.shape[1], bgr.shape[0]
    corners = np.asarray(theirs.landmarks, np.float32), np.asarray(own.landmarks, np.float32)
    onto, _ = cv2.estimateAffinePartial2D(*corners)
    face = cv2.warpAffine(other, onto, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    mask = np.zeros((112, 112), np.float32)
    cv2.ellipse(mask, (56, 68), (32, 42), 0, 0, 360, 1.0, cv2.FILLED)
    back = cv2.invertAffineTransform(similarity(own.landmarks, ARCFACE_112))
    soft = cv2.warpAffine(cv2.GaussianBlur(mask, (0, 0), 3), back, size)
    inside = soft > 0.5
    ours, new = bgr[inside].astype(np.float32), face[inside]
    face = (face - new.mean(axis=0)) / (new.std(axis=0) + 1e-3) * ours.std(axis=0) + ours.mean(axis=0)
    mixed = bgr * (1 - soft[..., None]) + face * soft[..., None]
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)
