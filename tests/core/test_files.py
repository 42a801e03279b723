"""Files that appear whole or not at all: numbers of hours, and who was where."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.cli.recognise import _write
from streamer.core.files import PRIVATE, write_whole


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """As most systems have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_for_the_owner_only_or_as_the_system_has_it(tmp_path: Path) -> None:
    for asked, rights in ((0o666, 0o644), (PRIVATE, 0o600)):
        write_whole(tmp_path / "a", b"new", mode=asked)
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
    write_whole(tmp_path / "a", b"mine", mode=PRIVATE)
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "a").is_symlink()


def test_a_link_planted_beside_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of somebody who knew the name that is written first."""
    monkeypatch.setattr("secrets.token_hex", lambda length: "known")
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / ".a.known.tmp").symlink_to("elsewhere")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"mine")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "a").exists()


def test_two_outputs_in_one_folder_never_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is written in the middle of the other."""
    whole = os.fsync

    def interrupted(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", whole)
        write_whole(tmp_path / "b", b"second")

    monkeypatch.setattr(os, "fsync", interrupted)
    write_whole(tmp_path / "a", b"first")
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [
        ("a", b"first"),
        ("b", b"second"),
    ]


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("a" * 255), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("there", ["nothing", "file", "link", "folder"])
def test_without_leave_nothing_is_replaced(
    tmp_path: Path, links: bool, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has the name at the last moment; also on a file system where a file has one name only."""
    path = tmp_path / "a"
    if not links:

        def refused(made: Path, path: Path) -> None:
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
    if there == "file":
        path.write_bytes(b"theirs")
    elif there == "link":
        path.symlink_to("nowhere")
    elif there == "folder":
        path.mkdir()
    if there == "nothing":
        write_whole(path, b"mine", mode=PRIVATE, replace=False)
        assert (path.read_bytes(), mode(path), path.stat().st_nlink) == (b"mine", 0o600, 1)
    else:
        with pytest.raises(FileExistsError):
            write_whole(path, b"mine", replace=False)
        assert there != "file" or path.read_bytes() == b"theirs"
        assert there != "link" or path.is_symlink()
    assert list(tmp_path.iterdir()) == [path]
