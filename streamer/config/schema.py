"""Configuration: YAML -> frozen, checked options. Every problem is reported at once, with its dotted path.

Above all stands `privacy`, a word that chooses the defaults of the other keys. Sections are of three sorts:

fixed     `run`, `capture`, `detect`, `track`, `zones`, `identity`, `mask`, `output`: one model each.
choices   `detector`, `embedder`, `effect`: a `kind`, and beside it the options of that kind; only that part is loaded.
families  `source` and `sink`: one sub-section per kind, used when the command line asks for that kind. Addresses (which
          file, which camera) come from the command line and have no place here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, create_model

from streamer.anonymize.gate import MaskOptions
from streamer.anonymize.zones import ZoneOptions
from streamer.config import parts
from streamer.config.cautions import refused
from streamer.config.presets import PRESET_NAMES, preset_values
from streamer.config.problems import checked, explained, parse_yaml, section, shown, unknown
from streamer.core._suggest import nearest
from streamer.core.bounded import read_text_at_most
from streamer.core.errors import ConfigError
from streamer.core.options import PartOptions
from streamer.core.spelling import plain_spelling
from streamer.identity.evidence import IdentityOptions
from streamer.inference import devices
from streamer.stages.capture import CaptureOptions
from streamer.stages.output import OutputOptions
from streamer.stages.scheduler import SchedulerOptions
from streamer.tracking.tracker import TrackOptions

__all__ = [
    "ADDRESS_KEYS",
    "CHOICES",
    "FAMILIES",
    "FIXED",
    "PRIVACY",
    "SHORT_NAMES",
    "Choice",
    "Config",
    "RunOptions",
    "family_model",
    "load",
    "parse_overrides",
    "spelled_out",
]

ADDRESS_KEYS = frozenset({"path", "url", "device", "force"})
"""Options of sources and sinks that only the command line sets."""


class RunOptions(PartOptions):
    """The run as a whole."""

    target_fps: float | None = Field(
        None, gt=0, le=240, description="frames per second to hold on a live source; null takes the source's own"
    )
    duration_s: float | None = Field(None, gt=0, description="stop after this many seconds of the input; null: never")
    device: Annotated[str, AfterValidator(devices.spelled)] = Field(
        "cpu", description=f"where the models run ({devices.FORMS}); never anything else in silence"
    )
    max_failures: int = Field(
        5, ge=1, description="failures in a row of the detector or the effect after which the run ends"
    )
    stop_timeout_s: float = Field(4.0, gt=0, le=60, description="longest time an orderly stop may take")
    cover_all: bool = Field(False, description="start with the whole picture hidden; a window's space key switches it")


@dataclass(frozen=True, slots=True)
class Choice:
    """One part chosen by its kind, with that kind's options."""

    kind: str
    options: PartOptions


FIXED: dict[str, type[PartOptions]] = {
    "run": RunOptions,
    "capture": CaptureOptions,
    "detect": SchedulerOptions,
    "track": TrackOptions,
    "zones": ZoneOptions,
    "identity": IdentityOptions,
    "mask": MaskOptions,
    "output": OutputOptions,
}
CHOICES = {
    "detector": ("detectors", "yunet"),
    "embedder": ("embedders", "sface"),
    "effect": ("effects", "frosted"),
}
"""Section -> folder of the parts, and the kind taken when none is named."""
FAMILIES = {"source": "sources", "sink": "sinks"}
PRIVACY = "privacy"
"""The key above the sections."""
SHORT_NAMES = {
    "privacy": (PRIVACY,),
    "threshold": ("detector.threshold",),
    "every": ("detect.every",),
    "effect": ("effect.kind",),
    "strength": ("effect.strength",),
    "target_fps": ("run.target_fps",),
    "duration": ("run.duration_s",),
    "device": ("run.device",),
    "who": ("identity.who",),
    "gallery": ("identity.gallery",),
    "labels": ("identity.labels",),
    "attendance": ("identity.attendance",),
    "audit": ("identity.audit",),
    "realtime": ("source.file.realtime", "source.demo.realtime"),
}
"""Settings that the command line's options and the one-call helpers name for short -> their dotted paths."""


