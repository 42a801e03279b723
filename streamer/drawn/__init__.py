"""The people and the street of the demo, drawn from numbers."""
