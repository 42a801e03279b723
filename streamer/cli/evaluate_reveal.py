"""`streamer evaluate reveal`: who becomes visible, and when."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamer.cli.evaluate_options import finder_of, settings, writable, write_json
from streamer.cli.options.evaluate import Reveal
from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.config.endpoints import parse_input
from streamer.config.schema import Config
from streamer.core.errors import UsageError
from streamer.embedders import Embedder
from streamer.evaluate.faces import Finder
from streamer.evaluate.leak import judge_run, load_reference
from streamer.evaluate.reveal import PersonResult, RevealMeter, enrol, faces_in_tiles, read_tiles
from streamer.people.store import GalleryFile, find_key

__all__ = ["reveal_command"]

_WHO, _GALLERY = "identity.who", "identity.gallery"


def reveal_command(asked: Reveal) -> None:
    """Count, frame by frame, who can be seen and should not, and who cannot and should."""
    if asked.truth is None:
        raise UsageError("name the places of the people with --truth FILE.csv")
    writable(asked.json_)
    terminal = Terminal()
    tiles = read_tiles(asked.truth)
    config, ctx = settings(asked.config_file, asked.set_, terminal)
    if config.identity.who == "all":
        config = config.updated({_WHO: "unknown"})
    source = parse_input(asked.clip)
    finder = finder_of(config, ctx)
    embedder: Embedder = parts.build("embedders", config.embedder.kind, config.embedder.options, ctx)
    if asked.reference is None:
        terminal.say("faces in every frame")
        faces = faces_in_tiles(source, config, ctx, finder, tiles, min_face_px=asked.min_face_px)
    else:
        faces = load_reference(asked.reference)
    rows: list[dict[str, Any]] = []
    print("| enrolled | person | should be | detectable frames | visible | after 1 s | visible after, s | longest |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        galleries = _galleries(config, asked.enrol_from, asked.person, finder, embedder, Path(folder))
        for number, (names, settled) in enumerate(galleries, 1):
            known = config.identity.who == "known"
            allowed = frozenset(name for name in tiles if (name in names) != known)
            meter = RevealMeter(faces, allowed)
            terminal.say(f"run {number}: {', '.join(names) or 'nobody'} enrolled")
            judge_run(source, settled, meter, ctx)
            result = meter.result()
            _print(names, result)
            rows.append({"enrolled": names, "frames": meter.frames, "people": [asdict(one) for one in result]})
    write_json(asked.json_, {"who": config.identity.who, "runs": rows})


def _galleries(
    config: Config, folder: Path | None, only: list[str] | None, finder: Finder, embedder: Embedder, where: Path
) -> Iterator[tuple[list[str], Config]]:
    """Who is enrolled, and the configuration with that gallery; run by run."""
    if folder is None:
        gallery = GalleryFile(config.identity.gallery, key=find_key(config.identity.key_file)).read(embedder.model)
        yield [one.name for one in gallery.people], config
        return
    found = dict(enrol(folder, finder, embedder))
    if unknown := set(only or []) - found.keys():
        raise UsageError(f"--person {', '.join(sorted(unknown))}: {folder} holds {', '.join(found)}")
    for name in only or found:
        path = where / f"{len(list(where.iterdir()))}.gallery"
        found[name](path)
        yield [name], config.updated({_GALLERY: str(path)})


def _print(names: Sequence[str], result: Sequence[PersonResult]) -> None:
    for one in result:
        late = f"{100 * one.late_visible / one.late_detectable:.1f} %" if one.late_detectable else "-"
        after = "never" if one.seconds_until_visible is None else f"{one.seconds_until_visible:.2f}"
        should = "visible" if one.allowed else "hidden"
        print(
            f"| {', '.join(names)} | {one.person} | {should} | {one.detectable} | {one.visible} | {late} | {after} "
            f"| {one.longest_visible} |"
        )
    reveals, strangers = sum(one.false_reveals for one in result), sum(o.detectable for o in result if not o.allowed)
    hides, friends = sum(one.false_hides for one in result), sum(o.detectable for o in result if o.allowed)
    print(f"| {', '.join(names)} | all | | | false reveals {reveals} of {strangers}", end="")
    print(f", false hides {hides} of {friends} | | | |")
