"""`streamer check`: what works on this machine, tried out, and what to do about what does not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial

import typer

from streamer import __version__
from streamer.cli.options.machine import Check
from streamer.config import parts
from streamer.config.schema import Choice, Config
from streamer.core import install
from streamer.core.errors import DeviceError, StreamerError, redact
from streamer.core.options import Context, Probe
from streamer.core.picture import Picture
from streamer.effects._measured import weakness
from streamer.embedders import EmbedderOptions
from streamer.inference import devices, providers
from streamer.inference.models.catalogue import CATALOGUE
from streamer.inference.models.store import Found, Store

__all__ = ["check"]

_ACCELERATORS = {"darwin": ("coreml",), "win32": ("cuda", "tensorrt", "directml")}
_ENCODERS = {"libx264": "H.264 (.mp4 .mkv .mov .avi)", "libx265": "H.265", "libvpx-vp9": "VP9 (.webm)"}


def check(asked: Check) -> None:
    """Try out what a run needs."""
    config = Config().updated({"run.device": asked.device})
    print(f"streamer {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    needed = [
        *_section("installation", _installation),
        *_section("ONNX Runtime", _runtimes),
        *_section("models", lambda: _models({config.detector.kind})),
        *_section("detector", lambda: _detector(config.detector, config.run.device)),
        *_section("video", _codecs),
    ]
    _section("effects", _effects)
    _section("device", _devices)
    _section("recognition (optional)", _recognition)
    _section("liveness (optional)", _liveness)
    for folder in ("sources", "sinks"):
        for kind in parts.kinds(folder):
            _section(kind.replace("_", " "), partial(_probed, folder, kind))
    if not all(probe.ok for probe in needed):
        print("not ready: see above")
        raise typer.Exit(1)
    print("ready")


def _effects() -> list[Probe]:
    """Which effects carry no trace of the face, and which were undone."""
    undone = [kind for kind in parts.kinds("effects") if weakness(kind)]
    made = {kind: parts.build("effects", kind, {}, Context()) for kind in parts.kinds("effects")}
    clean = [kind for kind, effect in made.items() if effect.reads_face == "never"]
    found = [Probe(True, f"without a trace of the face: {', '.join(clean)}")]
    return found + [Probe(True, weakness(kind).removeprefix("effect ")) for kind in undone]


def _section(title: str, look: Callable[[], list[Probe]]) -> list[Probe]:
    """Print what a look came to. A look that fails is a finding, too."""
    try:
        found = look()
    except StreamerError as error:
        found = [Probe(False, str(error))]
    except Exception as error:  # a broken library must not hide the findings after it
        found = [Probe(False, redact(f"{type(error).__name__}: {error}").splitlines()[0])]
    for probe in found:
        print(f"{'ok ' if probe.ok else '-- '} {title}: {probe.finding}")
        if not probe.ok and probe.remedy:
            print(f"{'':4}{'':{len(title)}}  -> {probe.remedy}")
    return found


def _probed(folder: str, kind: str) -> list[Probe]:
    """What a part says about itself; nothing when it has nothing to say."""
    module = parts.load(folder, kind)
    found = module.probe() if hasattr(module, "probe") else []
    return [found] if isinstance(found, Probe) else list(found)


def _installation() -> list[Probe]:
    """Whether another package's files lie where ours do."""
    others = install.intruders()
    remedy = f"{install.without('streamer')}; {install.again()}"
    return [
        Probe(False, f"{other} is another program, or an old copy, with a command of the same name", remedy)
        for other in others
    ]


def _runtimes() -> list[Probe]:
    found = providers.runtimes()
    if not found:
        return [Probe(False, "none installed", f"{install.ours('cpu')}, or for CUDA {install.ours('gpu')}")]
    if len(found) > 1:
        removal = install.without(*(name.split()[0] for name in found))
        remedy = f"{removal}; {install.ours('cpu')}, or for CUDA {install.ours('gpu')}"
        return [Probe(False, f"{' and '.join(found)} overwrite each other", remedy)]
    return [Probe(True, f"{found[0]}, built with {', '.join(providers.available())}")]


