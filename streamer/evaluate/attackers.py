"""Attackers who have a film of the face, or statistics of faces, or a trained network.

    temporal         the average of the aligned frames, undone by a linear map learned on other people's films
    temporal-blocks  face and noise of flat blocks, estimated together from all frames (`joint`)
    gaussian-luma, -chroma, -joint, -field   one frame, scored by how pictures of one person differ (`gaussian`)
    network          one frame, undone by a trained network (`network`)
    outline          the masks alone (`outline`): the same under every effect

Each of the first four compares with clean pictures of the enrolled, and under the name with -parrot with pictures
treated alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from streamer.anonymize.masks import MaskOptions
from streamer.core.picture import Picture
from streamer.embedders import Crop, Embedder, Vectors
from streamer.evaluate import network
from streamer.evaluate.clips import Shot
from streamer.evaluate.deals import Owners, Verdicts, by_cosine, verdicts
from streamer.evaluate.faces import Finder, Sample, read_picture
from streamer.evaluate.gaussian import CHANNELS, TwoCovariance, features, inner_mask
from streamer.evaluate.joint import FacePrior, JointAttacker, measured_noise
from streamer.evaluate.outline import outlines, told_by
from streamer.evaluate.restore import LEAST_PICTURES, Restorer
from streamer.evaluate.watch import Face, Track, aligned_planes, field_of, to_crop, watched

__all__ = ["FAMILIES", "FilmStudy", "Films", "Finding", "numbers_of"]

FAMILIES = ("temporal", "gaussian", "network", "outline")
_FILMED = 300
"""So many films of other people are made; of the rest, one frame each."""
_NOISE_FILMS, _NOISE_FRAMES = 40, 20
"""Films of other people on which the noise of blocks is measured, and frames of each."""
_OUTLINED = 300
"""Films of other people whose masks are looked at."""

Films = Callable[[Sample, int], Iterator[tuple[Shot, Picture]]]
"""A sample and a number of frames -> every frame as it was, and as it is hidden."""


class Filmed(Protocol):
    """Whatever hides films."""

    @property
    def filmed(self) -> Films:
        """See `Films`."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attack came to."""

    attack: str
    frames: int
    verdicts: Verdicts


def numbers_of(people: Sequence[str]) -> Owners:
    """A number for every person, in the order of their names."""
    return np.unique(np.asarray(people), return_inverse=True)[1].astype(np.int64)


class _Seen:
    """The films of one target, of the people under attack and of other people."""

    def __init__(self, gallery: list[Track], others: list[Track], filmed: list[Track]) -> None:
        self.gallery = gallery
        self.others = others
        """One frame of each."""
        self.filmed = filmed
        """All frames, of the first so many of them."""

    def learned_from(self, frames: int) -> list[Track]:
        """Other people's with so many frames."""
        return self.others if frames == 1 else self.filmed

    @property
    def in_blocks(self) -> bool:
        """Whether the faces are flat blocks in most films."""
        return sum(bool(track.blocks) for track in self.gallery) > len(self.gallery) / 2


