"""What callers hand in, checked and made into arrays, labels and batches."""
