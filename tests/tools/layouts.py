"""The same samples otherwise: cut into shards, added along trees, laid out in memory."""

import numpy as np


def shards(case, rng, number):
    """Rows distributed at random, so that some shards may be empty."""
    owner = rng.integers(0, number, len(case))
    return [case.rows(owner == k) for k in range(number)]


def grown(states, rng):
    """Sum the states along a random tree."""
    states = list(states)
    while len(states) > 1:
        left, right = (states.pop(rng.integers(len(states))) for _ in range(2))
        states.append(left + right)
    return states[0]


def unaligned(array):
    buffer = bytearray(array.nbytes + 2 * array.itemsize)
    copy = np.ndarray(array.shape, array.dtype, buffer, offset=1)
    copy[...] = array
    return copy


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def strided(array):
    """Every second row of every third column."""
    steps = (slice(None, None, 2), slice(None, None, 3))[: array.ndim]
    wide = np.zeros([2 * array.shape[0], *(3 * n for n in array.shape[1:])], array.dtype)
    wide[steps] = array
    return wide[steps]


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards": lambda array: np.ascontiguousarray(array[::-1])[::-1],
    "mirrored": lambda array: np.flip(np.flip(array).copy()),
    "read-only": read_only,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "widened": lambda array: array.astype(np.float64),
    "nested lists": np.ndarray.tolist,
    "memory map": lambda array: array.view(np.memmap),
}
