"""A person before a camera, or alone in a video -> the few best and most different pictures of their face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamer.core.types import Captured
from streamer.enrolment.checks import Refused, Rules, adds_nothing, chosen_face, unfit
from streamer.enrolment.enrol import Candidate, Enrolled, Outcome
from streamer.enrolment.faces import Face, FaceReader
from streamer.people.content import checked_name
from streamer.sources import Source

__all__ = ["watched"]

_EVERY_S = 0.25
"""Neighbouring frames show the same."""
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
    """The best faces of one person out of a stream: sharp, near, and each unlike the others.

    Frames with nobody, with several people, or with a bad view are left out; whoever is seen best is taken for the
    person, and frames that show somebody else count against nobody. A live stream is watched for `seconds` (10 when not
    given), another one to its end, a minute at most. told: the reason why there is no good view, when it changes.
    """
    kept_name = checked_name(name)
    limit = min(_LONGEST_S, seconds if seconds is not None else 10.0 if source.info.live else _LONGEST_S)
    good: list[tuple[float, Face]] = []
    reasons: dict[str, int] = {}
    first, due, said = None, float("-inf"), ""
    frame = 0
    while (captured := source.read()) is not None:
        if not isinstance(captured, Captured):
            continue
        frame += 1
        t = captured.t if captured.t is not None else frame / (source.info.fps or 25.0)
        first = t if first is None else first
        if t - first > limit:
            break
        if t < due:
            continue
        due = t + _EVERY_S
        try:
            face = chosen_face(reader.faces(captured.image), rules)
            if (why := unfit(face, rules)) is not None:
                raise Refused(why)
        except Refused as refused:
            words = str(refused).partition(":")[0].partition(" by about")[0]
            reasons[words] = reasons.get(words, 0) + 1
            if words != said:
                told(said := words)
            continue
        said = ""
        good.append((t - first, face))
        good = sorted(good, key=lambda one: one[1].quality.score, reverse=True)[:_MOST_KEPT]
    if not good:
        why = max(reasons, key=lambda words: reasons[words]) if reasons else "it held no pictures"
        return [Outcome(name, source.info.name, Enrolled.REFUSED, f"no good view of one face: {why}")]
    return [
        Candidate(kept_name, f"{source.info.name} at {t:.1f} s", face) for t, face in _different(good, reader, take)
    ]


def _different(good: list[tuple[float, Face]], reader: FaceReader, take: int) -> list[tuple[float, Face]]:
    """The best view, and then each next best that is of the same person and adds something."""
    chosen = good[:1]
    for t, face in good[1:]:
        own = [one.vector for _, one in chosen]
        alike = float(max(vector @ face.vector for vector in own))
        same = alike >= reader.embedder.thresholds.accept
        if same and len(chosen) < take and not adds_nothing(face.vector, np.stack(own)):
            chosen.append((t, face))
    return sorted(chosen, key=lambda one: one[0])
