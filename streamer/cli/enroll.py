"""`streamer enroll`: people into the gallery, from pictures, folders, lists, videos or a camera."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from streamer.cli.discover import first_camera
from streamer.cli.gallery import ConfigFile, Device, Gallery, KeyFile, Set, opened, overdue, settings, until
from streamer.cli.terminal import Terminal
from streamer.config.endpoints import Endpoint, parse_input
from streamer.config.schema import Config
from streamer.core.errors import InputError, StreamerError, UsageError, printable
from streamer.core.options import Context
from streamer.enrolment.checks import Rules
from streamer.enrolment.enrol import Candidate, Enrolled, Item, Outcome, Terms, enrol, examined
from streamer.enrolment.faces import FaceReader
from streamer.enrolment.roster import items_of_folder, items_of_roster, pictures_in, read_picture
from streamer.enrolment.watch import watched
from streamer.people.content import checked_name
from streamer.pipeline.assembly import source_of

__all__ = ["enroll"]


def enroll(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="whom the pictures show")] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGES", help="pictures, folders of pictures, videos, or cameras (0, 1, ...)"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="many people: one folder per person, called as they are")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="many people: .xlsx or .csv with a name and a path or URL per row"),
    ] = None,
    camera: Annotated[bool, typer.Option("--camera", help="take the pictures with the first camera")] = False,
    consent: Annotated[
        str | None, typer.Option(metavar="TEXT", help="what the person agreed to; kept with the name")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help="until when: 2027-12-31, or 90d, 6m, 1y from now")
    ] = None,
    keep_crops: Annotated[
        bool, typer.Option("--keep-crops", help="keep the faces, too: for montages and for another embedder later")
    ] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="of several faces in a picture take the one that is clearly the largest")
    ] = False,
    min_face_px: Annotated[float, typer.Option(min=32, help="smallest face that is taken, in pixels")] = 48,
    gallery: Gallery = None,
    key_file: KeyFile = None,
    config_file: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing but refusals")] = False,
) -> None:
    """Put people into the gallery.

    Exit codes: 0 every picture was taken or showed nothing new; 1 at least one was refused; 2 wrong usage.
    """
    terminal = Terminal(quiet=quiet)
    config = settings(config_file, set_, device)
    file = opened(gallery, key_file, config)
    now = time.time()
    terms = Terms(now, until(expires, now), consent, keep_crops)
    rules = Rules(min_face_px=min_face_px, largest=largest)
    file.load()  # what is wrong with it is told before anything is fetched or filmed
    items, streams = _wanted(name, images or [], folder, roster, camera)
    ctx = terminal.store().context(config.run.device)
    with FaceReader.of(config, ctx) as reader:
        file.read(reader.embedder.model)
        found = [*examined(items, reader, rules)]
        for endpoint in streams:
            found += _watched(str(name), endpoint, reader, rules, config, terminal, ctx)
        content, outcomes = enrol(found, reader, file, terms)
    _tell(outcomes, terminal)
    if content is not None:
        terminal.say(f"{len(content.gallery)} enrolled in {file.path}")
        if (words := overdue(content, now)) is not None:
            terminal.say(words)
    if any(outcome.result is Enrolled.REFUSED for outcome in outcomes):
        raise typer.Exit(1)


def _wanted(
    name: str | None, images: Sequence[str], folder: Path | None, roster: Path | None, camera: bool
) -> tuple[list[Item], list[Endpoint]]:
    """The pictures and the moving inputs that were named. Raises UsageError when it is not clear what is wanted."""
    if sum((name is not None, folder is not None, roster is not None)) != 1:
        raise UsageError(
            "name one person and their pictures (streamer enroll NAME IMAGES...), or --folder, or --roster"
        )
    if folder is not None:
        return items_of_folder(folder), []
    if roster is not None:
        return items_of_roster(roster), []
    person = checked_name(str(name))
    given = [*images, *([first_camera()] if camera and not images else [])]
    if not given:
        raise UsageError(f"name pictures of {person}, or --camera")
    items: list[Item] = []
    streams: list[Endpoint] = []
    for text in given:
        try:
            endpoint = parse_input(text)
        except InputError as error:
            items.append(Item(person, text, _raiser(error)))
            continue
        if endpoint.kind in ("images", "folder") and endpoint.path is not None:
            items += [Item(person, str(path), partial(read_picture, path)) for path in pictures_in(endpoint.path)]
        else:
            streams.append(endpoint)
    return items, streams


def _raiser(error: InputError) -> Any:
    def fail() -> Any:
        raise error

    return fail


def _watched(
    name: str, endpoint: Endpoint, reader: FaceReader, rules: Rules, config: Config, terminal: Terminal, ctx: Context
) -> list[Candidate | Outcome]:
    """Open a camera or video and take the best views of one person."""
    try:
        source = source_of(config, endpoint, ctx)
        with closing(source):
            if source.info.live:
                terminal.say(f"{source.info.name}: look at the camera for 10 s, and turn your head a little")
            return watched(
                name, source, reader, rules, told=lambda text: terminal.say(f"{source.info.name}: waiting: {text}")
            )
    except StreamerError as error:
        return [Outcome(name, endpoint.text, Enrolled.REFUSED, str(error))]


def _tell(outcomes: Sequence[Outcome], terminal: Terminal) -> None:
    """One line per picture that was not taken, one per person, and the sum."""
    for outcome in outcomes:
        if outcome.result is Enrolled.REFUSED:
            terminal.error(f"{outcome.name or 'nobody'}: {outcome.label}: {outcome.why}")
        elif outcome.result is Enrolled.KNOWN:
            terminal.say(f"{outcome.name}: {outcome.label}: {outcome.why}")
    for name in dict.fromkeys(outcome.name for outcome in outcomes):
        of_name = [outcome.result for outcome in outcomes if outcome.name == name]
        counts = [f"{of_name.count(result)} {result.value}" for result in Enrolled if result in of_name]
        print(printable(f"{name or 'nobody'}: {', '.join(counts)}"))
