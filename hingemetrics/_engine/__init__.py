"""A batch added to a tally, by NumPy or by compiled kernels, in one thread or several."""
