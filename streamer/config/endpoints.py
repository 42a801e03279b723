"""What a person wrote for input and output -> which part, with which address. Looks at the disk, opens nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.config import parts
from streamer.core.addresses import SCHEME, VIDEOS, Claim
from streamer.core.errors import InputError, UsageError
from streamer.core.files import PICTURES, check_folder, check_output

__all__ = [
    "Endpoint",
    "Job",
    "default_output",
    "files_in",
    "jobs",
    "names_path",
    "parse_input",
    "parse_output",
]

_SEARCHED: tuple[str, ...] = (
    *VIDEOS,
    ".m4v",
    ".mpg",
    ".mpeg",
    ".ts",
    ".m2ts",
    ".mts",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
    ".gif",
)
_SEARCHED += (".mjpeg", ".h264", ".264", ".h265", ".265", ".hevc", ".y4m", ".vob", ".mxf")
"""Endings that are taken for videos when a folder is searched."""

_LONGEST_ADDRESS = 4096
_PATHS = ("images", "file")
"""Kinds that are asked last: a path may be called like anything else."""


def _inputs() -> str:
    *others, last = parts.forms("sources", first=("camera", "rtsp", "file", "images"), last=("demo",))
    return f"{', '.join(others)}, or {last}"


def _outputs() -> str:
    known = parts.forms("sinks", first=("window", "virtual_camera", "null"), last=("file", "images"))
    return f"{', '.join(known)}, or a folder"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a stream: the part that serves it, and the address in that part's own option names."""

    kind: str
    """File name of the part in `sources` or `sinks`; `folder` for a folder of videos, which `jobs()` takes apart."""
    options: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    """For people, without credentials."""
    folder: Path | None = None
    """The output folder in which the file is to lie, with folders between that may be yet to be made."""

    @property
    def path(self) -> Path | None:
        """The file or folder it is about; None when it is none."""
        return Path(self.options["path"]) if "path" in self.options else None

    @property
    def stills(self) -> bool:
        """True for pictures that stand by themselves."""
        return self.kind == "images"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the pipeline: one source, its sinks."""

    source: Endpoint
    sinks: tuple[Endpoint, ...]


# -- input --------------------------------------------------------------------------------------------------------


def parse_input(text: str) -> Endpoint:
    """Which source an input names.

    Raises InputError when a path leads to nothing that could be opened, UsageError for an unknown scheme.
    """
    if not text.strip():
        raise UsageError(f"the input is empty; it may be {_inputs()}")
    if len(text) > _LONGEST_ADDRESS:
        raise UsageError(f"the input has {len(text):,} characters; an address has at most {_LONGEST_ADDRESS:,}")
    try:
        if (claim := parts.claimed("sources", text, last=_PATHS)) is not None:
            return _claimed(*claim)
        if scheme := SCHEME.match(text):
            raise UsageError(f"input scheme {scheme[1]}:// is not known; an input may be {_inputs()}")
        return _folder_input(Path(text).expanduser())
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte in the name; a home that nobody has
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"input {text!r} cannot be read: {reason}") from None


def _claimed(kind: str, claim: Claim) -> Endpoint:
    return Endpoint(kind, claim.options, claim.text)


def _folder_input(path: Path) -> Endpoint:
    if not path.exists():
        raise InputError(f"input {path} does not exist; an input may be {_inputs()}")
    pictures, videos = _holds(path, PICTURES), _holds(path, _SEARCHED)
    if not pictures and not videos:
        raise InputError(f"input folder {path} holds no pictures and no videos")
    return Endpoint("folder" if videos else "images", {"path": str(path)}, str(path))


def _holds(folder: Path, endings: Sequence[str]) -> bool:
    return next(files_in(folder, endings), None) is not None


def files_in(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """Files below a folder with one of these endings, in order of their names; hidden ones are left out."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():  # a link may lead round in a circle
            yield from files_in(path, endings)
        elif path.suffix.lower() in endings and path.is_file():
            yield path


# -- output -------------------------------------------------------------------------------------------------------


