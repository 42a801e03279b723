"""Enrolled people: the vectors of their faces, the gallery file, and the records of a run."""
