"""Everything that can go wrong, as one tree, and the rule that no secret leaves in a message.

StreamerError                 exit code
|- UsageError                 2   wrong arguments
|  |- ConfigError             2   wrong configuration (all problems at once)
|  |- ModelError              2   a model file is missing, damaged or not licensed
|  |- DeviceError             2   the device asked for cannot be had
|  `- GalleryError            2   a gallery of people is damaged, locked, or made with another model
|- InputError                 3   the input could not be opened
|- SourceLost                 -   a live source broke off; capture retries it
|- DetectorError              1   a detector failed; its frames are covered
|- EmbedderError              1   an embedder failed; the faces it examined stay hidden
|- EffectError                1   an effect failed; its frames are covered
|- SinkError                  1   an output could not be opened or written
`- StuckError                 1   a thread did not end, or a part did not answer
"""

from __future__ import annotations

import json
import re
from typing import ClassVar

__all__ = [
    "ConfigError",
    "DetectorError",
    "DeviceError",
    "EffectError",
    "EmbedderError",
    "GalleryError",
    "InputError",
    "ModelError",
    "SinkError",
    "SourceLost",
    "StreamerError",
    "StuckError",
    "UsageError",
    "printable",
    "printable_json",
    "redact",
]


_MOST_PROBLEMS = 50
"""Of a configuration: so many are told."""


class StreamerError(Exception):
    """Base of every error this package raises on purpose. `exit_code` is what the program returns."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class UsageError(StreamerError):
    """The program was called wrongly."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration is wrong. One line per problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [redact(problem) for problem in problems]
        more = len(problems) - _MOST_PROBLEMS
        super().__init__("\n".join([*problems[:_MOST_PROBLEMS], *([f"and {more} problems more"] if more > 0 else [])]))


class ModelError(UsageError):
    """A model file is missing, damaged, or its licence was not accepted."""


class DeviceError(UsageError):
    """The device asked for was not obtained. There is no silent fall-back."""


class GalleryError(UsageError):
    """A gallery of people cannot be read or written, or its vectors are of no use here. The file is left as it is."""


class InputError(StreamerError):
    """The input could not be opened."""

    exit_code = 3


class SourceLost(StreamerError):
    """A source that was open broke off. Live sources are opened again."""


class DetectorError(StreamerError):
    """A detector raised, or returned boxes that are no boxes."""


class EmbedderError(StreamerError):
    """An embedder raised, or returned vectors that are none."""


class EffectError(StreamerError):
    """An effect raised, or returned something that is no picture."""


class SinkError(StreamerError):
    """An output could not be opened, written or finished."""


class StuckError(StreamerError):
    """A thread did not end in time, or a part did not answer in time."""


# `scheme://user:password@host`: everything between the scheme and the last @ before the path is secret.
# The match is greedy up to the last @ of the authority, because passwords may hold an @ themselves. Keyboards of
# East Asia have a wide @ (U+FF20), which no address takes, and before which a login stays one.
# Every repetition that can begin anywhere is bounded, or begins at the edge of a word only: text comes from anywhere.
_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,40}://)[^\r\n/?#]*[@\uff20]")
# A password with a slash in it escapes the rule above: the rest of the word up to an @ goes too.
_SLASHED = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,40}://)(?P<user>[^\s/?#'\"@:]*):[^\s]*[@\uff20]")
# `user:password@host` where the scheme was forgotten or lost a slash.
_BARE = re.compile(r"(?<![\w*.+-])[\w.+-]+:[^\s/@:]+@(?=[\w\[])")
# Logins and keys among the parameters, which some cameras have in the path, joined by underscores.
_QUERY = re.compile(r"(?P<key>[?&;/_#][\w-]{0,80}=)[^&\s'\"]*")
_SECRET_KEY = re.compile("user|usr|login|pass|pwd|token|secret|key|auth|sig|session|cred", re.IGNORECASE)
_LONGEST_LINE = 16_384
"""Longer lines are left out: nobody reads them, and cut off they might end before what gives a login away."""


# Escape sequences that a terminal would obey, letters that turn the direction of others, halves of characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""`text` for a terminal: names of files and people, and words of servers, come from anywhere.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_json(data: object) -> str:
    r"""`data` as JSON for a terminal: letters of every script, and what is `printable` to others as JSON's escapes.

    >>> print(printable_json("ä\x9b"))
    "ä\u009b"
    """
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def redact(text: str) -> str:
    """Return `text` with the credentials of every URL in it replaced by `***`.

    >>> redact("cannot open rtsp://ann:s3cret@10.0.0.7/live")
    'cannot open rtsp://***@10.0.0.7/live'
    """
    if len(text) > _LONGEST_LINE:
        text = "\n".join(
            line if len(line) <= _LONGEST_LINE else f"(a line of {len(line):,} characters)" for line in text.split("\n")
        )
    text = _SLASHED.sub(r"\g<scheme>***@", text)
    text = _CREDENTIALS.sub(r"\g<scheme>***@", text)
    text = _BARE.sub("***@", text)
    return _QUERY.sub(lambda found: f"{found['key']}***" if _SECRET_KEY.search(found["key"]) else found[0], text)
