"""The pictures of the documentation, drawn anew: a street before and after, zones, and every effect.

    scripts/pictures

Only drawn people are shown, and everything that is hidden was hidden by the program itself at its defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.api import anonymize_video
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.evaluate import _chart, contact_sheet
from streamer.sources import demo, file

__all__ = ["MOST_BYTES", "PICTURES", "before_and_after", "main", "zones"]

MOST_BYTES = 200_000
"""Largest file that the documentation takes."""
_FRAME = 80
"""The frame of the drawn street that is shown: several people, near and far."""
_LATER_S = 0.4
"""The scene goes on for so long after it, because frames are hidden by what is found later, too."""
_WIDTH = 640
_GAP_PX = 8
_STAGE = [[[0.22, 0.12], [0.72, 0.12], [0.72, 1.0], [0.22, 1.0]]]
"""The zone that is shown: what lies outside of it is covered."""


def before_and_after() -> NDArray[np.uint8]:
    """(H, W, 3) BGR: the drawn street, and beside it the same frame as the program writes it."""
    return _side_by_side(_original(), _anonymized())


def zones() -> NDArray[np.uint8]:
    """(H, W, 3) BGR: the drawn street, and beside it the same frame when only a zone of it may be seen."""
    return _side_by_side(_original(), _anonymized({"zones.inside": _STAGE}))


PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "before_and_after.jpg": before_and_after,
    "zones.jpg": zones,
    "effects.jpg": contact_sheet.sheet,
}
"""File names below `docs`, and what draws them."""


def _original() -> NDArray[np.uint8]:
    source = demo.build(demo.Options(), Context())
    for _ in range(_FRAME):
        source.read()
    captured = source.read()
    source.close()
    assert isinstance(captured, Captured)
    return captured.image.bgr()


def _anonymized(settings: dict[str, Any] | None = None) -> NDArray[np.uint8]:
    """The same frame out of a video file that the program wrote."""
    length_s = _FRAME / demo.Options().fps + _LATER_S
    config = Config().updated({"source.demo.duration_s": length_s, "sink.file.crf": 12, **(settings or {})})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "street.mp4"
        anonymize_video("demo", path, config=config)
        source = file.build(file.Options(path=path), Context())
        try:
            for _ in range(_FRAME):
                source.read()
            captured = source.read()
        finally:
            source.close()
    assert isinstance(captured, Captured)
    return captured.image.bgr()


def _side_by_side(*pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    smaller = [
        cv2.resize(one, (_WIDTH, _WIDTH * one.shape[0] // one.shape[1]), interpolation=cv2.INTER_AREA)
        for one in pictures
    ]
    gap = np.full((smaller[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    between = [part for one in smaller for part in (gap, one)][1:]
    return np.concatenate(between, axis=1).astype(np.uint8)


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"), help="where to")
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES), help="some of them")
    options = parser.parse_args(arguments)
    for name in options.only:
        path = options.folder / name
        if not _chart.write(path, PICTURES[name](), quality=86):
            parser.error(f"{path} cannot be written")
        if (size := path.stat().st_size) > MOST_BYTES:
            parser.error(f"{path} has {size} bytes, more than {MOST_BYTES}")


if __name__ == "__main__":
    main()
