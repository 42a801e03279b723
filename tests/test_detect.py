"""The detector's stage: failures, and second looks at doubtful places."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamer.detect import Failed, look
from streamer.picture import Picture
from streamer.types import Box, Detection, Frame, Pass, PassRequest

FRAME = Frame(0, 0, 0.0, Picture.blank(640, 480).frozen())
FACE: Box = (300.0, 200.0, 330.0, 240.0)


class Scripted:
    """Finds `first` in the whole frame, and `again` (in the window's own pixels) in every enlarged window."""

    def __init__(self, first: list[Detection], again: list[Detection]) -> None:
        self._first, self._again = first, again
        self.windows: list[tuple[int, int]] = []

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        if pictures[0] is FRAME.image:
            return [self._first]
        self.windows += [picture.size for picture in pictures]
        return [self._again for _ in pictures]

    def close(self) -> None:
        """Nothing to free."""


def seen(detector: Scripted, *watch: Box, second_looks: int = 4) -> tuple[Detection, ...]:
    result = look(detector, PassRequest(FRAME, watch, second_looks))
    assert isinstance(result, Pass)
    return result.detections


def test_lost_face_is_found_again_in_a_window_around_it() -> None:
    # The window is 120 px wide around the middle of the face and enlarged to 160: its middle is the face's.
    detector = Scripted([], [Detection((60, 53, 100, 107), 0.6, ((70, 70), (90, 70), (80, 80), (72, 95), (88, 95)))])
    (found,) = seen(detector, FACE)
    assert detector.windows[0][0] == 160
    assert found.box == pytest.approx((300, 200, 330, 240), abs=2)
    assert found.landmarks is not None
    assert found.landmarks[2] == pytest.approx((315, 220), abs=2)


def test_sure_faces_are_not_looked_at_again() -> None:
    detector = Scripted([Detection(FACE, 0.8)], [])
    assert len(seen(detector, FACE)) == 1
    assert detector.windows == []


def test_doubtful_faces_are() -> None:
    detector = Scripted([Detection(FACE, 0.3)], [Detection((60, 53, 100, 107), 0.7)])
    assert sorted(round(one.score, 1) for one in seen(detector)) == [0.3, 0.7]


def test_what_is_found_elsewhere_in_the_window_does_not_count() -> None:
    detector = Scripted([], [Detection((0, 0, 30, 40), 0.9)])
    assert seen(detector, FACE) == ()


def test_the_number_of_second_looks_is_bounded() -> None:
    many = [Detection((x, 50.0, x + 20.0, 80.0), 0.3) for x in range(0, 600, 40)]
    detector = Scripted(many, [])
    seen(detector, second_looks=3)
    assert len(detector.windows) == 3
    detector = Scripted(many, [])
    seen(detector, FACE, second_looks=0)
    assert detector.windows == []


@pytest.mark.parametrize("box", [(-40.0, -40.0, -5.0, 0.0), (630.0, 470.0, 660.0, 500.0), (700.0, 500.0, 720.0, 520.0)])
def test_windows_at_the_border_and_beyond(box: Box) -> None:
    seen(Scripted([], [Detection((60, 53, 100, 107), 0.6)]), box)


def test_a_failing_second_look_fails_the_pass() -> None:
    class Breaks(Scripted):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            if pictures[0] is not FRAME.image:
                raise RuntimeError("broken")
            return [[]]

    assert isinstance(look(Breaks([], []), PassRequest(FRAME, (FACE,), 4)), Failed)
