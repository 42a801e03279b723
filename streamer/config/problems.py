"""What is wrong with a configuration, in words: YAML's and pydantic's findings -> one line per problem."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamer.core._suggest import suggest
from streamer.core.errors import ConfigError
from streamer.core.spelling import respelled

__all__ = ["checked", "choices_of", "parse_yaml", "section", "shown", "unknown"]

_SECRET = re.compile("pass|pwd|secret|token|user|auth|credential|url", re.IGNORECASE)
_LONGEST_VALUE = 60
_LONGEST_NUMBER = 40
_DEEPEST, _MOST_VALUES = 32, 10_000
"""Of a configuration: how deep it is nested, and how many values it has in all."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may not stand twice: the second would silently replace the first.

    Nesting is bounded, and what aliases stand for counts wherever they stand: nine lines of ten aliases each come to a
    thousand million values.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """See `yaml.composer.Composer`."""
        line = self.line + 1
        before = self._values
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConfigError([f"line {line}: nested more than {_DEEPEST} deep"])
        node = super().compose_node(parent, index)
        self._depth -= 1
        if id(node) in self._sizes:  # an alias
            self._values += self._sizes[id(node)]
        else:
            self._values += 1
            self._sizes[id(node)] = self._values - before
        if self._values > _MOST_VALUES:
            raise ConfigError([f"line {line}: more than {_MOST_VALUES:,} values, those behind aliases included"])
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise ConfigError([f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice"])
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """See `yaml.constructor.SafeConstructor`."""
        if len(node.value) > _LONGEST_NUMBER:
            raise ConfigError([f"line {node.start_mark.line + 1}: a number of {len(node.value)} characters"])
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
# YAML 1.1 reads 1e-1 as text; everybody means a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """One YAML document. Raises ConfigError with the line's number."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError([f"{line}not YAML: {error.problem or error.context}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"not YAML: {str(error).splitlines()[0]}"]) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What PyYAML lets through of dates, numbers and tags that are none.
        raise ConfigError([f"not YAML: {shown(str(error))}"]) from None


def section(value: object, path: str, problems: list[str]) -> dict[str, Any]:
    """A section's keys; an empty one may be left blank. Adds a line to `problems` when it is something else."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    problems.append(f"{path or 'the configuration'}: must hold keys and values, got {shown(value)}")
    return {}


def unknown(path: str, key: str, choices: list[str]) -> str:
    """The line for a key that does not exist; path: the section's dotted path, empty at the top."""
    dotted = f"{path}.{key}" if path else key
    return f"{dotted}: unknown key{suggest(key, choices)}"


def checked(model: type[BaseModel], values: Mapping[str, Any], path: str, problems: list[str]) -> Any:
    """Plain data, as YAML gives it, as a `model`; None, with lines added to `problems`, when it does not fit.

    Keys may be spelled the British or the American way. Nothing is guessed: text is no number, and 1 is not true.
    """
    values, twice = respelled(values, model.model_fields)
    if twice:
        problems += [f"{path}: {keys} are one key; keep one of them" for keys in twice]
        return None
    try:
        # JSON is the form in which pydantic is strict about numbers and still lets lists fill tuples.
        return model.model_validate_json(json.dumps(dict(values), default=str), strict=True)
    except ValidationError as error:
        problems += explained(error, model, path)
    except (ValueError, RecursionError):
        problems.append(f"{path}: holds something that is no plain data")
    return None


def explained(error: ValidationError, model: type[BaseModel], path: str) -> list[str]:
    """One line per problem pydantic found; path: the section's dotted path."""
    return [_line(detail, model, path) for detail in error.errors(include_url=False)]


def choices_of(annotation: object) -> list[str]:
    """The words allowed by a `Literal[...]`, also inside `| None`; an empty list for every other type."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in choices_of(part)]


def shown(value: object) -> str:
    """A value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "path": "a path"}
_TYPES |= {"tuple": "a list"}


def _line(detail: ErrorDetails, model: type[BaseModel], path: str) -> str:
    place = [str(part) for part in detail["loc"]]
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(".".join([path, *place[:-1]]), place[-1], list(model.model_fields))
    dotted = ".".join([path, *place])
    got = "" if _SECRET.search(place[-1] if place else path) else f", got {shown(detail['input'])}"
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"{dotted}: must be {words} {context[key]:g}{got}"
    if kind == "literal_error":
        choices = choices_of(model.model_fields[place[0]].annotation)
        return f"{dotted}: must be one of {', '.join(choices)}{got}"
    if kind == "missing":
        return f"{dotted}: is required"
    if kind == "finite_number":
        return f"{dotted}: must be a finite number{got}"
    if kind == "string_pattern_mismatch":
        return f"{dotted}: must look like {context['pattern']}{got}"
    if kind == "value_error":  # raised by a part itself, in its own words
        return f"{dotted}: {context['error']}"
    type_name = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    if type_name in _TYPES:
        return f"{dotted}: must be {_TYPES[type_name]}{got}"
    return f"{dotted}: {detail['msg'][:1].lower()}{detail['msg'][1:]}{got}"
