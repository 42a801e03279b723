"""Every setting in writing, made from the options themselves: `config.yaml` and the tables of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from streamer.config import parts
from streamer.config.presets import PRESET_NAMES, governed
from streamer.config.problems import choices_of
from streamer.config.schema import CHOICES, FAMILIES, FIXED, PRIVACY, Config, family_model
from streamer.core.options import PartOptions

__all__ = ["render_default_yaml", "render_reference"]

_UNSAID = {("sinks", "memory")}
"""Parts that only programs use."""

_HEAD = """\
# Every setting at its default. A file of your own needs only the lines that differ:
#   streamer run INPUT -c my.yaml
# One setting alone: streamer run INPUT --set detect.every=2
"""
_PRIVACY = "Where the other defaults come from"


def render_default_yaml() -> str:
    """The text of `config.yaml`: every key at its default, with one comment each."""
    lines = [_HEAD]
    for name in Config.__dataclass_fields__:
        if name == PRIVACY:
            lines += [
                f"# {_PRIVACY} ({', '.join(PRESET_NAMES)}).",
                "# Keys that stand behind a # follow it; a key that is set counts, whatever it says.",
                f"{name}: {Config.privacy}",
                "",
            ]
        elif name in FIXED:
            lines += [f"# {_title(FIXED[name])}", f"{name}:", *_keys(FIXED[name], "  ", name), ""]
        elif name in CHOICES:
            folder, kind = CHOICES[name]
            options = parts.options_type(folder, kind)
            lines += [
                f"# {_title(options)} Kinds: {', '.join(parts.kinds(folder))}; each has keys of its own.",
                f"{name}:",
                f"  kind: {kind}",
                *_keys(options, "  ", name),
                "",
            ]
        else:
            lines += [f"# Settings per kind of {name}; the command line says which kind runs.", f"{name}:"]
            for kind, options in _family(name):
                lines += [f"  # {_title(options)}", f"  {kind}:", *_keys(options, "    ")]
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def render_reference() -> str:
    """Every setting of every part as Markdown tables, also of those that are not the default."""
    lines: list[str] = []
    for name in Config.__dataclass_fields__:
        if name == PRIVACY:
            lines += _privacy_table()
        elif name in FIXED:
            lines += _table(f"`{name}`", FIXED[name])
        elif name in CHOICES:
            folder, default = CHOICES[name]
            for kind in parts.kinds(folder):
                also = " (the default)" if kind == default else ""
                lines += _table(f"`{name}` with `kind: {kind}`{also}", parts.options_type(folder, kind))
        else:
            for kind, options in _family(name):
                lines += _table(f"`{name}.{kind}`", options)
    return "\n".join(lines).rstrip("\n") + "\n"


def _family(name: str) -> Iterator[tuple[str, type[PartOptions]]]:
    """The kinds of a family that have something to set."""
    folder = FAMILIES[name]
    for kind in parts.kinds(folder):
        if (folder, kind) not in _UNSAID and (options := family_model(name, kind)).model_fields:
            yield kind, options


def _title(options: type[PartOptions]) -> str:
    return (options.__doc__ or "").strip().splitlines()[0]


def _keys(options: type[PartOptions], indent: str, section: str = "") -> Iterator[str]:
    for key, info in options.model_fields.items():
        by_preset = governed(section, key)
        words = [_allowed(info), *(f"{preset}: {_yaml(value)}" for preset, value in by_preset.items())]
        yield f"{indent}# {info.description}{f' ({said})' if (said := '; '.join(filter(None, words))) else ''}"
        yield f"{indent}{'# ' if by_preset else ''}{key}: {_written(options, key)}"


def _privacy_table() -> Iterator[str]:
    others = [preset for preset in PRESET_NAMES if preset != Config.privacy]
    yield from (f"### `{PRIVACY}`", "", f"{_PRIVACY}: {', '.join(PRESET_NAMES)}.", "")
    yield f"| key | `{Config.privacy}` (the default) | {' | '.join(f'`{preset}`' for preset in others)} |"
    yield f"|---|---|{'---|' * len(others)}"
    models = {**FIXED, **{name: parts.options_type(*CHOICES[name]) for name in CHOICES}}
    for name, options in models.items():
        for key in options.model_fields:
            if by_preset := governed(name, key):
                usual = _written(options, key)
                values = [_yaml(by_preset[preset]) if preset in by_preset else usual for preset in others]
                yield f"| `{name}.{key}` | `{usual}` | {' | '.join(f'`{value}`' for value in values)} |"
    yield ""


def _table(title: str, options: type[PartOptions]) -> Iterator[str]:
    yield from (f"### {title}", "", _title(options), "", "| key | default | allowed | meaning |", "|---|---|---|---|")
    for key, info in options.model_fields.items():
        yield f"| `{key}` | `{_written(options, key)}` | {_allowed(info)} | {info.description} |"
    yield ""


def _written(options: type[PartOptions], key: str) -> str:
    """A default as YAML writes it."""
    return _yaml(options.model_construct().model_dump(mode="json", include={key})[key])


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")


def _allowed(info: FieldInfo) -> str:
    """What a value may be, as far as its type does not say it."""
    if choices := choices_of(info.annotation):
        return ", ".join(choices)
    limits = {type(limit): limit for limit in info.metadata}
    low, high = limits.get(Ge), limits.get(Le)
    if isinstance(low, Ge) and isinstance(high, Le):
        return f"{low.ge} to {high.le}"
    words = []
    for limit in info.metadata:
        if isinstance(limit, Ge):
            words.append(f"at least {limit.ge}")
        elif isinstance(limit, Gt):
            words.append(f"above {limit.gt}")
        elif isinstance(limit, Le):
            words.append(f"at most {limit.le}")
        elif isinstance(limit, Lt):
            words.append(f"below {limit.lt}")
    return ", ".join(words)
