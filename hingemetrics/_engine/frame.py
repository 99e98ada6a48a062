"""How a kernel is called: one frame of words, addresses and lengths, and scratch of known size.

What kernels and their callers both have to know stands here, where nothing imports Numba.
"""

from __future__ import annotations

import struct

from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.grid import NARROW_ROWS

MOMENTS, GROUPS = "moments", "groups"  # kernels that read losses
BLOCK = 256  # losses in a buffer: 2 KiB, with what they are made of well inside the L1 cache
SHORT = 12  # Crammer-Singer rows of fewer classes are worked on together ...
SHORT_EVEN = 30  # ... and those of an even number of classes up to this ...
TILE = 8192  # ... so many bytes of predictions at a time
JOINED = 64  # one-vs-all rows of fewer classes are joined to at least this length
PASSES = 4  # so many of them share one pass over the accumulators
CHUNKS = 1 << 11  # a sum of mantissas for each exponent

WORDS = 15
(
    PREDS,  # this and the next ones: where the address of the data is, a field of NumPy's array
    TARGET,
    WEIGHT,
    DIGITS,
    WIDE,
    LOSSES,
    SCRATCH,
    ROWS,
    CLASSES,  # 1: binary
    SQUARED,  # flags
    WEIGHTED,
    WIDENED,
    WRITING,
    START,
    SCRATCH_DOUBLES,  # no more than STACK_DOUBLES: what is on the stack is enough
) = range(WORDS)

pack = struct.Struct(f"{WORDS}q").pack

MOMENT_BLOCK = 96  # losses: so many products of pieces do not overflow
MOMENT_WORDS = 8
(
    FIRST_LOSSES,  # where the address of the data is, as above
    SECOND_LOSSES,
    LOSS_WEIGHT,
    SUMS,
    LOSS_ROWS,
    LOSS_COLUMNS,
    LOSSES_WEIGHTED,  # flags
    PLAIN,
) = range(MOMENT_WORDS)

pack_moments = struct.Struct(f"{MOMENT_WORDS}q").pack

GROUP_BLOCK = 256  # rows that are looked through before they are added
GROUP_WORDS = 14
(
    GROUP_LOSSES,  # where the address of the data is, as above
    GROUP_WEIGHT,
    GROUP_LABELS,
    GROUP_CODES,
    GROUP_TABLE,
    GROUP_DIGITS,
    GROUP_ROWS,
    GROUP_COLUMNS,
    GROUP_SLOTS,
    GROUP_LOWEST,
    GROUP_WEIGHTED,  # flags
    GROUPS_BINARY,
    GROUP_PLAIN,
    GROUPS_OF_PREDS,  # in place of losses
) = range(GROUP_WORDS)

pack_groups = struct.Struct(f"{GROUP_WORDS}q").pack

STACK_DOUBLES = 1 << 12  # of a kernel's own scratch, 32 KiB; for more the caller lends memory


def short_tile(classes: int, itemsize: int) -> tuple[int, int]:
    """Return how many Crammer-Singer rows are taken at a time, and the predictions to copy."""
    if classes >= SHORT and (classes % 2 or classes > SHORT_EVEN):
        return BLOCK, BLOCK
    rows = min(BLOCK, max(8, TILE // (classes * itemsize)))
    return rows, rows * classes


def joined_tile(classes: int) -> tuple[int, int]:
    """Return the length of joined one-vs-all rows, and how many rows PASSES of those take."""
    joined = max(1, JOINED // classes)
    return joined * classes, joined * PASSES


def scratch_doubles(form: str, itemsize: int, classes: int, widened: bool) -> int:
    """Return how many doubles of scratch a kernel needs; with a wide grid, chunks as well."""
    chunks = 2 * CHUNKS if widened else 0  # of losses and of weights
    if form == "binary":
        return chunks + BLOCK
    if form == "crammer-singer":
        rows, room = short_tile(classes, itemsize)
        return chunks + 3 * rows + 2 * room
    width, rows = joined_tile(classes)
    return chunks + (PASSES + 3) * width + 2 * rows + COUNTERS + NARROW_ROWS * (classes + 1)