def parse_output(text: str, *, source: Endpoint, force: bool = False, batch: bool = False) -> Endpoint:
    """Which sink an output names, for this input; a `folder` keeps the names of what is put into it.

    force: existing files may be replaced. batch: a folder may be yet to be made.
    Raises UsageError naming the output and what there is.
    """
    if len(text) > _LONGEST_ADDRESS:
        raise UsageError(f"the output has {len(text):,} characters; an address has at most {_LONGEST_ADDRESS:,}")
    try:
        claim = parts.claimed("sinks", text)
        Path(text).expanduser()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"output {text!r} cannot be used: {error}") from None
    if claim is not None and "path" not in claim[1].options:
        sink = _claimed(*claim)
        if source.kind == "camera" and sink.options.get("device") == _device_path(source):
            raise UsageError(f"output {text} is the input itself; choose another device")
        return sink
    if scheme := SCHEME.match(text):
        raise UsageError(f"output scheme {scheme[1]}:// is not known; an output may be {_outputs()}")
    if not text.strip():
        raise UsageError(f"the output is empty; it may be {_outputs()}")
    return _path_output(text, source, force, batch)


def names_path(text: str) -> bool:
    """Whether an output can be a file or folder: it is not empty, and neither a scheme nor claimed as anything else."""
    claim = parts.claimed("sinks", text)
    return bool(text.strip()) and not SCHEME.match(text) and (claim is None or "path" in claim[1].options)


def default_output(source: Endpoint) -> str:
    """Where the result goes when nobody says: beside the input, or for the demo into the current folder.

    Raises UsageError for cameras and streams, which have no name to go by.
    """
    path = source.path
    if source.kind == "demo":
        return "demo_anonymized.mp4"
    if path is None:
        raise UsageError(f"there is no display for a window, so {source.text} needs an output: -o FILE.mp4")
    path = path.resolve() if path.name in ("", "..") else path
    if source.kind == "folder" or path.is_dir():
        return f"{path.with_name(f'{path.name}_anonymized')}{os.sep}"
    return str(path.with_name(f"{path.stem}_anonymized{_writable_ending(path, source)}"))


def _writable_ending(path: Path, source: Endpoint) -> str:
    ending = path.suffix.lower()
    return ending if source.stills or ending in VIDEOS else ".mp4"


def _device_path(camera: Endpoint) -> str:
    device = str(camera.options["device"])
    return f"/dev/video{device}" if device.isdecimal() else device


def _path_output(text: str, source: Endpoint, force: bool, batch: bool) -> Endpoint:
    path, ending = Path(text).expanduser(), Path(text).suffix.lower()
    of_folder = source.kind == "folder" or (source.path is not None and source.path.is_dir())
    try:
        if of_folder or path.is_dir() or text.endswith(os.sep):
            return _folder_output(text, path, source, of_folder, force, batch)
        claim = parts.claimed("sinks", text)
        if claim is None:
            what = f"its ending {ending!r} is not known" if ending else "it has no ending and is no folder"
            raise UsageError(f"output {text}: {what}; an output may be {_outputs()}")
        kind = claim[0]
        if (kind == "images") != source.stills:
            asked, wanted = ("pictures", "a picture") if source.stills else ("a video", "a video")
            raise UsageError(f"output {text} does not fit: {source.text} gives {asked}, so name {wanted} or a folder")
        _refuse_input(text, path, source)
        check_output(path.absolute(), force=force)
    except OSError as error:
        raise UsageError(f"output {text} cannot be used: {error.strerror or error}") from None
    return Endpoint(kind, {"path": str(path), "force": force}, text)


