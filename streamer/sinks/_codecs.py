"""Which codec goes into which container, and with what settings.

Measured on a 1280x720 street clip of 10 s, one thread, keyframes every second (frames/s; size; PSNR of luma, lowest of
all frames): x264 ultrafast crf 23 235, 6.6 MB, 40.5 dB; ultrafast with CABAC and deblocking, crf 27 232, 4.0 MB,
38.8 dB; superfast crf 24 168, 4.3 MB, 40.6 dB; medium crf 25 about 25, 2.3 MB, 39.8 dB. So the two tools that ultrafast
leaves out are switched on again: for the same picture they make the file a quarter smaller and cost next to nothing.
At crf 26, what is not hidden is as near to the original as in a peer's file at its default; crf 27 was a little below.
A second thread adds a tenth to the CPU time per frame, which decoder and detector need more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CONTAINERS", "Codec", "CodecName", "Container", "codec_settings"]

CodecName = Literal["h264", "h265", "vp9"]


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of video file."""

    format: str
    """FFmpeg's name of the muxer."""
    codecs: tuple[CodecName, ...]
    """What it takes; the first is the default."""
    options: Mapping[str, str]
    """For the muxer."""
    endless: Mapping[str, str]
    """For the muxer, when the recording may go on for ever."""
    ticks_per_s: int = 90_000
    """Resolution of its time stamps."""
    constant_rate: bool = False
    """True: frames have numbers instead of times."""


# MP4 in fragments: a killed program leaves a file that plays up to the last one. At its end a file from a finite source
# becomes an ordinary MP4; that takes some 70 bytes of memory per frame, so what may run for weeks stays in fragments.
# flush_packets hands every finished fragment to the system at once.
_MP4 = {"movflags": "hybrid_fragmented", "flush_packets": "1"}
_MP4_ENDLESS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_AVI = {"flush_packets": "1"}
# Without bitexact, the muxer draws a random identifier, and equal pictures would not make equal files.
_MKV = {"cluster_time_limit": "1000", "flush_packets": "1", "fflags": "+bitexact"}

CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container("mp4", ("h264", "h265", "vp9"), _MP4, _MP4_ENDLESS),
    ".mov": Container("mov", ("h264", "h265"), _MP4, _MP4_ENDLESS),
    ".mkv": Container("matroska", ("h264", "h265", "vp9"), _MKV, _MKV, ticks_per_s=1000),
    ".webm": Container("webm", ("vp9",), _MKV, _MKV, ticks_per_s=1000),
    ".avi": Container("avi", ("h264",), _AVI, _AVI, constant_rate=True),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoder, ready to be opened."""

    encoder: str
    """FFmpeg's name of the encoder."""
    options: Mapping[str, str]
    threads: int
    tag: str | None = None


def codec_settings(
    name: CodecName, size: tuple[int, int], *, crf: int | None, preset: str, threads: int | None
) -> Codec:
    """Settings for one codec. size: pixels. crf, threads: None for the default.

    No encoder here uses B-frames or looks ahead: a frame leaves as soon as it is encoded, and the last one before a
    power cut is not still inside the encoder.
    """
    pixels = size[0] * size[1]
    if threads is None:
        # One thread costs the least CPU per frame; x264 keeps up with it to 1080p, the other two do not.
        threads = 1 if name == "h264" and pixels <= 2_200_000 else min(4, os.cpu_count() or 1)
    if name == "h264":
        options = {
            "preset": preset,
            "tune": "zerolatency",
            "crf": str(26 if crf is None else crf),
            "forced-idr": "1",
        }
        if options["preset"] == "ultrafast":
            options["x264-params"] = "cabac=1:no-deblock=0"
        return Codec("libx264", options, threads)
    if name == "h265":
        params = f"log-level=none:bframes=0:rc-lookahead=0:pools={threads}:frame-threads=1"
        if min(size) < 64:
            params += ":ctu=16"  # the picture must hold one coding unit
        options = {
            "preset": preset,
            "tune": "zerolatency",
            "crf": str(28 if crf is None else crf),
            "forced-idr": "1",
            "x265-params": params,
        }
        return Codec("libx265", options, threads, tag="hvc1")
    speed = {"ultrafast": "8", "superfast": "7", "veryfast": "6", "faster": "5"}.get(preset, "4")
    options = {
        "deadline": "realtime",
        "cpu-used": speed,
        "lag-in-frames": "0",
        "crf": str(33 if crf is None else crf),
        "b": "0",
        "row-mt": "1",
    }
    return Codec("libvpx-vp9", options, threads)
