"""The attackers of `evaluate reid`: they find what is there, and nothing that is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from streamer.anonymize.masks import MaskOptions
from streamer.cli.app import app
from streamer.core.align import ARCFACE_112
from streamer.core.errors import InputError, UsageError
from streamer.core.picture import Picture
from streamer.core.types import Detection, Points5
from streamer.effects import Effect, Patch, Reads
from streamer.embedders import Crop, Embedder
from streamer.evaluate.faces import Finder, Sample, people_in, read_picture
from streamer.evaluate.reid import CONTROL, Attack, Study, attack_all, by_effect, by_program, rank1
from streamer.evaluate.restore import Restorer

SIDE = 160
BOX = (40.0, 30.0, 120.0, 130.0)
POINTS = cast(Points5, tuple((x * 80 / 112 + 40, y * 80 / 112 + 36) for x, y in ARCFACE_112))


class Nothing(Effect):
    """An effect that hides nothing."""

    reads_face: ClassVar[Reads] = "always"

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Put back what was erased."""
        for patch in patches:
            assert patch.original is not None
            for face, mask, samples in zip(patch.original, patch.masks, patch.samples, strict=True):
                cv2.copyTo(face, mask, samples)


class Fill(Effect):
    """Flat grey."""

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Replace everything."""
        for patch in patches:
            for samples, mask in zip(patch.samples, patch.masks, strict=True):
                samples[mask > 0] = 128


class Sum(Effect):
    """A coarse mosaic: four columns are left of a face, which is enough for somebody who knows the method."""

    reads_face: ClassVar[Reads] = "always"

    def apply(self, patches: Sequence[Patch], t: float) -> None:
        """Average."""
        for patch in patches:
            assert patch.original is not None
            for face, mask, samples in zip(patch.original, patch.masks, patch.samples, strict=True):
                small = cv2.resize(face, (10, 10), interpolation=cv2.INTER_AREA)
                cv2.copyTo(cv2.resize(small, samples.shape[::-1], interpolation=cv2.INTER_NEAREST), mask, samples)


class Pixels:
    """An embedder that compares the middle of faces sample by sample."""

    model, dim, crop_px, template = "pixels", 400, 112, ARCFACE_112

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """Luma of the inner face without its mean."""
        rows = [cv2.resize(cv2.cvtColor(c, cv2.COLOR_BGR2GRAY)[26:86, 26:86], (20, 20)).ravel() for c in crops]
        vectors = np.asarray(rows, np.float32)
        vectors = vectors - vectors.mean(axis=1, keepdims=True) + 1e-3
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class Everywhere:
    """A detector that finds a face wherever the picture has texture."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """One face or none."""
        return [[Detection(BOX, 0.9, POINTS)] if p.planes[0][60:100, 60:100].std() > 5 else [] for p in pictures]

    def close(self) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who are patterns: 12 with six pictures, 60 with one."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for person in range(72):
        place = root / f"p{person:02}"
        place.mkdir()
        face = cv2.resize(rng.integers(0, 256, (6, 6), np.uint8), (80, 100), interpolation=cv2.INTER_CUBIC)
        for picture in range(6 if person < 12 else 1):
            canvas = rng.integers(100, 156, (SIDE, SIDE), np.uint8)
            canvas[30:130, 40:120] = np.clip(face + rng.normal(0, 8, face.shape), 0, 255)
            cv2.imwrite(str(place / f"{picture}.png"), cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR))
    return root


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    """All of them."""
    finder = Finder(Everywhere(), 0.4)
    samples = [finder.sample(name, path) for name, paths in people_in(folder).items() for path in paths]
    chosen = [one for one in samples if one.person < "p12"]
    return Study(chosen, [one for one in samples if one not in chosen], finder, enrol=3)


def rates(study: Study, effect: Effect) -> dict[str, float]:
    """Rank-1 in percent by attack, and above the grey fill or not as text."""
    mask = MaskOptions()
    embedder = cast(Embedder, Pixels())
    target, control = by_effect("tried", effect, mask), by_effect(CONTROL, Fill(), mask)
    attacks: tuple[Attack, ...] = ("naive", "parrot", "reconstruct")
    rows = list(attack_all(study, control, [target], {"pixels": embedder}, attacks))
    found = {row.attack: row.rank1_percent for row in rows if row.effect == "tried"}
    grey = {row.attack: row.rank1_percent for row in rows if row.effect == CONTROL}
    above = {row.attack: row.above_grey for row in rows if row.effect == "tried"}
    return {
        **found,
        **{f"grey {k}": v for k, v in grey.items()},
        **{f"above {k}": float(bool(v)) for k, v in above.items()},
    }


def test_an_effect_that_does_nothing_hides_nobody(study: Study) -> None:
    found = rates(study, Nothing())
    assert found["naive"] == found["parrot"] == 100
    assert found["reconstruct"] > 90
    assert found["above naive"] == found["above parrot"] == 1


def test_a_flat_fill_leaves_chance(study: Study) -> None:
    found = rates(study, Fill())
    assert max(found[attack] for attack in ("naive", "parrot", "reconstruct")) < 30  # 12 people: chance is 8 %
    assert not any(found[f"above {attack}"] for attack in ("naive", "parrot", "reconstruct"))


def test_a_mosaic_that_can_be_undone_is_undone(study: Study) -> None:
    found = rates(study, Sum())
    assert found["parrot"] > 90
    assert found["reconstruct"] > 90
    assert found["above reconstruct"] == 1


def test_it_is_told_whether_a_face_can_still_be_found(study: Study) -> None:
    mask = MaskOptions()
    assert study.seen_percent(by_effect("nothing", Nothing(), mask)) == 100
    assert study.seen_percent(by_effect("fill", Fill(), mask)) == 0


def test_rank1_of_shuffled_names_is_chance() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(50), 6)
    vectors = np.repeat(rng.normal(size=(50, 32)), 6, axis=0).astype(np.float32)
    assert rank1(vectors, vectors, owner, enrol=3) == (1.0, 150)
    share, queries = rank1(vectors, vectors, rng.permutation(owner), enrol=3)
    assert share < 0.3
    assert queries == 150
    noise = rng.normal(size=vectors.shape).astype(np.float32)
    assert rank1(noise, noise, owner, enrol=3)[0] < 0.1


def test_the_restorer_undoes_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(8, 14, 14, 3))

    def face() -> Crop:
        mixed = 128 + 20 * np.tensordot(rng.normal(size=8), basis, 1)
        small = np.clip(mixed, 0, 255).astype(np.uint8)
        return np.asarray(cv2.resize(small, (112, 112), interpolation=cv2.INTER_LINEAR), np.uint8)

    def hidden(crop: Crop) -> Crop:
        small = cv2.resize(crop, (14, 14), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small[::-1, ::-1], (112, 112), interpolation=cv2.INTER_NEAREST), np.uint8)

    clean = [face() for _ in range(80)]
    restorer = Restorer([hidden(one) for one in clean[:70]], clean[:70])
    for guess, truth in zip(restorer.restore([hidden(one) for one in clean[70:]]), clean[70:], strict=True):
        assert guess.shape == truth.shape
        assert np.corrcoef(guess.ravel(), truth.ravel())[0, 1] > 0.9


def test_another_programs_pictures(folder: Path, tmp_path: Path) -> None:
    sample = Sample("p00", folder / "p00" / "0.png", Detection(BOX, 0.9, POINTS))
    (tmp_path / "p00").mkdir()
    target = by_program("other", tmp_path, folder)
    with pytest.raises(InputError, match="cannot be read"):
        target.anonymized(sample)
    cv2.imwrite(str(tmp_path / "p00" / "0.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    assert target.anonymized(sample).planes[0].max() <= 16
    cv2.imwrite(str(tmp_path / "p00" / "0.png"), np.zeros((SIDE, SIDE - 2, 3), np.uint8))
    with pytest.raises(InputError, match="another size"):
        target.anonymized(sample)


def test_the_subject_is_the_large_face_in_the_middle(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((SIDE, SIDE, 3), 90, np.uint8))
    corner = Detection((0.0, 0.0, 50.0, 50.0), 0.95, POINTS)
    blind = Detection((60.0, 60.0, 100.0, 100.0), 0.95)
    for found, face, others, central in [
        ([corner, Detection(BOX, 0.5, POINTS)], BOX, 1, True),
        ([corner], corner.box, 0, False),
        ([blind], None, 1, False),  # nothing to align it by
        ([Detection(BOX, 0.3, POINTS)], None, 0, False),
    ]:
        detector: Any = SimpleNamespace(detect=lambda pictures, found=found: [found])
        sample = Finder(detector, 0.4).sample("p", tmp_path / "a.png")
        assert (sample.face.box if sample.face else None, len(sample.others), sample.central) == (face, others, central)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--people DIR"),
        (["--people", "/nowhere/at/all"], "one folder per person"),
        (["--people", ".", "--attack", "guess"], "--attack guess"),
        (["--people", ".", "--enrol", "6"], "leaves no picture"),
        (["--people", ".", "--frames", "0"], "--frames 0"),
        (["--people", ".", "--frames", "1,many"], "--frames 1,many"),
        (["--people", ".", "--frames", ""], "--frames"),
        (["--people", ".", "--effect", "pixelate:size=3"], "no option size"),
        (["--people", ".", "--effect", "pixelate:strength=0"], "strength=0"),
        (["--people", ".", "--anonymized", "deface"], "NAME=DIR"),
        (["--people", ".", "--json", "nowhere/at/all.json"], "is no folder"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", "reid", *arguments])
    assert isinstance(result.exception, UsageError | InputError)
    assert message in str(result.exception)


def test_real_people_are_recognised_and_hidden(media: Path, tmp_path: Path) -> None:
    people = media / "media" / "identities" / "lfw"
    names = [path for path in sorted(people.iterdir()) if len(list(path.glob("*.jpg"))) >= 6][:6]
    for name in names:
        (tmp_path / name.name).symlink_to(name)
    out = tmp_path / "out.json"
    command = ["evaluate", "reid", "--people", str(tmp_path), "--embedder", "sface", "--max-images", "6"]
    result = CliRunner().invoke(app, [*command, "--effect", "solid", "--attack", "naive", "--json", str(out)])
    assert result.exit_code == 0, result.output
    rows = {row["effect"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["none"]["rank1_percent"] > 95
    assert rows["solid"]["rank1_percent"] < 60  # six people: chance is 17 %
    assert rows["solid"]["seen_percent"] < 20
    assert "| solid | sface | naive |" in result.output


def test_pictures_are_read_as_video_is(folder: Path) -> None:
    picture = read_picture(folder / "p00" / "0.png")
    assert (picture.format, picture.size) == ("i420", (SIDE, SIDE))
