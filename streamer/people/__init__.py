"""The people who are known: vectors of their faces, and the file they are kept in."""
