"""The configuration file as a JSON Schema, for editors: made from the options themselves.

It says what keys and values there may be. What hangs together of several values is checked when a file is read.
"""

from __future__ import annotations

from typing import Any

from streamer.config import parts
from streamer.config.presets import PRESET_NAMES
from streamer.config.schema import CHOICES, FAMILIES, FIXED, PRIVACY, Config, family_model
from streamer.core.options import PartOptions

__all__ = ["config_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """JSON Schema of the YAML, with every kind of every part."""
    shared: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for name in Config.__dataclass_fields__:
        if name == PRIVACY:
            sections[name] = {"enum": list(PRESET_NAMES), "default": Config.privacy}
        elif name in FIXED:
            sections[name] = _or_blank(_object(FIXED[name], shared))
        elif name in CHOICES:
            sections[name] = _or_blank(_choice(name, shared))
        else:
            kinds = {kind: _or_blank(_object(family_model(name, kind), shared)) for kind in _kinds(name)}
            sections[name] = _or_blank({"type": "object", "properties": kinds, "additionalProperties": False})
    schema = {"$schema": _DIALECT, "title": "streamer configuration", "type": ["object", "null"]}
    return {**schema, "properties": sections, "additionalProperties": False, **({"$defs": shared} if shared else {})}


def _kinds(family: str) -> list[str]:
    return parts.kinds(FAMILIES[family])


def _or_blank(schema: dict[str, Any]) -> dict[str, Any]:
    """A section may be left blank."""
    return {"anyOf": [schema, {"type": "null"}]}


def _choice(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """A kind, and beside it the keys of that kind."""
    folder, usual = CHOICES[name]
    known = parts.kinds(folder)
    forms = []
    for kind in known:
        form = _object(parts.options_type(folder, kind), shared)
        form["properties"] = {"kind": {"const": kind}, **form["properties"]}
        if kind != usual:
            form["required"] = ["kind", *form.get("required", [])]
        forms.append(form)
    return {"type": "object", "properties": {"kind": {"enum": known, "default": usual}}, "anyOf": forms}


def _object(options: type[PartOptions], shared: dict[str, Any]) -> dict[str, Any]:
    """One model's schema; what it refers to is moved to `shared`."""
    schema = options.model_json_schema()
    for name, definition in schema.pop("$defs", {}).items():
        assert shared.setdefault(name, definition) == definition, f"two definitions are called {name}"
    schema["title"] = (options.__doc__ or "").strip().splitlines()[0]
    schema.pop("description", None)
    schema.setdefault("properties", {})
    for key in schema["properties"].values():
        key.pop("title", None)
    return schema
