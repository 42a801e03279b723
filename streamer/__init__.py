"""Real-time face anonymizer."""

__version__ = "0.1.0"
