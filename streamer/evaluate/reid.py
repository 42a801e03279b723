"""Who is recognised again behind an effect? Every attack that needs no more than the anonymized pictures.

    naive       enrolled from clean pictures, asked with anonymized ones
    parrot      enrolled and asked with pictures anonymized alike: the attacker knows the method
    reconstruct enrolled from clean pictures, asked with anonymized ones that a map learned on other people restored
    reconstruct-parrot   enrolled and asked with restored ones
    temporal, gaussian, network, outline   see `attackers`

The attacker always has the landmarks of the clean picture, so that a detection that fails never looks like privacy.
What hair, ears and clothes give away is told by a constant grey fill of the same mask: no effect can do better than it.
So query by query an effect is compared with the fill (`paired`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from streamer.anonymize.gate import paint
from streamer.anonymize.masks import MaskOptions
from streamer.core.errors import InputError
from streamer.core.geometry import iou, stack
from streamer.core.picture import Picture
from streamer.core.types import TrackBox
from streamer.effects import Effect
from streamer.embedders import Crop, Embedder, Vectors
from streamer.evaluate.attackers import FAMILIES, Films, FilmStudy, Finding, numbers_of
from streamer.evaluate.clips import Shot, film, still
from streamer.evaluate.deals import SPLITS, Owners, Verdicts, by_cosine, verdicts
from streamer.evaluate.faces import Finder, Sample, crop_of, read_picture
from streamer.evaluate.paired import difference, holm_upper
from streamer.evaluate.restore import LEAST_PICTURES, Restorer
from streamer.evaluate.scores import wilson

__all__ = [
    "ATTACKS",
    "CONTROL",
    "MASKS",
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

Attack = Literal["naive", "parrot", "reconstruct", "reconstruct-parrot", "temporal", "gaussian", "network", "outline"]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
CONTROL = "grey fill"
MASKS = "masks alone"
_NOTHING = "none"
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Target:
    """One way to hide faces, as the attacker meets it."""

    name: str
    anonymized: Callable[[Sample], Picture]
    filmed: Films
    films: bool = True
    """Whether it can hide films; else there is one frame of each: the picture."""


@dataclass(frozen=True, slots=True)
class Row:
    """One effect under one attack."""

    effect: str
    embedder: str
    attack: str
    frames: int
    """Of each face, that the attacker had."""
    rank1_percent: float
    low_percent: float
    high_percent: float
    """95 % interval, from as many queries as one split has."""
    queries: int
    """In all deals together."""
    people: int
    chance_percent: float
    seen_percent: float | None
    """Pictures in which the detector still finds the face where it was; None where there is nothing to find it in."""
    above_grey: bool | None = None
    """Whether the rate is above the grey fill's interval; None for controls, as is all that follows."""
    grey_percent: float | None = None
    """The grey fill's rank-1 under the same attack."""
    difference_points: float | None = None
    """In percentage points, query by query."""
    upper_points: float | None = None
    """One-sided upper bound of the difference, at `level`."""
    level: float | None = None
    """5 % shared by Holm's procedure over all attacks on this effect; see `paired`."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def clean() -> Target:
    """The control on the other side: nothing hidden."""
    return Target(_NOTHING, lambda s: read_picture(s.path), lambda s, n: ((shot, shot.picture) for shot in film(s, n)))


def by_effect(name: str, effect: Effect, mask: MaskOptions) -> Target:
    """The pipeline's own painting of every face that its detector found. Every picture is an epoch of its own."""
    epochs = count()

    def anonymized(sample: Sample) -> Picture:
        picture = read_picture(sample.path)
        effect.enter(next(epochs))
        faces = [one for one in (sample.face, *sample.others) if one is not None]
        return paint(picture, [TrackBox(i, one.box, one.landmarks) for i, one in enumerate(faces)], effect, mask, 0.0)

    def filmed(sample: Sample, frames: int) -> Iterator[tuple[Shot, Picture]]:
        effect.enter(next(epochs))
        for shot in film(sample, frames):
            yield shot, paint(shot.picture, shot.faces, effect, mask, shot.t)

    return Target(name, anonymized, filmed)


def by_program(name: str, folder: Path, root: Path) -> Target:
    """Another program's work: a folder of the same pictures under the same names, of the same size.

    Raises InputError, when asked, for one that is missing.
    """

    def anonymized(sample: Sample) -> Picture:
        original, picture = read_picture(sample.path), read_picture(folder / sample.path.relative_to(root))
        if picture.size != original.size:
            raise InputError(f"{folder / sample.path.relative_to(root)} has another size than the original")
        return picture

    def filmed(sample: Sample, frames: int) -> Iterator[tuple[Shot, Picture]]:
        yield still(sample), anonymized(sample)

    return Target(name, anonymized, filmed, films=False)


def rank1(enrolled: Vectors, asked: Vectors, owner: Owners, *, enrol: int) -> tuple[float, int]:
    """Share of queries whose best person is the right one, and the number of queries in a split.

    enrolled, asked: (N, D), the same pictures in the same order. owner: (N,) person of each. From every person `enrol`
    pictures are drawn; their mean is the person's template. Every other picture is a query.
    """
    found = verdicts(by_cosine(enrolled, asked, owner), owner, enrol)
    return found.share, found.queries // SPLITS


