"""The attacker who trains: a small convolutional network learns on other people to undo an effect. Needs torch.

A U-Net (Ronneberger, Fischer, Brox: MICCAI 2015) of two levels that corrects the guess of the linear map. It is small
enough for two CPU cores and a few minutes; with more data, more weights and a loss that knows faces, others have found
more (docs/privacy.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.embedders import Crop

__all__ = ["NetworkRestorer", "missing"]

_SIDE = 56
_WIDTHS = 24, 48, 96
_EPOCHS = 8
_BATCH = 16
_RATE = 2e-3
_SEED = 0


def missing() -> str:
    """Why no network can be trained here; empty when one can."""
    return "" if find_spec("torch") is not None else "torch is not installed"


class NetworkRestorer:
    """Learned once from crops of other people, (P, P, 3) BGR each and in one order: hidden, guessed by a map, clean."""

    def __init__(
        self, hidden: Sequence[Crop], guessed: Sequence[Crop], clean: Sequence[Crop], *, epochs: int = _EPOCHS
    ) -> None:
        import torch

        torch.manual_seed(_SEED)
        self._net = _network()
        given, truth = _tensor(hidden, guessed), _tensor(clean)
        steps = epochs * -(-len(given) // _BATCH)
        adam = torch.optim.Adam(self._net.parameters(), lr=_RATE)
        pace = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=steps)
        for batch in _batches(len(given), epochs):
            seen, wanted = given[batch], truth[batch]
            if torch.rand(1).item() < 0.5:
                seen, wanted = seen.flip(3), wanted.flip(3)
            loss = (self._guess(seen) - wanted).abs().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            pace.step()

    def restore(self, hidden: Sequence[Crop], guessed: Sequence[Crop]) -> list[Crop]:
        """The attacker's guesses at the clean faces, of the same size."""
        import torch

        with torch.no_grad():
            faces = [self._guess(_tensor(hidden[i : i + 64], guessed[i : i + 64])) for i in range(0, len(hidden), 64)]
        whole = np.clip(torch.cat(faces).permute(0, 2, 3, 1).numpy() * 255, 0, 255).astype(np.uint8)
        return [
            np.asarray(cv2.resize(face, crop.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
            for face, crop in zip(whole, hidden, strict=True)
        ]

    def _guess(self, seen: Any) -> Any:
        """What the map guessed, corrected."""
        return seen[:, 3:6] + self._net(seen)


def _batches(count: int, epochs: int) -> list[NDArray[np.intp]]:
    rng = np.random.default_rng(_SEED)
    orders = [rng.permutation(count) for _ in range(epochs)]
    return [order[i : i + _BATCH] for order in orders for i in range(0, count, _BATCH)]


def _tensor(*crops: Sequence[Crop]) -> Any:
    """(N, 3 * lists, side, side) in [0, 1]."""
    import torch

    small = [
        np.concatenate([cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for crop in row], axis=2)
        for row in zip(*crops, strict=True)
    ]
    return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(0, 3, 1, 2).contiguous()


def _network() -> Any:
    """(N, 6, side, side) -> (N, 3, side, side)."""
    from torch import cat, nn

    def twice(given: int, made: int) -> nn.Sequential:
        layers = [nn.Conv2d(given, made, 3, padding=1), nn.BatchNorm2d(made), nn.LeakyReLU(0.1)]
        return nn.Sequential(*layers, nn.Conv2d(made, made, 3, padding=1), nn.LeakyReLU(0.1))

    fine, middle, coarse = _WIDTHS

    # Without torch, which is optional, its classes have no type for mypy.
    class UNet(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([twice(6, fine), twice(fine, middle), twice(middle, coarse)])
            self.up = nn.ModuleList([twice(coarse + middle, middle), twice(middle + fine, fine)])
            self.shrink, self.grow = nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")
            self.last = nn.Conv2d(fine, 3, 1)

        def forward(self, seen: Any) -> Any:
            a = self.down[0](seen)
            b = self.down[1](self.shrink(a))
            c = self.down[2](self.shrink(b))
            b = self.up[0](cat([self.grow(c), b], 1))
            return self.last(self.up[1](cat([self.grow(b), a], 1)))

    return UNet()
