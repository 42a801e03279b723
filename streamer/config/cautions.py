"""What settings would show people: refused beyond a bound that was measured, warned about near it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.embedders import EmbedderOptions

__all__ = ["cautions", "refused"]


def refused(sections: Mapping[str, Any]) -> list[str]:
    """One line per setting that is good by itself and not together with others. sections: checked, by their names."""
    embedder, identity = sections["embedder"].options, sections["identity"]
    if not isinstance(embedder, EmbedderOptions) or embedder.bounds is None:  # an embedder of somebody else's
        return []
    most, reject = embedder.bounds.reject_known, embedder.reject
    if identity.who != "known" or reject is None or reject <= most:
        return []
    return [
        f"embedder.reject: must be at most {most:g} for this model with identity.who: known, got {reject:g}: above, "
        f"the people to be hidden are shown; set {most:g} or less, or leave it out"
    ]


def cautions(kind: str, options: object, who: str) -> list[str]:
    """What to know before a run whose recognition is set like this: thresholds looser than measured, or not measured.

    kind, options: of the embedder. who: `identity.who`.
    """
    if not isinstance(options, EmbedderOptions) or options.calibrated is None:
        return []
    usual, found = options.calibrated, []
    if not options.measured:
        found.append(
            f"the thresholds of embedder {kind} are guesses; measure them on people of your own with: streamer "
            "evaluate calibrate --folder DIR"
        )
    if who == "known":  # what lies below the others only hides more people then
        if options.reject is not None and options.reject > usual.reject:
            found.append(_looser(kind, "reject", options.reject, "above", usual.reject))
        return found
    for key in ("accept", "margin", "reject"):
        value, measured = getattr(options, key), getattr(usual, key)
        if value is not None and value < measured:
            found.append(_looser(kind, key, value, "below", measured))
    return found


def _looser(kind: str, key: str, value: float, where: str, measured: float) -> str:
    return (
        f"embedder.{key} ({value:g}) is {where} what was measured for {kind} ({measured:g}): faces may be shown that "
        "should be hidden"
    )
