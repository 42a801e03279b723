"""What a person writes for input and output: what it is taken for, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from streamer.config.endpoints import Endpoint, default_output, jobs, parse_input, parse_output
from streamer.core.errors import InputError, StreamerError, UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder full of names; the files' contents do not matter here."""
    for name in (
        "v.mp4", "p.JPG", "raw.h265", "note.txt", "pics/a.jpg", "pics/deep/b.png", "pics/.hidden.jpg", "vids/a.mov",
        "vids/a.mpg", "vids/deep/c.MP4", "mix/a.jpg", "mix/b.mp4", "empty/.hidden.jpg", "empty/note.txt",
        "in/x/x/1.jpg",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "soft.mp4").symlink_to("v.mp4")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "v.mp4")
    (tmp_path / "alias").symlink_to("pics")
    (tmp_path / "outs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("0", "camera", {"device": "0"}),
        ("12", "camera", {"device": "12"}),
        ("/dev/video3", "camera", {"device": "/dev/video3"}),
        ("rtsp://10.0.0.7/live", "rtsp", {"url": "rtsp://10.0.0.7/live"}),
        ("RTSPS://host/live", "rtsp", {"url": "RTSPS://host/live"}),
        ("rtmp://host/app/key", "rtsp", {"url": "rtmp://host/app/key"}),
        ("https://host/index.m3u8", "rtsp", {"url": "https://host/index.m3u8"}),
        ("demo", "demo", {}),
        ("v.mp4", "file", {"path": "v.mp4"}),
        ("raw.h265", "file", {"path": "raw.h265"}),
        ("note.txt", "file", {"path": "note.txt"}),  # whether it is a video is the decoder's to say
        ("p.JPG", "images", {"path": "p.JPG"}),
        ("pics", "images", {"path": "pics"}),
        ("pics/deep", "images", {"path": "pics/deep"}),
        ("vids", "folder", {"path": "vids"}),
        ("mix", "folder", {"path": "mix"}),
    ],
)
def test_inputs(folder: Path, text: str, kind: str, options: dict[str, Any]) -> None:
    source = parse_input(text)
    assert (source.kind, dict(source.options)) == (kind, options)
    assert source.text


