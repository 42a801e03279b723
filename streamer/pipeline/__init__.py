"""One stream, put together. Start with `pipeline.py`."""
