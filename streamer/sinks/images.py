"""Still pictures: one file, or a folder in which every picture keeps the name it had.

Only pixels are written: no EXIF, no place, no time, no thumbnail.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.anonymize.frame import AnonymizedFrame
from streamer.core.addresses import Claim, written_file
from streamer.core.errors import SinkError, UsageError
from streamer.core.files import PICTURES, check_folder, check_output, make_folder, write_error, write_whole
from streamer.core.options import Context, PartOptions
from streamer.core.picture import Picture
from streamer.sinks import StreamFormat
from streamer.sinks._unattended import Unattended

__all__ = ["ENDINGS", "FORMS", "ImagesSink", "Options", "build", "claims"]

ENDINGS = PICTURES
"""File names' endings that can be written."""
_LARGEST_PX = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
"""Longest side a format can hold."""
_WITH_ALPHA = {".png", ".webp", ".tif", ".tiff"}
_QUALITY_KEY = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
}

FORMS = f"a picture ({' '.join(PICTURES)})"


class Options(PartOptions):
    """Settings of written pictures."""

    path: Path = Field(description=f"a file ({', '.join(ENDINGS)}) for one picture, or a folder for many")
    force: bool = Field(False, description="replace files that exist")
    quality: int = Field(95, ge=1, le=100, description="of JPEG and WebP, higher is better and larger")


class ImagesSink(Unattended):
    """Writes every frame as a picture of its own. Each appears whole under its name, or not at all."""

    live = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self.path = options.path.expanduser().absolute()
        self.mode = 0o666
        """Rights of the files, less what the umask takes away."""
        self.written = 0
        """Pictures written so far."""
        self._folder = False

    def open(self, format: StreamFormat) -> None:
        """Check that there is somewhere to write to. Creates nothing. Raises UsageError naming what to change."""
        if not format.stills:
            raise UsageError(f"output {self.path} takes pictures, but {format.title} is a video; name a video file")
        # A path that ends like a picture is one, unless it is a folder already.
        self._folder = self.path.is_dir() or self.path.suffix.lower() not in ENDINGS
        if not self._folder:
            check_output(self.path, force=self._options.force)
        elif self.path.exists() or self.path.is_symlink():
            check_folder(self.path)
        else:
            check_folder(self.path.parent)

    def write(self, frame: AnonymizedFrame) -> None:
        """Write one picture. Raises SinkError, and UsageError when its file exists and may not be replaced."""
        target = self._target(frame)
        data = self._encoded(frame, target)
        try:
            if self._folder:
                make_folder(target.parent, within=self.path)
            check_output(target, force=self._options.force)
            write_whole(target, data, mode=self.mode, replace=self._options.force)
        except OSError as error:
            raise write_error(target, error) from None
        self.written += 1

    def _target(self, frame: AnonymizedFrame) -> Path:
        """The file for one frame."""
        if not self._folder:
            if self.written:
                raise SinkError(f"output {self.path} is one picture, but more came; name a folder")
            return self.path
        name = PurePosixPath(frame.name or f"{frame.seq:06d}.png")
        if name.is_absolute() or ".." in name.parts:
            raise SinkError(f"a picture called {name} would lie outside {self.path}")
        if name.suffix.lower() not in ENDINGS:
            name = name.with_name(f"{name.name}.png")
        return self.path / name

    def _encoded(self, frame: AnonymizedFrame, target: Path) -> bytes:
        """The frame as a file's content, in the format of the target's ending."""
        ending = target.suffix.lower()
        size = frame.image.size
        if max(size) > _LARGEST_PX.get(ending, max(size)):
            raise SinkError(f"{target}: {ending} holds at most {_LARGEST_PX[ending]} pixels a side, not {max(size)}")
        # Each format only its own key: OpenCV warns on stderr about every other one.
        settings = [_QUALITY_KEY[ending], self._options.quality] if ending in _QUALITY_KEY else []
        try:
            done, data = cv2.imencode(ending, _samples(frame.image, ending), settings)
        except cv2.error:
            done = False
        if not done:
            raise SinkError(f"{target}: cannot encode {size[0]}x{size[1]} pixels as {ending}")
        return data.tobytes()


def _samples(picture: Picture, ending: str) -> NDArray[np.uint8]:
    """(H, W, 3) BGR, or BGRA of a picture with transparency; on white in formats that have none."""
    if picture.alpha is not None and ending in _WITH_ALPHA:
        return np.dstack([picture.bgr(), picture.alpha])
    return picture.laid_on(255).bgr()


def claims(text: str) -> Claim | None:
    """Names of pictures."""
    return written_file(text, PICTURES)


def build(options: Options, ctx: Context) -> ImagesSink:
    """Make the sink."""
    return ImagesSink(options)
