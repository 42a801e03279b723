"""Video with transparency: its author hid what lies under it, and it stays hidden.

No output keeps the transparency of a video. Dropping it would show what is beneath, so frames are laid on black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

__all__ = ["NOTE", "laid_on_black", "may_be_transparent"]

NOTE = "the video may be transparent: it is laid on black, and what is hidden under the transparency stays hidden"


def may_be_transparent(format: av.VideoFormat) -> bool:
    """Whether frames of this format have an opacity of their own, or colours that may be transparent."""
    return format.has_palette or any(component.is_alpha for component in format.components)


def laid_on_black(frame: av.VideoFrame, converter: VideoReformatter, *, matrix: int | None = None) -> av.VideoFrame:
    """The frame as RGB without opacity; the frame itself where it is opaque all over.

    converter: kept for such frames, because a frame's own would start threads for every frame. matrix: of the frame's
    colours, FFmpeg's number; None for RGB.
    """
    import av

    bgra = converter.reformat(frame, format="bgra", src_colorspace=matrix).to_ndarray()
    opacity = bgra[:, :, 3:]
    if (opacity == 255).all():
        return frame
    laid = (bgra[:, :, :3].astype(np.uint16) * opacity + 127) // 255
    return av.VideoFrame.from_ndarray(laid.astype(np.uint8), format="bgr24")
