"""Network streams: RTSP first, and what FFmpeg opens the same way (RTMP, HTTP)."""
