"""What the verbs about people share: the gallery, the settings, and dates as people write them."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from streamer.config.schema import Config, load, parse_overrides
from streamer.core.errors import UsageError
from streamer.people.content import Content
from streamer.people.store import GalleryFile, find_key, for_gallery

__all__ = ["day", "open_gallery", "overdue", "settings", "until"]

_SPAN = re.compile(r"^(\d+)\s*(d|w|m|y)$")
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_LONGEST_DAYS = 100 * 365


def settings(config_file: Path | None, set_: list[str] | None, device: str | None = None) -> Config:
    """The configuration that the options name."""
    config = load(config_file) if config_file is not None else Config()
    return config.updated({**parse_overrides(set_ or []), **({"run.device": device} if device else {})})


def open_gallery(gallery: Path | None, key_file: Path | None, config: Config | None = None) -> GalleryFile:
    """The gallery that the options or the configuration name, with its key."""
    identity = (config or Config()).identity  # there a running stream looks for it
    path = gallery if gallery is not None else identity.gallery
    return GalleryFile(path, key=find_key(key_file if key_file is not None else identity.key_file))


def until(text: str | None, now: float) -> float | None:
    """`2027-12-31` (to the end of that day, local time), or `90d`, `6m`, `1y` from now -> seconds since 1970."""
    if text is None:
        return None
    if span := _SPAN.match(text.strip()):
        days = int(span[1]) * _DAYS[span[2]]
        if not 0 < days <= _LONGEST_DAYS:
            raise UsageError(f"--expires {text}: from a day up to {_LONGEST_DAYS // 365} years")
        return now + 86400.0 * days
    try:
        last = datetime.datetime.combine(datetime.date.fromisoformat(text.strip()), datetime.time.max)
    except ValueError:
        raise UsageError(f"--expires {text!r}: write a day (2027-12-31) or a span (90d, 6m, 1y)") from None
    if last.timestamp() <= now:
        raise UsageError(f"--expires {text}: that day is over")
    return last.timestamp()


def overdue(content: Content | None, path: Path, now: float) -> str | None:
    """Names the expired people and the command that removes them; None when nobody is expired."""
    names = () if content is None else content.gallery.expired(now)
    if not names:
        return None
    remedy = for_gallery("streamer people remove --expired", path)
    return f"expired: {', '.join(names)}; forget them with: {remedy}"


def day(seconds: float | None) -> str:
    """A time as a day, local; `never` for None."""
    if seconds is None:
        return "never"
    try:
        return datetime.datetime.fromtimestamp(seconds).date().isoformat()
    except (OverflowError, ValueError, OSError):  # a gallery from elsewhere may hold any number
        return "on no day of the calendar"