def _default(name: str) -> Choice:
    folder, kind = CHOICES[name]
    return Choice(kind, parts.options_type(folder, kind)())


@dataclass(frozen=True)
class Config:
    """Everything that can be set. `Config()` is the defaults; change it with `updated()` or `with_overrides()`."""

    privacy: str = "balanced"
    """The preset from which the defaults of the other keys came: `Config().updated({"privacy": "strict"})`."""
    run: RunOptions = field(default_factory=RunOptions)
    source: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per kind of source, the options that are not at their default."""
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    detector: Choice = field(default_factory=lambda: _default("detector"))
    detect: SchedulerOptions = field(default_factory=SchedulerOptions)
    track: TrackOptions = field(default_factory=TrackOptions)
    zones: ZoneOptions = field(default_factory=ZoneOptions)
    identity: IdentityOptions = field(default_factory=IdentityOptions)
    mask: MaskOptions = field(default_factory=MaskOptions)
    embedder: Choice = field(default_factory=lambda: _default("embedder"))
    effect: Choice = field(default_factory=lambda: _default("effect"))
    output: OutputOptions = field(default_factory=OutputOptions)
    sink: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per kind of sink, the options that are not at their default."""

    @classmethod
    def from_mapping(cls, data: object) -> Config:
        """Check a nested mapping, as YAML gives it. Raises ConfigError with all problems."""
        problems: list[str] = []
        given = section(data, "", problems)
        problems += [unknown("", name, list(cls.__dataclass_fields__)) for name in given if name not in _FIELDS]
        preset = given.get(PRIVACY, cls.privacy)
        if preset not in PRESET_NAMES:
            known = ", ".join(PRESET_NAMES)
            problems.append(f"privacy: must be one of {known}, got {shown(preset)}{nearest(str(preset), PRESET_NAMES)}")
            preset = cls.privacy
        # Also sections that nobody named have the preset's defaults.
        read = {name: reader(name, given.get(name), preset, problems) for name, reader in _READERS.items()}
        if problems or (problems := refused(read)):
            raise ConfigError(problems)
        return cls(privacy=preset, **read)

    def to_mapping(self) -> dict[str, Any]:
        """The settings that are not at their defaults, as plain data that `from_mapping()` takes."""
        data: dict[str, Any] = {} if self.privacy == type(self).privacy else {PRIVACY: self.privacy}
        data |= {name: _plain(getattr(self, name), name, self.privacy) for name in FIXED}
        for name in CHOICES:
            choice: Choice = getattr(self, name)
            data[name] = {"kind": choice.kind, **_plain(choice.options, name, self.privacy)}
        for name in FAMILIES:
            data[name] = {kind: dict(options) for kind, options in getattr(self, name).items()}
        return {name: values for name, values in data.items() if values}

    def updated(self, values: Mapping[str, Any]) -> Config:
        """Another configuration with some settings changed, for example {"detect.every": 2}.

        Another `kind` in a section starts from that kind's defaults; another `privacy` moves every key that is not set.
        A key that is at its present default counts as not set. Raises ConfigError with all problems.
        """
        data = self.to_mapping()
        # Kinds first: they decide what the other keys of their section may be.
        for path in sorted(values, key=lambda path: not path.endswith(".kind")):
            *sections, key = path.split(".")
            target = data
            for name in sections:
                if not isinstance(target.get(name), dict):
                    target[name] = {}
                target = target[name]
            if key == "kind" and target.get("kind") != values[path]:
                target.clear()
            for other in [name for name in target if plain_spelling(str(name)) == plain_spelling(key)]:
                del target[other]
            target[key] = values[path]
        return self.from_mapping(data)

    def with_overrides(self, items: Sequence[str]) -> Config:
        """`updated()` from text: ["detect.every=2", ...], each value read as YAML. Raises ConfigError."""
        return self.updated(parse_overrides(items))

    def options_for(self, family: Literal["source", "sink"], kind: str, address: Mapping[str, Any]) -> PartOptions:
        """The full options of one source or sink: what is set here, and the address from the command line.

        Raises ConfigError; UsageError when there is no such kind.
        """
        model = parts.options_type(FAMILIES[family], kind)
        chosen: Mapping[str, Any] = getattr(self, family).get(kind, {})
        try:
            return model.model_validate({**chosen, **address})
        except ValidationError as error:
            raise ConfigError(explained(error, model, f"{family}.{kind}")) from None


