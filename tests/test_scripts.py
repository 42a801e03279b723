"""The scripts, as far as they can be tried without installing anything."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    *("run", "test", "check", "extras", "bench", "gpu_check"),
    *("test_detectors", "test_embedders", "pictures", "docs", "test_wheel"),
)
SCRIPTS = [*(ROOT / "scripts" / name for name in NAMES), ROOT / ".ci" / "run"]


@pytest.mark.parametrize("path", [*SCRIPTS, ROOT / "scripts" / "lib.sh"], ids=lambda path: path.name)
def test_scripts_are_bash_and_strict(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    if path.suffix != ".sh":
        assert os.access(path, os.X_OK)
        assert "set -euo pipefail" in path.read_text()


def test_the_list_of_packages_is_a_list() -> None:
    lines = (ROOT / "scripts" / "system-packages.txt").read_text().splitlines()
    named = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"(run|test) +[a-z0-9.+-]+ +# \S.*", line) for line in named)
    packages = [line.split()[1] for line in named]
    assert len(set(packages)) == len(packages)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["virtualcam", "nonsense"]])
def test_extras_says_what_there_is(arguments: list[str]) -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "extras"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["virtualcam", "insightface", "facenet", "dlib"]


def _lib(tmp_path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run one function of the library with the project's folder being another one."""
    (tmp_path / "scripts").mkdir()
    for name in ("lib.sh", "system-packages.txt"):
        (tmp_path / "scripts" / name).write_text((ROOT / "scripts" / name).read_text())
    script = f"set -euo pipefail\nsource {tmp_path}/scripts/lib.sh\n{command}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)


def test_a_command_is_quiet_unless_it_fails(tmp_path: Path) -> None:
    done = _lib(tmp_path, "quietly echo words; quietly bash -c 'echo reason; exit 3' || echo failed")
    assert (done.stdout, done.stderr) == ("failed\n", "reason\n")


def test_without_a_new_python_it_says_so(tmp_path: Path) -> None:
    done = _lib(tmp_path, "PATH=/nowhere; find_python || echo code $?")
    assert done.stdout == "code 2\n"
    assert "Python 3.11 or newer is needed" in done.stderr


def test_without_apt_nothing_is_tried(tmp_path: Path) -> None:
    done = _lib(tmp_path, "PATH=/nowhere; ensure_packages run test; echo on")
    assert (done.stdout, done.stderr) == ("on\n", "")


def test_a_cut_wheel_is_joined_again(tmp_path: Path) -> None:
    """Offline, beside another Python: here one that only says what it was asked."""
    wheel, pieces = tmp_path / "drawn-1.0-py3-none-any.whl", tmp_path / "pieces"
    pieces.mkdir()
    content = os.urandom(2_500_000)
    wheel.write_bytes(content)
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in ("lib.sh", "gpu_check"):
        (folder / name).write_text((ROOT / "scripts" / name).read_text())
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    python.chmod(0o755)
    script = ["bash", str(folder / "gpu_check")]
    subprocess.run([*script, "--cut", str(wheel), str(pieces), "1"], check=True, timeout=60)
    assert [path.stat().st_size for path in sorted(pieces.iterdir())] == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    (pieces / "whole-1.0-py3-none-any.whl").touch()
    command = [*script, "--python", str(python), "--wheels", str(pieces), "--seconds", "1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    joined = tmp_path / ".cache" / "gpu_check" / "joined" / wheel.name
    assert joined.read_bytes() == content
    asked = (tmp_path / "asked").read_text()
    assert f"--no-index --no-deps --target {tmp_path}/.cache/gpu_check/site {joined} {pieces}/whole-1.0" in asked
    assert "-m streamer.evaluate.gpu --seconds 1" in asked


@pytest.mark.parametrize("arguments", [["--help"], ["--cut", "one"], ["--python", "python3"]])
def test_gpu_check_says_what_is_wrong(arguments: list[str]) -> None:
    command = [str(ROOT / "scripts" / "gpu_check"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--wheels" in done.stderr