class FilmStudy:
    """The people under attack and the others, filmed as often as there are effects."""

    def __init__(
        self, gallery: Sequence[Sample], others: Sequence[Sample], finder: Finder, mask: MaskOptions, *, enrol: int
    ) -> None:
        self._gallery = list(gallery)
        pictures = Counter(sample.person for sample in others)
        # Who has several pictures is filmed first: only they tell how pictures of one person differ.
        self._others = sorted(others, key=lambda one: (-min(2, pictures[one.person]), one.person))
        self._finder, self._mask, self._enrol = finder, mask, enrol
        self._owner = numbers_of([sample.person for sample in gallery])

    def findings(
        self,
        target: Filmed,
        embedder: Embedder,
        clean: Vectors,
        families: Sequence[str],
        counts: Sequence[int],
        *,
        blocks: bool = True,
    ) -> Iterator[Finding]:
        """Attack by attack. clean: vectors of the people's clean pictures. counts: numbers of frames to attack with.

        blocks: whether to attack as if there were blocks even where there are none, for comparison.
        """
        if len(self._others) < LEAST_PICTURES:
            return
        seen = self._seen(target, counts if "temporal" in families else counts[:1])
        if "temporal" in families:
            yield from self._temporal(seen, embedder, clean, counts)
            if blocks or seen.in_blocks:
                yield from self._joint(seen, embedder, clean, counts)
        if "gaussian" in families:
            yield from self._gaussian(seen)
        if "network" in families and not network.missing():
            yield from self._network(seen, embedder, clean)

    def outline(self, counts: Sequence[int]) -> Iterator[Finding]:
        """The masks alone."""
        most = max(counts)
        known = self._others[:_OUTLINED]
        shapes = [[outlines(one, self._finder, self._mask, most) for one in part] for part in (known, self._gallery)]
        person = numbers_of([one.person for one in known])
        for frames in counts:
            others, gallery = (told_by(part, frames) for part in shapes)
            model = TwoCovariance(others, others, person)
            yield Finding(
                "outline", frames, verdicts(model.scores_alike(gallery, self._owner), self._owner, self._enrol)
            )

    def _seen(self, target: Filmed, counts: Sequence[int]) -> _Seen:
        most = max(counts)

        def tracks(samples: Sequence[Sample], frames: int) -> list[Track]:
            wanted = [count for count in counts if count <= frames]
            return [watched(target.filmed(one, frames), wanted, self._mask) for one in samples]

        filmed = tracks(self._others[:_FILMED], most)
        once = [*filmed, *tracks(self._others[_FILMED:], 1)] if 1 in counts else filmed
        return _Seen(tracks(self._gallery, most), once, filmed)

    @cached_property
    def _truths(self) -> list[Face]:
        """The other people's clean faces over the field."""
        return [_clean_face(sample) for sample in self._others]

    @cached_property
    def _prior(self) -> FacePrior:
        return FacePrior(self._truths)

    def _asked(
        self, name: str, frames: int, restored: Sequence[Crop], embedder: Embedder, clean: Vectors
    ) -> Iterator[Finding]:
        """Restored faces, compared with clean and with restored ones."""
        vectors = embedder.embed(restored)
        for attack, enrolled in ((name, clean), (f"{name}-parrot", vectors)):
            scores = by_cosine(enrolled, vectors, self._owner)
            yield Finding(attack, frames, verdicts(scores, self._owner, self._enrol))

    def _temporal(self, seen: _Seen, embedder: Embedder, clean: Vectors, counts: Sequence[int]) -> Iterator[Finding]:
        for frames in counts:
            known = _crops(seen.learned_from(frames), frames, embedder)
            truth = [_crop(face, embedder) for face in self._truths[: len(known)]]
            restorer = Restorer([*known, *map(_mirrored, known)], [*truth, *map(_mirrored, truth)])
            restored = restorer.restore(_crops(seen.gallery, frames, embedder))
            yield from self._asked("temporal", frames, restored, embedder, clean)

    def _joint(self, seen: _Seen, embedder: Embedder, clean: Vectors, counts: Sequence[int]) -> Iterator[Finding]:
        """Without blocks, all that is used are the surroundings, which no further frame tells more of."""
        known = [
            (track, truth)
            for track, truth in zip(seen.filmed[:_NOISE_FILMS], self._truths, strict=False)
            if track.blocks
        ]
        attacker = JointAttacker(self._prior, measured_noise(known, _NOISE_FRAMES) if known else [])
        found: list[Finding] = []
        for frames in counts:
            if seen.in_blocks or not found:
                restored = [_crop(attacker.restore(track, frames), embedder) for track in seen.gallery]
                found = list(self._asked("temporal-blocks", frames, restored, embedder, clean))
            yield from (Finding(one.attack, frames, one.verdicts) for one in found)

    def _gaussian(self, seen: _Seen) -> Iterator[Finding]:
        frames = min(seen.gallery[0].faces)
        others, gallery = seen.others, seen.gallery
        inside = inner_mask([track.hidden for track in (*others, *gallery)])
        person = numbers_of([sample.person for sample in self._others[: len(others)]])
        for name, planes in CHANNELS.items():
            cells = None if name == "field" else inside
            hidden, asked, learned, enrolled = (
                features(faces, [track.hidden for track in tracks], cells, planes)
                for faces, tracks in (
                    ([track.faces[frames] for track in others], others),
                    ([track.faces[frames] for track in gallery], gallery),
                    (self._truths, others),
                    (self._clean_gallery, gallery),
                )
            )
            model = TwoCovariance(learned, hidden, person)
            for attack, scores in (
                (f"gaussian-{name}", model.scores(enrolled, asked, self._owner)),
                (f"gaussian-{name}-parrot", model.scores_alike(asked, self._owner)),
            ):
                yield Finding(attack, frames, verdicts(scores, self._owner, self._enrol))

    @cached_property
    def _clean_gallery(self) -> list[Face]:
        return [_clean_face(sample) for sample in self._gallery]

    def _network(self, seen: _Seen, embedder: Embedder, clean: Vectors) -> Iterator[Finding]:
        frames = min(seen.gallery[0].faces)
        known, asked = (_crops(tracks, frames, embedder) for tracks in (seen.others, seen.gallery))
        truth = [_crop(face, embedder) for face in self._truths[: len(known)]]
        # What the map makes of faces that it was not learned from, as it is with the faces that are asked for.
        halves = slice(0, None, 2), slice(1, None, 2)
        guessed = list(known)
        for half, other in (halves, halves[::-1]):
            guessed[half] = Restorer(known[other], truth[other]).restore(known[half])
        trained = network.NetworkRestorer(known, guessed, truth)
        restored = trained.restore(asked, Restorer(known, truth).restore(asked))
        yield from self._asked("network", frames, restored, embedder, clean)


def _clean_face(sample: Sample) -> Face:
    assert sample.face is not None, "nobody is in this picture"
    face = aligned_planes(read_picture(sample.path), field_of(sample.face.landmarks))
    return face.astype(np.float16)


def _crop(face: Face, embedder: Embedder) -> Crop:
    return to_crop(face, embedder.crop_px, embedder.template)


def _crops(tracks: Sequence[Track], frames: int, embedder: Embedder) -> list[Crop]:
    return [_crop(track.faces[frames], embedder) for track in tracks]


def _mirrored(crop: Crop) -> Crop:
    return np.ascontiguousarray(crop[:, ::-1])
