"""How well people are recognised behind each effect, as measured. The numbers stand in docs/privacy.md, too.

69 people of Labeled Faces in the Wild, network sface, default mask and strength. A rate is rank-1 in percent: how often
the most similar of all people is the right one; chance is 1.4. The attackers are described in docs/privacy.md. Of each
effect the attack with the largest difference to a grey fill is named.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEASURED", "Measured", "weakness"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The most successful attack on one effect, and the same attack on a grey fill of the same mask."""

    attack: str
    rank1_percent: float
    grey_percent: float


MEASURED: dict[str, Measured] = {
    "bilateral": Measured("gaussian-joint-parrot", 8.1, 1.4),
    "blur": Measured("gaussian-joint-parrot", 4.8, 1.4),
    "box": Measured("gaussian-joint-parrot", 3.9, 1.4),
    "median": Measured("gaussian-joint-parrot", 4.4, 1.4),
    "mosaic_noise": Measured("gaussian-luma", 6.1, 1.4),
    "pixelate": Measured("gaussian-joint-parrot", 17.3, 1.4),
}
"""Effects made of the face that are worse than a grey fill by more than two percentage points under some attacker."""


def weakness(kind: str) -> str:
    """What to know before using an effect; empty when no attacker found more than behind a grey fill."""
    found = MEASURED.get(kind)
    if found is None:
        return ""
    return (
        f"effect {kind} is made of the face: somebody who works for it recognised {found.rank1_percent:g} % of people "
        f"behind it, {found.grey_percent:g} % behind a grey fill; frosted carries no trace of the face"
    )
