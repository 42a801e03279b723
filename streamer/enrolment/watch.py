"""Choose the best and most different pictures of one person from a camera or a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from streamer.core.picture import Picture
from streamer.core.types import Captured
from streamer.enrolment.checks import Refused, Rules, adds_nothing, chosen_face, unfit
from streamer.enrolment.enrol import Candidate, Enrolled, Outcome
from streamer.enrolment.faces import Face, FaceReader
from streamer.people.content import checked_name
from streamer.sources import Source

__all__ = ["watched"]

_EVERY_S = 0.25
"""Seconds between two pictures: neighbouring frames are alike."""
_LONGEST_S = 60.0
_MOST_KEPT = 60


def watched(
    name: str,
    source: Source,
    reader: FaceReader,
    rules: Rules,
    *,
    take: int = 5,
    seconds: float | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> list[Candidate | Outcome]:
    """The best faces of one person in a stream: sharp, near, and unlike each other.

    Frames without a face, with several faces, or with a bad view are left out. The best view decides which face is the
    person's; frames with another face are ignored.

    take: number of faces. seconds: how long a live stream is watched, 10 by default; other streams are watched to their
    end. Both end after a minute. told: is given the reason why there is no good view, whenever it changes.
    Raises UsageError for a name that cannot be used, and SourceLost when the stream breaks off.
    """
    kept_name = checked_name(name)
    limit_s = min(_LONGEST_S, seconds if seconds is not None else 10.0 if source.info.live else _LONGEST_S)
    views = _Views(reader, rules, told)
    for t, picture in _now_and_then(source, limit_s):
        views.add(t, picture)
    if not views.good:
        why = f"no good view of one face: {views.usual_reason()}"
        return [Outcome(name, source.info.name, Enrolled.REFUSED, why)]
    return [
        Candidate(kept_name, f"{source.info.name} at {t:.1f} s", face)
        for t, face in _different(views.good, reader, take)
    ]


def _now_and_then(source: Source, limit_s: float) -> Iterator[tuple[float, Picture]]:
    """Pictures of a stream that differ, with the seconds since the first one, until `limit_s`."""
    first, due, frame = None, float("-inf"), 0
    while (captured := source.read()) is not None:
        if not isinstance(captured, Captured):
            continue
        frame += 1
        t = captured.t if captured.t is not None else frame / (source.info.fps or 25.0)
        first = t if first is None else first
        if t - first > limit_s:
            break
        if t >= due:
            due = t + _EVERY_S
            yield t - first, captured.image


class _Views:
    """The good views of one face, best first, and why other pictures were refused."""

    def __init__(self, reader: FaceReader, rules: Rules, told: Callable[[str], None]) -> None:
        self._reader = reader
        self._rules = rules
        self._told = told
        self._said = ""
        self._reasons: Counter[str] = Counter()
        self.good: list[tuple[float, Face]] = []
        """Seconds since the first picture, and the face."""

    def add(self, t: float, picture: Picture) -> None:
        """Judge one picture."""
        try:
            face = chosen_face(self._reader.faces(picture), self._rules)
            if (why := unfit(face, self._rules)) is not None:
                raise Refused(why)
        except Refused as refused:
            self._refuse(str(refused).partition(":")[0].partition(" by about")[0])
            return
        self._said = ""
        self.good.append((t, face))
        self.good = sorted(self.good, key=lambda one: one[1].quality.score, reverse=True)[:_MOST_KEPT]

    def usual_reason(self) -> str:
        """The most frequent reason of a refusal."""
        return self._reasons.most_common(1)[0][0] if self._reasons else "it held no pictures"

    def _refuse(self, words: str) -> None:
        self._reasons[words] += 1
        if words != self._said:
            self._said = words
            self._told(words)


def _different(good: list[tuple[float, Face]], reader: FaceReader, take: int) -> list[tuple[float, Face]]:
    """The best view, then each next best of the same person that adds something."""
    chosen = good[:1]
    for t, face in good[1:]:
        own = [one.vector for _, one in chosen]
        alike = float(max(vector @ face.vector for vector in own))
        same = alike >= reader.embedder.thresholds.accept
        if same and len(chosen) < take and not adds_nothing(face.vector, np.stack(own)):
            chosen.append((t, face))
    return sorted(chosen, key=lambda one: one[0])
