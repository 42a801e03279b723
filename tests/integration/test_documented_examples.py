"""What README and the task pages show is run: shell, YAML and Python blocks, page by page, on drawn material.

A block that needs what a test machine lacks says so in a comment above it, `<!-- needs: camera, screen -->`, and is
skipped. A block below `<!-- file: NAME -->` is written into that file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import pytest
from support.weights import weights

from streamer.core.options import Context
from streamer.core.types import Captured
from streamer.evaluate.contact_sheet import drawn, room
from streamer.sources import demo

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {"camera", "graphics card", "install", "network", "screen", "virtual camera"}
"""What a block may need. Everything else must run anywhere."""
PAGES = (
    "README.md",
    "docs/video-calls.md",
    "docs/cameras.md",
    "docs/footage.md",
    "docs/running.md",
    "docs/python.md",
    "docs/report.md",
)
_LONGEST_S = 100

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("yunet", "sface")]


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    page: str
    line: int
    language: str
    code: str
    needs: frozenset[str]
    file: str | None

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """All blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in re.finditer(r"(?:^<!-- (needs|file): ([^>]+) -->\n)?^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        word, said, language, code = found.groups()
        yield Block(
            page,
            text.count("\n", 0, found.start(3)) + 1,
            language,
            code,
            frozenset(said.split(", ")) if word == "needs" else frozenset(),
            said if word == "file" else None,
        )


@pytest.fixture(scope="module")
def sface(_models_of_the_tests: None) -> Path:
    """The default embedder's model file."""
    return weights("sface")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, _models_of_the_tests: None) -> Path:
    """Everything that the pages name: a video, videos, pictures of one person, a group."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "videos" / "first").mkdir(parents=True)
    (folder / "photos").mkdir()
    _video(folder / "holiday.mp4", seed=1)
    _video(folder / "videos" / "walk.mp4", seed=2)
    _video(folder / "videos" / "first" / "day.mp4", seed=3)
    for number in range(2):
        _picture(folder / "photos" / f"group{number}.jpg", seeds=(4 + number, 7))
        _picture(folder / f"ann{number + 1}.jpg", seeds=(11,), yaw=12 * number)
    _picture(folder / "group.jpg", seeds=(11, 5, 7))
    return folder


def _video(path: Path, seed: int) -> None:
    source = demo.build(demo.Options(width=320, height=180, duration_s=0.4, seed=seed), Context())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        while isinstance(item := source.read(), Captured):
            container.mux(stream.encode(item.image.to_av()))
        container.mux(stream.encode())


def _picture(path: Path, seeds: tuple[int, ...], yaw: float = 0) -> None:
    picture = room(240 * len(seeds) + 160, 400, seed=len(seeds))
    for number, seed in enumerate(seeds):
        drawn(picture, (200 + 240 * number, 200), 180, seed=seed, yaw=yaw)
    assert cv2.imwrite(str(path), picture)


def _environment(home: Path) -> dict[str, str]:
    """With this checkout's `streamer` as the command, and a gallery of its own."""
    programs = home / "bin"
    programs.mkdir()
    command = programs / "streamer"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamer "$@"\n')
    command.chmod(0o755)
    path = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    without_screen = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**without_screen, **own, "XDG_DATA_HOME": str(home / "data")}


@pytest.fixture(scope="module")
def runs(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    """All pages, as many at a time as there are cores: most of it is programs that start."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {page: pool.submit(_run_page, page, material, tmp_path_factory.mktemp("page")) for page in PAGES}


def _run_page(page: str, material: Path, home: Path) -> str:
    """Run a page's blocks in their order, in a folder of its own. Returns what was run and what was not."""
    folder = home / "work"
    shutil.copytree(material, folder)
    environment = _environment(home)
    done, left = 0, list[Block]()
    for block in blocks(page):
        if block.needs:
            left.append(block)
        elif block.file is not None:
            (folder / block.file).write_text(block.code, encoding="utf-8")
        elif block.language in ("sh", "python"):
            _run(block, folder, environment)
            done += 1
    assert done, f"{page} shows nothing that can be run here"
    skipped = "".join(f"  skipped {block.name}, needs {', '.join(sorted(block.needs))}\n" for block in left)
    return f"\n{page}: {done} blocks run, {len(left)} skipped\n{skipped}"


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: str, runs: dict[str, Future[str]]) -> None:
    sys.stdout.write(runs[page].result())


def _run(block: Block, folder: Path, environment: dict[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    run = subprocess.run(
        [*command, block.code], cwd=folder, env=environment, capture_output=True, text=True, timeout=_LONGEST_S
    )
    assert run.returncode == 0, f"{block.name}:\n{block.code}\n{run.stdout}{run.stderr}"
    assert "Traceback" not in run.stderr


def _skipped() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.needs]


@pytest.mark.parametrize("need", sorted({need for block in _skipped() for need in block.needs}))
def test_blocks_that_cannot_run_here(need: str) -> None:
    """Counted among the skipped tests, so that nobody takes them for tried."""
    assert need in NEEDS
    left = [block.name for block in _skipped() if need in block.needs]
    pytest.skip(f"{len(left)} code blocks of the documentation need: {need}")
