"""A part that is slow, and one that has fallen silent."""

from __future__ import annotations

from streamer.core.patience import Patience, Progress


def test_silence_ends_patience_and_every_step_begins_it_anew() -> None:
    progress = Progress()
    patience = Patience(20, progress)
    assert not patience.ended(0.0)
    patience.asked(0.0)
    for n in range(1, 400):  # 200 s, a step every 10 s
        if n % 20 == 0:
            progress.step()
        assert not patience.ended(n / 2)
    assert next(n for n in range(400, 480) if patience.ended(n / 2)) == 421
    patience.answered()
    assert not patience.ended(1000.0)


def test_a_machine_that_slept_is_no_silence() -> None:
    patience = Patience(20)
    patience.asked(0.0)
    assert not patience.ended(3600.0)
    assert not patience.ended(3601.0)
    patience.asked(3602.0)
    assert not patience.ended(3603.0)
