"""Locks between programs, and where the user's files lie."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import platformdirs
import pytest

from streamer.core import _cache
from streamer.core.locks import locked
from streamer.inference.models.store import default_cache
from streamer.people.store import default_path

_HOLDER = """
import sys, time
from pathlib import Path
from streamer.core.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, private=True):
        began = time.monotonic()
        with pytest.raises(TimeoutError), locked(path, timeout_s=0.3):
            pass
        assert 0.25 <= time.monotonic() - began < 2
    with locked(path, timeout_s=0):
        pass
    assert path.read_bytes() == b""


def test_who_waits_is_told_once_and_gets_it(tmp_path: Path) -> None:
    """Another program's lock goes when that program dies, however it does."""
    path, told = tmp_path / "lock", list[float]()
    other = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        timer = threading.Timer(0.5, other.kill)
        timer.start()
        with locked(path, timeout_s=20, on_wait=lambda: told.append(time.monotonic())):
            assert len(told) == 1
        timer.join()
    finally:
        other.kill()
        other.communicate()


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX's")
def test_a_private_lock_is_private_and_follows_no_link(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for private, mode in ((True, 0o600), (False, 0o644)):
            path = tmp_path / f"lock-{private}"
            with locked(path, private=private):
                assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "link", timeout_s=0.1):
        pass
    assert not target.exists()


def test_one_thread_may_release_what_another_took(tmp_path: Path) -> None:
    """An audit log is opened by one thread of a stream and closed by another."""
    held = locked(tmp_path / "lock")
    thread = threading.Thread(target=held.__enter__)
    thread.start()
    thread.join()
    with pytest.raises(TimeoutError), locked(tmp_path / "lock", timeout_s=0):
        pass
    held.__exit__(None, None, None)
    with locked(tmp_path / "lock", timeout_s=0):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the call is looked for where Linux has it")
def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="not implemented"), locked(tmp_path / "lock", timeout_s=0):
        pass
    assert issubclass(filelock.Timeout, TimeoutError)


# -- places ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="paths of Linux")
@pytest.mark.parametrize("value", [None, "", "relative", "~/elsewhere"])
def test_on_linux_files_lie_where_they_lay(home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """The paths of the first version, letter by letter; a variable that is no absolute path is ignored."""
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        monkeypatch.setenv("XDG_DATA_HOME", value)
    assert str(default_cache()) == f"{home}/.cache/streamer/models"
    assert str(_cache.cache_root() / "engines") == f"{home}/.cache/streamer/engines"
    assert str(default_path()) == f"{home}/.local/share/streamer/people.gallery"


def test_the_variables_move_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "d"))
    assert default_cache() == home / "c" / "streamer" / "models"
    assert default_path() == home / "d" / "streamer" / "people.gallery"


def test_elsewhere_what_is_there_is_still_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS and Windows files lay below .cache and .local, too, before the systems' own places were taken."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, appauthor: home / "Library" / name)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, appauthor: home / "Caches" / name)
    assert default_path() == home / "Library" / "streamer" / "people.gallery"
    assert default_cache() == home / "Caches" / "streamer" / "models"
    (home / ".local" / "share" / "streamer").mkdir(parents=True)
    assert default_path() == home / ".local" / "share" / "streamer" / "people.gallery"
    assert default_cache() == home / "Caches" / "streamer" / "models"
