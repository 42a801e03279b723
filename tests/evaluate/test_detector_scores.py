"""What a detector's scores mean, measured on pictures of which everything is known."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.core.picture import Picture
from streamer.core.types import Box, Detection
from streamer.evaluate.detector_scores import markdown, measure

FACE: Box = (100.0, 100.0, 130.0, 130.0)
HERE, NOWHERE = Picture.blank(320, 240).frozen(), Picture.blank(320, 240).frozen()


class Knows:
    """Finds the face with 0.9 and something where nobody is with 0.3; in a window, 0.6 in its middle."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        return [self._found(picture) for picture in pictures]

    def _found(self, picture: Picture) -> list[Detection]:
        if picture is HERE:
            return [Detection(FACE, 0.9), Detection((0.0, 0.0, 20.0, 20.0), 0.5)]
        if picture is NOWHERE:
            return [Detection(FACE, 0.3)]
        return [Detection((53.0, 53.0, 107.0, 107.0), 0.6)]

    def close(self) -> None:
        pass


def test_faces_and_nobody_are_told_apart() -> None:
    result = measure("toy", Knows(), [(HERE, [FACE])], [NOWHERE])
    assert (result.whole, result.whole_nobody) == ([0.9], [0.3])
    assert (result.again, result.again_nobody) == ([0.6], [0.6])
    assert result.sure == 0.4, "never below what starts a track"
    assert result.again_from == 0.2, "too few windows to say more"
    result.again_nobody *= 30
    assert result.again_from == 0.4, "never above what is sure"
    assert "| toy | 1 / 1 | 100% |" in markdown([result])
