"""The two sinks that write nothing."""

from __future__ import annotations

from support.frames import numbered

from streamer.anonymize.frame import slate
from streamer.config.parts import build
from streamer.core.options import Context
from streamer.sinks import StreamFormat, memory

FORMAT = StreamFormat(320, 240, 25.0, live=False, stills=False, title="test")


def test_null_counts() -> None:
    sink = build("sinks", "null", {}, Context())
    sink.open(FORMAT)
    for index in range(3):
        sink.write(slate(index, index / 25, (320, 240)))
    sink.close()
    sink.close()
    assert (sink.written, sink.covered, sink.poll(), sink.live, sink.main_thread) == (3, 3, [], False, False)


def test_memory_keeps_everything_in_order() -> None:
    sink = memory.build(memory.Options(), Context())
    sink.open(FORMAT)
    frames = [numbered(index, index / 25) for index in range(5)]
    for frame in frames:
        sink.write(frame)
    sink.close()
    assert sink.frames == frames
    assert sink.format == FORMAT
    assert sink.closed


def test_memory_with_a_limit_keeps_the_newest() -> None:
    sink = memory.build(memory.Options(limit=2), Context())
    sink.open(FORMAT)
    for index in range(5):
        sink.write(numbered(index, index / 25))
    assert [frame.seq for frame in sink.frames] == [3, 4]
    assert sink.written == 5


def test_the_list_is_a_copy() -> None:
    sink = memory.MemorySink()
    sink.write(numbered(0, 0.0))
    sink.frames.clear()
    assert len(sink.frames) == 1
