"""A fault for each path of the kernels: what it breaks, and the text that it replaces.

`mutate.py --kernels` plants them one by one, and builds the library anew. That takes too long for
more.
"""

KERNELS = "hingemetrics/_engine/kernels.py"
KERNEL_TESTS = [
    "tests/unit/_engine/test_nan.py",
    "tests/laws/test_golden.py",
    "--deselect=tests/laws/test_golden.py::test_without_the_compiler",  # what is compiled counts
    "tests/unit/_engine/test_kernels.py",
    "tests/laws/test_laws.py",
]
PLANTED = [
    (
        "binary, counts of labels",
        "digits[NEGATIVES] += negatives",
        "digits[NEGATIVES] += positives",
    ),
    (
        "binary, weights in the fused loop",
        "            loss *= weight[i]",
        "            loss *= weight[0]",
    ),
    (
        "binary, float64 through float32",
        "flipped = np.float64(x).view(np.int64)",
        "flipped = np.float64(np.float32(x)).view(np.int64)",
    ),
    (
        "all, squared",
        "return loss * loss if squared else loss",
        "return loss + loss if squared else loss",
    ),
    (
        "Crammer-Singer, short rows: the last window",
        "_row_maxima(values, values[width - window :], n, width, wider)",
        "_row_maxima(values, values[width - window - 1 :], n, width, wider)",
    ),
    (
        "Crammer-Singer, short rows: NaN",
        "            if preds[i] != preds[i]:",
        "            if preds[i] == np.inf:",
    ),
    (
        "Crammer-Singer, long rows: all negative",
        "return greatest if greatest >= 0 else smallest, below < 0",
        "return greatest, below < 0",
    ),
    (
        "Crammer-Singer, long rows: NaN",
        "x[i] = np.nan if nan else loss",
        "x[i] = loss",
    ),
    (
        "Crammer-Singer, long rows: float32 subtracted as such",
        "np.float64(preds[a + labels[i]]) - np.float64(rivals[i])",
        "np.float64(preds[a + labels[i]] - rivals[i])",
    ),
    (
        "Crammer-Singer, short rows: float32 subtracted as such",
        "_loss(np.float64(own[i]) - np.float64(values[i]), squared)",
        "_loss(np.float64(own[i] - values[i]), squared)",
    ),
    (
        "Crammer-Singer, pairs: the own class's other one",
        "maxima[at >> np.uintp(1)] = preds[at ^ np.uintp(1)]",
        "maxima[at >> np.uintp(1)] = preds[at]",
    ),
    (
        "Crammer-Singer, pairs: NaN",
        "nan | integer(-integer(a != a)) | integer(-integer(b != b))",
        "nan | integer(-integer(a != a))",
    ),
    (
        "one-vs-all, own class",
        "x[at] = _loss(np.float64(preds[at]), squared)",
        "x[at] = _loss(-np.float64(preds[at]), squared)",
    ),
    (
        "one-vs-all, weights",
        "            x[j] *= weight[i]",
        "            x[j] *= weight[0]",
    ),
    (
        "one-vs-all, what the last rows leave behind",
        "for i in range(n * classes, len(x)):",
        "for i in range(n * classes + 1, len(x)):",
    ),
    (
        "one-vs-all, the third level",
        "third[j] += (a + b) + (c + d) - ALL2",
        "third[j] += (a + b) + (c + c) - ALL2",
    ),
    (
        "all, weights that are infinite",
        "outside |= bits | (LARGEST - bits)",
        "outside |= bits",
    ),
    (
        "all, chunks that are full",
        "if largest >= FULL:",
        "if largest < 0:",
    ),
    (
        "all, NaN beside chunks",
        "nan += np.int64(x[i] != x[i])",
        "nan += np.int64(x[i] == np.inf)",
    ),
    (
        "all, chunks of subnormal numbers",
        "max(exponent, 1) + 2",
        "exponent + 2",
    ),
    (
        "one-vs-all, chunks of weights",
        "_fold_chunks(chunks, 1, wide, classes)",
        "_fold_chunks(chunks, 1, wide, 0)",
    ),
    (
        "one-vs-all, NaN in the wide grid",
        "        if not x[i] < LIMIT:",
        "        if x[i] >= LIMIT:",
    ),
]