def _models(needed: set[str]) -> list[Probe]:
    """Every model that is here or that the defaults need."""
    store = Store()
    return [probe for name in CATALOGUE for probe in _model(store, name, needed=name in needed)]


def _model(store: Store, name: str, *, needed: bool) -> Iterator[Probe]:
    model = CATALOGUE[name]
    path, found = store.look(name)
    use = "commercial use allowed" if model.commercial_use else "no commercial use"
    if not model.commercial_use:
        day = store.acceptances().get(name)
        use += f", licence {f'accepted on {day}' if day else 'not accepted here'}"
    if found is Found.GOOD:
        yield Probe(True, f"{name} ({model.task}), weights {model.licence_weights}, {use}, {path}")
    elif found is Found.DAMAGED or needed:
        ours = path.parent == store.cache  # into the folder of the user's own nothing is ever written
        remedy = f"streamer models pull {name}" if ours else "put the right file there, or remove it"
        yield Probe(False, f"{name} ({model.task}) is {found.value}: {path}", remedy)


def _detector(chosen: Choice, device: str) -> list[Probe]:
    """Run the detector on an empty picture: a provider that is listed is not yet one that works."""
    store = Store()
    if any(store.look(name)[1] is not Found.GOOD for name in CATALOGUE if name == chosen.kind):
        return [Probe(False, f"{chosen.kind} on {device} not tried: its model is not here", "streamer models pull")]
    obtained = parts.device_for("detectors", chosen.kind, device)
    detector = parts.build("detectors", chosen.kind, chosen.options, store.context(obtained))
    try:
        detector.detect([Picture.blank(320, 240)])
    finally:
        detector.close()
    return [Probe(True, f"{chosen.kind} runs on {obtained}")]


def _devices() -> list[Probe]:
    """What this system could have besides the CPU, and what is missing for it."""
    found = []
    for kind in _ACCELERATORS.get(sys.platform, ("cuda", "tensorrt")):
        try:
            found.append(Probe(True, f"{devices.obtain(kind)} can be had: --device {kind}"))
        except DeviceError as error:
            missing, _, remedy = str(error).partition("; ")
            remedy = remedy.removesuffix(", or run with --device cpu")
            found.append(Probe(False, f"{kind} (optional): {missing.partition('but ')[2] or missing}", remedy))
    return found


def _recognition() -> list[Probe]:
    """At which similarities faces are taken for the same person, and how far that can be loosened."""
    return [_thresholds(kind) for kind in parts.kinds("embedders")]


def _thresholds(kind: str) -> Probe:
    options = parts.options_type("embedders", kind)
    if not issubclass(options, EmbedderOptions) or options.calibrated is None or options.bounds is None:
        return Probe(False, f"{kind} has no thresholds of its own", "streamer evaluate calibrate --folder DIR")
    usual, bounds = options.calibrated, options.bounds
    finding = f"{kind} accepts from {usual.accept:g} on, and cannot be set below {bounds.accept:g}"
    if options.measured:
        return Probe(True, finding)
    return Probe(False, f"{finding}; both are guesses", "streamer evaluate calibrate --folder DIR")


def _liveness() -> list[Probe]:
    """What tells a face from a picture of one."""
    finding = "no model is available: with --who, a photo of an enrolled person held up to the camera can reveal"
    return [Probe(False, finding)]


def _codecs() -> list[Probe]:
    import av

    found = []
    for name, meaning in _ENCODERS.items():
        try:
            av.codec.Codec(name, "w")
            found.append(Probe(True, f"encoder {name}: {meaning}"))
        except (av.error.FFmpegError, ValueError):
            found.append(
                Probe(False, f"encoder {name} is missing: {meaning}", install.packages("--force-reinstall", "av"))
            )
    found.append(Probe(True, f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"))
    return found
