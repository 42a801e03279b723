"""SCRFD, InsightFace's detector (Guo, Deng, Lattas, Zafeiriou: "Sample and Computation Redistribution for Efficient
Face Detection", ICLR 2022). Anchor points on a grid per stride, distances from the point to the four sides in strides,
optionally five landmarks.

The weights of InsightFace's packs are for non-commercial research only, which has to be accepted.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from streamer.core.errors import ModelError
from streamer.core.extras import load_extra
from streamer.core.options import Context
from streamer.detectors import Detector, Scores
from streamer.detectors._onnx import Array, Faces, Input, OnnxDetector, OnnxOptions, cells, loaded
from streamer.detectors._views import in_views
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"
_PACKS = Path("~/.insightface/models")
"""Where the insightface package keeps its packs."""
SCORES = {"det_500m": Scores(sure=0.4, again=0.3), "det_2.5g": Scores(sure=0.4, again=0.25)}
"""By model; measured, see docs/benchmarks/detector_scores.md."""
_LAYOUTS = {6: (3, 2), 9: (3, 2), 10: (5, 1), 15: (5, 1)}
"""Number of outputs -> number of strides (8, 16, 32, 64, 128), anchors per cell; a multiple of three has landmarks."""


class Options(OnnxOptions):
    """Settings of SCRFD."""

    model: Literal["det_500m", "det_2.5g", "det_10g"] = Field(
        "det_500m", description="InsightFace's detector of the packs buffalo_s and _sc, buffalo_m, buffalo_l"
    )
    accept_licence: bool = Field(
        False, description="true: the use is non-commercial research, the only one InsightFace's weights are free for"
    )
    pack: str | None = Field(
        None,
        pattern=r"^\w[\w.-]*$",
        description="instead of `model`: the detector in this pack of the insightface package, for example buffalo_l",
    )
    path: Path | None = Field(None, description="instead of `model`: an SCRFD graph of your own (.onnx)")

    @property
    def needed_px(self) -> int:
        """See `DetectorOptions.needed_px`: measured, see docs/detectors.md."""
        return 18


def build(options: Options, ctx: Context) -> Detector:
    """Load the model. Raises ModelError when it cannot be had or is not licensed, DeviceError without the device."""
    name = options.pack or options.model
    if options.path is None and not (options.accept_licence or ctx.accepted(name)):
        raise ModelError(
            f"InsightFace's model {name} is for non-commercial research only; if that is your use, say so once with "
            "--accept-licence or detector.accept_licence=true, otherwise take another detector or name weights of your "
            "own in detector.path"
        )
    if options.path is not None:
        path = options.path.expanduser()
    elif options.pack is not None:
        path = _in_pack(options.pack)
    else:
        path = ctx.model(options.model)
    runtime = loaded(path, ctx, options)
    names = tuple(output.name for output in runtime.get_outputs())
    if len(names) not in _LAYOUTS:
        raise ModelError(f"{path} is no SCRFD graph: it has {len(names)} outputs")
    scores = SCORES.get(options.model) if options.path is None and options.pack is None else None
    return in_views(OnnxDetector(runtime, ScrfdHead(names), options, scores), options)


def _in_pack(name: str) -> Path:
    """The detector's file in one of insightface's packs; the package fetches a pack that is not there.

    Raises UsageError when the package is missing and needed, ModelError when the pack cannot be had.
    """
    folder = _PACKS.expanduser() / name
    if not folder.is_dir():
        storage = load_extra("insightface.utils.storage", part="detector 'scrfd'", extra="insightface")
        try:
            with redirect_stdout(StringIO()):  # it tells where it downloads to, where results belong
                folder = Path(storage.ensure_available("models", name, root=str(_PACKS.parent)))
        except Exception as error:  # requests', zipfile's and its own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(
                f"insightface could not fetch its pack {name}: {reason}; unpack it into {folder}"
            ) from None
    if (folder / "manifest.json").exists():
        raise ModelError(
            f"pack {name} says in its manifest.json how its models want their pictures, which is not known here; name "
            "another pack, or an SCRFD graph in detector.path"
        )
    files = sorted(path for path in folder.rglob("*.onnx") if path.name.startswith(("det_", "scrfd")))
    if not files:
        raise ModelError(f"{folder} holds no detector (det_*.onnx); remove it, so that insightface fetches it again")
    return files[0]


class ScrfdHead:
    """What is special about SCRFD. See `Head`."""

    name = "SCRFD"
    nms_iou = 0.4
    near_px = 256

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self.outputs = outputs
        levels, self._anchors = _LAYOUTS[len(outputs)]
        self._strides = [8 << level for level in range(levels)]
        # InsightFace pads with black before it scales.
        mean, scale = 127.5, 1 / 128
        self.input = Input(True, (mean, mean, mean), scale, -mean * scale, self._strides[-1])

    def split(self, outputs: list[Array], batch: int) -> list[list[Array]]:
        """Most graphs lay all pictures of a batch side by side into every cell; some keep a dimension for them."""
        each = [
            output
            if output.ndim == 3
            else output.reshape(-1, batch, self._anchors, output.shape[-1])
            .swapaxes(0, 1)
            .reshape(batch, -1, output.shape[-1])
            for output in outputs
        ]
        return [[output[number] for output in each] for number in range(batch)]

    def decode(self, outputs: list[Array], size: tuple[int, int], floor: float) -> Faces:
        """See `Head.decode`."""
        found: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
        for level, stride in enumerate(self._strides):
            classes, distances, *points = outputs[level :: len(self._strides)]
            chosen = np.flatnonzero(~(classes[:, 0] < floor))  # keeps what is no number, which `>=` would drop
            anchor = cells(size, stride)[chosen // self._anchors] * stride
            distance = distances[chosen] * stride
            found[0].append(classes[chosen, 0])
            found[1].append(np.concatenate([anchor - distance[:, :2], anchor + distance[:, 2:]], axis=1))
            found[2].extend(anchor[:, None] + each[chosen].reshape(-1, 5, 2) * stride for each in points)
        scores, boxes = np.concatenate(found[0]), np.concatenate(found[1])
        return Faces(scores, boxes, np.concatenate(found[2]) if found[2] else None)
