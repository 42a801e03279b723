"""Cameras: Video4Linux devices on Linux, what OpenCV opens elsewhere."""
