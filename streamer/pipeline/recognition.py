"""Everything about who may be seen in one stream, put together: embedder, gallery, decisions, labels and records."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.anonymize.frame import AnonymizedFrame, derive
from streamer.anonymize.labels import labelled
from streamer.config.cautions import cautions
from streamer.config.parts import build
from streamer.config.schema import Config
from streamer.core.errors import StreamerError, UsageError
from streamer.core.options import Context
from streamer.core.stats import Stats
from streamer.core.types import Reveal, SourceInfo, TrackBox, Verdict
from streamer.embedders import Embedder
from streamer.identity.decide import Counts, Identity, IdentityCache
from streamer.identity.evidence import IdentityOptions
from streamer.identity.still import StillIdentity
from streamer.people.attendance import Attendance
from streamer.people.audit import AuditLog
from streamer.people.live import LiveGallery, stamp_of
from streamer.people.places import at_home
from streamer.people.store import GalleryFile, default_path, find_key, for_gallery
from streamer.pipeline.channels import Asked
from streamer.stages import embed
from streamer.stages.embed import CropRules

__all__ = ["Recogniser", "Recognition", "open_recogniser"]

_ENROLL = "streamer enroll NAME IMAGE"
_SYNC_S = 5.0
"""Seconds between two fsyncs of the audit log."""
_LIST_EVERY = 6
"""The attendance is written with every sixth of them."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """What tells faces apart, and the people it knows."""

    embedder: Embedder
    gallery: LiveGallery
    problems: list[str] = field(default_factory=list)
    """What was wrong with the gallery when it was read again."""


def open_recogniser(config: Config, ctx: Context) -> Recogniser | None:
    """Load embedder and gallery; None when everyone is hidden, and then nothing is loaded.

    Raises GalleryError when the gallery cannot be used, or was named and is not there; ModelError, DeviceError.
    """
    options = config.identity
    if options.who == "all":
        return None
    path = _path_of(options)
    key = find_key(options.key_file)
    GalleryFile(path, key=key)  # what cannot be a gallery is told first
    if options.gallery is not None and not path.exists():
        raise UsageError(f"there is no gallery {path}; make one with: {for_gallery(_ENROLL, path)}")
    embedder: Embedder = build("embedders", config.embedder.kind, config.embedder.options, ctx)
    problems: list[str] = []
    try:
        gallery = LiveGallery(
            # Its links are followed anew at every reading: they may lead to another file by now.
            lambda: GalleryFile(path, key=key).read(embedder.model),
            lambda: stamp_of(path),
            model=embedder.model,
            on_problem=problems.append,
        )
    except BaseException:
        embedder.close()
        raise
    return Recogniser(embedder, gallery, problems)


class Recognition:
    """One stream's.

    `open()` and `connect()` come before its threads start; `on_frame()` and `on_end()` are called by the render thread.
    `work()` and `keep()` are threads of their own, where they are needed.

    identity: decides where there is no recogniser.
    """

    def __init__(self, config: Config, stats: Stats, identity: Identity) -> None:
        self.identity = identity
        self._config = config
        self._stats = stats
        self._recogniser: Recogniser | None = None
        self._asked: Asked | None = None
        self._counts = Counts()
        self._attendance: Attendance | None = None
        self._audit: AuditLog | None = None
        self._over = threading.Event()
        self.failure: StreamerError | None = None
        """To be raised when everything else is done: before, it would cost the outputs their last frames."""

    def open(self, recogniser: Recogniser | None, strong_score: float, info: SourceInfo) -> None:
        """Take a recogniser in, and open the records. Raises UsageError when they cannot be kept."""
        options = self._config.identity
        self._recogniser = recogniser
        if recogniser is None:
            if options.attendance is not None or options.audit is not None:
                raise UsageError("attendance and audit need somebody who may be seen: --who unknown")
            return
        _check_records(options)
        for caution in cautions(self._config.embedder.kind, self._config.embedder.options, options.who):
            self._stats.note(caution, warning=True, stage="identity")
        people, _ = recogniser.gallery.current()
        if not len(people):
            enrol = for_gallery(_ENROLL, _path_of(options))
            self._stats.note(f"nobody is enrolled, so everyone is hidden; enrol with: {enrol}", stage="identity")
        known = options, recogniser.embedder.thresholds, recogniser.gallery.version
        if info.stills:
            self.identity = StillIdentity(*known, strong_score=strong_score, counts=self._counts)
        else:
            weak_score = self._config.track.continue_score
            self.identity = IdentityCache(*known, strong_score=strong_score, weak_score=weak_score, counts=self._counts)
        self._open_records(recogniser.embedder.model, info)

    def _open_records(self, model: str, info: SourceInfo) -> None:
        options = self._config.identity
        if options.attendance is not None:
            more = {"least_frames": 1} if info.stills else {}
            self._attendance = Attendance(options.attendance, **more)
        if options.audit is not None:
            self._audit = AuditLog(options.audit, model=model, config=_digest(self._config))

    def connect(self, changed: threading.Condition) -> Asked | None:
        """The way to the embedder and back; None when there is none."""
        if self._recogniser is not None:
            self._asked = Asked.make(changed)
        return self._asked

    def version(self) -> int:
        """Of the gallery as it is at this moment."""
        return 0 if self._recogniser is None else self._recogniser.gallery.version()

    def work(self) -> None:
        """The embedder's thread."""
        assert self._recogniser is not None, "open() comes first"
        assert self._asked is not None, "connect() comes first"
        options = self._config.identity
        rules = CropRules(options.min_face_px, options.max_turn_deg)
        # Where the enrolled are the ones to be hidden, nobody becomes visible because an entry has expired.
        now = (lambda: -math.inf) if options.who == "known" else time.time
        gallery = self._recogniser.gallery.current
        requests, answers = self._asked.requests, self._asked.answers
        embed.work(self._recogniser.embedder, gallery, requests, answers, rules, self._stats, now=now)

    @property
    def keeps_records(self) -> bool:
        """Whether there are any."""
        return self._attendance is not None or self._audit is not None

    def keep(self) -> None:
        """The records' thread: what is known so far reaches the disk, and no frame waits for that."""
        missed = False
        for number in itertools.count(1):
            if self._over.wait(_SYNC_S):
                return
            if self._audit is not None:
                self._audit.sync()
            if self._attendance is not None and number % _LIST_EVERY == 0:
                try:
                    self._attendance.write()
                except StreamerError as error:  # tried again, and for good at the end
                    if not missed:
                        self._stats.note(str(error), stage="records")
                    missed = True

    def on_frame(
        self,
        frame: AnonymizedFrame,
        epoch: int,
        tracks: Sequence[tuple[TrackBox, Verdict]],
        shown: Sequence[tuple[TrackBox, Reveal]],
    ) -> AnonymizedFrame:
        """See `Observer.on_frame`."""
        seen = {(epoch, track.track_id): verdict for track, verdict in shown}
        if self._attendance is not None:
            self._attendance.on_frame(frame.t, seen, {(epoch, track.track_id) for track, _ in tracks})
        if self._audit is not None:
            self._audit.on_frame(frame.t, seen)
        if not self._config.identity.labels or frame.covered:
            return frame
        names = {track.track_id for track, _ in shown}
        return derive(frame, lambda picture: labelled(picture, tracks, names))

    def on_end(self) -> None:
        """See `Observer.on_end`."""
        self._over.set()
        if self._attendance is not None:
            try:
                self._attendance.write()
            except StreamerError as error:
                self.failure = error
        if self._audit is not None:
            self._audit.close()

    def close(self, recogniser: Recogniser | None) -> None:
        """When the stream did not come to start."""
        if recogniser is not None:
            recogniser.embedder.close()
        if self._audit is not None:
            self._audit.close()

    def summary(self, wall_s: float) -> dict[str, Any]:
        """For the report; nothing when everyone is hidden."""
        if self._recogniser is None:
            return {}
        counts, embeddings = self._counts, self._stats.counts().embeddings
        frames = counts.track_frames
        return {
            "identity": {
                "who": self._config.identity.who,
                "model": self._recogniser.embedder.model,
                "embeddings": embeddings,
                "embeddings_per_s": round(embeddings / wall_s, 2) if wall_s > 0 else 0.0,
                "track_frames": frames,
                "cache_hit_rate": round(1 - embeddings / frames, 4) if frames else None,
                "reveals": counts.reveals,
                "revoked": {why.value: number for why, number in sorted(counts.revoked.items())},
                "poor_crops": counts.poor_crops,
                "too_late": counts.too_late,
                "gallery_problems": list(self._recogniser.problems),
            }
        }


def _path_of(options: IdentityOptions) -> Path:
    """The gallery that is set, or the default one."""
    return default_path() if options.gallery is None else at_home(options.gallery)


def _check_records(options: IdentityOptions) -> None:
    """Raises UsageError for records that cannot be kept as they were asked for."""
    places = {at_home(path).resolve() for path in (options.attendance, options.audit) if path is not None}
    if len(places) == 1 and options.attendance is not None and options.audit is not None:
        raise UsageError(f"attendance and audit are one and the same, {options.audit}; give each its own file")
    if options.attendance is not None and options.who != "unknown":
        raise UsageError("attendance lists the enrolled who are shown: --who unknown")


def _digest(config: Config) -> str:
    """SHA-256 of the settings, so that a record says under which ones it was made."""
    return hashlib.sha256(json.dumps(config.to_mapping(), sort_keys=True).encode()).hexdigest()
