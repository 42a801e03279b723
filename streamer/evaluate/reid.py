"""Who is recognised again behind an effect? Every attack that needs no more than the anonymized pictures.

    naive       enrolled from clean pictures, asked with anonymized ones
    parrot      enrolled and asked with pictures anonymized alike: the attacker knows the method
    reconstruct enrolled from clean pictures, asked with anonymized ones that a map learned on other people restored
    reconstruct-parrot   enrolled and asked with restored ones

The attacker always has the landmarks of the clean picture, so that a detection that fails never looks like privacy.
What hair, ears and clothes give away is told by a constant grey fill of the same mask: no effect can do better than it,
and an effect is called good when its rate does not exceed the 95 % interval of the grey fill's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions
from streamer.core.errors import InputError
from streamer.core.geometry import iou, stack
from streamer.core.picture import Picture
from streamer.core.types import TrackBox
from streamer.effects import Effect
from streamer.embedders import Crop, Embedder, Vectors
from streamer.evaluate.faces import Finder, Sample, crop_of, read_picture
from streamer.evaluate.restore import LEAST_PICTURES, Restorer
from streamer.evaluate.scores import wilson

__all__ = [
    "ATTACKS",
    "CONTROL",
    "Attack",
    "Row",
    "Study",
    "Target",
    "attack_all",
    "by_effect",
    "by_program",
    "clean",
    "rank1",
]

Attack = Literal["naive", "parrot", "reconstruct", "reconstruct-parrot"]
ATTACKS: tuple[Attack, ...] = ("naive", "parrot", "reconstruct", "reconstruct-parrot")
CONTROL = "grey fill"
_SPLITS = 5
"""How often the pictures of each person are dealt anew into enrolled ones and queries; the rates are means."""
_SAME_FACE_IOU = 0.3
_SEED = 0


@dataclass(frozen=True, slots=True)
class Target:
    """One way to hide faces, as the attacker meets it."""

    name: str
    anonymized: Callable[[Sample], Picture]


@dataclass(frozen=True, slots=True)
class Row:
    """One effect under one attack."""

    effect: str
    embedder: str
    attack: str
    rank1_percent: float
    low_percent: float
    high_percent: float
    """95 % interval, from as many queries as one split has."""
    queries: int
    people: int
    chance_percent: float
    seen_percent: float
    """Pictures in which the detector still finds the face where it was."""
    above_grey: bool | None
    """Whether the rate is above the grey fill's interval; None for controls."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def clean() -> Target:
    """The control on the other side: nothing hidden."""
    return Target("none", lambda sample: read_picture(sample.path))


def by_effect(name: str, effect: Effect, mask: MaskOptions) -> Target:
    """The pipeline's own painting of every face that its detector found. Every picture is an epoch of its own."""
    epochs = count()

    def anonymized(sample: Sample) -> Picture:
        picture = read_picture(sample.path)
        effect.enter(next(epochs))
        faces = [one for one in (sample.face, *sample.others) if one is not None]
        return paint(picture, [TrackBox(i, one.box, one.landmarks) for i, one in enumerate(faces)], effect, mask, 0.0)

    return Target(name, anonymized)


def by_program(name: str, folder: Path, root: Path) -> Target:
    """Another program's work: a folder of the same pictures under the same names, of the same size.

    Raises InputError, when asked, for one that is missing.
    """

    def anonymized(sample: Sample) -> Picture:
        original, picture = read_picture(sample.path), read_picture(folder / sample.path.relative_to(root))
        if picture.size != original.size:
            raise InputError(f"{folder / sample.path.relative_to(root)} has another size than the original")
        return picture

    return Target(name, anonymized)


def rank1(enrolled: Vectors, asked: Vectors, owner: NDArray[np.int64], *, enrol: int) -> tuple[float, int]:
    """Share of queries whose best person is the right one, and the number of queries in a split.

    enrolled, asked: (N, D), the same pictures in the same order. owner: (N,) person of each. From every person `enrol`
    pictures are drawn; their mean is the person's template. Every other picture is a query.
    """
    rng = np.random.default_rng(_SEED)
    names = np.unique(owner)
    shares = []
    for _ in range(_SPLITS):
        chosen = np.zeros(len(owner), bool)
        for name in names:
            chosen[rng.permutation(np.flatnonzero(owner == name))[:enrol]] = True
        templates = np.stack([enrolled[chosen & (owner == name)].mean(axis=0) for name in names])
        templates /= np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), 1e-9)
        best = names[(asked[~chosen] @ templates.T).argmax(axis=1)]
        shares.append(float((best == owner[~chosen]).mean()))
    return float(np.mean(shares)), int((~chosen).sum())


