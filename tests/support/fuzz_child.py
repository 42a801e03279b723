"""One reader, input after input, within bounds. Run by `test_fuzz.py` in a process of its own.

    python -m support.fuzz_child TARGET SEED SECONDS FOLDER

Every input is written to FOLDER/input before it is read, so that it is there after a crash. What comes out on stdout at
the end are numbers. Whatever is no error of the program's own ends the process: other exceptions, signals, too much
memory, and too much time for one input.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

from streamer.core.errors import StreamerError
from support.fuzz_targets import TARGETS, Target
from support.mutate import mutated

_HANG_FACTOR = 20
"""Others use the machine, too: time on the clock may be this much longer than time on the processor."""
_MOST_SEEDS = 300
_LEAST = 100
"""Inputs, however long they take on a busy machine."""


def main(name: str, seed: str, seconds: str, folder: Path) -> None:
    """Run one target."""
    target, draw = TARGETS[name], random.Random(f"{name} {seed}")
    seeds = list(target.seeds())
    for one in seeds:  # also loads every library before memory is bounded
        _read(target, one, folder)
    _confine(target)
    counts, slowest, end = {"taken": 0, "refused": 0}, 0.0, time.monotonic() + float(seconds)
    while time.monotonic() < end or sum(counts.values()) < _LEAST:
        data = mutated(seeds, target.words, draw)
        (folder / "input").write_bytes(data)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, target.cpu_s)
        signal.setitimer(signal.ITIMER_REAL, target.cpu_s * _HANG_FACTOR)
        taken = _read(target, data, folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.process_time() - begun)
        counts["taken" if taken else "refused"] += 1
        if taken and len(seeds) < _MOST_SEEDS:
            seeds.append(data)
    # Of this program; what `getrusage` tells begins with the parent's.
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10
    print(json.dumps({"target": name, **counts, "slowest_s": round(slowest, 3), "peak_mb": peak}))


def _confine(target: Target) -> None:
    """Bound memory; say where the program was when a signal ends it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + target.memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    for number in (signal.SIGPROF, signal.SIGALRM):
        faulthandler.register(number, chain=True)


def _read(target: Target, data: bytes, folder: Path) -> bool:
    """Whether the input was taken. Whatever is no error of the program's own goes through."""
    work = folder / "work"
    work.mkdir()
    try:
        target.read(data, work)
    except StreamerError as error:
        said = str(error)
        assert said, "an error without words"
        assert len(said) < 20_000, "a message without end"
        return False
    except OSError as error:
        if target is TARGETS["audit"]:
            return False
        raise AssertionError("an error of the system that is not told in words") from error
    finally:
        shutil.rmtree(work)
    return True


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
