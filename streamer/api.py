"""For programs that embed the pipeline: the same names and settings as on the command line.

Settings may be given for short (`privacy`, `threshold`, `every`, `effect`, `strength`, `target_fps`, `duration`,
`device`, `realtime`, `who`, `gallery`, `labels`, `attendance`, `audit`); all others through `config`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streamer.config import parts
from streamer.config.endpoints import jobs, parse_input
from streamer.config.schema import Config, spelled_out
from streamer.core.errors import InputError, UsageError
from streamer.core.picture import Picture
from streamer.core.types import Captured
from streamer.effects import Effect
from streamer.inference.models.store import Store
from streamer.pipeline.assembly import Parts, detector_of, source_of
from streamer.pipeline.pipeline import Pipeline, Report, Status
from streamer.pipeline.still import anonymized

__all__ = ["Anonymizer", "anonymize_array", "anonymize_image", "anonymize_video", "stream"]


def stream(
    input: str | os.PathLike[str],
    outputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    config: Config | None = None,
    force: bool = False,
    **settings: Any,
) -> Pipeline:
    """A pipeline that is ready for `start()`.

    input, outputs: as on the command line. force: existing outputs may be replaced.
    Raises UsageError, ConfigError or InputError for what can be seen to be wrong before anything is opened.
    """
    chosen = (config or Config()).updated(spelled_out(settings))
    names = [outputs] if isinstance(outputs, str | os.PathLike) else outputs
    source = parse_input(os.fspath(input))
    if source.kind == "folder":
        raise UsageError(f"{input} is a folder of videos; give one after the other")
    (job,) = jobs(source, [os.fspath(name) for name in names], force=force)
    context = Store().context(chosen.run.device)
    return Pipeline(chosen, Parts.of(chosen, job.source, job.sinks, context))


def anonymize_video(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    config: Config | None = None,
    force: bool = False,
    on_status: Callable[[Status], None] | None = None,
    **settings: Any,
) -> Report:
    """Anonymize one input into one output, to the end, and say what was done.

    on_status: called about ten times a second, for a progress bar.
    Raises StreamerError; an input without an end needs `duration`.
    """
    pipeline = stream(input, output, config=config, force=force, **settings)
    pipeline.start()
    try:
        while (status := pipeline.poll(0.1)).running:
            if on_status is not None:
                on_status(status)
    except BaseException:
        pipeline.stop(abort=True)
        pipeline.join()
        raise
    return pipeline.join()


class Anonymizer:
    """Anonymizes single pictures in memory; loads the model once. Use it from one thread, and close it.

        with Anonymizer(effect="solid") as anonymizer:
            hidden = anonymizer.array(picture)

    Raises ModelError and DeviceError when the detector cannot be had.
    """

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        self._config = chosen = (config or Config()).updated(spelled_out(settings))
        if chosen.identity.who != "all":
            raise UsageError("single pictures in memory: everyone is hidden; for who, anonymize files with stream()")
        context = Store().context(chosen.run.device)
        self._context = context
        self._effect: Effect = parts.build("effects", chosen.effect.kind, chosen.effect.options, context)
        self._detector = detector_of(chosen, context, stills=True)
        self._seq = 0

    def array(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of an (H, W, 3) uint8 BGR picture with every face hidden.

        Raises UsageError when it is no such array, DetectorError and EffectError when faces could not be hidden.
        """
        if not isinstance(bgr, np.ndarray) or bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3:
            raise UsageError("a picture is an array of shape (height, width, 3), uint8, in the order blue, green, red")
        if 0 in bgr.shape:
            raise UsageError(f"a picture of {bgr.shape[1]}x{bgr.shape[0]} pixels is none")
        return self._hidden(Picture.from_bgr(bgr, format="bgrp"))

    def image(self, path: str | os.PathLike[str]) -> NDArray[np.uint8]:
        """A picture file as an (H, W, 3) BGR array, upright, with every face hidden. Raises InputError, too."""
        endpoint = parse_input(os.fspath(path))
        if not endpoint.stills or endpoint.path is None or endpoint.path.is_dir():
            raise InputError(f"{path} is not a picture")
        source = source_of(self._config, endpoint, self._context)
        try:
            captured = source.read()
        finally:
            source.close()
        if not isinstance(captured, Captured):
            raise InputError(f"{path} holds no picture")
        return self._hidden(captured.image)

    def close(self) -> None:
        """Free the model; calling it twice is fine."""
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _hidden(self, picture: Picture) -> NDArray[np.uint8]:
        seq, self._seq = self._seq, self._seq + 1
        return anonymized(picture, self._detector, self._effect, self._config, seq=seq).image.laid_on(255).bgr()


def anonymize_image(picture: str | os.PathLike[str] | NDArray[np.uint8], **settings: Any) -> NDArray[np.uint8]:
    """A picture, from a file or an array, as an (H, W, 3) BGR array with every face hidden; see `Anonymizer`."""
    with Anonymizer(**settings) as anonymizer:
        return anonymizer.array(picture) if isinstance(picture, np.ndarray) else anonymizer.image(picture)


def anonymize_array(bgr: NDArray[np.uint8], **settings: Any) -> NDArray[np.uint8]:
    """A copy of an (H, W, 3) uint8 BGR picture with every face hidden. For many pictures make one `Anonymizer`."""
    with Anonymizer(**settings) as anonymizer:
        return anonymizer.array(bgr)
