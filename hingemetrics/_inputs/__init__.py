"""What callers pass in, checked and converted to arrays, labels and batches."""
