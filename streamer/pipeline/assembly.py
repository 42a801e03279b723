"""What the configuration and the endpoints name -> how to make the parts of one stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.config.endpoints import Endpoint
from streamer.config.parts import build, device_for, options_type
from streamer.config.schema import Config
from streamer.core.options import Context
from streamer.detectors import Detector, DetectorOptions
from streamer.effects import Effect
from streamer.identity.decide import Identity, hide_everyone
from streamer.pipeline.recognition import Recogniser, open_recogniser
from streamer.sinks import Sink
from streamer.sources import Source

__all__ = ["Parts", "detector_of", "detector_options", "device_of", "source_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """How to make everything that is swappable in one stream. Each function is called at `start()`."""

    source: Callable[[], Source]
    """Opens the source; called again after a live one was lost."""
    detector: Callable[[], Detector]
    effect: Callable[[str], Effect]
    """Makes the effect of that kind."""
    sinks: Sequence[tuple[str, Callable[[], Sink]]]
    """Name for people and statistics, and how to make it."""
    identity: Identity = hide_everyone
    """Decides where there is no recogniser."""
    recogniser: Callable[[], Recogniser | None] = lambda: None
    """Loads what tells faces apart; None when everyone is hidden."""
    device: str = "cpu"
    """Where the detector runs."""

    @classmethod
    def of(cls, config: Config, source: Endpoint, sinks: Sequence[Endpoint], ctx: Context) -> Parts:
        """The parts a configuration and its endpoints name."""

        def effect(kind: str) -> Effect:
            options = config.effect.options if kind == config.effect.kind else options_type("effects", kind)()
            made: Effect = build("effects", kind, options, ctx)
            return made

        def opener(sink: Endpoint) -> Callable[[], Sink]:
            options = config.options_for("sink", sink.kind, sink.options)

            def make() -> Sink:
                made: Sink = build("sinks", sink.kind, options, ctx)
                return made

            return make

        config.options_for("source", source.kind, source.options)  # what is wrong with them is said now
        return cls(
            lambda: source_of(config, source, ctx),
            lambda: detector_of(config, ctx, stills=source.stills),
            effect,
            [(sink.text, opener(sink)) for sink in sinks],
            recogniser=lambda: open_recogniser(config, ctx),
            device=device_for("detectors", config.detector.kind, ctx.device),
        )


def detector_options(config: Config) -> DetectorOptions:
    """What every detector has."""
    options = config.detector.options
    assert isinstance(options, DetectorOptions), "every detector's Options is a DetectorOptions"
    return options


def detector_of(config: Config, ctx: Context, *, stills: bool = False) -> Detector:
    """The detector; for stills, one that takes its time. Raises ModelError, DeviceError or UsageError."""
    options = detector_options(config)
    made: Detector = build("detectors", config.detector.kind, options.for_stills() if stills else options, ctx)
    return made


def source_of(config: Config, source: Endpoint, ctx: Context) -> Source:
    """The open source. Raises ConfigError or InputError."""
    made: Source = build("sources", source.kind, config.options_for("source", source.kind, source.options), ctx)
    return made


def device_of(config: Config) -> str:
    """The device the detector gets; no model is loaded for it. Raises DeviceError."""
    return device_for("detectors", config.detector.kind, config.run.device)
