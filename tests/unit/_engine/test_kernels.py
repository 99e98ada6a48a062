"""Kernels: rows of any length, and doubles of any size in any place.

What they compute is tested with the laws, what they touch in test_frame.py.
"""

from itertools import product

import numpy as np
import pytest
from oracle import bits, expected

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._core import exact, grid, moments, tally
from hingemetrics._engine import frame, kernels, machine_code, moment_kernel


def just_below(x):
    """The next smaller double."""
    return float(np.nextafter(x, 0.0))


def in_both_tiers(set_backend, preds, target, weight, squared, mode):
    """The state of a batch as NumPy makes it, and as kernels do."""
    states = []
    for tier in ("numpy", "numba"):
        set_backend(tier)
        metric = HingeLoss(squared, mode)
        metric.update(preds, target, weight)
        states.append(metric.state)
    return states


VALUE = """
import hingemetrics as h
h.set_backend("numba")
print(h.hinge_loss([-2.2, 2.4, 0.1], [0, 1, 1]))
"""


def test_without_the_compiler(python):
    assert python("-W", "error", "-c", VALUE, NUMBA_DISABLE_JIT="1").stdout == "0.3\n"


def test_constants_are_those_of_the_other_rooms():
    k = kernels
    assert (k.MAGIC0, k.MAGIC1, k.MAGIC2) == exact.MAGIC
    assert (k.BITS0, k.BITS1, k.BITS2) == exact.MAGIC_BITS
    assert (k.PLACE0, k.PLACE1, k.PLACE2) == exact.PLACE
    assert (grid.NARROW.start, grid.NARROW_ROWS) == (k.NARROW_FIRST, k.NARROW_ROWS)
    assert (k.NAN_ROW, k.INF_ROW) == (grid.NAN_ROW, grid.INF_ROW)
    for counter in ("SAMPLES", "ZEROS", "NEGATIVES", "UNWEIGHTED"):
        assert getattr(k, counter) == getattr(tally, counter)
    assert k.COUNTERS == exact.COUNTERS


def test_a_kernel_of_each_form_and_dtype():
    """The keys that callers ask for."""
    keys = {(form, dtype) for form in machine_code.FORMS for dtype in machine_code.DTYPES}
    assert set(kernels.KERNELS) == keys


@pytest.mark.parametrize("classes", [2, 3, 63, 64, 65, 257])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("mode", ["crammer-singer", "one-vs-all"])
def test_rows_of_any_length(set_backend, classes, dtype, mode):
    """Rows short and long, own class anywhere, one sign or both, infinite or not."""
    set_backend("numba")
    rng = np.random.default_rng(classes)
    target = rng.integers(0, classes, 700)
    for sign in (1, -1, rng.choice([-1, 1], (700, classes))):
        preds = (sign * np.abs(rng.normal(size=(700, classes)))).astype(dtype)
        odd = preds[400:].reshape(-1)[:: 7 * classes + 3]
        odd[:] = np.resize([np.inf, -np.inf, np.nan, -0.0, 0.0], len(odd))
        for rows in (slice(400), slice(50, 350), slice(700), slice(50, 700)):
            got = hinge_loss(preds[rows], target[rows], multiclass_mode=mode)
            assert bits(got) == bits(expected(preds[rows], target[rows], mode=mode))


WAYS = [
    *(("crammer-singer", classes) for classes in range(2, 35)),  # halved, in windows, one by one
    *(("one-vs-all", classes) for classes in (127, 128, 129, 130)),  # joined, and streamed
]


@pytest.mark.parametrize(("mode", "classes"), WAYS)
def test_each_way_for_a_number_of_classes(set_backend, mode, classes):
    """Ties, a NaN of either sign and an own class of any size included."""
    set_backend("numba")
    rng = np.random.default_rng(classes)
    rows = 37 if mode == "crammer-singer" else 9
    target = rng.integers(0, classes, rows)
    for dtype, squared, weight in product(("f4", "f8"), (False, True), (None, rng.random(rows))):
        preds = np.round(rng.normal(size=(rows, classes)) * 2, 1).astype(dtype)
        preds[-1, target[-1]] = 1e30
        for preds[0, -1] in (0.5, np.nan, np.copysign(np.nan, -1), -np.inf):
            got = hinge_loss(preds, target, squared, mode, sample_weight=weight)
            wanted = expected(preds, target, squared, mode, sample_weight=weight)
            assert bits(got) == bits(wanted)


def test_a_fine_loss_of_the_own_class_alone(set_backend):
    """What the third level leaves of it, where no other loss of its column is above 0."""
    set_backend("numba")
    preds, target, weight = np.full((8, 130), -1.0), np.arange(8), np.full(8, 0.1)
    preds[5, 5] = 1 - 2.0**-53
    got = hinge_loss(preds, target, True, "one-vs-all", sample_weight=weight)
    assert bits(got) == bits(expected(preds, target, True, "one-vs-all", sample_weight=weight))


