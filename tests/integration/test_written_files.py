"""What the whole program writes, as the system sees it: no file is made or changed outside of the one helper."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.weights import weights

import streamer
from streamer.drawn.faces import draw_face

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

_ROOT = Path(streamer.__file__).parents[1]
_STRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-s", "500")
_OPENED = re.compile(r'(?:open|openat|creat)\((?:[^,"]*, )?"((?:[^"\\]|\\.)*)", ([A-Z_|0-9x]+)')
_CHANGED = re.compile(r"^(?:\d+ +)?(link|symlink|truncate|mknod)\w*\(")
_NAMED = re.compile(
    r'^(?:\d+ +)?link(?:at)?\((?:AT_FDCWD, )?"(?P<folder>[^"]*/)\.[^"/]+\.[0-9a-f]{16}\.tmp", '
    r'(?:AT_FDCWD, )?"(?P=folder)[^"/]+"'
)
"""A finished file gets its name, in the same folder."""


def traced(folder: Path, *arguments: str) -> list[tuple[str, set[str]]]:
    """Run the program; path and flags of everything that it opened to write."""
    log = folder / "strace.log"
    calls = "open,openat,openat2,creat,link,linkat,symlink,symlinkat,truncate,mknod,mknodat"
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}
    done = subprocess.run(
        [*_STRACE, "-e", f"trace={calls}", "-o", str(log), sys.executable, "-m", "streamer", *arguments],
        cwd=folder,
        env={**environment, "XDG_DATA_HOME": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("strace may not watch other programs here")
    assert done.returncode == 0, done.stderr
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    changes = [line for line in lines if _CHANGED.match(line) and not _NAMED.match(line)]
    assert not [line for line in changes if not line.endswith("ENOENT (No such file or directory)")]
    found = []
    for line in lines:
        opened = _OPENED.search(line)
        if opened is not None and " = -1 " not in line:
            flags = set(opened[2].split("|"))
            if flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"} or "creat(" in line:
                found.append((opened[1], flags))
    return [(path, flags) for path, flags in found if not path.startswith(("/dev/", "/proc/", "/sys/"))]


def judged(found: list[tuple[str, set[str]]], *names: str) -> None:
    """Every file was new and no link, or is one that only grows or only locks; and these were among them."""
    for path, flags in found:
        assert "O_NOFOLLOW" in flags, f"{path} was opened with {sorted(flags)}"
        growing = "O_APPEND" in flags and "O_TRUNC" not in flags
        lock = path.endswith(".lock")
        assert "O_EXCL" in flags or growing or lock, f"{path} was opened with {sorted(flags)}"
    for name in names:
        assert any(name in path for path, _ in found), f"{name} was not seen among {[path for path, _ in found]}"


def drawn(path: Path, seed: int) -> None:
    bgr = np.full((400, 480, 3), (150, 160, 165), np.uint8)
    patch, alpha = draw_face(160, seed=seed)
    y, x = (400 - patch.shape[0]) // 2, (480 - patch.shape[1]) // 2
    part = bgr[y : y + patch.shape[0], x : x + patch.shape[1]]
    part[:] = (patch * alpha[..., None] + part * (1.0 - alpha[..., None])).astype(np.uint8)
    assert cv2.imwrite(str(path), bgr)


def test_a_video_and_its_report(tmp_path: Path) -> None:
    weights("yunet")
    (tmp_path / "old.mkv").write_bytes(b"old")
    asked = ["run", "demo", "-o", "out.mp4", "-o", "old.mkv", "--force", "--duration", "0.4", "--report", "report.json"]
    judged(traced(tmp_path, *asked), "out.mp4", "old.mkv", "report.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.mkv", "out.mp4", "report.json"]


def test_people_from_pictures_to_records(tmp_path: Path) -> None:
    """A folder of pictures, a gallery, a montage, an export, a table, and the logs of a run that shows somebody."""
    weights("yunet"), weights("sface")
    (tmp_path / "in").mkdir()
    for seed in (3, 4):
        drawn(tmp_path / "in" / f"{seed}.png", seed)
    judged(traced(tmp_path, "enroll", "Ann", "in/3.png", "--keep-crops"), "people.gallery")
    judged(traced(tmp_path, "recognise", "in", "--montage", "who.png", "--json", "who.json"), "who.png", "who.json")
    judged(traced(tmp_path, "people", "export", "people.npz"), "people.npz")
    records = ["--who", "unknown", "--attendance", "list.csv", "--audit", "audit.log"]
    judged(traced(tmp_path, "run", "in", "-o", "out/", *records), "out/.3.png", "out/.4.png", "list.csv", "audit.log")
    private = ["who.png", "who.json", "people.npz", "list.csv", "audit.log", "data/streamer/people.gallery"]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in private} == {0o600}
