"""`streamer evaluate recognition | calibrate`: how well embedders tell people apart, and at which thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.cli.evaluate_options import (
    finder_of,
    needed,
    print_missing,
    settings,
    writable,
    write_chart,
    write_json,
)
from streamer.cli.options.evaluate import Calibrate, Recognition
from streamer.cli.terminal import Terminal
from streamer.config import parts
from streamer.core.errors import UsageError
from streamer.embedders import Embedder
from streamer.evaluate import _chart
from streamer.evaluate.calibrate import Calibration, calibrate
from streamer.evaluate.faces import Finder, Sample, census, embedded, embedders, people_in
from streamer.evaluate.pairs import AllPairs, Estimate
from streamer.evaluate.recognition import FolderResult, Operating, PairsResult, judge_folder, judge_pairs, read_pairs

__all__ = ["calibrate_command", "recognition_command"]


def recognition_command(asked: Recognition) -> None:
    """Compare embedders: pairs of pictures, or everybody in a folder of people."""
    if (asked.folder is None) == (asked.pairs is None):
        raise UsageError("name either pairs of pictures with --pairs FILE.csv or a folder of people with --folder DIR")
    writable(asked.json_, asked.plots / "rates.png" if asked.plots is not None else None)
    terminal = Terminal()
    config, ctx = settings(asked.config_file, asked.set_, terminal)
    found = embedders(asked.embedder or parts.kinds("embedders"), ctx, config.embedder)
    rows: list[dict[str, Any]] = []
    results: list[tuple[str, str, PairsResult]] = []
    folders: list[tuple[str, str, FolderResult]] = []
    for kind in asked.detector or [config.detector.kind]:
        finder = finder_of(config, ctx, kind)
        faces = _faces(asked, finder)
        counted = census(faces.samples)
        terminal.say(f"{kind}: {counted}")
        for name, one, why in found:
            row: dict[str, Any] = {"embedder": name, "detector": kind, "pictures": asdict(counted), "missing": why}
            rows.append(row)
            if one is None:
                continue
            terminal.say(f"{kind}, {name}")
            result = faces.judged(one)
            row["result"] = asdict(result)
            if isinstance(result, PairsResult):
                results.append((name, kind, result))
            else:
                folders.append((name, kind, result))
        finder.close()
    _print_pairs(results, [(name, why) for name, one, why in found if one is None])
    _print_folders(folders)
    if asked.pairs is None:
        print_missing(found)
    write_json(asked.json_, rows)
    if asked.plots is not None and folders:
        _plot(asked.plots, folders)


@dataclass(frozen=True, slots=True)
class _Faces:
    """The pictures that one detector found faces in, and which of them are compared."""

    samples: list[Sample]
    pairs: list[tuple[bool, int, int]] | None = None
    """Whether two pictures, as indices of samples, show the same person; None: all are compared with all."""

    def judged(self, embedder: Embedder) -> PairsResult | FolderResult:
        """How well an embedder tells the people in them apart."""
        names = sorted({sample.person for sample in self.samples})
        owner = np.array([names.index(sample.person) for sample in self.samples], np.int64)
        vectors, there = embedded(self.samples, embedder)
        accept = embedder.thresholds.accept
        if self.pairs is not None:
            return judge_pairs(self.pairs, vectors, there, owner, accept)
        return judge_folder(vectors, there, owner, names, accept)


def _faces(asked: Recognition, finder: Finder) -> _Faces:
    """What one detector finds in the pictures that were named."""
    if asked.pairs is None:
        return _Faces(_samples(needed(asked.folder), finder))
    return _faces_of_pairs(asked.pairs, asked.images if asked.images is not None else asked.pairs.parent, finder)


def _faces_of_pairs(table: Path, images: Path, finder: Finder) -> _Faces:
    """The pairs of a table, whose pictures lie in a folder."""
    listed = read_pairs(table, images)
    files = sorted({file for _, *two in listed for file in two})
    at = {file: index for index, file in enumerate(files)}
    samples = [finder.sample(file.parent.name, file) for file in files]
    return _Faces(samples, [(same, at[first], at[second]) for same, first, second in listed])


def calibrate_command(asked: Calibrate) -> None:
    """Propose thresholds for a wanted false-accept rate."""
    folder = needed(asked.folder)
    writable(asked.json_)
    terminal = Terminal()
    config, ctx = settings(asked.config_file, asked.set_, terminal)
    found = embedders(asked.embedder or parts.kinds("embedders"), ctx, config.embedder)
    finder = finder_of(config, ctx)
    samples = _samples(folder, finder)
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
            result = calibrate(AllPairs(*embedded(samples, one), owner), asked.far, margin=one.thresholds.margin)
            row |= {"model": one.model, "result": asdict(result)}
            _print_calibration(one.model, result)
    print_missing(found)
    write_json(asked.json_, rows)


def _samples(folder: Path, finder: Finder) -> list[Sample]:
    return [finder.sample(name, path) for name, paths in people_in(folder).items() for path in paths]


def _print_pairs(results: Sequence[tuple[str, str, PairsResult]], missing: Sequence[tuple[str, str]]) -> None:
    if not results:
        return
    print(
        "| embedder | detector | pairs, same and different | without a face | EER, % | accuracy, cross-validated, % |",
        end="",
    )
    print(" at the calibrated threshold: accuracy | precision | recall | F1 | TAR at FAR 1e-2, 1e-3, % |")
    print("|---" * 11 + "|")
    for name, detector, one in results:
        at = one.calibrated
        tars = ", ".join(f"{100 * one.tar_at_far[key]:.1f}" for key in ("0.01", "0.001"))
        print(
            f"| {name} | {detector} | {one.same}, {one.different} | {one.without_face} | {100 * one.eer:.2f} "
            f"| {100 * one.cross_validated_accuracy:.2f} of {one.cross_validated_pairs} | {at.threshold:.3f}: "
            f"{100 * at.accuracy:.2f} % | {100 * at.precision:.2f} % | {100 * at.recall:.2f} % | {at.f1:.4f} | {tars} |"
        )
    for name, why in missing:
        print(f"| {name} | - | not measured: {why} " + "| - " * 8 + "|")


def _print_folders(results: Sequence[tuple[str, str, FolderResult]]) -> None:
    for name, detector, one in results:
        print(f"{name}, faces by {detector}: {one.same} pairs of one person, {one.different} of two")
        print(
            f"EER {100 * one.eer:.2f} % at {one.eer_threshold:.3f}; closed set {100 * one.closed_set_accuracy:.2f} %\n"
        )
        print("| threshold chosen on | wanted FAR | threshold | FAR there | TAR there |")
        print("|---|---|---|---|---|")
        for chosen, operating in (("everybody", one.whole), ("the other half", one.halves)):
            for row in operating:
                _print_operating(chosen, f"{row.wanted_far:g}", row)
        _print_operating("calibrated", "-", one.calibrated)
        hard = sorted(one.people, key=lambda person: person.f1)[:10]
        print("\n| person | pictures | right | precision, % | recall, % | F1 |")
        print("|---|---|---|---|---|---|")
        for person in (person for person in hard if person.f1 < 1):
            print(
                f"| {person.name} | {person.pictures} | {person.right} | {100 * person.precision:.0f} "
                f"| {100 * person.recall:.0f} | {person.f1:.3f} |"
            )
        perfect = sum(person.f1 == 1 for person in one.people)
        print(
            f"\n{perfect} of {len(one.people)} people with several pictures were always right; these are the worst.\n"
        )


def _print_operating(chosen: str, wanted: str, row: Operating) -> None:
    print(
        f"| {chosen} | {wanted} | {row.threshold:.3f} | {_rate(row.far)} "
        f"| {100 * row.tar.value:.2f} % ({100 * row.tar.low:.2f} to {100 * row.tar.high:.2f}) |"
    )


def _rate(rate: Estimate) -> str:
    return f"{rate.value:.1e} ({rate.low:.1e} to {rate.high:.1e})"


def _print_calibration(model: str, one: Calibration) -> None:
    print(f"{model}: wanted FAR {one.wanted_far:g}; {one.same} pairs of one person, {one.different} of two")
    print(f"  accept {one.accept.value:.3f} (95 % interval {one.accept.low:.3f} to {one.accept.high:.3f})")
    print(f"  reject {one.reject.value:.3f} ({one.reject.low:.3f} to {one.reject.high:.3f})")
    at = one.proposed
    print(f"  proposed: accept={at.accept:.3f} reject={at.reject:.3f} margin={at.margin:.2f}")
    print(f"    FAR {_rate(one.far)}, TAR {100 * one.tar.value:.2f} %")
    print(f"  with all {one.gallery} people in the gallery:")
    for row in one.margins:
        print(
            f"    margin {row.margin:.2f}: accepted as their person {100 * row.right:.1f} %, as somebody else "
            f"{100 * row.wrong:.2f} %; strangers accepted {100 * row.strangers:.2f} %"
        )
    if not one.enough:
        print("  too few pairs of two people for this rate: it takes ten times its inverse at least")


def _plot(folder: Path, results: Sequence[tuple[str, str, FolderResult]]) -> None:
    rates: dict[str, list[_chart.Point]] = {}
    roc: dict[str, list[_chart.Point]] = {}
    for name, detector, one in results:
        label = f"{name} {detector}" if len({kind for _, kind, _ in results}) > 1 else name
        curve = list(zip(*(one.curve[key] for key in ("threshold", "false_accept", "false_reject")), strict=True))
        shown = [point for point in curve if 0 <= point[0] <= 0.8]
        rates[f"FAR {label}"] = [(threshold, 100 * accept, "") for threshold, accept, _ in shown]
        rates[f"FRR {label}"] = [(threshold, 100 * reject, "") for threshold, _, reject in shown]
        roc[label] = [(-np.log10(max(a, 1e-6)), 100 * (1 - r), "") for _, a, r in curve if 1e-6 < a < 1]
    title = "Wrongly accepted (FAR) and rejected (FRR) pairs"
    write_chart(folder / "rates.png", _chart.draw(rates, title=title, x_name="threshold", y_name="%"))
    names = {"x_name": "-log10 of the false-accept rate", "y_name": "true accepts, %"}
    write_chart(folder / "roc.png", _chart.draw(roc, title="True accepts against false ones", **names))
    _, _, first = results[0]
    index = {person.name: number for number, person in enumerate(first.people)}
    counts = np.diag([float(person.right) for person in first.people])
    for true, taken, times in first.confusions:
        if taken in index:
            counts[index[true], index[taken]] += times
    words = {"x_name": "taken for", "y_name": "is"}
    title = f"{results[0][0]}: {len(index)} people, in the order of their names"
    write_chart(folder / "confusion.png", _chart.matrix(counts, title=title, **words))