@pytest.mark.parametrize("outlier", [2.0**30, -(2.0**31), 1e300, np.inf, np.nan, 2.0**-80, 5e-324])
@pytest.mark.parametrize(
    ("mode", "classes"), [(None, 3), (None, 20), ("one-vs-all", 3), ("one-vs-all", 64)]
)
@pytest.mark.parametrize("squared", [False, True])
def test_one_outlier_anywhere(set_backend, outlier, mode, classes, squared):
    """Whichever row of a block, and place in a vector, one prediction too big or too fine is in."""
    rng = np.random.default_rng(classes)
    preds, target = rng.normal(size=(90, classes)), rng.integers(0, classes, 90)
    for row in range(90):
        odd = preds.copy()
        odd[row, row % classes] = outlier
        weight = np.where(np.arange(90) == 89 - row, outlier if outlier > 0 else 1.0, 1.0)
        for weights in (None, weight if np.isfinite(outlier) else None):
            numpy, numba = in_both_tiers(set_backend, odd, target, weights, squared, mode)
            assert numpy.to_bytes() == numba.to_bytes(), (row, weights is None)


SPREADS = {
    "forty orders": lambda rng, n: 10.0 ** rng.uniform(-20, 20, n),
    "all orders": lambda rng, n: np.ldexp(rng.uniform(0.5, 1, n), rng.integers(-1070, 1015, n)),
    "one order, every bit": lambda rng, n: np.full(n, np.nextafter(2.0**900, 0)),
    "subnormal": lambda rng, n: rng.integers(0, 1 << 52, n) * 2.0**-1074,
    "zeros between": lambda rng, n: rng.choice([0.0, -0.0, 1e-200, 1.0, 1e200], n),
    "usual after one that is not": lambda rng, n: np.append(1e200, rng.uniform(0, 2, n - 1)),
}


@pytest.mark.parametrize("mode", [None, "crammer-singer", "one-vs-all"])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_doubles_of_many_orders(set_backend, spread, mode):
    """Thousands, so that sums of mantissas fill up: as weights, and as losses."""
    rng = np.random.default_rng(7)
    values = spread(rng, 5000)
    preds = rng.normal(size=(5000, 2) if mode else 5000)
    target = np.ones(5000, int)
    large = np.column_stack([preds[:, 0], -values]) if mode else -values
    for given, weight in ((preds, values), (large, None), (large, rng.random(5000))):
        numpy, numba = in_both_tiers(set_backend, given, target, weight, False, mode)
        assert numpy.to_bytes() == numba.to_bytes()
        known = expected(given, target, mode=mode, sample_weight=weight)
        assert bits(numba.value()) == bits(known)


EDGES = [
    *(0.0, -0.0, 1.0, 5e-324, 2.0**-122, 2.0**-121, 1e300),
    *(f(edge) for edge in (kernels.TINY, kernels.LIMIT, 2.0**30) for f in (float, just_below)),
]


@pytest.mark.parametrize("mode", [None, "crammer-singer", "one-vs-all"])
@pytest.mark.parametrize("first", EDGES)
def test_edges_of_what_is_unusual(set_backend, first, mode):
    """Whatever goes to the grid or does not, alone in a block and after a block that did."""
    shape = (600, 2) if mode else 600
    preds, target = np.zeros(shape), np.ones(600, int)
    for second in EDGES:
        weight = np.resize([0.25, -0.0, 0.75], 600)
        weight[7], weight[300], weight[599] = first, second, first
        numpy, numba = in_both_tiers(set_backend, preds, target, weight, False, mode)
        assert numpy.to_bytes() == numba.to_bytes(), second


@pytest.mark.parametrize("wrong", [-1e-300, -1e300, -np.inf, np.inf, np.nan])
def test_a_wrong_weight_beside_those_of_many_orders(set_backend, wrong):
    """It is refused by its row, wherever it is."""
    set_backend("numba")
    weight = SPREADS["forty orders"](np.random.default_rng(8), 1000)
    for row in (0, 255, 256, 999):
        weights = weight.copy()
        weights[row] = wrong
        metric = HingeLoss()
        with pytest.raises(ValueError, match=rf"sample_weight must be finite.* at index {row}\b"):
            metric.update(np.zeros(1000), np.ones(1000, int), weights)
        assert metric.state.count == 0


def test_constants_of_moments_are_those_of_the_specification():
    k, m = moment_kernel, moments
    assert (k.UNIT, k.LIMIT, k.TINY) == (m.UNIT, m.LIMIT, m.TINY)
    starts = m.X.start, m.Y.start, m.SQUARES.start, m.PRODUCTS.start, m.DIGIT_ROWS
    assert starts == (0, k.Y, k.SQUARES, k.PRODUCTS, k.DIGIT_ROWS)


def test_constants_of_moments_agree_with_each_other():
    k = moment_kernel
    units = [2.0 ** (place + k.UNIT) for place in (k.PLACE0, k.PLACE1, k.FIRST_PLACE)]
    assert [1.5 * 2.0**52 * unit for unit in units] == [k.MAGIC0, k.MAGIC1, k.FIRST_MAGIC]
    assert k.PLACE0 - k.PLACE1 == k.PLAIN_BITS
    assert units[2] * 2.0 ** (k.PIECE_BITS - 1) == k.LIMIT  # a piece has a sign
    assert units[2] * 2.0 ** (-k.PIECE_BITS * (k.PIECES - 1)) <= k.TINY * 2.0**-52
    # Integers of products, whose factors are differences of pieces: below 2**63 in a sum.
    assert frame.PASSES * 2 ** (2 * k.PLAIN_BITS) <= k.BIAS
    assert frame.MOMENT_BLOCK * 2 ** (2 * k.PIECE_BITS) < 2**63
