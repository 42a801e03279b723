"""One picture that stands by itself, through the scheduler and the gate as the frames of a stream go."""

from __future__ import annotations

from collections.abc import Callable

from streamer.anonymize.frame import AnonymizedFrame
from streamer.anonymize.gate import Freshness, seal
from streamer.config.schema import Config
from streamer.core.errors import EffectError
from streamer.core.picture import Picture
from streamer.core.types import Frame, Identified, IdentityRequest, Plan
from streamer.detectors import Detector
from streamer.effects import Effect
from streamer.identity.decide import Identity, hide_everyone
from streamer.pipeline.assembly import detector_options
from streamer.stages import detect
from streamer.stages.scheduler import Scheduler
from streamer.tracking.tracker import Tracker

__all__ = ["anonymized"]

_NAME = "picture.png"
"""What has a name is a still: the gate hands its original pixels to no effect that reads them in videos only."""


def anonymized(
    picture: Picture,
    detector: Detector,
    effect: Effect,
    config: Config,
    *,
    seq: int = 0,
    identity: Identity = hide_everyone,
    answer: Callable[[IdentityRequest], Identified | None] = lambda request: None,
    gallery_version: int = 0,
) -> AnonymizedFrame:
    """A picture with every face hidden, but for those that `identity` decides to show.

    The picture is an epoch of its own, and a still to the gate. seq: its number, different for every picture that meets
    the same effect. answer: tells whose faces they are; None: it failed. gallery_version: the version that a `Reveal`
    has to be of.
    Raises DetectorError and EffectError when faces could not be hidden; nothing is returned then.
    """
    frame = Frame(seq, seq, 0.0, picture, name=_NAME)
    plan = _plan(frame, detector, config, identity, answer)
    failures: list[EffectError] = []
    sealed = seal(
        frame,
        plan,
        effect=effect,
        mask=config.mask,
        rules=Freshness(config.detect.max_gap_s, gallery_version),
        zones=config.zones,
        on_failure=failures.append,
    )
    if failures:
        raise failures[0]
    return sealed


def _plan(
    frame: Frame,
    detector: Detector,
    config: Config,
    identity: Identity,
    answer: Callable[[IdentityRequest], Identified | None],
) -> Plan | None:
    """What is known of one still. Raises DetectorError."""
    options = detector_options(config)
    scope = detect.Scope.of(config.zones, options)
    tracker = Tracker(config.track, options.threshold)
    verify = getattr(options, "confirm", False)
    scheduler = Scheduler(config.detect, lambda: tracker, identity, live=False, stills=True, verify=verify)
    planned = scheduler.offer(frame, 0.0)
    while (request := scheduler.next_request()) is not None:
        result = detect.examine(detector, request, scope)
        if isinstance(result, detect.DetectionFailed):
            raise result.error
        planned += scheduler.detected(result, 0.0)
        while (wish := scheduler.next_identity()) is not None:
            planned += scheduler.identified(answer(wish), 0.0)
    planned += scheduler.finish(0.0)
    return planned[0].plan
