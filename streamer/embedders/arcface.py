"""ArcFace (Deng, Guo, Xue, Zafeiriou: "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019):
the recogniser of a pack of the insightface package, or any ONNX file that takes faces the same way.

The weights of InsightFace's packs are for non-commercial research only, which has to be accepted.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from pydantic import Field

from streamer.core.errors import ModelError, UsageError
from streamer.core.extras import load_extra
from streamer.core.options import Context
from streamer.embedders import Bounds, Embedder, EmbedderOptions, Thresholds
from streamer.embedders._onnx import Input, open_embedder
from streamer.inference.devices import Runtime

RUNTIME: Runtime = "onnxruntime"
_PACKS = Path("~/.insightface/models")
"""Where the insightface package keeps its packs."""
_NOT_RECOGNISERS = ("det_", "scrfd", "1k3d", "2d106", "genderage")
"""How a pack's other files are called."""
_UNCALIBRATED = Thresholds(accept=0.45, reject=0.15, margin=0.05, lift=0.02, per_tenfold=0.05)
"""Not measured: which file comes is not known. Strict on the side of accepting; `streamer evaluate calibrate` computes
thresholds for the file at hand."""
_BOUNDS = Bounds(accept=0.30, margin=0.03, reject=0.05, reject_known=0.20)
"""Guesses, too: far apart, because files differ."""


class Options(EmbedderOptions):
    """Settings of ArcFace."""

    calibrated = _UNCALIBRATED
    bounds = _BOUNDS
    measured = False

    path: Path | None = Field(None, description="an ArcFace graph (.onnx) for aligned faces of 112 x 112 pixels")
    pack: str | None = Field(
        None,
        pattern=r"^\w[\w.-]*$",
        description="the recogniser in this pack of the insightface package, for example buffalo_l",
    )
    accept_licence: bool = Field(
        False, description="true: the use is non-commercial research, the only one InsightFace's packs are free for"
    )
    mean: float = Field(127.5, ge=0, le=255, description="taken from every sample, 0 to 255")
    std: float = Field(127.5, gt=0, le=255, description="by which every sample is divided then")
    rgb: bool = Field(True, description="red first; false: blue first")


def build(options: Options, ctx: Context) -> Embedder:
    """Load the model. Raises ModelError when it cannot be had or is not licensed, DeviceError without the device."""
    if (options.path is None) == (options.pack is None):
        raise UsageError("embedder 'arcface' needs a file of weights: set either embedder.path or embedder.pack")
    if options.pack is not None and not options.accept_licence:
        raise ModelError(
            f"InsightFace's pack {options.pack} is for non-commercial research only; if that is your use, set "
            "embedder.accept_licence=true, otherwise take another embedder, or weights of your own with embedder.path"
        )
    path = options.path.expanduser() if options.path is not None else _in_pack(str(options.pack))
    usual = (options.rgb, options.mean, options.std) == (True, 127.5, 127.5)
    unusual = "" if usual else f"rgb={options.rgb} mean={options.mean} std={options.std}"
    wanted = Input(rgb=options.rgb, mean=options.mean, scale=1 / options.std, unusual=unusual)
    return open_embedder(path, "arcface", wanted, _UNCALIBRATED, options, ctx)


def _in_pack(name: str) -> Path:
    """The recogniser's file in one of insightface's packs; the package fetches a pack that is not there.

    Raises UsageError when the package is missing and needed, ModelError when the pack cannot be had.
    """
    folder = _PACKS.expanduser() / name
    if not folder.is_dir():
        storage = load_extra("insightface.utils.storage", part="embedder 'arcface'", extra="insightface")
        try:
            with redirect_stdout(StringIO()):  # it tells where it downloads to, where results belong
                folder = Path(storage.ensure_available("models", name, root=str(_PACKS.expanduser().parent)))
        except Exception as error:  # requests', zipfile's and its own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(
                f"insightface could not fetch its pack {name}: {reason}; unpack it into {folder}"
            ) from None
    files = sorted(path for path in folder.rglob("*.onnx") if not path.name.startswith(_NOT_RECOGNISERS))
    if len(files) != 1:
        raise ModelError(f"{folder} holds {len(files)} recognisers (*.onnx); name one with embedder.path")
    return files[0]
