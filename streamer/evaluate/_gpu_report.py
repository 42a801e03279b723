"""The results of `streamer.evaluate.gpu` as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamer.inference.devices import parse

__all__ = ["markdown"]


def markdown(found: Mapping[str, Any]) -> str:
    """The page: where it ran, the proof, the same boxes, the times."""
    return "\n".join([*_head(found), *_proof(found["proof"]), *_boxes(found), *_times(found), *_streams(found), ""])


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Check of the device `{found['device']}`, {found['date']}"
    yield ""
    if parse(found["device"]).kind == "cpu":
        yield "**Nothing here was run on a graphics card.** It is the same program with the device `cpu`, to show that"
        yield "it works; `scripts/gpu_check` on a machine with an NVIDIA card gives the other half. Faces are"
        yield "compared with those of the same session here, which shows only that the comparison works."
        yield ""
    card = found["card"]
    yield "Made by `scripts/gpu_check`. " + (
        "The device does the work and finds the same faces as the CPU." if found["good"] else "**Not as it should be.**"
    )
    yield ""
    if card:
        name, driver, memory = (card.get(key, "?") for key in ("name", "driver_version", "memory.total"))
        yield f"- card: {name}, {memory} MiB, driver {driver}"
    yield f"- machine: {found['machine']}, {found['cores']} cores, Python {found['python']}"
    if found["load"] is not None and found["load"] > found["cores"]:
        yield f"- **busy with other things**: {found['load']} processes wanted its cores; the times say little"
    yield f"- packages: {', '.join(f'{name} {version}' for name, version in found['packages'].items())}"


def _proof(proof: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Where YuNet runs", "")
    yield f"- providers of the session: {', '.join(proof['providers'])}"
    operators = ", ".join(f"{number} on {name}" for name, number in proof["operators"].items())
    yield f"- operators: {operators or 'not told by this ONNX Runtime'}"
    profiled = ", ".join(f"{number} by {name}" for name, number in proof["profiled"].items())
    yield f"- operators run, by the profile of five runs: {profiled or 'none'}"
    if "memory_mib" in proof:
        memory, load = proof["memory_mib"], proof["load_percent"]
        yield f"- the card's memory: {memory['before']} MiB before, at most {memory['most']} MiB while it ran"
        yield f"- the card's load while it ran: at most {load['most']} %, {load['samples']} samples"
    yield f"- {'proven' if proof['proven'] else 'NOT PROVEN: ' + '; '.join(proof['because'])}"


def _boxes(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## The same faces as on the CPU, in {found['pictures']} pictures", "")
    yield "| detector | faces, both sides | without a partner | least overlap | largest difference of scores |"
    yield "|---|---|---|---|---|"
    for row in found["boxes"]:
        yield (
            f"| {row['detector']} | {row['faces']} | {row['without_partner']} | {row['least_iou']} | "
            f"{row['largest_score_difference']} |"
        )


def _times(found: Mapping[str, Any]) -> Iterator[str]:
    devices = list(dict.fromkeys((found["device"], "cpu")))
    yield from ("", "## Milliseconds per 1280x720 picture, input 960", "")
    yield "The network alone / the whole detector with its second, small look; one CPU thread."
    yield ""
    faster = " times faster |" if len(devices) > 1 else ""
    yield f"| detector | batch | {' | '.join(devices)} |{faster}"
    yield f"|---|---|{'---|' * len(devices)}{'---|' if faster else ''}"
    for row in found["times"]:
        cells = [f"{row[device]['network_ms']:.2f} / {row[device]['detector_ms']:.2f}" for device in devices]
        if faster:
            ratios = (row["cpu"][key] / row[devices[0]][key] for key in ("network_ms", "detector_ms"))
            cells.append(" / ".join(f"{ratio:.1f}" for ratio in ratios))
        yield f"| {row['detector']} | {row['batch']} | {' | '.join(cells)} |"
    if "options" in found:
        yield from ("", "YuNet alone with options that are off at the defaults:", "", "| option | batch | ms |")
        yield "|---|---|---|"
        for row in found["options"]:
            yield f"| {row['variant']} | {row['batch']} | {row.get('ms', row.get('failed'))} |"


def _streams(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Whole streams: the drawn scene at 1280x720 from a file, painted, to nowhere", "")
    yield "| device | settings | frames/s | detector ms per pass |"
    yield "|---|---|---|---|"
    for row in found["streams"]:
        settings = ", ".join(f"{key}={value}" for key, value in row["settings"].items()) or "defaults"
        yield f"| {row['device']} | {settings} | {row['fps']:.1f} | {row['pass_ms']:.2f} |"
