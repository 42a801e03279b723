"""`streamer evaluate lookalikes`: strangers that one still shows, against own pictures accepted, by size of gallery."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from streamer.cli.evaluate_options import finder_of, needed, print_missing, settings, writable, write_json
from streamer.cli.options.evaluate import Lookalikes
from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.evaluate.faces import census, embedded, embedders, people_in
from streamer.evaluate.lookalikes import Curve, Point, lookalikes

__all__ = ["lookalikes_command"]

_OWN = 0.95


def lookalikes_command(asked: Lookalikes) -> None:
    """Print the strangers shown against own pictures accepted."""
    folder = needed(asked.folder)
    writable(asked.json_)
    terminal = Terminal()
    config, ctx = settings(asked.config_file, asked.set_, terminal)
    found = embedders(asked.embedder or parts.kinds("embedders"), ctx, config.embedder)
    finder = finder_of(config, ctx)
    samples = [finder.sample(name, path) for name, paths in people_in(folder).items() for path in paths]
    counted = census(samples)
    terminal.say(str(counted))
    names = sorted({sample.person for sample in samples})
    owner = np.array([names.index(sample.person) for sample in samples], np.int64)
    rows: list[dict[str, Any]] = []
    for name, one, why in found:
        row: dict[str, Any] = {"embedder": name, "pictures": asdict(counted), "missing": why}
        rows.append(row)
        if one is not None:
            terminal.say(name)
            curves = lookalikes(*embedded(samples, one), owner, one.thresholds)
            row |= {"model": one.model, "curves": [asdict(curve) for curve in curves]}
            _print(one.model, curves, asked.strangers)
    print_missing(found)
    write_json(asked.json_, rows)


def _print(model: str, curves: list[Curve], wanted: float) -> None:
    print(f"{model}: strangers shown by one still (and at most), own pictures accepted\n")
    print("| enrolled | stills of each | threshold | strangers shown | at most | own accepted |")
    print("|---|---|---|---|---|---|")
    for curve in curves:
        for point in curve.points:
            mark = "**" if point == curve.chosen else ""
            print(
                f"| {curve.people} | {curve.stills} | {mark}{point.threshold:.3f}{mark} | {point.strangers:.1e} "
                f"| {point.strangers_most:.1e} | {100 * point.own:.1f} % ({100 * point.own_low:.1f} to "
                f"{100 * point.own_high:.1f}) |"
            )
    print()
    for curve in curves:
        print(f"{curve.people} enrolled from {curve.stills}: {_trade(curve, wanted)}")
        at = curve.still
        print(f"  a picture by itself takes {at.threshold:.3f}: strangers {at.strangers:.1e}, own {_percent(at)}")


def _trade(curve: Curve, wanted: float) -> str:
    """The chosen point, and what the wanted number costs."""
    at = curve.chosen
    text = f"chosen {at.threshold:.3f}: strangers {at.strangers:.1e}, own {100 * at.own:.1f} %"
    sure = next((point for point in curve.points if point.strangers_most <= wanted), None)
    if sure is None:
        return f"{text}; no threshold keeps strangers to {wanted:g} beyond doubt"
    if sure.own >= _OWN:
        return f"{text}; from {sure.threshold:.3f} on strangers are at most {wanted:g}, with own {_percent(sure)}"
    return f"{text}; strangers at most {wanted:g} takes {sure.threshold:.3f}, which leaves own {_percent(sure)}"


def _percent(point: Point) -> str:
    return f"{100 * point.own:.1f} %"
