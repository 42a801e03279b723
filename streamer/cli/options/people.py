"""Options of the verbs about people: `streamer enroll`, `recognise`, `people` and `audit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from streamer.cli._verbs import group
from streamer.cli.options.common import ConfigFile, Device, Force, Gallery, Json, KeyFile, Set

__all__ = [
    "Audit", "Decrypt", "Encrypt", "Enroll", "Export", "Import", "List", "Recognise", "Reembed", "Remove", "Rename",
    "Show", "app",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Enroll:
    """Put people into the gallery.

    Exit codes: 0 every picture was taken or showed nothing new; 1 at least one was refused; 2 wrong usage.
    """

    WORK: ClassVar = "streamer.cli.enroll:enroll"

    name: Annotated[str | None, typer.Argument(metavar="NAME", help="whom the pictures show")] = None
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGES", help="pictures, folders of pictures, videos, or cameras (0, 1, ...)"),
    ] = None
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="many people: one folder per person, called as they are")
    ] = None
    roster: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="many people: .xlsx or .csv with a name and a path or URL per row"),
    ] = None
    camera: Annotated[bool, typer.Option("--camera", help="take the pictures with the first camera")] = False
    consent: Annotated[
        str | None, typer.Option(metavar="TEXT", help="what the person agreed to; kept with the name")
    ] = None
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help="until when: 2027-12-31, or 90d, 6m, 1y from now")
    ] = None
    keep_crops: Annotated[
        bool, typer.Option("--keep-crops", help="keep the faces, too: for montages and for another embedder later")
    ] = False
    largest: Annotated[
        bool, typer.Option("--largest", help="of several faces in a picture take the one that is clearly the largest")
    ] = False
    min_face_px: Annotated[float, typer.Option(min=32, help="smallest face that is taken, in pixels")] = 48
    gallery: Gallery = None
    key_file: KeyFile = None
    config_file: ConfigFile = None
    set_: Set = None
    device: Device = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing but refusals")] = False


@dataclass(frozen=True, kw_only=True)
class Recognise:
    """Name every face of INPUT that belongs to somebody enrolled. Nothing is enrolled by it, and nothing kept."""

    WORK: ClassVar = "streamer.cli.recognise:recognise"

    input: Annotated[str, typer.Argument(metavar="INPUT", help="a picture, a folder of pictures, or a video")]
    montage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write a picture with names and kept faces; all other people on it are hidden"
        ),
    ] = None
    json_: Json = None
    every_s: Annotated[float, typer.Option(min=0.04, help="of a video, examine a picture this often, in seconds")] = 0.5
    force: Force = False
    gallery: Gallery = None
    key_file: KeyFile = None
    config_file: ConfigFile = None
    set_: Set = None
    device: Device = None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Check the chain of hashes of an audit log. Exit code 0 when it is whole; else 1."""

    WORK: ClassVar = "streamer.cli.audit:audit"

    file: Annotated[Path, typer.Argument(metavar="FILE", help="a log that `run --audit` has written")]


# -- streamer people ------------------------------------------------------------------------------------------------

_Name = Annotated[str, typer.Argument(metavar="NAME")]
_Json = Annotated[bool, typer.Option("--json", help="as JSON")]


@dataclass(frozen=True, kw_only=True)
class List:
    """Everybody who is enrolled."""

    WORK: ClassVar = "streamer.cli.people:list_"

    gallery: Gallery = None
    key_file: KeyFile = None
    json_: _Json = False


@dataclass(frozen=True, kw_only=True)
class Show:
    """What is kept about one person."""

    WORK: ClassVar = "streamer.cli.people:show"

    name: _Name
    gallery: Gallery = None
    key_file: KeyFile = None
    json_: _Json = False


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Forget people: names, vectors and kept faces are gone from the file, and no copy is left beside it."""

    WORK: ClassVar = "streamer.cli.people:remove"

    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", show_default=False)] = None
    expired: Annotated[bool, typer.Option("--expired", help="everybody whose time is over")] = False
    gallery: Gallery = None
    key_file: KeyFile = None


@dataclass(frozen=True, kw_only=True)
class Rename:
    """Another name for one person."""

    WORK: ClassVar = "streamer.cli.people:rename"

    old: Annotated[str, typer.Argument(metavar="OLD")]
    new: Annotated[str, typer.Argument(metavar="NEW")]
    gallery: Gallery = None
    key_file: KeyFile = None


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write names and vectors into an .npz file. It is not encrypted: it is as private as you keep it."""

    WORK: ClassVar = "streamer.cli.people:export"

    path: Annotated[Path, typer.Argument(metavar="FILE.npz")]
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="only these people")] = None
    force: Force = False
    gallery: Gallery = None
    key_file: KeyFile = None


@dataclass(frozen=True, kw_only=True)
class Import:
    """Take in names and vectors from a file. Nothing in the file is executed."""

    WORK: ClassVar = "streamer.cli.people:import_"

    path: Annotated[Path, typer.Argument(metavar="FILE", help=".npz of `export`, or a pickled .npy: name -> vector")]
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="for .npy, which does not say it: what made the vectors")
    ] = None
    gallery: Gallery = None
    key_file: KeyFile = None


@dataclass(frozen=True, kw_only=True)
class Reembed:
    """Make all vectors anew with the embedder that is set, from the faces kept by `enroll --keep-crops`."""

    WORK: ClassVar = "streamer.cli.people:reembed_"

    gallery: Gallery = None
    key_file: KeyFile = None
    config_file: ConfigFile = None
    set_: Set = None
    device: Device = None


@dataclass(frozen=True, kw_only=True)
class Encrypt:
    """Encrypt the gallery with the key in --key-file or STREAMER_GALLERY_KEY."""

    WORK: ClassVar = "streamer.cli.people:encrypt"

    gallery: Gallery = None
    key_file: KeyFile = None


@dataclass(frozen=True, kw_only=True)
class Decrypt:
    """Keep the gallery unencrypted from now on."""

    WORK: ClassVar = "streamer.cli.people:decrypt"

    gallery: Gallery = None
    key_file: KeyFile = None


app = group(
    "The people in the gallery: who they are, and how they are forgotten.",
    {
        "list": List,
        "show": Show,
        "remove": Remove,
        "rename": Rename,
        "export": Export,
        "import": Import,
        "reembed": Reembed,
        "encrypt": Encrypt,
        "decrypt": Decrypt,
    },
)
