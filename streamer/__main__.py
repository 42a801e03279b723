"""Entry of the program: every error becomes one line and the documented exit code."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import suppress

from streamer.core.errors import StreamerError, printable, redact

__all__ = ["command", "main"]


def main() -> None:
    """Run the command line and end the program. Nothing of its memory is left on the disk when it crashes."""
    from streamer.cli.dumps import switch_off_dumps

    switch_off_dumps()
    code = command()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # none when the program was started with it closed
            with suppress(OSError):  # its reader is gone, or its disk is full
                stream.flush()
    if threading.active_count() > 1:
        # A thread stuck in native code (a camera or a network that hangs) can crash the interpreter's own way out.
        os._exit(code)
    sys.exit(code)


def command() -> int:
    """Run the command line; returns the exit code."""
    # OpenCV's own remarks would stand between ours and the progress bar; what fails raises anyway.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    try:
        from streamer.cli.app import app

        code = app(prog_name="streamer", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except StreamerError as error:
        for line in str(error).splitlines():
            _tell(f"error: {line}")
        return error.exit_code
    except KeyboardInterrupt:
        _tell("interrupted")
        return 1
    except BrokenPipeError:
        # The reader of our output is gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if (code := _wrong_usage(error)) is not None:
            return code
        # A fault of ours: one line for people, the traceback on request.
        if {"-v", "--verbose"} & set(sys.argv):
            sys.stderr.write(redact(traceback.format_exc()))
        reason = redact(f"{type(error).__name__}: {error}").splitlines()[0]
        _tell(f"error: unexpected {reason}; run with -v for the traceback")
        return 1


def _wrong_usage(error: Exception) -> int | None:
    """What the command line library found wrong, without the logins in it; None when it is no error of its own."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if not callable(show) or not isinstance(code, int):
        return None
    if type(error).__name__ != "NoArgsIsHelpError":
        words = str(error.format_message()) if hasattr(error, "format_message") else str(error)
        context = getattr(error, "ctx", None)
        verb = context.command_path if context is not None else "streamer"
        _tell(f"error: {redact(' '.join(words.split())).rstrip('.')}; see {verb} --help")
    else:
        show(file=sys.stderr)  # called without anything: the help
    return code


def _tell(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"streamer: {printable(text)}\n")


if __name__ == "__main__":
    main()
