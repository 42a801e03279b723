"""Fixtures for every test, and two things said at the end: what was skipped and why, and threads left behind."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import Phase, settings
from support.lag import environment, lag, slowed
from support.vm import Errand, sent
from support.weights import MEDIA_ROOT, weights

from streamer.inference.models.store import FOLDER_VARIABLE
from streamer.stages import detect

# Without the explanation of a failure: for it every example is traced line by line, also while it is made smaller, and
# the smallest example, which says more, comes after minutes instead of seconds.
settings.register_profile("streamer", settings(), phases=[phase for phase in Phase if phase is not Phase.explain])
settings.load_profile("streamer")


@pytest.fixture(scope="session", autouse=True)
def _models_of_the_tests() -> Iterator[None]:
    """Use the models beside the test media, so that no test needs a network; a folder named by the user wins."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get(FOLDER_VARIABLE) and (MEDIA_ROOT / "models").is_dir():
            patch.setenv(FOLDER_VARIABLE, str(MEDIA_ROOT / "models"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _lag() -> Iterator[None]:
    """With STREAMER_TEST_LAG, every detector is so many times slower."""
    with pytest.MonkeyPatch.context() as patch:
        if lag() > 1:
            patch.setattr(detect, "_detect", slowed(detect._detect, lag()))
            patch.setenv("PYTHONPATH", environment(lag())["PYTHONPATH"])
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole program comes after its parts, and what waits for the virtual machine last: by then it is done."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("device")), item.nodeid.startswith("tests/integration/")))


@pytest.fixture(scope="session")
def errand(_models_of_the_tests: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Errand]:
    """What the virtual machine does; begun here."""
    with sent(tmp_path_factory.mktemp("exchange")) as errand:
        yield errand


@pytest.fixture(scope="session", autouse=True)
def _ahead(request: pytest.FixtureRequest) -> None:
    """With the first test the virtual machine begins, where any test needs it: what it does takes minutes.

    Where several processes share the tests (pytest-xdist), each has them all here and only one needs the machine.
    """
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if any(item.get_closest_marker("device") for item in request.session.items):
        request.getfixturevalue("errand")


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder with `media/` and `models/`: STREAMER_TEST_MEDIA, or `shared` beside the project."""
    if not (MEDIA_ROOT / "media").is_dir():
        pytest.skip(f"no test media: {MEDIA_ROOT / 'media'} is not there; STREAMER_TEST_MEDIA names another folder")
    return MEDIA_ROOT


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder with model files for tests."""
    if not (MEDIA_ROOT / "models").is_dir():
        pytest.skip(f"no test models: {MEDIA_ROOT / 'models'} is not there; STREAMER_TEST_MEDIA names another folder")
    return MEDIA_ROOT / "models"


@pytest.fixture(scope="session")
def yunet(_models_of_the_tests: None) -> Path:
    """The default detector's model file."""
    return weights("yunet")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn video without faces: 320x240, 25 frames per second, 10 s, a square that moves over a gradient."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(250):
            picture = np.full((240, 320, 3), np.linspace(40, 200, 320, dtype=np.uint8)[None, :, None], np.uint8)
            picture[100:140, number : number + 40] = (30, 90, 160)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """After everything else pytest has to say: a skipped test is a thing not known."""
    yield
    left = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if left:
        terminalreporter.write_line(f"threads still running that keep the program alive: {', '.join(left)}", red=True)
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    terminalreporter.write_sep("-", f"{len(skipped)} {'test' if len(skipped) == 1 else 'tests'} skipped")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number:4} {reason}", yellow=True)