def _folder_output(text: str, path: Path, source: Endpoint, of_folder: bool, force: bool, batch: bool) -> Endpoint:
    """A folder: it takes a folder's files under their own names, or one file under its own."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"output {text} is a file, but {source.text} is a folder; name a folder")
    if of_folder and path.suffix.lower() in VIDEOS + PICTURES and not path.is_dir():
        raise UsageError(f"output {text} names a file, but {source.text} is a folder; name a folder")
    yet_to_be_made = of_folder or source.stills or (batch and not path.exists())
    check_folder(path.absolute().parent if yet_to_be_made else path)
    origin = source.path
    if origin is None:
        raise UsageError(f"output {text} is a folder, but {source.text} has no file name; name a file in the folder")
    if not of_folder and not source.stills:
        file = path / f"{origin.stem}{_writable_ending(origin, source)}"
        _refuse_input(str(file), file, source)
        if path.exists():
            check_output(file.absolute(), force=force)
        return Endpoint("file", {"path": str(file), "force": force}, str(file), path)
    _refuse_input(text, path if of_folder else path / origin.name, source)
    if source.stills and not force:
        _refuse_existing(text, path, origin)
    return Endpoint("folder" if source.kind == "folder" else "images", {"path": str(path), "force": force}, text)


def _refuse_input(text: str, path: Path, source: Endpoint) -> None:
    """Nothing may be written over the input, or into a folder that is being read."""
    origin = source.path
    if origin is None:
        return
    if _same(path, origin):
        raise UsageError(f"output {text} is the input itself; choose another path")
    if not origin.is_dir():
        return
    folder, below = path.resolve(), origin.resolve()
    # An output above the input is in the way too when names repeat: in/x/x/1.jpg of in/x would go to in/x/1.jpg.
    if folder.is_relative_to(below) or (below.is_relative_to(folder) and (below / below.relative_to(folder)).exists()):
        raise UsageError(f"output {text} lies in the input folder, which would be read again; choose another path")


def _refuse_existing(text: str, folder: Path, origin: Path) -> None:
    """Said before the first picture is written, not in the middle."""
    names = [Path(origin.name)]
    if origin.is_dir():
        names = [path.relative_to(origin) for path in files_in(origin, PICTURES)]
    if there := [name for name in names if os.path.lexists(folder / name)]:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"output {text} holds {there[0]}{more}; choose another folder, or --force to replace them")


def _same(one: Path, other: Path) -> bool:
    """True for one and the same file, also by another name, a link, or when it does not exist yet."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


# -- both together ------------------------------------------------------------------------------------------------


def jobs(source: Endpoint, outputs: Sequence[str], *, force: bool = False, batch: bool = False) -> list[Job]:
    """The runs that an input and its outputs come to: one, or for a folder of videos one per video.

    batch: other inputs go to the same outputs.
    Raises UsageError for outputs that cannot be, or that are one and the same.
    """
    sinks = [parse_output(text, source=source, force=force, batch=batch) for text in outputs]
    _refuse_twins(sinks)
    if source.kind != "folder":
        return [Job(source, tuple(sinks))]
    folder = Path(source.options["path"])
    made: list[Job] = []
    if _holds(folder, PICTURES):
        pictures = tuple(Endpoint("images", sink.options, sink.text) if sink.path else sink for sink in sinks)
        made.append(Job(Endpoint("images", source.options, source.text), pictures))
    for video in files_in(folder, _SEARCHED):
        name = video.relative_to(folder)
        # The whole name stays: a.mov and a.mpg in one folder must not become one file.
        name = name if name.suffix.lower() in VIDEOS else name.with_name(f"{name.name}.mp4")
        one = Endpoint("file", {"path": str(video)}, str(video))
        made.append(Job(one, tuple(_inside(sink, name, force) for sink in sinks)))
    return made


def _inside(sink: Endpoint, name: Path, force: bool) -> Endpoint:
    """The file called `name` in a folder output; any other output as it is."""
    if sink.path is None:
        return sink
    path = sink.path / name
    if os.path.lexists(path):
        check_output(path, force=force)
    return Endpoint("file", {"path": str(path), "force": force}, str(path), sink.path)


def _refuse_twins(sinks: Sequence[Endpoint]) -> None:
    for index, sink in enumerate(sinks):
        for other in sinks[:index]:
            if sink.kind == "null" or sink.kind != other.kind:
                continue
            if sink.path is None or other.path is None:
                twins = sink.options == other.options
            else:
                twins = _same(sink.path, other.path)
            if twins:
                raise UsageError(f"outputs {other.text} and {sink.text} are one and the same; give each its own")
