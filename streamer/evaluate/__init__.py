"""The numbers we stand on. Each module is a program of its own: `python -m streamer.evaluate.NAME --help`."""
