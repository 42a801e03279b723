"""`streamer recognise`: who of the enrolled is on a picture or in a video."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from streamer.cli.gallery import open_gallery, settings
from streamer.cli.options.people import Recognise
from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.config.endpoints import Endpoint, parse_input
from streamer.core.errors import StreamerError, UsageError, printable
from streamer.core.files import PICTURES, PRIVATE, check_output, write_whole
from streamer.enrolment.faces import FaceReader
from streamer.enrolment.montage import montage as laid_out
from streamer.enrolment.recognise import Seen, Sighted, sightings
from streamer.people.content import Content
from streamer.people.store import for_gallery
from streamer.pipeline.assembly import detector_of, source_of
from streamer.sinks import StreamFormat

__all__ = ["recognise"]


def recognise(asked: Recognise) -> None:
    """Name every face of the input that belongs to somebody enrolled."""
    terminal = Terminal()
    config = settings(asked.config_file, asked.set_, asked.device)
    endpoint = parse_input(asked.input)
    if endpoint.kind == "folder":
        raise UsageError(f"{asked.input} is a folder of videos; give one after the other")
    _check_outputs(endpoint, asked.montage, asked.json_, force=asked.force)
    file = open_gallery(asked.gallery, asked.key_file, config)
    content = file.load()
    if content is None or not len(content.gallery):
        enrol = for_gallery("streamer enroll NAME IMAGE", file.path)
        raise UsageError(f"nobody is enrolled; enrol with: {enrol}")
    ctx = terminal.store().context(config.run.device)
    source = source_of(config, endpoint, ctx)
    with closing(source), FaceReader.of(config, ctx, stills=source.info.stills) as reader:
        file.read(reader.embedder.model)
        best: Seen | None = None
        told: list[dict[str, Any]] = []
        people: dict[str, Sighted] = {}
        for seen in sightings(source, reader, content.gallery, every_s=asked.every_s, now=time.time()):
            told.append(_as_json(seen))
            _count(people, seen)
            if source.info.stills:
                _print(seen)
            if best is None or _named(seen) > _named(best):
                best = seen
        if not source.info.stills:
            _print_video(people, told)
        for warning in source.warnings:
            terminal.error(warning)
        if asked.json_ is not None:
            _write(asked.json_, {"input": source.info.name, "model": reader.embedder.model, "pictures": told})
        if asked.montage is not None and best is not None:
            _montage(asked.montage, best, content, reader, config, ctx, force=asked.force)
            terminal.say(f"{best.label} -> {asked.montage}")


def _check_outputs(endpoint: Endpoint, montage: Path | None, json_: Path | None, *, force: bool) -> None:
    """Said before anything is opened. The endings keep a slip from overwriting the input."""
    if json_ is not None:
        if json_.suffix.lower() != ".json":
            raise UsageError(f"{json_}: name a file ending in .json")
        check_output(json_.absolute(), force=True)
    if montage is not None:
        if montage.suffix.lower() not in PICTURES:
            raise UsageError(f"montage {montage}: name a picture ({' '.join(PICTURES)})")
        if endpoint.path is not None and montage.resolve().is_relative_to(endpoint.path.resolve()):
            raise UsageError(f"montage {montage} is the input itself, or in it; choose another path")
        check_output(montage.absolute(), force=force)


def _montage(
    path: Path, seen: Seen, content: Content, reader: FaceReader, config: Any, ctx: Any, *, force: bool
) -> None:
    sink = parts.build("sinks", "images", {"path": path, "force": force}, ctx)
    sink.mode = PRIVATE  # it has names on it
    sink.open(StreamFormat(*seen.picture.size, fps=1.0, live=False, stills=True, title=seen.label))
    effect = parts.build("effects", config.effect.kind, config.effect.options, ctx)
    detector = detector_of(config, ctx, stills=True)
    try:
        sink.write(laid_out(seen, content, detector, reader.embedder, effect, config))
    finally:
        detector.close()
        sink.close()


def _named(seen: Seen) -> int:
    return sum(one.name is not None for one in seen.faces)


def _count(people: dict[str, Sighted], seen: Seen) -> None:
    t = seen.t if seen.t is not None else 0.0
    for one in seen.faces:
        if one.name is not None:
            sighted = people.setdefault(one.name, Sighted(t, t))
            sighted.last_s, sighted.pictures = t, sighted.pictures + 1
            sighted.best_score = max(sighted.best_score, one.match.score)


def _print(seen: Seen) -> None:
    print(printable(f"{seen.label}: {len(seen.faces)} {'face' if len(seen.faces) == 1 else 'faces'}"))
    for number, one in enumerate(seen.faces, 1):
        x0, y0, x1, y1 = one.face.detection.box
        who = f"{one.name}, similarity {one.match.score:.2f}" if one.name is not None else f"unknown: {one.why}"
        print(printable(f"  {number}  {who}  ({x1 - x0:.0f}x{y1 - y0:.0f} at {x0:.0f}, {y0:.0f})"))


def _print_video(people: dict[str, Sighted], told: list[dict[str, Any]]) -> None:
    for name, sighted in sorted(people.items()):
        times = f"first at {sighted.first_s:.1f} s, last at {sighted.last_s:.1f} s"
        counted = f"in {sighted.pictures} of {len(told)} pictures"
        print(printable(f"{name}: {counted}, {times}, best similarity {sighted.best_score:.2f}"))
    unknown = sum(face["name"] is None for one in told for face in one["faces"])
    print(f"faces of nobody enrolled: {unknown}, in {len(told)} pictures")


def _as_json(seen: Seen) -> dict[str, Any]:
    """Numbers only: no similarity of a person who is not enrolled is kept."""
    faces = [
        {
            "box": [round(v, 1) for v in one.face.detection.box],
            "name": one.name,
            "similarity": round(one.match.score, 4) if one.name is not None else None,
            "why": one.why or None,
        }
        for one in seen.faces
    ]
    return {"picture": seen.label, "t_s": None if seen.t is None else round(seen.t, 3), "faces": faces}


def _write(path: Path, numbers: Any) -> None:
    """Who was where is nobody else's business: readable for the owner only."""
    text = json.dumps(numbers, indent=2, ensure_ascii=False) + "\n"
    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"), mode=PRIVATE)  # names of files need not be text
    except OSError as error:
        raise StreamerError(f"{path} cannot be written: {error.strerror}") from None
