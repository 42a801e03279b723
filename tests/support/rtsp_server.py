"""An RTSP server for tests, run with the system's Python and GStreamer."""
