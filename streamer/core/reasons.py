"""Why a frame was covered or dropped, a face hidden, a part counted as failed: each as a value with its text.

The texts stand in reports and over pictures. Code compares the members, never the texts.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CoverReason", "DropReason", "Emission", "FailingPart", "HideReason", "SinkState", "SinkTrouble"]


class CoverReason(StrEnum):
    """Why a whole frame was covered."""

    # found by the gate
    NO_PLAN = "no plan"
    OTHER_FRAME = "plan of another frame"
    NO_PASS = "no pass"
    OTHER_PASS = "pass of another kind or epoch"
    PASS_TOO_FAR = "pass too far away"
    NOT_FINITE = "box is not finite"
    EFFECT_FAILED = "effect failed"
    # known before it came to the gate
    NO_PASS_IN_TIME = "no pass in time"
    DETECTOR_FAILED = "detector failed"
    SCENE_BEGAN = "scene just began"
    CHANGED_UNWATCHED = "a face came or went between rare detections"

    @property
    def overload(self) -> bool:
        """Whether the frame was covered only because the detector did not get to it in time."""
        return self in (CoverReason.NO_PASS_IN_TIME, CoverReason.CHANGED_UNWATCHED)


class HideReason(StrEnum):
    """Why a face is hidden."""

    EVERYONE = "everyone is hidden"
    UNDECIDED = "not decided yet"
    ELSEWHERE = "may be elsewhere"
    DOUBTED = "not in two detections beyond doubt"
    LOOKS_DIFFERENT = "looks different in this frame"
    EXPIRED = "expired"
    NOBODY = "like nobody who may be seen"
    CONTRADICTED = "contradicted"
    GALLERY = "gallery"
    LOST = "lost"
    WEAK = "weak"
    CROWDED = "crowded"
    JUMPED = "jumped"
    CHANGED = "changed"


class DropReason(StrEnum):
    """Why a frame was given up."""

    ABOVE_TARGET = "above target_fps"
    OUT_OF_A_BURST = "out of a burst, not the newest"
    NOT_DECODED = "too old, not decoded"
    TOO_OLD = "too old"
    PIPELINE_BUSY = "pipeline busy"
    TOO_SLOW = "too slow"
    """The output was."""
    SHOWN_TOO_LATE = "shown too late"
    TOO_MANY = "too many waited to be shown"
    TIME_FILLED = "came after its time was filled"
    NOT_EXAMINED = "not examined in time, the one before stood for it"
    UNSTEADY = "came while a slate stayed, lest they flicker"


class Emission(StrEnum):
    """What a sink took."""

    FRAME = "frame"
    COVERED = "covered"
    REPEAT = "repeat"
    SLATE = "slate"

    @property
    def fresh(self) -> bool:
        """Whether it was captured, and is shown for the first time."""
        return self in (Emission.FRAME, Emission.COVERED)


class FailingPart(StrEnum):
    """A part whose failures cover frames, or hide faces, before they end the run. The text is its key in the report."""

    DETECTOR = "DetectorError"
    EMBEDDER = "EmbedderError"
    EFFECT = "EffectError"

    @property
    def stage(self) -> str:
        """Where in the log it is told of."""
        return "render" if self is FailingPart.EFFECT else self.name.lower()


class SinkState(StrEnum):
    """Whether an output takes frames."""

    OPEN = "open"
    FAILING = "failing"
    STOPPED = "stopped"
    """Closed, or not opened yet."""


class SinkTrouble(StrEnum):
    """What an output failed at."""

    OPENING = "could not be opened"
    WRITING = "could not be written"
    ATTENDING = "could not be attended to"
    """A window's keys."""
    FINISHING = "could not be finished"
