"""Where every face is at any time: tracks, and the motion of the camera."""
