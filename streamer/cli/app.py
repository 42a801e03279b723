"""The verbs, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer import __version__
from streamer.cli import evaluate, evaluate_bench, models, people
from streamer.cli.audit import audit
from streamer.cli.check import check
from streamer.cli.config import config
from streamer.cli.enroll import enroll
from streamer.cli.recognise import recognise
from streamer.cli.run import run

__all__ = ["app"]

app = typer.Typer(
    name="streamer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # main() turns exceptions into one line
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(enroll)
app.command()(recognise)
app.add_typer(people.app, name="people")
app.command()(check)
app.command()(audit)
app.add_typer(models.app, name="models")
app.command()(config)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(evaluate_bench.app, name="bench")


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
