"""Who the drawn people are: colours, hair and proportions, chosen by a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamer.drawn.paint import Rgb

__all__ = ["Look", "look"]

Style = Literal["short", "long", "bob", "shaved", "curly"]


def _colors(text: str) -> tuple[Rgb, ...]:
    """Colours written as hexadecimal RRGGBB."""
    return tuple((int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)) for word in text.split())


_SKINS = _colors("f6d6be eec6a8 e5b894 d6a37a c48e65 aa7450 8b5c3f 6c4630 543627")
_HAIRS = _colors("181413 30211a 543724 7e5430 c49a5c 80381e a8a4a0")
_EYES = _colors("3e281a 5c3e22 465c3a 4e6e8c 3a3430")
_CLOTHES = _colors("b03430 2c4e7a e2b23c 3a6c54 784a7a dad6cc 40424a cc6e3e 5c96b2 963c58")
_TROUSERS = _colors("303a54 24242a 706452 4a5246 5c606c")
_DARK_SKIN = 360
"""Sum of red, green and blue below which hair and eyes are chosen among the dark ones."""
_STYLES: tuple[tuple[Style, ...], tuple[Style, ...]] = (("short", "shaved", "curly"), ("long", "bob", "long", "curly"))


@dataclass(frozen=True, slots=True)
class Look:
    """What a drawn person looks like. Colours are red, green, blue in 0..255, lengths in heights of the face."""

    seed: int
    skin: Rgb
    hair: Rgb
    eyes: Rgb
    top: Rgb
    bottom: Rgb
    style: Style
    beard: float
    """0 none, to 1 full."""
    glasses: bool
    jaw: float
    """How much the face narrows towards the chin."""
    mouth: float
    """Half the width of the mouth."""
    nose: float
    """Half the width of the nose."""
    brow: float
    """Thickness of the brows."""
    eye_gap: float
    """From the middle of the face to the middle of an eye."""
    smile: float
    """0 none, to 1."""


def look(seed: int) -> Look:
    """The person of this number; the same number gives the same person."""
    rng = np.random.default_rng((seed, 7919))

    def pick(colors: tuple[Rgb, ...]) -> Rgb:
        return colors[int(rng.integers(len(colors)))]

    skin = pick(_SKINS)
    dark = sum(skin) < _DARK_SKIN
    bearded = bool(rng.integers(2))
    styles = _STYLES[0 if bearded else 1]
    return Look(
        seed=seed,
        skin=skin,
        hair=pick(_HAIRS[:3] if dark else _HAIRS),
        eyes=pick(_EYES[:2] if dark else _EYES),
        top=pick(_CLOTHES),
        bottom=pick(_TROUSERS),
        style=styles[int(rng.integers(len(styles)))],
        beard=(0.0, 0.0, 0.45, 1.0)[int(rng.integers(4))] if bearded else 0.0,
        glasses=bool(rng.random() < 0.25),
        jaw=float(rng.uniform(0.14, 0.24) if bearded else rng.uniform(0.22, 0.32)),
        mouth=float(rng.uniform(0.125, 0.15)),
        nose=float(rng.uniform(0.062, 0.085)),
        brow=float(rng.uniform(0.022, 0.034) if bearded else rng.uniform(0.014, 0.022)),
        eye_gap=float(rng.uniform(0.165, 0.185)),
        smile=float(rng.uniform(0.0, 1.0)),
    )
