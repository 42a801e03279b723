"""`privacy: fast | balanced | strict`: one word that moves the defaults of several sections together.

A preset changes defaults only: what is set explicitly beside it counts. `balanced` is the options' own defaults.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from streamer.core.options import PartOptions

__all__ = ["PRESETS", "PRESET_NAMES", "Privacy", "governed", "preset_values"]

Privacy = Literal["fast", "balanced", "strict"]
PRESET_NAMES: tuple[str, ...] = get_args(Privacy)

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Least delay and cost: no waiting for the next detection, so a new face is seen for up to `every - 1` frames.
    "fast": {
        "detect": {"every": 4, "lookahead": False, "second_looks": 2},
        "track": {"keep_s": 0.7, "growth_per_s": 0.6},
        "detector": {"input_px": 800},
    },
    "balanced": {},
    # Every frame that is shown was looked at itself; what may be a face is covered; a scene that has just begun (start,
    # cut, reconnection) is covered whole, because in its first frames nothing is known of those before.
    "strict": {
        "detect": {"every": 1, "second_looks": 12, "max_gap_s": 0.001, "cover_first_s": 0.2, "look_back_s": 0.21},
        "track": {"keep_s": 1.0, "continue_score": 0.15},
        "identity": {"votes": 5, "recheck_s": 0.0},
        "mask": {"margin": 0.3},
        "detector": {"threshold": 0.25, "floor": 0.15, "input_px": 1280, "confirm": False},
    },
}
"""Preset -> section -> key -> default, where it differs from the options' own."""


def preset_values(preset: str, section: str, model: type[PartOptions]) -> dict[str, Any]:
    """The defaults that a preset sets in one section, as far as this model has such keys."""
    return {key: value for key, value in PRESETS[preset].get(section, {}).items() if key in model.model_fields}


def governed(section: str, key: str) -> dict[str, Any]:
    """Preset -> its default for this key, for the presets that have one of their own."""
    return {
        preset: values[section][key]
        for preset, values in PRESETS.items()
        if section in values and key in values[section]
    }
