"""Exact sums, losses and tallies: everything that needs NumPy alone."""
