"""What a detector's scores mean, on known faces and where nobody is. The `Scores` in detectors' modules come from this.

    python -m streamer.evaluate.detector_scores IMAGES BOXES.csv NOFACE... --models FOLDER [--markdown FILE]

IMAGES, BOXES.csv: pictures, and the columns file, x, y, w, h of their faces. NOFACE: folders of pictures, and of videos
of which every 25th frame is taken, without any face. Every picture is also seen at half its size.

whole     the score of a face in the whole picture, and the highest one where nobody is
again     the same in an enlarged window around a small face, or around what passed for one
verified  the same in views of a large face that scores too low to be sure of, or of what passed for one
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from streamer.core.errors import StreamerError
from streamer.core.files import write_whole
from streamer.core.geometry import iou, side, stack
from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.core.view import View
from streamer.detection.boxes import SMALL_FACE_PX, window_around
from streamer.detection.redetection import WINDOW_PX
from streamer.detection.verification import verification_views
from streamer.detectors import CAREFUL, Detector, DetectorOptions
from streamer.evaluate.detectors import VARIANTS, made, read_boxes, read_pictures
from streamer.inference.models.store import Store

__all__ = ["Measured", "markdown", "measure"]

_FLOOR = {"threshold": 0.1, "floor": 0.1}
_LEAST_FACE_PX = 16
_SAME_FACE_IOU = 0.3
_EVERY = 25
"""Frames of a video without faces: neighbours are one picture twice."""
_ALLOWED = 0.02
"""Share of pictures without a face in which something may pass for a sure one."""
_ALLOWED_AGAIN = 0.05
"""Share of windows around nobody in which something may pass for a face."""
_ENOUGH = 30
"""Windows around nobody that are needed to say anything."""
_STARTS: float = DetectorOptions.model_fields["threshold"].default
_DOUBTFUL = 0.65
"""What is measured in other views: large faces below this score."""


@dataclass
class Measured:
    """Scores of one detector. Lists of what was seen of faces, and of the highest scores where nobody is."""

    detector: str
    whole: list[float] = field(default_factory=list)
    whole_nobody: list[float] = field(default_factory=list)
    """One per picture; 0 where nothing was found."""
    again: list[float] = field(default_factory=list)
    again_nobody: list[float] = field(default_factory=list)
    upright: list[float] = field(default_factory=list)
    upright_nobody: list[float] = field(default_factory=list)
    turned_nobody: list[float] = field(default_factory=list)

    @property
    def sure(self) -> float:
        """The least score, in steps of 0.05, that something reaches in few pictures without a face.

        Never below the score from which a track starts by default: a weaker face has to be detected again.
        """
        return max(_STARTS, _least(self.whole_nobody, _ALLOWED))

    @property
    def again_from(self) -> float:
        """The least score that something reaches in few windows around nobody; never above `sure`.

        With too few windows to say, the careful one.
        """
        if len(self.again_nobody) < _ENOUGH:
            return CAREFUL.again
        return min(self.sure, _least(self.again_nobody, _ALLOWED_AGAIN))


def _least(nobody: Sequence[float], allowed: float) -> float:
    for step in range(4, 20):
        score = round(0.05 * step, 2)
        if sum(one >= score for one in nobody) <= allowed * len(nobody):
            return score
    return 0.95


def measure(
    name: str, detector: Detector, faces: Sequence[tuple[Picture, Sequence[Box]]], nobody: Sequence[Picture]
) -> Measured:
    """Have one detector examine all of it."""
    result = Measured(name)
    for picture, boxes in faces:
        (found,) = detector.detect([picture])
        for box in boxes:
            score = _score_at(box, found)
            result.whole.append(score)
            if side(box) < SMALL_FACE_PX:
                result.again += _scores_again(detector, picture, box)
            elif score < _DOUBTFUL:
                result.upright += [best for best, _ in _scores_verified(detector, picture, Detection(box, score))]
    for picture in nobody:
        (found,) = detector.detect([picture])
        result.whole_nobody.append(max((one.score for one in found), default=0.0))
        for one in found:
            if side(one.box) < SMALL_FACE_PX:
                result.again_nobody += _scores_again(detector, picture, one.box)
            else:
                for upright, turned in _scores_verified(detector, picture, one):
                    result.upright_nobody.append(upright)
                    result.turned_nobody.append(turned)
    return result


def _score_at(box: Box, found: Sequence[Detection]) -> float:
    if not found:
        return 0.0
    overlaps = iou(stack([box]), stack([one.box for one in found]))[0]
    return max((one.score for one, share in zip(found, overlaps, strict=True) if share >= _SAME_FACE_IOU), default=0.0)


def _scores_again(detector: Detector, picture: Picture, box: Box) -> list[float]:
    window = window_around(box, picture)
    if window is None:
        return []
    view = View.of(picture, window, longer_px=WINDOW_PX)
    (found,) = detector.detect([view.image])
    return [_score_at(box, [view.back(one) for one in found])]


def _scores_verified(detector: Detector, picture: Picture, face: Detection) -> list[tuple[float, float]]:
    """The best score in upright and in turned views."""
    views = verification_views(face, picture)
    if not views:
        return []
    answers = zip(views, detector.detect([view.image for view in views]), strict=True)
    scores = [(view.turns, _score_at(view.square(face.box), found)) for view, found in answers]
    return [(max(score for turns, score in scores if not turns), max(score for turns, score in scores if turns))]


def _halved(picture: Picture) -> Picture:
    return picture.scaled(max(1, picture.width // 2), max(1, picture.height // 2))


def _faces(folder: Path, table: Path) -> Iterator[tuple[Picture, Sequence[Box]]]:
    truth = read_boxes(table, min_face_px=0)
    for name, picture in read_pictures(folder, sorted(truth)).items():
        for scale, one in ((1.0, picture), (0.5, _halved(picture))):
            boxes = [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in truth[name]]
            yield one, [box for box in boxes if side(box) >= _LEAST_FACE_PX]


def _nobody(folders: Sequence[Path]) -> Iterator[Picture]:
    for folder in folders:
        for picture in read_pictures(folder).values():
            yield from (picture, _halved(picture))
        for video in sorted(folder.glob("*.mp4")):
            with av.open(str(video)) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number % _EVERY == 0:
                        yield Picture.from_av(frame)


def markdown(rows: Sequence[Measured]) -> str:
    """A table."""
    head = (
        "| detector | faces / found at 0.2 | faces at `sure` | nobody: highest, 98 % below | sure | again: faces "
        "| again: nobody, 95 % below | again | verified: faces, 10 % below "
        "| verified: nobody, highest upright / turned |"
    )
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for row in rows:
        share = sum(score >= row.sure for score in row.whole) / max(1, len(row.whole))
        again = sum(score >= row.again_from for score in row.again) / max(1, len(row.again))
        lines.append(
            f"| {row.detector} | {len(row.whole)} / {sum(score >= 0.2 for score in row.whole)} | {share:.0%} "
            f"| {_high(row.whole_nobody, 1.0)}, {_high(row.whole_nobody, 0.98)} | {row.sure:.2f} "
            f"| {again:.0%} of {len(row.again)} | {_high(row.again_nobody, 0.95)} of {len(row.again_nobody)} "
            f"| {row.again_from:.2f} | {_high(row.upright, 0.1)} of {len(row.upright)} "
            f"| {_high(row.upright_nobody, 1.0)} / {_high(row.turned_nobody, 1.0)} of {len(row.upright_nobody)} |"
        )
    return "\n".join(lines) + "\n"


def _high(scores: Sequence[float], share: float) -> str:
    return f"{np.quantile(scores, share):.2f}" if scores else "-"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("boxes", type=Path)
    parser.add_argument("nobody", type=Path, nargs="+")
    parser.add_argument("--models", type=Path, help="folder with model files")
    parser.add_argument("--markdown", type=Path, help="where to write the table")
    given = parser.parse_args()
    ctx = Store(offline=given.models).context("cpu")
    faces, nobody = list(_faces(given.images, given.boxes)), list(_nobody(given.nobody))
    number = sum(len(boxes) for _, boxes in faces)
    sys.stdout.write(f"{number} faces in {len(faces)} pictures, {len(nobody)} without any\n")
    rows = []
    for variant in VARIANTS:
        try:
            detector, _ = made(variant, {**_FLOOR, "accept_licence": True}, ctx)
        except StreamerError as error:
            sys.stdout.write(f"{variant.name}: not measured: {error}\n")
            continue
        rows.append(measure(variant.name, detector, faces, nobody))
        detector.close()
        sys.stdout.write(markdown(rows[-1:]).splitlines()[-1] + "\n")
        sys.stdout.flush()
    if given.markdown is not None:
        write_whole(given.markdown, markdown(rows).encode())


if __name__ == "__main__":
    _main()
