"""Real-time face anonymizer: camera, RTSP or file in; every face hidden; window, file or virtual camera out.

What a program needs that embeds it stands here; it is imported at first use, so that `import streamer` costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.anonymize.frame import AnonymizedFrame
    from streamer.api import Anonymizer, anonymize_array, anonymize_image, anonymize_video, stream
    from streamer.config.schema import Config
    from streamer.config.schema import load as load_config
    from streamer.core.errors import StreamerError
    from streamer.pipeline.pipeline import Pipeline, Report, Status

# ONNX Runtime, from 1.29 on, reports every model and session to its makers and keeps an identifier of the machine,
# unless this is set before it is loaded. A program that hides people has nothing to report about them.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

__all__ = [
    "AnonymizedFrame",
    "Anonymizer",
    "Config",
    "Pipeline",
    "Report",
    "Status",
    "StreamerError",
    "__version__",
    "anonymize_array",
    "anonymize_image",
    "anonymize_video",
    "load_config",
    "stream",
]

_WHERE = {
    "AnonymizedFrame": ("streamer.anonymize.frame", "AnonymizedFrame"),
    "Anonymizer": ("streamer.api", "Anonymizer"),
    "Config": ("streamer.config.schema", "Config"),
    "Pipeline": ("streamer.pipeline.pipeline", "Pipeline"),
    "Report": ("streamer.pipeline.pipeline", "Report"),
    "Status": ("streamer.pipeline.pipeline", "Status"),
    "StreamerError": ("streamer.core.errors", "StreamerError"),
    "anonymize_array": ("streamer.api", "anonymize_array"),
    "anonymize_image": ("streamer.api", "anonymize_image"),
    "anonymize_video": ("streamer.api", "anonymize_video"),
    "load_config": ("streamer.config.schema", "load"),
    "stream": ("streamer.api", "stream"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'streamer' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)
