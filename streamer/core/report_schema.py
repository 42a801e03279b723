"""The report of a run: its fields, in writing and as a JSON Schema.

A field is added without a new version. A version goes up when a field goes away or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.core.reasons import CoverReason, DropReason, Emission, FailingPart

__all__ = ["VERSION", "RunReport", "render_report_reference", "report_schema"]

VERSION: Literal[1] = 1
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _listed(reasons: type[CoverReason | DropReason | Emission | FailingPart]) -> str:
    return ", ".join(f"`{reason.value}`" for reason in reasons)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Input(_Part):
    """Where the pictures came from."""

    name: str = Field(description="file, camera or address, without credentials")
    detail: str = Field(description="codec, pixel format, what a camera really gave")
    live: bool = Field(description="frames came at their own time")


class _Covered(_Part):
    """Frames that were hidden as a whole."""

    total: int = Field(description="how many")
    why: dict[str, int] = Field(description=f"how many for which reason: {_listed(CoverReason)}")


class _Dropped(_Part):
    """Frames that were given up."""

    total: int = Field(description="how many")
    where: dict[str, int] = Field(
        description=f"how many where and why: `capture` or an output, a colon, and one of {_listed(DropReason)}"
    )


class _Percentiles(_Part):
    """Of the time from capture to output, in milliseconds."""

    p50: float = Field(description="half of the frames were faster")
    p95: float = Field(description="95 % were faster")
    p99: float = Field(description="99 % were faster")


class _Stage(_Part):
    """Time that one step took."""

    mean: float = Field(description="milliseconds")
    calls: int = Field(description="how often")


class _Identity(_Part):
    """What recognition did; only where somebody may be seen."""

    who: str = Field(description="who was hidden: `unknown` or `known`")
    model: str = Field(description="the model that tells faces apart")
    embeddings: int = Field(description="faces compared")
    embeddings_per_s: float = Field(description="the same per second")
    track_frames: int = Field(description="faces in frames")
    cache_hit_rate: float | None = Field(description="share of faces in frames that needed no comparison")
    reveals: int = Field(description="how often a face was decided to be shown")
    revoked: dict[str, int] = Field(description="how often that was taken back, by reason")
    poor_crops: int = Field(description="faces too small, turned, blurred or dark to be told")
    too_late: int = Field(description="answers about a face that was no longer surely the same")
    gallery_problems: list[str] = Field(description="what was wrong with the gallery when it was read again")


class RunReport(_Part):
    """One run of one stream."""

    schema_: Literal[1] = Field(alias="schema", description="version of this format")
    streamer: str = Field(description="version of the program")
    input: _Input = Field(description="where the pictures came from")
    outputs: list[str] = Field(description="names of the outputs")
    device: str = Field(description="where the detector ran")
    wall_s: float = Field(description="duration of the run, in seconds")
    stopped: bool = Field(description="it was stopped before the end of the input")
    fps: float = Field(description="frames anonymized per second")
    captured: int = Field(description="frames read from the input")
    sealed: int = Field(description="frames anonymized, those covered whole among them")
    covered: _Covered = Field(description="frames that were hidden as a whole")
    dropped: _Dropped = Field(description="frames that were given up")
    faces_hidden: int = Field(description="faces hidden, summed over all frames")
    detector_passes: int = Field(description="frames that the detector examined")
    emitted: dict[str, dict[str, int]] = Field(description=f"per output, what it took: {_listed(Emission)}")
    latency_ms: dict[str, _Percentiles] = Field(
        description="per output, the time from capture to output: what this program took"
    )
    camera_ms: dict[str, _Percentiles] = Field(
        {},
        description="live: per output, the time from the camera to output, by the source's clock; what even the "
        "least delayed picture took on its way here is not in it",
    )
    stage_ms: dict[str, _Stage] = Field(description="per step, its time")
    other: dict[str, int] = Field(
        description="what seldom happens, where it did: `lost` and `reconnected` live inputs, `embeddings`, "
        f"`further_notes` not kept, and failures by part: {_listed(FailingPart)}"
    )
    notes: list[str] = Field(description="what a person should read")
    identity: _Identity | None = Field(None, description="what recognition did; absent where everyone is hidden")
    error: str | None = Field(None, description="what ended the run; absent after a good end")


class _NamedInput(_Part):
    """An input that was not opened."""

    name: str = Field(description="as it was asked for, without credentials")


class _NotStarted(_Part):
    """A run that could not start."""

    schema_: Literal[1] = Field(alias="schema", description="version of this format")
    input: _NamedInput = Field(description="which")
    error: str = Field(description="why")


class _Batch(_Part):
    """A folder of videos."""

    schema_: Literal[1] = Field(alias="schema", description="version of this format")
    runs: list[RunReport | _NotStarted] = Field(description="one report for each video")


_FORMS = (RunReport, _NotStarted, _Batch)
_PARTS = (_Input, _Covered, _Dropped, _Percentiles, _Stage, _Identity)


def report_schema() -> dict[str, Any]:
    """JSON Schema of the file that `--report` writes."""
    from pydantic.json_schema import models_json_schema

    references, definitions = models_json_schema([(form, "validation") for form in _FORMS], by_alias=True)
    return {
        "$schema": _DIALECT,
        "title": "report of a run",
        "anyOf": [references[form, "validation"] for form in _FORMS],
        **definitions,
    }


def render_report_reference() -> str:
    """Every field as Markdown tables."""
    return "\n".join(line for form in (*_FORMS, *_PARTS) for line in _table(form)).rstrip("\n") + "\n"


def _table(form: type[BaseModel]) -> Iterator[str]:
    title = {RunReport: "A run", _NotStarted: "A run that could not start", _Batch: "A folder of videos"}
    inside = [
        f"`{info.alias or name}`"
        for one in _FORMS
        for name, info in one.model_fields.items()
        if form in _within(info.annotation)
    ]
    yield from (f"### {title.get(form) or ', '.join(dict.fromkeys(inside))}", "")
    yield from ((form.__doc__ or "").strip(), "", "| key | type | meaning |", "|---|---|---|")
    for name, info in form.model_fields.items():
        yield f"| `{info.alias or name}` | {_type(info.annotation)} | {info.description} |"
    yield ""


def _within(annotation: Any) -> list[Any]:
    """The types of which an annotation is put together, itself among them."""
    return [annotation, *(part for argument in getattr(annotation, "__args__", ()) for part in _within(argument))]


def _type(annotation: Any) -> str:
    """A type as JSON calls it."""
    inside = _within(annotation)
    if str in inside[:1]:
        return "text"
    if bool in inside[:1]:
        return "true or false"
    if int in inside[:1] or "Literal" in str(inside[0]):
        return "whole number"
    if float in inside:
        return "number or null" if type(None) in inside else "number"
    if type(None) in inside and str in inside:
        return "text"
    return "list" if str(inside[0]).startswith("list") else "object"
