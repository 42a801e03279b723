"""`streamer evaluate reid`: who is recognised again behind an effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from streamer.anonymize.masks import MaskOptions
from streamer.cli.evaluate_options import (
    finder_of,
    needed,
    print_missing,
    settings,
    writable,
    write_chart,
    write_json,
)
from streamer.cli.options.evaluate import Reid
from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.config.schema import parse_overrides
from streamer.core.errors import InputError, StreamerError, UsageError
from streamer.core.options import Context
from streamer.effects import Effect
from streamer.evaluate import _chart, network, reid
from streamer.evaluate.faces import Sample, census, embedders, people_in

__all__ = ["reid_command"]

_MOST_FRAMES = 1000


def reid_command(asked: Reid) -> None:
    """Recognise people again behind every effect."""
    folder = needed(asked.people)
    attacks = _attacks(asked.attack)
    if asked.enrol >= asked.min_images:
        raise UsageError(f"--enrol {asked.enrol} leaves no picture to ask with when --min-images is {asked.min_images}")
    counts = _counts(asked.frames)
    writable(asked.json_, asked.plot)
    terminal = Terminal()
    config, ctx = settings(asked.config_file, asked.set_, terminal)
    mask = config.mask
    targets = _targets(asked, folder, mask, ctx, terminal)
    grey: Effect = parts.build("effects", "solid", {"color": "#808080"}, ctx)
    control = reid.by_effect(reid.CONTROL, grey, mask)

    by_name = people_in(folder)
    finder = finder_of(config, ctx)
    samples = {name: [finder.sample(name, path) for path in paths] for name, paths in by_name.items()}
    counted = census([sample for one in samples.values() for sample in one])
    terminal.say(str(counted))
    chosen, others = _divided(samples, asked.min_images, asked.max_images)
    if len({sample.person for sample in chosen}) < 2:
        raise InputError(f"{folder}: fewer than two people have {asked.min_images} pictures with a face")
    found = embedders(asked.embedder or parts.kinds("embedders"), ctx, config.embedder)
    there = {kind: one for kind, one, _ in found if one is not None}
    study = reid.Study(chosen, others, finder, enrol=asked.enrol, mask=mask, frames=counts)
    rows = _printed(reid.attack_all(study, control, targets, there, attacks, say=terminal.say))
    print_missing(found)
    print_missing([("network", None, why)] if "network" in attacks and (why := network.missing()) else [])
    data = {"pictures": str(counted), "mask": mask.model_dump(), "rows": [row.as_json() for row in rows]}
    write_json(asked.json_, data)
    if asked.plot is not None:
        _plot_reid(asked.plot, rows)


def _targets(asked: Reid, folder: Path, mask: MaskOptions, ctx: Context, terminal: Terminal) -> list[reid.Target]:
    """What is attacked: effects of this program, and pictures of others."""
    texts = asked.effect or _usual_effects(ctx, terminal)
    targets = [reid.by_effect(text, _effect(text, ctx, weaker=asked.weaker), mask) for text in texts]
    return targets + [_program(text, folder) for text in asked.anonymized or []]


def _attacks(wanted: list[str] | None) -> list[reid.Attack]:
    """The attacks of these names, in their usual order; all when none is named. Raises UsageError."""
    if unknown := set(wanted or []) - set(reid.ATTACKS):
        raise UsageError(f"--attack {', '.join(sorted(unknown))}: there are {', '.join(reid.ATTACKS)}")
    return [name for name in reid.ATTACKS if not wanted or name in wanted]


def _divided(samples: dict[str, list[Sample]], min_images: int, max_images: int) -> tuple[list[Sample], list[Sample]]:
    """Pictures with a face: of the people under attack, and of those who are only there to learn from."""
    usable = [[sample for sample in own if sample.face is not None] for own in samples.values()]
    chosen = [sample for own in usable if len(own) >= min_images for sample in own[:max_images]]
    return chosen, [sample for own in usable if len(own) < min_images for sample in own]


def _printed(rows: Iterable[reid.Row]) -> list[reid.Row]:
    """All rows, each printed as soon as it is there."""
    told: list[reid.Row] = []
    for row in rows:
        if not told:
            _print_head(row)
        _print_row(row)
        told.append(row)
    return told


def _counts(text: str) -> list[int]:
    """`1,20,60` -> numbers, from the smallest on."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= _MOST_FRAMES for word in words):
        raise UsageError(f"--frames {text}: numbers of frames from 1 to {_MOST_FRAMES}, with commas between them")
    return sorted({int(word) for word in words})


