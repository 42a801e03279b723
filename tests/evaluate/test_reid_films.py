"""Attackers of `evaluate reid` who have films, statistics or networks: they find what is there, and nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.weights import weights

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions
from streamer.config.parts import build
from streamer.core.align import ARCFACE_112, similarity
from streamer.core.options import Context
from streamer.core.picture import Picture
from streamer.core.types import Detection, Points5
from streamer.effects import Effect, Patch, Reads
from streamer.embedders import Crop, Embedder
from streamer.evaluate import network
from streamer.evaluate.attackers import FAMILIES, FilmStudy, numbers_of
from streamer.evaluate.clips import film, motion_of, moved, still
from streamer.evaluate.deals import by_cosine, verdicts
from streamer.evaluate.faces import Finder, Sample, crop_of, people_in, read_picture
from streamer.evaluate.gaussian import TwoCovariance
from streamer.evaluate.joint import FacePrior, JointAttacker, measured_noise
from streamer.evaluate.outline import outlines, told_by
from streamer.evaluate.reid import Target, by_effect, clean
from streamer.evaluate.watch import Face, Track, aligned_planes, field_of, to_crop, watched

SIDE = 160
BOX = (44.0, 32.0, 116.0, 128.0)
POINTS = cast(Points5, tuple((x * 80 / 112 + 40, y * 80 / 112 + 36) for x, y in ARCFACE_112))
MASK = MaskOptions()


class Slid(Effect):
    """Blocks that keep their noise while their edges slide over the face: every frame measures the face anew."""

    reads_face: ClassVar[Reads] = "always"

    def __init__(self, blocks: float = 4.5, noise: float = 30.0) -> None:
        self._blocks, self._noise, self._epoch = blocks, noise, 0

    def enter(self, epoch: int) -> None:
        """New noise."""
        self._epoch = epoch

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Average and add."""
        for patch in patches:
            assert patch.original is not None
            height, width = patch.samples[0].shape
            columns, rows = (max(1, int(side / (patch.face_px / self._blocks))) for side in (width, height))
            drawn = np.random.default_rng([self._epoch, patch.track_id])
            for face, mask, samples in zip(patch.original, patch.masks, patch.samples, strict=True):
                # The block in the middle of the face always has the same amount added.
                there = np.roll(drawn.normal(0, self._noise, (24, 24)), (rows // 2, columns // 2), (0, 1))
                cells = cv2.resize(face, (columns, rows), interpolation=cv2.INTER_AREA) + there[:rows, :columns]
                cells = np.clip(np.round(cells), 0, 255).astype(np.uint8)
                down, across = ((np.arange(n) * c) // n for n, c in zip(samples.shape, (rows, columns), strict=True))
                cv2.copyTo(np.ascontiguousarray(cells[down][:, across]), mask, samples)


class Fill(Effect):
    """Flat grey."""

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Replace everything."""
        for patch in patches:
            for samples, mask in zip(patch.samples, patch.masks, strict=True):
                samples[mask > 0] = 128


class Pixels:
    """An embedder that compares the middle of faces sample by sample."""

    model, dim, crop_px, template = "pixels", 300, 112, ARCFACE_112

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """The inner face without its mean."""
        rows = [cv2.resize(c[20:92, 20:92], (10, 10), interpolation=cv2.INTER_AREA).ravel() for c in crops]
        vectors = np.asarray(rows, np.float32)
        vectors = vectors - vectors.mean(axis=1, keepdims=True) + 1e-3
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class Told:
    """A detector that is told where the face is."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """Always one."""
        return [[Detection(BOX, 0.9, POINTS)] for _ in pictures]

    def close(self) -> None:
        """Nothing."""


PIXELS = cast(Embedder, Pixels())


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """People who are patterns: eight with five pictures, 20 with two, 60 with one; all before the same background."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    around = rng.integers(90, 160, (SIDE, SIDE, 3), np.uint8)
    for person in range(88):
        place = root / f"p{person:02}"
        place.mkdir()
        pattern = rng.integers(0, 256, (6, 5, 3), np.uint8)
        for picture in range(5 if person < 8 else 2 if person < 28 else 1):
            canvas = around.copy()
            face = cv2.resize(pattern, (64, 88), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 6, (88, 64, 3))
            canvas[36:124, 48:112] = np.clip(face, 0, 255)
            cv2.imwrite(str(place / f"{picture}.png"), canvas)
    seen = Detection(BOX, 0.9, POINTS)
    return [Sample(name, path, seen) for name, paths in people_in(root).items() for path in paths]


@pytest.fixture(scope="module")
def study(samples: list[Sample]) -> FilmStudy:
    """All of them."""
    chosen = [one for one in samples if one.person < "p08"]
    others = [one for one in samples if one.person >= "p08"]
    return FilmStudy(chosen, others, Finder(Told(), 0.4), MASK, enrol=3)


def found(study: FilmStudy, samples: list[Sample], target: Target, families: Sequence[str]) -> dict[str, float]:
    """Rank-1 by attack and number of frames."""
    chosen = [one for one in samples if one.person < "p08" and one.face is not None]
    vectors = PIXELS.embed([crop_of(read_picture(one.path), one.face, PIXELS) for one in chosen if one.face])
    findings = study.findings(target, PIXELS, vectors, families, (1, 16))
    return {f"{one.attack} {one.frames}": one.verdicts.share for one in findings}


def test_box_and_landmarks_follow_the_moving_face(samples: list[Sample]) -> None:
    shots = list(film(samples[0], 30))
    assert [shot.t for shot in shots[:3]] == [0, 0.04, 0.08]
    first = aligned_planes(shots[0].picture, field_of(shots[0].faces[0].landmarks))
    for shot in shots[1::7]:
        box = shot.faces[0].box
        middle = shot.to_frame @ [(BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2, 1]
        assert ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) == pytest.approx(tuple(middle))
        again = aligned_planes(shot.picture, field_of(shot.faces[0].landmarks))
        assert np.abs(again - first)[:, 40:70, 40:70].mean() < 6  # aligned, it is the same face
    xs = [shot.faces[0].box[0] for shot in shots]
    assert max(xs) - min(xs) > 3
    assert any(abs(x - round(x)) > 0.1 for x in xs)


def test_the_same_picture_always_sways_alike(samples: list[Sample]) -> None:
    assert motion_of(samples[0]) == motion_of(samples[0])
    assert motion_of(samples[0]) != motion_of(samples[1])


def test_a_picture_that_stays_is_the_picture(samples: list[Sample]) -> None:
    shot = still(samples[0])
    assert np.array_equal(moved(shot.picture, shot.to_frame).buffer, shot.picture.buffer)
    shifted = moved(shot.picture, np.array([[1.0, 0, 4], [0, 1, 2]]))
    for before, after, shift in zip(shot.picture.planes, shifted.planes, shot.picture.shifts, strict=True):
        assert np.array_equal(after[2 >> shift :, 4 >> shift :], before[: -(2 >> shift), : -(4 >> shift)])


def track_of(sample: Sample, effect: Effect, frames: int) -> Track:
    """One hidden film."""
    effect.enter(hash(sample.path) % 1000)
    pictures = ((shot, paint(shot.picture, shot.faces, effect, MASK, shot.t)) for shot in film(sample, frames))
    return watched(pictures, (1, frames), MASK)


def test_blocks_are_read_off_and_nothing_else_is(samples: list[Sample]) -> None:
    track = track_of(samples[0], Slid(noise=0), 4)
    assert len(track.blocks) == 4
    assert track.blocks[0].values.shape[1:] == track.blocks[0].cells[::-1]
    assert set(track.faces) == {1, 4}
    assert not track_of(samples[0], Fill(), 4).blocks
    assert not watched(((shot, shot.picture) for shot in film(samples[0], 2)), (1, 2), MASK).blocks
    middle = track.hidden.shape[0] // 2
    assert track.hidden[middle, middle] == 255
    assert track.hidden[0, 0] == 0


def test_a_crop_from_the_field_is_the_crop_from_the_picture(samples: list[Sample]) -> None:
    picture = read_picture(samples[0].path)
    direct = crop_of(picture, Detection(BOX, 0.9, POINTS), PIXELS)
    over = to_crop(aligned_planes(picture, field_of(POINTS)), 112, ARCFACE_112)
    apart = np.abs(direct.astype(int) - over)[8:-8, 8:-8]
    assert apart.mean() < 5
    assert similarity(POINTS, ARCFACE_112).shape == (2, 3)


def test_noise_that_stays_is_cancelled_by_edges_that_slide(samples: list[Sample]) -> None:
    effect = Slid(noise=40)
    others = [one for one in samples if one.person >= "p08"]

    def face(one: Sample) -> Face:
        return aligned_planes(read_picture(one.path), field_of(POINTS))

    known = [(track_of(one, effect, 20), face(one)) for one in others[:12]]
    noise = measured_noise(known, 20)
    assert math.sqrt(noise[0].fixed) == pytest.approx(40, rel=0.3)
    assert noise[0].changing < 0.02 * noise[0].fixed
    attacker = JointAttacker(FacePrior([face(one) for one in others]), noise)
    alike: dict[int, list[float]] = {1: [], 40: []}
    for sample in samples[:40:5]:
        track, truth = track_of(sample, effect, 40), face(sample)[0, 30:-30, 30:-30]
        for frames, results in alike.items():
            guess = attacker.restore(track, frames)[0, 30:-30, 30:-30]
            results.append(float(np.corrcoef(guess.ravel(), truth.ravel())[0, 1]))
    assert np.mean(alike[40]) > np.mean(alike[1]) + 0.1


def test_fills_leave_chance_to_every_attacker(study: FilmStudy, samples: list[Sample]) -> None:
    rates = found(study, samples, by_effect("fill", Fill(), MASK), ("temporal", "gaussian"))
    assert {"temporal 1", "temporal-blocks-parrot 16", "gaussian-joint-parrot 1"} <= rates.keys()
    assert max(rates.values()) < 0.35, rates  # eight people: chance is 12.5 %


def test_weak_blocks_are_undone_by_every_attacker(study: FilmStudy, samples: list[Sample]) -> None:
    rates = found(study, samples, by_effect("weak", Slid(blocks=8, noise=0), MASK), ("temporal", "gaussian"))
    assert min(rates[name] for name in rates if "blocks" in name or name.endswith("parrot 16")) > 0.8, rates
    assert rates["gaussian-joint 1"] > 0.8
    assert rates["gaussian-joint-parrot 1"] > 0.8


def test_clean_pictures_are_recognised_by_every_attacker(study: FilmStudy, samples: list[Sample]) -> None:
    rates = found(study, samples, clean(), ("temporal", "gaussian"))
    assert min(rate for name, rate in rates.items() if "blocks" not in name) > 0.8, rates


def test_the_network_undoes_what_the_map_cannot() -> None:
    if why := network.missing():
        pytest.skip(why)
    rng = np.random.default_rng(0)

    def face() -> Crop:
        return np.asarray(cv2.resize(rng.integers(40, 216, (5, 5, 3), np.uint8), (56, 56)), np.uint8)

    clean_ones = [face() for _ in range(72)]
    folded = [np.asarray(np.abs(one.astype(int) - 128) * 2, np.uint8) for one in clean_ones]
    flat = [np.full_like(one, 128) for one in clean_ones]
    trained = network.NetworkRestorer(folded[:64], flat[:64], folded[:64], epochs=6)
    guesses = trained.restore(folded[64:], flat[64:])
    assert guesses[0].shape == (56, 56, 3)
    for guess, truth in zip(guesses, folded[64:], strict=True):
        assert np.corrcoef(guess.ravel(), truth.ravel())[0, 1] > 0.8


def test_who_has_no_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    assert "torch" in network.missing()
    assert "network" in FAMILIES


def scatter(people: int, pictures: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(people * pictures, 12): who it is, in the first four numbers, and what differs."""
    who = np.zeros((people, 12))
    who[:, :4] = rng.normal(0, 1, (people, 4))
    spread = np.array([0.3] * 4 + [1.5] * 8)
    return np.asarray(np.repeat(who, pictures, axis=0) + rng.normal(0, spread, (people * pictures, 12)))


def test_scatter_is_told_from_people() -> None:
    rng = np.random.default_rng(0)
    learned, asked = scatter(200, 2, rng), scatter(20, 6, rng)
    person, owner = np.repeat(np.arange(200), 2), np.repeat(np.arange(20), 6)
    mixing = rng.normal(size=(12, 10))
    hidden = [rows @ mixing + rng.normal(0, 0.2, (len(rows), 10)) for rows in (learned, asked)]
    model = TwoCovariance(learned, hidden[0], person)
    plain = verdicts(by_cosine(asked.astype(np.float32), asked.astype(np.float32), owner), owner, 3)
    alike = verdicts(model.scores_alike(hidden[1], owner), owner, 3)
    across = verdicts(model.scores(asked, hidden[1], owner), owner, 3)
    assert across.share > alike.share > plain.share
    assert across.share > 0.4  # 20 people: chance is 5 %
    nothing = rng.normal(size=hidden[1].shape)
    blind = TwoCovariance(learned, rng.normal(size=hidden[0].shape), person)
    assert verdicts(blind.scores(asked, nothing, owner), owner, 3).share < 0.15  # 20 people: chance is 5 %
    flat = TwoCovariance(learned, np.zeros((400, 8)), person)
    assert verdicts(flat.scores(asked, np.zeros((120, 8)), owner), owner, 3).share < 0.15


def test_masks_tell_faces_of_unlike_shape(samples: list[Sample]) -> None:
    seen = outlines(samples[0], Finder(Told(), 0.4), MASK, 7)
    assert seen.shape == (3, 5)
    rng = np.random.default_rng(0)
    films = []
    for person in range(12):
        shape = 1.2 + 0.05 * person
        for _ in range(4):
            film_of = np.tile([80.0, 80.0, 40.0, 40.0 * shape, 0.0], (20, 1)) + rng.normal(0, 0.1, (20, 5))
            film_of[3] = np.nan  # nobody was found
            films.append(film_of)
    assert np.isfinite(told_by([*films, np.full((20, 5), np.nan)], 60)).all()
    table = told_by(films, 60)
    owner = np.repeat(np.arange(12), 4)
    model = TwoCovariance(table, table, owner)
    assert verdicts(model.scores_alike(table, owner), owner, 2).share > 0.6  # chance is 8 %


def test_everybody_is_a_number() -> None:
    assert numbers_of(["b", "a", "b"]).tolist() == [1, 0, 1]


@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("STREAMER_TEST_LONG"), reason="takes minutes; STREAMER_TEST_LONG=1 runs it")
def test_sliding_blocks_give_real_people_away(media: Path) -> None:
    """Noise that stays, over edges that slide: with more frames, more people are recognised."""
    ctx = Context(model=weights)
    finder = Finder(build("detectors", "yunet", {}, ctx), 0.5)
    embedder: Embedder = build("embedders", "sface", {}, ctx)
    people = sorted(people_in(media / "media" / "identities" / "lfw").items(), key=lambda one: -len(one[1]))
    looked = [finder.sample(name, path) for name, paths in people[:24] for path in paths[:5]]
    learned = [finder.sample(name, path) for name, paths in people[24:] for path in paths[:2]]
    chosen, others = ([one for one in part if one.face is not None] for part in (looked, learned))
    faces = [aligned_planes(read_picture(one.path), field_of(one.face.landmarks)) for one in others if one.face]
    noise = measured_noise(
        [(track_of(one, Slid(), 12), face) for one, face in zip(others[:12], faces, strict=False)], 12
    )
    attacker = JointAttacker(FacePrior(faces), noise)
    tracks = [track_of(one, Slid(), 40) for one in chosen]
    clear = embedder.embed([crop_of(read_picture(one.path), one.face, embedder) for one in chosen if one.face])
    owner, rates = numbers_of([one.person for one in chosen]), {}
    for frames in (1, 40):
        restored = [to_crop(attacker.restore(track, frames), 112, embedder.template) for track in tracks]
        vectors = embedder.embed(restored)
        rates[frames] = verdicts(by_cosine(clear, vectors, owner), owner, 3).share
    assert rates[40] > rates[1] + 0.05, rates  # 24 people: chance is 4 %
    assert rates[40] > 0.12, rates
