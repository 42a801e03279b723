"""A camera in a process of its own: python -m support.live_camera WIDTH HEIGHT FPS. It serves what it coded before.

Prints its address, then the monotonic moment of its first picture; ends when its input does.
"""

from __future__ import annotations

import os
import sys
import time

from support.numbered_face import NumberedFace
from support.rtp_camera import h264, rtp_camera

__all__: list[str] = []
_FRAMES = 200


def _tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _serve(width: int, height: int, fps: int) -> None:
    face = NumberedFace(size=(width, height), speed_px=7)
    units = h264([face.picture(n) for n in range(_FRAMES)], key_every=fps)
    sent: list[float] = []
    with rtp_camera(units, due=lambda n: n / fps, stamp=lambda n: n / fps, sent=sent) as url:
        _tell(url)
        while not sent:
            time.sleep(0.001)
        _tell(sent[0])
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:4]))
