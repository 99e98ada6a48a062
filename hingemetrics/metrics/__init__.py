"""The classes that update and compute: over everything, over a window, with an interval."""
