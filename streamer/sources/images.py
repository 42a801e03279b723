"""Pictures: one file, or every picture in a folder. Each stands by itself.

Pixels are all that is taken from a file. The turn that EXIF asks for is carried out; EXIF itself, with place, time and
thumbnail, stays behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.core.addresses import Claim, existing_file
from streamer.core.bounded import read_at_most
from streamer.core.decoding import LARGEST_BYTES, announced, decoded
from streamer.core.errors import InputError
from streamer.core.files import PICTURES
from streamer.core.options import Context, PartOptions
from streamer.core.picture import Picture
from streamer.core.types import Captured, SourceInfo
from streamer.sources import Source

__all__ = ["ENDINGS", "FORMS", "ImagesSource", "Options", "build", "claims", "picture_of"]

ENDINGS = PICTURES
"""File names' endings that are taken for pictures in a folder."""

FORMS = "a picture, a folder of pictures or videos"


class Options(PartOptions):
    """Settings of the images source."""

    path: Path = Field(description="a picture, or a folder of pictures")
    recursive: bool = Field(True, description="look into the folders inside the folder, too")


def claims(text: str) -> Claim | None:
    """Single pictures. Folders hold videos, too, and are taken apart before."""
    path = existing_file(text)
    if path is None or path.suffix.lower() not in PICTURES:
        return None
    return Claim({"path": str(path)}, str(path))


def build(options: Options, ctx: Context) -> Source:
    """List the pictures and decode the first. Raises InputError when there is none that can be decoded."""
    path = options.path.expanduser()
    try:
        if path.is_dir():
            files = sorted(_pictures(path, recursive=options.recursive), key=_natural)
            if not files:
                raise InputError(f"folder {path} holds no pictures ({' '.join(ENDINGS)})")
            return ImagesSource(path, path, files)
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file")
    except PermissionError:
        raise InputError(f"{path} may not be read; check its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise InputError(f"{path} cannot be opened: {error}") from None
    return ImagesSource(path, path.parent, [path])


def _pictures(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Pictures in a folder. Hidden names are left out, and links to folders, which may lead round in a circle."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if recursive and not path.is_symlink() and os.access(path, os.R_OK | os.X_OK):
                yield from _pictures(path, recursive=True)
        elif path.suffix.lower() in ENDINGS and path.is_file():
            yield path


def _natural(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    """Sorts 2 before 10, folder by folder, small letters beside capitals."""
    parts = [re.split(r"(\d+)", part.casefold()) for part in path.parts]
    return [[(int(word), "") if word.isdecimal() else (-1, word) for word in words] for words in parts], str(path)


class ImagesSource:
    """The source. See `Source` for the contract. A picture that cannot be read is left out, with a warning."""

    def __init__(self, path: Path, root: Path, files: list[Path]) -> None:
        self.warnings: list[str] = []
        self._root = root
        self._files = iter(files)
        self._ended = False
        self._first = self._next()
        if self._first is None:
            reason = self.warnings[0]
            more = f", nor can the {len(files) - 1} others in the folder" if len(files) > 1 else ""
            raise InputError(reason + more)
        self.info = SourceInfo(
            name=path.name or str(path),
            width=self._first.image.width,
            height=self._first.image.height,
            live=False,
            frames=len(files),
            stills=True,
            detail="pictures",
        )

    def read(self) -> Captured | None:
        """The next picture; None when all have been read."""
        if self._ended:
            return None
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return self._next()

    def close(self) -> None:
        """Nothing stays open between pictures."""
        self._ended = True

    def _next(self) -> Captured | None:
        for file in self._files:
            picture = self._decoded(file)
            if picture is not None:
                return Captured(None, picture, file.relative_to(self._root).as_posix())
        return None

    def _decoded(self, file: Path) -> Picture | None:
        """The picture as 8-bit blue, green, red; None, with a warning, when it cannot be had."""
        try:
            data = read_at_most(file, LARGEST_BYTES)
        except OSError as error:
            self.warnings.append(f"{file} cannot be read: {error.strerror or error}")
            return None
        try:
            picture, pages = picture_of(data)
        except ValueError as error:
            self.warnings.append(f"{file} {error}")
            return None
        if pages > 1:
            self.warnings.append(f"{file} holds {pages} pictures; only the first is taken")
        return picture


def picture_of(data: bytes) -> tuple[Picture, int]:
    """The picture in a file's bytes, upright, and how many there are in it. Raises ValueError, in words."""
    if not data:
        raise ValueError("is empty (0 bytes)")
    found, image = announced(data), _color(data)
    if image is None:
        raise ValueError("is not a picture that can be read, or it is damaged")
    picture = Picture.from_bgra(image) if image.shape[2] == 4 else Picture.from_bgr(image, format="bgrp")
    return picture, found.pages


def _color(data: bytes) -> NDArray[np.uint8] | None:
    """An upright picture as 8-bit (H, W, 3) BGR, with transparency (H, W, 4) BGRA; None when it cannot be decoded.

    Raises ValueError, in words, for what is not decoded at all.
    """
    bgr = decoded(data, cv2.IMREAD_COLOR)
    if bgr is None:
        return None
    stored = decoded(data, cv2.IMREAD_UNCHANGED) if announced(data).format != "jpeg" else None
    image = np.asarray(bgr, np.uint8)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return image
    opacity = _opacity(stored, image)
    return None if opacity is None else np.dstack([image, opacity])


def _opacity(stored: NDArray[Any], upright: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The opacity of a stored picture, turned as its upright decoding was; None when that cannot be told."""
    if stored.dtype == np.uint16:
        stored = (stored >> 8).astype(np.uint8)
    turned = np.asarray(stored, np.uint8)
    # OpenCV turns by EXIF only what it decodes in colour; which turn it took is seen from the colours.
    for mirrored in (turned, turned[:, ::-1]):
        for turns in range(4):
            candidate = np.rot90(mirrored, turns)
            if candidate.shape[:2] == upright.shape[:2]:
                # Where 16 bits became 8, the two decodings may round differently.
                apart = cv2.absdiff(np.ascontiguousarray(candidate[:, :, :3]), upright)
                if int(apart.max()) <= 1:
                    return np.ascontiguousarray(candidate[:, :, 3])
    return None
