"""`streamer enroll`: people into the gallery, from pictures, folders, lists, videos or a camera."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import typer

from streamer.cli.discover import first_camera
from streamer.cli.gallery import open_gallery, overdue, settings, until
from streamer.cli.options.people import Enroll
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


def enroll(asked: Enroll) -> None:
    """Put people into the gallery, and say what became of every picture."""
    terminal = Terminal(quiet=asked.quiet)
    config = settings(asked.config_file, asked.set_, asked.device)
    file = open_gallery(asked.gallery, asked.key_file, config)
    now = time.time()
    terms = Terms(now, until(asked.expires, now), asked.consent, asked.keep_crops)
    rules = Rules(min_face_px=asked.min_face_px, largest=asked.largest)
    file.load()  # what is wrong with it is told before anything is fetched or filmed
    items, streams = _wanted(asked)
    ctx = terminal.store().context(config.run.device)
    with FaceReader.of(config, ctx) as reader:
        file.read(reader.embedder.model)
        found = [*examined(items, reader.for_stills(config), rules)]
        for endpoint in streams:
            found += _watched(str(asked.name), endpoint, reader, rules, config, terminal, ctx)
        content, outcomes = enrol(found, reader, file, terms)
    _tell(outcomes, terminal)
    if content is not None:
        terminal.say(f"{len(content.gallery)} enrolled in {file.path}")
        if (words := overdue(content, file.path, now)) is not None:
            terminal.say(words)
    if any(outcome.result is Enrolled.REFUSED for outcome in outcomes):
        raise typer.Exit(1)


def _wanted(asked: Enroll) -> tuple[list[Item], list[Endpoint]]:
    """The pictures and the moving inputs that were named. Raises UsageError when it is not clear what is wanted."""
    if sum((asked.name is not None, asked.folder is not None, asked.roster is not None)) != 1:
        raise UsageError(
            "name one person and their pictures (streamer enroll NAME IMAGES...), or --folder, or --roster"
        )
    if asked.folder is not None:
        return items_of_folder(asked.folder), []
    if asked.roster is not None:
        return items_of_roster(asked.roster), []
    person = checked_name(str(asked.name))
    given = asked.images or ([first_camera(instead="name pictures")] if asked.camera else [])
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
