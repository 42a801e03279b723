"""Addresses belong to the parts: a new input or output is one file, and nothing else has to know of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from streamer.config import parts
from streamer.config.endpoints import parse_input, parse_output
from streamer.core.addresses import Claim
from streamer.core.errors import UsageError

INPUTS = (
    "a camera (0, 1, ... or /dev/video0), rtsp:// rtsps:// rtmp:// http:// https://, a video, a picture, a folder of "
    "pictures or videos, or demo"
)
OUTPUTS = (
    "window, virtual, /dev/videoN, null, a video (.mp4 .mkv .mov .avi .webm), a picture (.jpg .jpeg .png .bmp .webp "
    ".tif .tiff), or a folder"
)


def test_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        parse_input("")
    assert str(caught.value) == f"the input is empty; it may be {INPUTS}"
    with pytest.raises(UsageError) as caught:
        parse_output("", source=parse_input("demo"))
    assert str(caught.value) == f"the output is empty; it may be {OUTPUTS}"


def test_what_is_called_like_something_else_is_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "0", "srt:/host"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert [parse_input(text).kind for text in ("demo", "./demo", "0", "./0")] == ["demo", "file", "camera", "file"]
    with pytest.raises(UsageError, match="scheme srt:// is not known"):
        parse_input("srt://host")


@pytest.mark.parametrize("folder", ["sources", "sinks"])
def test_a_new_part_is_one_file(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("semaphore")
    vars(made).update(
        FORMS="a flag", claims=lambda text: Claim({"flag": text}, "a flag") if text == "flag://7" else None
    )
    kinds, load = parts.kinds, parts.load
    monkeypatch.setattr(parts, "kinds", lambda name: [*kinds(name), *(["semaphore"] if name == folder else [])])
    monkeypatch.setattr(parts, "load", lambda name, kind: made if kind == "semaphore" else load(name, kind))
    ends = parse_input("flag://7") if folder == "sources" else parse_output("flag://7", source=parse_input("demo"))
    assert (ends.kind, dict(ends.options), ends.text) == ("semaphore", {"flag": "flag://7"}, "a flag")
    with pytest.raises(UsageError, match="a flag"):
        parse_input("") if folder == "sources" else parse_output("", source=parse_input("demo"))
