"""The metric classes: over everything seen, over a window, with a confidence interval."""
