"""No secret leaves in a message."""

from __future__ import annotations

import pytest

from streamer.core.errors import InputError, redact


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://ann:s3cret@10.0.0.7/live",
        "rtsp://ann:s3cret@x@10.0.0.7/live",
        "rtsp://ann:s3 cret@10.0.0.7/live",
        "rtsp://ann:s3'cret@10.0.0.7/live",
        'rtsp://ann:"s3cret@10.0.0.7/live',
        "rtsp://ann:s3cret/x@10.0.0.7/live",
        "rtsp:/ann:s3cret@10.0.0.7/live",
        "rtsp://:s3cret/x@10.0.0.7/live",
        "rtsp://ann:s3cret\uff2010.0.0.7/live",
        "rtsp://ann:s3cret/x\uff2010.0.0.7/live",
        "https://10.0.0.7/live.m3u8#token=s3cret",
        "https://10.0.0.7/live.m3u8?X-Amz-Credential=s3cret",
        "ann:s3cret@10.0.0.7",
        "rtsp://10.0.0.7/user=admin_password=s3cret_channel=1_stream=0.sdp",
        "rtsp://10.0.0.7/user=admin&password=s3cret&channel=1",
        "http://10.0.0.7/videostream.cgi?loginuse=s3cret&loginpas=s3cret",
        "https://10.0.0.7/live.m3u8?x=1&access_token=s3cret",
        "https://10.0.0.7/live.m3u8?API-KEY=s3cret",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    said = str(InputError(f"input {text!r} cannot be opened"))
    assert "s3cret" not in said
    assert "10.0.0.7" in said


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.7:554/live: nothing listens on 10.0.0.7 port 554; check the port, and that the server runs",
        "input holiday@sea.mp4 does not exist",
        "sink.file.keyframe_s: must be at least 0.1, got 0",
        "in a password, write @ : / ? # as %40 %3A %2F %3F %23",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text
