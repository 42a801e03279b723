"""The pages of the documentation's site: those in the repository, and references made from the code.

python scripts/site/pages.py build/pages
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path, PurePosixPath

from commands import commands_page
from python_api import python_page

ROOT = Path(__file__).resolve().parents[2]
MOVED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "LICENSE.txt",
    "config.yaml": "config.yaml",
}
"""Files outside of `docs` that belong to the site, and their places there."""
GENERATED = {"reference/commands.md": commands_page, "reference/python.md": python_page}
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")


class BrokenLinkError(Exception):
    """A link leads to a file that is not part of the site."""


def sources() -> dict[str, Path]:
    """Place in the site -> file in the repository, for everything that is not generated."""
    docs = ROOT / "docs"
    found = {path.relative_to(docs).as_posix(): path for path in sorted(docs.rglob("*")) if path.is_file()}
    return found | {place: ROOT / name for name, place in MOVED.items() if (ROOT / name).is_file()}


def moved_links(text: str, path: Path, places: dict[Path, str]) -> str:
    """A page's text with its links leading to where their targets are in the site.

    path: the page in the repository. places: file in the repository -> place in the site.
    Raises BrokenLinkError, naming page and target.
    """
    here = PurePosixPath(places[path]).parent

    def moved(link: re.Match[str]) -> str:
        start, target, rest = link.groups()
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        wanted = (path.parent / target).resolve()
        if wanted not in places:
            raise BrokenLinkError(f"{path.relative_to(ROOT)} links to {target}, which is not part of the site")
        return start + os.path.relpath(places[wanted], here).replace(os.sep, "/") + rest

    return _LINK.sub(moved, text)


def write_pages(folder: Path) -> None:
    """Put all pages and pictures into an empty folder. Raises BrokenLinkError."""
    found = sources()
    places = {path.resolve(): place for place, path in found.items()}
    for place, path in found.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(moved_links(path.read_text(encoding="utf-8"), path.resolve(), places), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    for place, make in GENERATED.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(make(), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to; what is there is removed")
    folder = parser.parse_args(arguments).folder
    if folder.exists():
        shutil.rmtree(folder)
    try:
        write_pages(folder)
    except BrokenLinkError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
