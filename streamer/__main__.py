"""Entry of the program: every error becomes one line and the documented exit code."""

from __future__ import annotations

import os
import sys
import threading
import traceback

from streamer.errors import StreamerError, redact

__all__ = ["command", "main"]


def main() -> None:
    """Run the command line and end the program."""
    code = command()
    sys.stdout.flush()
    sys.stderr.flush()
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

        app(prog_name="streamer")
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
        # Whoever read our output is gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # a fault of ours: one line for people, the traceback for whoever asks
        if {"-v", "--verbose"} & set(sys.argv):
            sys.stderr.write(redact(traceback.format_exc()))
        reason = redact(f"{type(error).__name__}: {error}").splitlines()[0]
        _tell(f"error: unexpected {reason}; run with -v for the traceback")
        return 1
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"streamer: {text}\n")


if __name__ == "__main__":
    main()