class Study:
    """The people under attack, the other people, and everything about the clean pictures that is used again.

    gallery: people with several pictures each, all with a face. others: of other people, to learn from.
    """

    def __init__(
        self,
        gallery: Sequence[Sample],
        others: Sequence[Sample],
        finder: Finder,
        *,
        enrol: int,
        mask: MaskOptions | None = None,
        frames: Sequence[int] = (1,),
    ) -> None:
        self.gallery = list(gallery)
        self._others = list(others)
        self._finder = finder
        self._enrol = enrol
        self._owner = numbers_of([sample.person for sample in gallery])
        self.people = len(np.unique(self._owner))
        self._films = FilmStudy(gallery, others, finder, mask or MaskOptions(), enrol=enrol)
        self._frames = frames
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

    def findings(
        self, target: Target, embedder: Embedder, attacks: Sequence[Attack], clean_vectors: Vectors, *, floor: bool
    ) -> Iterator[Finding]:
        """Attack by attack. Those that need more other people are left out.

        floor: the target is the control, which is attacked in every way that another target may be.
        """
        yield from self._pictured(target, embedder, attacks, clean_vectors)
        counts = self._frames if target.films and target.name != _NOTHING else self._frames[:1]
        families = [attack for attack in attacks if attack in FAMILIES]
        if {"temporal", "gaussian", "network"} & set(families):
            yield from self._films.findings(target, embedder, clean_vectors, families, counts, blocks=floor)

    def outline(self) -> Iterator[Finding]:
        """What the masks alone tell."""
        return self._films.outline(self._frames)

    def _pictured(
        self, target: Target, embedder: Embedder, attacks: Sequence[Attack], clean_vectors: Vectors
    ) -> Iterator[Finding]:
        """The attacks on single pictures with an embedder."""
        if target.name == _NOTHING:
            yield Finding("naive", 1, self._verdicts(clean_vectors, clean_vectors))
            return
        crops = self._crops(self.gallery, target, embedder) if set(attacks) - set(FAMILIES) else []
        alike = embedder.embed(crops) if {"naive", "parrot"} & set(attacks) else None
        restored = None
        if {"reconstruct", "reconstruct-parrot"} & set(attacks) and len(self._others) >= LEAST_PICTURES:
            restorer = Restorer(self._crops(self._others, target, embedder), self._clean_others(embedder))
            restored = embedder.embed(restorer.restore(crops))
        asked = {"naive": alike, "parrot": alike, "reconstruct": restored, "reconstruct-parrot": restored}
        for attack in attacks:
            vectors = asked.get(attack)
            if vectors is not None:
                yield Finding(
                    attack, 1, self._verdicts(vectors if attack.endswith("parrot") else clean_vectors, vectors)
                )

    def _verdicts(self, enrolled: Vectors, asked: Vectors) -> Verdicts:
        return verdicts(by_cosine(enrolled, asked, self._owner), self._owner, self._enrol)

    def _clean_others(self, embedder: Embedder) -> list[Crop]:
        if self._clean[0] != embedder.model:
            self._clean = embedder.model, self._crops(self._others, clean(), embedder)
        return self._clean[1]

    def clean_vectors(self, embedder: Embedder) -> Vectors:
        """Of the gallery as it is."""
        return embedder.embed(self._crops(self.gallery, clean(), embedder))

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
    """Every target and the control under every attack and embedder.

    The rows of the masks alone, of no effect, and of the control lead.
    """
    if "outline" in attacks:
        say("the masks alone")
        yield from (_row(MASKS, "-", one, study.people, None) for one in study.outline())
    seen: dict[str, float] = {}
    for kind, embedder in embedders.items():
        vectors = study.clean_vectors(embedder)
        grey: dict[tuple[str, int], Finding] = {}
        for target in (clean(), control, *targets):
            say(f"{kind}: {target.name}")
            if target.name not in seen:
                seen[target.name] = 100.0 if target.name == _NOTHING else study.seen_percent(target)
            found = list(study.findings(target, embedder, attacks, vectors, floor=target is control))
            rows = [_row(target.name, kind, one, study.people, seen[target.name]) for one in found]
            if target is control:
                grey = {(one.attack, one.frames): one for one in found}
            yield from rows if target is control or target.name == _NOTHING else _paired(rows, found, grey)


def _paired(rows: Sequence[Row], found: Sequence[Finding], grey: Mapping[tuple[str, int], Finding]) -> Iterator[Row]:
    """The rows of one effect, compared with the control's."""
    floors = [grey[one.attack, one.frames].verdicts for one in found]
    apart = [difference(one.verdicts, floor) for one, floor in zip(found, floors, strict=True)]
    for row, one, floor, step, (upper, level) in zip(rows, found, floors, apart, holm_upper(apart), strict=True):
        yield replace(
            row,
            above_grey=one.verdicts.share > _interval(floor)[1],
            grey_percent=round(100 * floor.share, 2),
            difference_points=round(100 * step.mean, 2),
            upper_points=round(100 * upper, 2),
            level=round(level, 5),
        )


def _interval(found: Verdicts) -> tuple[float, float]:
    """95 %, from as many queries as one deal has: the deals ask with the same pictures again."""
    queries = found.queries // SPLITS
    return wilson(found.share * queries, queries)


def _row(effect: str, embedder: str, one: Finding, people: int, seen_percent: float | None) -> Row:
    share = one.verdicts.share
    percent, lowest, highest = (round(100 * value, 2) for value in (share, *_interval(one.verdicts)))
    seen = None if seen_percent is None else round(seen_percent, 1)
    queries, chance = one.verdicts.queries, round(100 / people, 2)
    return Row(effect, embedder, one.attack, one.frames, percent, lowest, highest, queries, people, chance, seen)
