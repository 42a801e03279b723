"""Helpers of the tests that need something outside the program: a display, a virtual machine, other programs."""
