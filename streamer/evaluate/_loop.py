"""A short clip again and again, so that starting up and reading models do not decide what is measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.core.errors import InputError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["looped"]


def looped(clip: Path, copy: Path, seconds: float) -> tuple[Path, int]:
    """The clip repeated to at least so many seconds, its packets copied as they are, and how many frames it has.

    A clip that is long enough is returned itself. Raises InputError when it cannot be repeated.
    """
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        if not packets or any(packet.pts is None or packet.dts is None for packet in packets):
            raise InputError(f"{clip} has frames without times; it cannot be repeated")
        length = _length(packets)
        time_base = packets[0].time_base
        rounds = math.ceil(seconds / float(length * time_base))
        if rounds <= 1:
            return clip, len(packets)
        times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        with av.open(str(copy), "w") as out:
            target = out.add_stream_from_template(stream)
            for number in range(rounds):
                for packet, (pts, dts) in zip(packets, times, strict=True):
                    packet.stream = target
                    packet.pts, packet.dts = pts + number * length, dts + number * length
                    packet.time_base = time_base
                    out.mux(packet)
    return copy, rounds * len(packets)


def _length(packets: list[Packet[VideoStream]]) -> int:
    """Ticks from the first frame to where the next one would stand."""
    times = sorted(packet.pts or 0 for packet in packets)
    step = (times[-1] - times[0]) // max(1, len(times) - 1)
    return times[-1] - times[0] + max(1, step)
