"""Several inputs in one run: where each goes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.batch import all_jobs
from streamer.config.endpoints import default_output, parse_input
from streamer.core.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.mp4", "b.mov", "c.jpg", "d.jpg", "more/a.mp4", "more/c.jpg", "videos/v.mp4", "there/x.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(inputs: list[str], *outputs: str, force: bool = False) -> list[tuple[str, str]]:
    """Input and output of every run."""
    sources = [parse_input(text) for text in inputs]
    todo = all_jobs([(source, list(outputs) or [default_output(source)]) for source in sources], force=force)
    return [(job.source.text, str(sink.path or sink.kind)) for job in todo for sink in job.sinks]


@pytest.mark.parametrize("output", ["out/", "out", "there"])
def test_each_goes_into_the_folder_under_its_name(folder: Path, output: str) -> None:
    name = output.rstrip("/")
    assert written(["a.mp4", "b.mov"], output) == [("a.mp4", f"{name}/a.mp4"), ("b.mov", f"{name}/b.mov")]
    assert not (folder / "out").exists(), "nothing is made before a run begins"


def test_without_an_output_each_goes_beside_itself(folder: Path) -> None:
    assert written(["a.mp4", "c.jpg"]) == [("a.mp4", "a_anonymized.mp4"), ("c.jpg", "c_anonymized.jpg")]


def test_videos_pictures_and_folders_go_together(folder: Path) -> None:
    found = written(["a.mp4", "c.jpg", "videos"], "out/", "null")
    assert found == [
        ("a.mp4", "out/a.mp4"), ("a.mp4", "null"),
        ("c.jpg", "out"), ("c.jpg", "null"),
        ("videos/v.mp4", "out/v.mp4"), ("videos/v.mp4", "null"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        (["a.mp4", "b.mov"], "all.mp4", "output all.mp4 is one file, and there are several inputs; name a folder"),
        (["a.mp4", "more/a.mp4"], "out/", "a.mp4 and more/a.mp4 would both be written to"),
        (["c.jpg", "more/c.jpg"], "out/", "c.jpg and more/c.jpg would both be written to"),
        (["c.jpg", "more"], "out/", "would both be written to"),
        (["a.mp4", "a.mp4"], "out/", "would both be written to"),
        (["a.mp4", "0"], "out/", "camera 0 is not a file or folder"),
        (["demo", "a.mp4"], "null", "demo is not a file or folder"),
        (["a.mp4", "rtsp://ann:s3cret@h/x"], "out/", "rtsp://***@h/x is not a file or folder"),
        (["a.mp4", "b.mov"], "no/where/", "does not exist; create it with: mkdir -p"),
        (["a.mp4", "b.mov"], "ftp://h/x", "scheme ftp:// is not known"),
        (["a.mp4", "b.mov"], " ", "the output is empty"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, inputs: list[str], output: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        written(inputs, output)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_result_is_written_over_another_input(folder: Path) -> None:
    """Also with --force: a result that replaced the next input would be read as if it were that."""
    (folder / "a_anonymized.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a.mp4 would be written to .*a_anonymized.mp4, which is an input"):
        written(["a.mp4", "a_anonymized.mp4"], force=True)
    with pytest.raises(UsageError, match=r"which is an input|the input itself"):
        written(["a.mp4", "more/a.mp4"], "more/", force=True)
    with pytest.raises(UsageError, match="the input itself"):
        written(["a.mp4", "videos"], "videos/", force=True)


def test_an_existing_result_is_seen_before_anything_runs(folder: Path) -> None:
    (folder / "there" / "b.mov").write_bytes(b"")
    with pytest.raises(UsageError, match="exists; choose another path, or --force"):
        written(["a.mp4", "b.mov"], "there/")
    assert len(written(["a.mp4", "b.mov"], "there/", force=True)) == 2
