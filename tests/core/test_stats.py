"""The tallies of a run."""

from __future__ import annotations

from streamer.core.stats import Stats


def test_notes_do_not_fill_the_memory() -> None:
    stats = Stats()
    for number in range(1000):
        stats.note(f"lost: {number}")
    notes = stats.summary()["notes"]
    assert notes[0] == "lost: 0"
    assert len(notes) == 201
    assert notes[-1] == "800 more notes were not kept"
