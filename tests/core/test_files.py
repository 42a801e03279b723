"""Files that appear whole or not at all: numbers of hours, and who was where."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.cli.recognise import _write
from streamer.core.files import write_whole


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """As most systems have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_for_the_owner_only_or_as_the_system_has_it(tmp_path: Path) -> None:
    for private, rights in ((False, 0o644), (True, 0o600)):
        write_whole(tmp_path / "a", b"new", private=private)
        assert ((tmp_path / "a").read_bytes(), mode(tmp_path / "a")) == (b"new", rights)
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_who_was_where_stays_private_over_a_file_that_was_not(tmp_path: Path) -> None:
    path = tmp_path / "who.json"
    path.write_text("{}")
    assert mode(path) == 0o644
    _write(path, {"name": "Ann"})
    assert mode(path) == 0o600


def test_what_is_cut_short_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(handle: int) -> None:
        assert path.read_bytes() == b"old", "not replaced before all is there"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "a").symlink_to("elsewhere")
    write_whole(tmp_path / "a", b"mine", private=True)
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "a").is_symlink()