def load(path: Path | str) -> Config:
    """Read a configuration file. Raises ConfigError, every line beginning with the file's name."""
    try:
        text = read_text_at_most(Path(path))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not a text file in UTF-8"]) from None
    try:
        return Config.from_mapping(parse_yaml(text))
    except ConfigError as error:
        raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None


def spelled_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"every": 2, ...} -> {"detect.every": 2, ...}; None means: not set. Raises ConfigError for an unknown name."""
    if problems := [unknown("", name, list(SHORT_NAMES)) for name in settings if name not in SHORT_NAMES]:
        raise ConfigError(problems)
    return {path: value for name, value in settings.items() if value is not None for path in SHORT_NAMES[name]}


def parse_overrides(items: Sequence[str]) -> dict[str, Any]:
    """["detect.every=2", ...] -> {"detect.every": 2, ...}, each value read as YAML; the last of a key counts.

    Raises ConfigError.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in items:
        path, equals, text = item.partition("=")
        if not equals or not path.strip():
            problems.append(f"{item!r}: write it as key.path=value, for example detect.every=2")
            continue
        try:
            values[path.strip()] = parse_yaml(text)
        except ConfigError as error:
            problems += [f"{path.strip()}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return values


@cache
def family_model(family: str, kind: str) -> type[PartOptions]:
    """The options of one kind of source or sink that a configuration may set: all but the address."""
    options = parts.options_type(FAMILIES[family], kind)
    settable: dict[str, Any] = {
        name: (info.annotation, info) for name, info in options.model_fields.items() if name not in ADDRESS_KEYS
    }
    return create_model(f"{kind} options", __base__=PartOptions, __doc__=options.__doc__, **settable)


def _plain(options: PartOptions, name: str = "", preset: str = "balanced") -> dict[str, Any]:
    """What is not at its default, which in the section `name` is the preset's."""
    model = type(options)
    values, usual = options.model_dump(mode="json"), model.model_construct().model_dump(mode="json")
    usual |= preset_values(preset, name, model)
    return {key: value for key, value in values.items() if key not in usual or value != usual[key]}


def _read_fixed(name: str, value: object, preset: str, problems: list[str]) -> Any:
    model = FIXED[name]
    return checked(model, {**preset_values(preset, name, model), **section(value, name, problems)}, name, problems)


def _read_choice(name: str, value: object, preset: str, problems: list[str]) -> Choice | None:
    folder, default = CHOICES[name]
    values = section(value, name, problems)
    kind = values.pop("kind", default)
    if kind not in parts.kinds(folder):
        known = parts.kinds(folder)
        problems.append(f"{name}.kind: must be one of {', '.join(known)}, got {shown(kind)}{nearest(str(kind), known)}")
        return None
    model = parts.options_type(folder, kind)
    options = checked(model, {**preset_values(preset, name, model), **values}, name, problems)
    return None if options is None else Choice(kind, options)


def _read_family(name: str, value: object, preset: str, problems: list[str]) -> dict[str, dict[str, Any]]:
    known = parts.kinds(FAMILIES[name])
    chosen: dict[str, dict[str, Any]] = {}
    for kind, options in section(value, name, problems).items():
        path = f"{name}.{kind}"
        if kind not in known:
            problems.append(unknown(name, kind, known))
            continue
        values = section(options, path, problems)
        for key in ADDRESS_KEYS & values.keys():
            problems.append(f"{path}.{key}: belongs on the command line, not into the configuration")
            del values[key]
        read = checked(family_model(name, kind), values, path, problems)
        if read is not None and _plain(read):
            chosen[kind] = _plain(read)
    return chosen


_READERS = {
    **dict.fromkeys(FIXED, _read_fixed),
    **dict.fromkeys(CHOICES, _read_choice),
    **dict.fromkeys(FAMILIES, _read_family),
}
_FIELDS = {PRIVACY, *_READERS}
