"""The verbs, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer import __version__
from streamer.cli._verbs import Later, Verbs

__all__ = ["VERBS", "app"]

_RECOGNISE = Later(
    "streamer.cli.options.people:Recognise", "Name every face of INPUT that belongs to somebody enrolled."
)
_ENROLL = Later("streamer.cli.options.people:Enroll", "Put people into the gallery.")
_RUN = Later("streamer.cli.options.run:Run", "Anonymize every INPUT into every OUTPUT.")


def _other_spelling(verb: Later) -> Later:
    return Later(verb.where, verb.help, hidden=True)


VERBS = {
    "run": _RUN,
    "enroll": _ENROLL,
    "recognise": _RECOGNISE,
    "people": Later(
        "streamer.cli.options.people:app", "The people in the gallery: who they are, and how they are forgotten."
    ),
    "check": Later("streamer.cli.options.machine:Check", "Try out what a run needs."),
    "audit": Later("streamer.cli.options.people:Audit", "Check the chain of hashes of an audit log."),
    "models": Later("streamer.cli.options.machine:app", "Model files: what there is, where it lies."),
    "config": Later(
        "streamer.cli.options.machine:Settings",
        "Print every setting at its default, as a configuration file to start from.",
    ),
    "evaluate": Later("streamer.cli.options.evaluate:app", "How good the hiding is, in numbers."),
    "bench": Later("streamer.cli.options.bench:app", "What the parts find and cost, in numbers."),
    "anonymize": _other_spelling(_RUN),
    "anonymise": _other_spelling(_RUN),
    "enrol": _other_spelling(_ENROLL),
    "recognize": _other_spelling(_RECOGNISE),
}
"""Verb -> where it is, in the order of the help; other spellings last."""


class _Program(Verbs):
    later = VERBS


app = typer.Typer(
    name="streamer",
    cls=_Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # main() turns exceptions into one line
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"streamer {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Hide every face in a video: camera, RTSP, file or pictures in; window, file or virtual camera out.

    Exit codes: 0 done (also when stopped by Ctrl-C), 1 failed while running, 2 wrong usage or configuration,
    3 the input could not be opened.
    """