class Study:
    """The people under attack, the other people, and everything about the clean pictures that is used again.

    gallery: people with several pictures each, all with a face. others: of other people, to learn from.
    """

    def __init__(self, gallery: Sequence[Sample], others: Sequence[Sample], finder: Finder, *, enrol: int) -> None:
        self.gallery = list(gallery)
        self._others = list(others)
        self._finder = finder
        self._enrol = enrol
        names = sorted({sample.person for sample in gallery})
        self._owner = np.array([names.index(sample.person) for sample in gallery], np.int64)
        self.people = len(names)
        self._clean: tuple[str, list[Crop]] = ("", [])
        """Of the other people, as the embedder of that model wants them."""

    def seen_percent(self, target: Target) -> float:
        """How often a face is still found where it was."""
        seen = 0
        for sample in self.gallery:
            assert sample.face is not None
            found = [one.box for one in self._finder.faces(target.anonymized(sample))]
            seen += bool((iou(stack([sample.face.box]), stack(found)) >= _SAME_FACE_IOU).any())
        return 100 * seen / len(self.gallery)

    def rates(
        self, target: Target, embedder: Embedder, attacks: Sequence[Attack], clean_vectors: Vectors
    ) -> Iterator[tuple[Attack, float, int]]:
        """Rank-1 share and number of queries, attack by attack. Attacks that need more other people are left out."""
        crops = self._crops(self.gallery, target, embedder)
        alike = embedder.embed(crops) if {"naive", "parrot"} & set(attacks) else None
        restored = None
        if {"reconstruct", "reconstruct-parrot"} & set(attacks) and len(self._others) >= LEAST_PICTURES:
            restorer = Restorer(self._crops(self._others, target, embedder), self._clean_others(embedder))
            restored = embedder.embed(restorer.restore(crops))
        asked = {"naive": alike, "parrot": alike, "reconstruct": restored, "reconstruct-parrot": restored}
        for attack in attacks:
            vectors = asked[attack]
            if vectors is not None:
                enrolled = vectors if attack.endswith("parrot") else clean_vectors
                yield attack, *rank1(enrolled, vectors, self._owner, enrol=self._enrol)

    def _clean_others(self, embedder: Embedder) -> list[Crop]:
        if self._clean[0] != embedder.model:
            self._clean = embedder.model, self._crops(self._others, clean(), embedder)
        return self._clean[1]

    def clean_vectors(self, embedder: Embedder) -> Vectors:
        """Of the gallery as it is."""
        return embedder.embed(self._crops(self.gallery, clean(), embedder))

    def clean_rank1(self, vectors: Vectors) -> tuple[float, int]:
        """How well the people are recognised when nothing is hidden."""
        return rank1(vectors, vectors, self._owner, enrol=self._enrol)

    def _crops(self, samples: Sequence[Sample], target: Target, embedder: Embedder) -> list[Crop]:
        return [crop_of(target.anonymized(s), s.face, embedder) for s in samples if s.face is not None]


def attack_all(
    study: Study,
    control: Target,
    targets: Sequence[Target],
    embedders: Mapping[str, Embedder],
    attacks: Sequence[Attack],
    *,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Row]:
    """Every target and the control under every attack and embedder; the rows of no effect and of the control lead."""
    seen: dict[str, float] = {}
    for kind, embedder in embedders.items():
        say(f"{kind}: clean")
        vectors = study.clean_vectors(embedder)
        yield _row("none", kind, "naive", *study.clean_rank1(vectors), study.people, 100.0, None)
        grey: dict[str, float] = {}
        for target in (control, *targets):
            say(f"{kind}: {target.name}")
            if target.name not in seen:
                seen[target.name] = study.seen_percent(target)
            for attack, share, queries in study.rates(target, embedder, attacks, vectors):
                if target is control:
                    grey[attack] = wilson(share * queries, queries)[1]
                above = None if target is control else share > grey[attack]
                yield _row(target.name, kind, attack, share, queries, study.people, seen[target.name], above)


def _row(
    effect: str,
    embedder: str,
    attack: str,
    share: float,
    queries: int,
    people: int,
    seen_percent: float,
    above: bool | None,
) -> Row:
    low, high = wilson(share * queries, queries)
    percent, lowest, highest = (round(100 * value, 2) for value in (share, low, high))
    chance = round(100 / people, 2)
    seen = round(seen_percent, 1)
    return Row(effect, embedder, attack, percent, lowest, highest, queries, people, chance, seen, above)
