"""A large gallery: everybody is found among ten thousand people. What it takes is printed, not judged."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from streamer.people.content import Content
from streamer.people.gallery import Gallery, Person
from streamer.people.store import GalleryFile

MODEL = "toy-000000000000"
PEOPLE, EACH, DIM = 10_000, 3, 128


def test_ten_thousand_people(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(PEOPLE * EACH, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = [(Person(f"person {n}", 1.0), vectors[EACH * n : EACH * (n + 1)]) for n in range(PEOPLE)]
    file = GalleryFile(tmp_path / "people.gallery")
    file.update(MODEL, lambda c: Content(Gallery.of(MODEL, people, version=c.gallery.version)))

    started = time.perf_counter()
    gallery = file.read(MODEL)
    read_s = time.perf_counter() - started
    wanted = rng.integers(0, PEOPLE, 64)
    faces = vectors[wanted * EACH] + 0.02 * rng.normal(size=(64, DIM)).astype(np.float32)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    gallery.match(faces[:1], now=2.0)
    started = time.perf_counter()
    matches = [gallery.match(face[None], now=2.0)[0] for face in faces]
    one_by_one_ms = 1e3 * (time.perf_counter() - started) / len(faces)
    started = time.perf_counter()
    together = gallery.match(faces, now=2.0)
    together_ms = 1e3 * (time.perf_counter() - started) / len(faces)
    print(
        f"\n{PEOPLE:,} people with {EACH} vectors of {DIM} numbers: {one_by_one_ms:.2f} ms per face alone, "
        f"{together_ms:.2f} ms in a batch; read in {read_s:.2f} s, {file.path.stat().st_size / 1e6:.0f} MB"
    )
    assert [match.name for match in together] == [match.name for match in matches]
    assert [match.name for match in matches] == [f"person {n}" for n in wanted]
    assert all(match.score > 0.9 > match.second_score for match in matches)