def _print_head(first: reid.Row) -> None:
    print(f"{first.people} people, {first.queries} queries, chance {first.chance_percent} %\n")
    print(
        "| effect | embedder | attack | frames | rank-1, % | 95 % interval | grey fill, % | difference, points "
        "| at most | above the grey fill | still seen, % |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)


def _print_row(row: reid.Row) -> None:
    above = {True: "yes", False: "no", None: "-"}[row.above_grey]
    numbers = (row.grey_percent, row.difference_points, row.upper_points)
    grey, apart, upper = ("-" if number is None else f"{number:.1f}" for number in numbers)
    seen = "-" if row.seen_percent is None else f"{row.seen_percent:.0f}"
    print(
        f"| {row.effect} | {row.embedder} | {row.attack} | {row.frames} | {row.rank1_percent:.1f} "
        f"| {row.low_percent:.1f} to {row.high_percent:.1f} | {grey} | {apart} | {upper} | {above} | {seen} |",
        flush=True,  # an effect takes minutes: show the rows that are ready
    )


def _plot_reid(path: Path, rows: Sequence[reid.Row]) -> None:
    """Per effect and strength, the strongest attack."""
    worst: dict[str, float] = {}
    for row in rows:
        if row.effect == reid.MASKS:
            continue
        worst[row.effect] = max(worst.get(row.effect, 0.0), row.rank1_percent)
    lines: dict[str, list[_chart.Point]] = {}
    for name, percent in worst.items():
        kind, _, options = name.partition(":")
        strength = dict(item.partition("=")[::2] for item in options.split(",")).get("strength")
        if strength is not None and strength.isdigit():
            lines.setdefault(kind, []).append((float(strength), percent, f"{percent:.0f}"))
    for line in lines.values():
        line.sort()
    if not lines:
        raise UsageError("--plot needs effects with a strength, for example --effect pixelate:strength=1")
    ends = min(p[0] for line in lines.values() for p in line), max(p[0] for line in lines.values() for p in line)
    lines["grey fill"] = [(x, worst[reid.CONTROL], "") for x in ends]
    names = {"title": "Recognised again, the strongest attack", "x_name": "strength", "y_name": "rank-1, %"}
    write_chart(path, _chart.draw(lines, **names))


def _usual_effects(ctx: Context, terminal: Terminal) -> list[str]:
    """Every kind as it is by default, and at its weakest where it has a strength."""
    wanted = []
    for kind in parts.kinds("effects"):
        try:
            parts.build("effects", kind, {}, ctx)
        except (StreamerError, ValidationError) as error:
            terminal.say(f"{kind} is left out: {error}")
            continue
        wanted.append(kind)
        if "strength" in parts.options_type("effects", kind).model_fields:
            wanted.append(f"{kind}:strength=1")
    return wanted


def _effect(text: str, ctx: Context, *, weaker: bool) -> Effect:
    """`KIND:key=value,...` -> the effect."""
    kind, _, rest = text.partition(":")
    values = parse_overrides([item for item in rest.split(",") if item])
    options = parts.options_type("effects", kind)
    if unknown := values.keys() - options.model_fields.keys():
        raise UsageError(f"--effect {text}: {kind} has no option {', '.join(sorted(unknown))}")
    try:
        checked = options.model_construct(**values) if weaker else options(**values)
    except ValidationError as error:
        raise UsageError(f"--effect {text}: {error.errors()[0]['msg']}") from None
    made: Effect = parts.build("effects", kind, checked, ctx)
    return made


def _program(text: str, root: Path) -> reid.Target:
    name, equals, folder = text.partition("=")
    if not equals or not Path(folder).is_dir():
        raise UsageError(f"--anonymized {text}: write it as NAME=DIR, with a folder that is there")
    return reid.by_program(name, Path(folder), root)
