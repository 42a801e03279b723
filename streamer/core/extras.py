"""Libraries that only some parts need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from streamer.core import install
from streamer.core.errors import UsageError

__all__ = ["load_extra", "without_torchvision"]

_STAND_INS = (
    "torchvision",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "torchvision.ops",
    "torchvision.ops.boxes",
)


def load_extra(module: str, *, part: str, extra: str) -> ModuleType:
    """Import an optional library.

    part: who needs it, for people. extra: what `scripts/extras` calls it.
    Raises UsageError with the command that installs it when it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
        missing = error.name or module
        raise UsageError(f"{part} needs {missing}, which {reason}; run: {install.optional(extra)}") from error


@contextmanager
def without_torchvision() -> Iterator[None]:
    """Let facenet-pytorch be imported without torchvision, of which it uses two functions.

    torchvision has to be built for the very torch beside it, and the one that package indexes give does not load
    beside a torch for the CPU. So modules with just these two functions stand in for it while the import lasts; after
    it, any other import of torchvision gets the real one.
    """
    before = {name: sys.modules.pop(name) for name in _STAND_INS if name in sys.modules}
    modules = {name: ModuleType(name) for name in _STAND_INS}
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    vars(modules["torchvision.transforms.functional"])["to_tensor"] = _to_tensor
    vars(modules["torchvision.ops.boxes"])["batched_nms"] = _batched_nms
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in _STAND_INS:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def _to_tensor(image: Any) -> Any:
    """(H, W, C) samples -> (C, H, W) tensor; bytes become 0..1, other numbers stay."""
    torch: Any = sys.modules["torch"]
    tensor = torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor


def _batched_nms(boxes: Any, scores: Any, groups: Any, iou_threshold: float) -> Any:
    """Indices of boxes that no better box of the same group overlaps by more than the threshold, best first."""
    torch: Any = sys.modules["torch"]
    corners = boxes.detach().cpu().numpy().astype(np.float64)
    if not len(corners):
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    # Far apart, the boxes of different groups cannot overlap.
    apart = groups.cpu().numpy()[:, None] * (float(np.abs(corners).max()) * 2 + 1)
    as_xywh = np.concatenate([corners[:, :2] + apart, corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(as_xywh.tolist(), scores.detach().cpu().numpy().tolist(), 0.0, iou_threshold)
    return torch.as_tensor(np.asarray(kept, np.int64).reshape(-1), device=boxes.device)
