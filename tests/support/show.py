"""A program with a window: shows numbered frames until it is told to quit, and prints what the user asked for.

    python show.py SNAPSHOT_DIR WIDTH HEIGHT

HighGUI belongs to the main thread of a process, so tests run this one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from streamer.core.errors import StreamerError
from streamer.core.options import Context
from streamer.core.types import Command
from streamer.sinks import StreamFormat
from streamer.sinks.window import Options, build
from support.frames import numbered

NUMBER = 0b10110010
"""What the frames show."""
_LIMIT_S = 60.0


def main(folder: Path, width: int, height: int) -> int:
    sink = build(Options(snapshot_dir=folder, max_width=640, max_height=480), Context())
    try:
        sink.open(StreamFormat(width, height, 25.0, live=True, stills=False, title="test"))
    except StreamerError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    start, seen = time.monotonic(), list[Command]()
    while Command.QUIT not in seen and time.monotonic() < start + _LIMIT_S:
        sink.write(numbered(NUMBER, time.monotonic(), (width, height)))
        for command in sink.poll():
            seen.append(command)
            sys.stdout.write(f"{command.value}\n")
            sys.stdout.flush()
        time.sleep(0.02)
    sink.close()
    sink.close()
    sys.stdout.write("end\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