def test_a_home_folder_is_spelled_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert parse_input("~/v.mp4").options == {"path": str(folder / "v.mp4")}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", UsageError, "the input is empty"),
        ("srt://ann:s3cret@host", UsageError, r"scheme srt:// is not known; .*rtsp://.*demo"),
        ("nothing.mp4", InputError, "nothing.mp4 does not exist"),
        ("v.mp4/x", InputError, "does not exist"),
        ("empty", InputError, "empty holds no pictures and no videos"),
    ],
)
def test_bad_inputs(folder: Path, text: str, error: type[StreamerError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        parse_input(text)
    assert "s3cret" not in str(caught.value)


def test_credentials_stay_out_of_what_people_see() -> None:
    source = parse_input("rtsp://ann:s3cret@10.0.0.7/live")
    assert source.text == "rtsp://***@10.0.0.7/live"
    assert source.options["url"] == "rtsp://ann:s3cret@10.0.0.7/live"


@pytest.mark.parametrize(
    ("input", "output", "kind", "options"),
    [
        ("v.mp4", "window", "window", {}),
        ("v.mp4", "null", "null", {}),
        ("v.mp4", "virtual", "virtual_camera", {}),
        ("v.mp4", "/dev/video9", "virtual_camera", {"device": "/dev/video9"}),
        ("v.mp4", "o.mkv", "file", {"path": "o.mkv", "force": False}),
        ("demo", "outs/o.WEBM", "file", {"path": "outs/o.WEBM", "force": False}),
        ("v.mp4", "outs", "file", {"path": "outs/v.mp4", "force": False}),
        ("raw.h265", "outs/", "file", {"path": "outs/raw.mp4", "force": False}),
        ("p.JPG", "o.png", "images", {"path": "o.png", "force": False}),
        ("p.JPG", "outs", "images", {"path": "outs", "force": False}),
        ("pics", "outs", "images", {"path": "outs", "force": False}),
        ("pics", "new", "images", {"path": "new", "force": False}),
        ("vids", "new/", "folder", {"path": "new", "force": False}),
    ],
)
def test_outputs(folder: Path, input: str, output: str, kind: str, options: dict[str, Any]) -> None:
    sink = parse_output(output, source=parse_input(input))
    assert (sink.kind, dict(sink.options)) == (kind, options)


@pytest.mark.parametrize(
    ("input", "output", "words"),
    [
        ("v.mp4", "", "the output is empty"),
        ("v.mp4", "o.xyz", r"ending '\.xyz' is not known; .*\.mp4"),
        ("v.mp4", "o", "has no ending and is no folder"),
        ("v.mp4", "rtmp://ann:s3cret@host/x", r"scheme rtmp:// is not known; an output may be window, virtual"),
        ("v.mp4", "no/where/o.mp4", r"folder .*no/where does not exist; create it with: mkdir -p"),
        ("v.mp4", "v.mp4", "is the input itself"),
        ("v.mp4", "./v.mp4", "is the input itself"),
        ("v.mp4", "soft.mp4", "is the input itself"),
        ("v.mp4", "hard.mp4", "is the input itself"),
        ("soft.mp4", "v.mp4", "is the input itself"),
        ("v.mp4", ".", "is the input itself"),
        ("demo", "v.mp4", r"v\.mp4 exists; .*--force"),
        ("demo", "outs", "demo has no file name"),
        ("v.mp4", "o.jpg", "gives a video"),
        ("p.JPG", "o.mp4", "gives pictures"),
        ("p.JPG", ".", "is the input itself"),
        ("pics", "pics", "is the input itself"),
        ("pics", "alias", "is the input itself"),
        ("pics", "pics/out", "lies in the input folder"),
        ("pics", "alias/out", "lies in the input folder"),
        ("in/x", "in", "lies in the input folder"),
        ("pics", "o.mp4", "names a file, but pics is a folder"),
        ("pics", "v.mp4", "is a file, but pics is a folder"),
        ("pics", "no/where", "does not exist"),
        ("0", "/dev/video0", "is the input itself"),
        ("/dev/video4", "/dev/video4", "is the input itself"),
    ],
)
def test_bad_outputs(folder: Path, input: str, output: str, words: str) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match=words) as caught:
        parse_output(output, source=parse_input(input))
    assert "s3cret" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before


def test_force_allows_another_file_but_never_the_input(folder: Path) -> None:
    source = parse_input("v.mp4")
    (folder / "o.mp4").touch()
    assert parse_output("o.mp4", source=source, force=True).options["force"] is True
    for same in ("v.mp4", "soft.mp4", "hard.mp4"):
        with pytest.raises(UsageError, match="is the input itself"):
            parse_output(same, source=source, force=True)


def test_a_folder_that_may_not_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked of the system and not tried out, so that it can be tested as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder / "outs")
    with pytest.raises(UsageError, match="may not be written"):
        parse_output("outs/o.mp4", source=parse_input("v.mp4"))
    with pytest.raises(UsageError, match="may not be written"):
        parse_output("outs/new", source=parse_input("pics"))


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["o.mp4", "./o.mp4"], r"o\.mp4 and \./o\.mp4 are one and the same"),
        (["o.mp4", "outs/../o.mp4"], "one and the same"),
        (["window", "window"], "one and the same"),
        (["/dev/video9", "/dev/video9"], "one and the same"),
    ],
)
def test_twins_are_refused(folder: Path, outputs: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        jobs(parse_input("v.mp4"), outputs)


def test_twins_through_a_link(folder: Path) -> None:
    (folder / "link.mp4").symlink_to("o.mp4")
    with pytest.raises(UsageError, match="one and the same"):
        jobs(parse_input("v.mp4"), ["o.mp4", "link.mp4"], force=True)


def test_several_outputs_at_once(folder: Path) -> None:
    (job,) = jobs(parse_input("v.mp4"), ["o.mp4", "o.mkv", "window", "null", "null"])
    assert [sink.kind for sink in job.sinks] == ["file", "file", "window", "null", "null"]


def test_a_folder_of_videos_is_one_job_per_video(folder: Path) -> None:
    made = jobs(parse_input("vids"), ["new/", "null"])
    assert [(str(job.source.path), job.sinks[0].kind, str(job.sinks[0].path)) for job in made] == [
        ("vids/a.mov", "file", "new/a.mov"),
        ("vids/a.mpg", "file", "new/a.mpg.mp4"),
        ("vids/deep/c.MP4", "file", "new/deep/c.MP4"),
    ]
    assert {job.sinks[1].kind for job in made} == {"null"}


def test_a_mixed_folder_leaves_nothing_out(folder: Path) -> None:
    made = jobs(parse_input("mix"), ["new"])
    assert [(job.source.kind, job.sinks[0].kind, str(job.sinks[0].path)) for job in made] == [
        ("images", "images", "new"),
        ("file", "file", "new/b.mp4"),
    ]


def test_an_existing_result_in_a_folder_is_seen_before_anything_runs(folder: Path) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "a.mpg.mp4").touch()
    with pytest.raises(UsageError, match=r"a\.mpg\.mp4 exists"):
        jobs(parse_input("vids"), ["new"])
    assert len(jobs(parse_input("vids"), ["new"], force=True)) == 3


def test_an_existing_picture_is_seen_before_anything_runs(folder: Path) -> None:
    (folder / "outs" / "deep").mkdir()
    (folder / "outs" / "deep" / "b.png").touch()
    with pytest.raises(UsageError, match=r"outs holds deep/b\.png; choose another folder, or --force"):
        jobs(parse_input("pics"), ["outs"])
    assert jobs(parse_input("pics"), ["outs"], force=True)
    (folder / "outs" / "p.JPG").touch()
    with pytest.raises(UsageError, match=r"outs holds p\.JPG"):
        jobs(parse_input("p.JPG"), ["outs"])


@pytest.mark.parametrize(
    ("input", "output"),
    [
        ("demo", "demo_anonymized.mp4"),
        ("v.mp4", "v_anonymized.mp4"),
        ("vids/a.mov", "vids/a_anonymized.mov"),
        ("raw.h265", "raw_anonymized.mp4"),
        ("p.JPG", "p_anonymized.jpg"),
        ("pics", "pics_anonymized/"),
        ("pics/", "pics_anonymized/"),
        ("vids", "vids_anonymized/"),
    ],
)
def test_default_outputs(folder: Path, input: str, output: str) -> None:
    source = parse_input(input)
    assert default_output(source) == output
    assert jobs(source, [output])


def test_the_current_folder_has_a_name_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "pics")
    assert default_output(parse_input(".")) == f"{folder}/pics_anonymized/"


@pytest.mark.parametrize("text", ["0", "rtsp://ann:s3cret@host/x"])
def test_live_inputs_have_no_default_output(text: str) -> None:
    with pytest.raises(UsageError, match=r"needs an output: -o FILE\.mp4") as caught:
        default_output(parse_input(text))
    assert "s3cret" not in str(caught.value)


def test_an_endpoint_knows_its_path() -> None:
    assert Endpoint("file", {"path": "a.mp4"}).path == Path("a.mp4")
    assert Endpoint("window").path is None
