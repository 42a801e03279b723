"""How many pictures may wait."""

from __future__ import annotations

from streamer.core.memory import affordable


def test_large_pictures_are_few() -> None:
    assert affordable((3840, 2160), 150) == 12
    assert affordable((1280, 720), 150) == 108
    assert affordable((16000, 16000), 150, least=8) == 8
    assert affordable((0, 0), 150) > 1000
