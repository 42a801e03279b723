"""The benchmark beside another program: repeated clips, quality, cost and the table, with a peer made here."""

from __future__ import annotations

import json
import shlex
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from support.clips import write_scene

from streamer.evaluate import peer
from streamer.evaluate._loop import looped
from streamer.evaluate._quality import psnr_of_both
from streamer.sources.demo import Options, scene

FRAMES = 24
COPY = f"{shlex.quote(sys.executable)} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])' {{input}} {{output}}"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street of about a second, with its reference where it is looked for."""
    folder = tmp_path_factory.mktemp("peer")
    (folder / "video").mkdir()
    (folder / "reference").mkdir()
    drawn = scene(Options(seed=3, width=640, height=360))
    return write_scene(folder / "video" / "street.mp4", folder / "reference" / "street.csv", drawn, FRAMES, crf=10)


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


def test_a_clip_is_repeated_whole(street: Path, tmp_path: Path) -> None:
    copy, frames = looped(street, tmp_path / "long.mp4", 2.5)
    assert frames == 3 * FRAMES
    assert times(copy) == pytest.approx([n / 25 for n in range(frames)], abs=1e-3)


def test_a_clip_that_is_long_enough_is_taken_as_it_is(street: Path, tmp_path: Path) -> None:
    assert looped(street, tmp_path / "long.mp4", 0.5) == (street, FRAMES)


def test_quality_is_judged_where_nothing_is_hidden(street: Path, tmp_path: Path) -> None:
    """A copy is perfect; one that hides something is judged around it."""
    other = tmp_path / "other.mp4"
    with av.open(str(street)) as source, av.open(str(other), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10", "preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for frame in source.decode(video=0):
            samples = frame.to_ndarray()
            samples[100:200, 100:200] = 16
            container.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="yuv420p")))
        container.mux(stream.encode())
    exact, around = psnr_of_both(street, street, other, "balanced")
    assert exact == float("inf")
    assert around > 38


def test_the_table(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a program that hides nothing, and is done at once."""
    numbers = tmp_path / "numbers.json"
    arguments = ["--peer", COPY, "--peer-solid", COPY, "--seconds", "1.5", "--rounds", "1", "--json", str(numbers)]
    peer.main([str(street), *arguments])
    result = json.loads(numbers.read_text())
    assert result["frames"] == 2 * FRAMES
    assert set(result["programs"]) == {"peer", "balanced", "fast"}
    assert result["leaks"]["balanced"]["leaked"] == 0
    assert result["leaks"]["peer"]["leaked"] == result["leaks"]["peer"]["face_frames"] > 5
    assert result["passes_percent"]["fast"] < result["passes_percent"]["balanced"] < 40
    assert 0 < result["detector_cost_percent"]["balanced"] < 1000
    assert result["psnr_untouched_db"]["fast"]["ours"] > 30
    printed = capsys.readouterr().out
    assert f"readable 0 of {result['leaks']['fast']['face_frames']}" in printed
    assert f"looks at {result['passes_percent']['balanced']} % of the frames" in printed


def test_a_peer_that_fails(street: Path) -> None:
    broken = f"{shlex.quote(sys.executable)} -c 'raise SystemExit(\"no such luck\")' {{input}} {{output}}"
    with pytest.raises(SystemExit, match="no such luck"):
        peer.main([str(street), "--peer", broken, "--seconds", "0.1", "--rounds", "1"])
