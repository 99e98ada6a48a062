"""The kernel of groups against NumPy: tables that must be the same, and where it stops."""

from itertools import product

import numpy as np
import pytest

from hingemetrics._core import group_sums, tally
from hingemetrics._core.group_sums import GroupAccumulator
from hingemetrics._engine import frame, group_kernel, machine_code, targets

KEY = (machine_code.GROUPS, np.dtype(float))
ROWS = [1, 2, 255, 256, 257, 1100]
SLOTS, LOWEST = 13, -4
NONE = np.empty(0)


@pytest.fixture(params=targets.of_processor())
def kernel(request, monkeypatch):
    """The kernel of a target, from the library, or else of this processor."""
    monkeypatch.setattr(targets, "of_processor", lambda: (request.param,))
    return machine_code.in_library.__wrapped__(*KEY) or machine_code.on_request(*KEY)


def drawn(rows, columns, kind):
    """Losses, weights, labels and codes, of ordinary size."""
    rng = np.random.default_rng(rows + columns)
    loss = np.maximum(0.0, 1.0 - rng.normal(scale=3.0, size=(rows, columns)))
    weight = rng.random(rows) if kind == "weighted" else NONE
    loss = {"plain": loss, "squared": loss * loss, "weighted": loss * rng.random((rows, 1))}[kind]
    return loss, weight, rng.integers(-1, 2, rows), rng.integers(LOWEST, LOWEST + SLOTS, rows)


def in_numpy(loss, weight, labels, codes, binary, plain):
    sums = GroupAccumulator(SLOTS, loss.shape[1], weight.size > 0, plain)
    marked = labels < 1 if binary else None
    sums.add(loss, weight if weight.size else None, codes - LOWEST, marked)
    return sums.table


def in_kernel(kernel, loss, weight, labels, codes, binary, plain):
    sums = GroupAccumulator(SLOTS, loss.shape[1], weight.size > 0, plain)
    done = kernel(loss, weight, labels, codes, LOWEST, binary, plain, sums.table)
    return done, sums.table


@pytest.mark.parametrize("rows", ROWS)
def test_the_same_tables(kernel, rows):
    for columns, kind, binary in product(
        (1, 2, 7), ("plain", "squared", "weighted"), (True, False)
    ):
        data = *drawn(rows, columns, kind), binary, kind == "plain"
        done, table = in_kernel(kernel, *data)
        assert done == rows
        assert np.array_equal(table, in_numpy(*data)), (columns, kind, binary)


@pytest.mark.parametrize("unusual", [2.0**30, -(2.0**30), 2.0**-86, 5e-324, np.inf, np.nan])
@pytest.mark.parametrize("of", ["loss", "weight"])
def test_where_it_stops(kernel, unusual, of):
    """Before the block of a double that does not fit, of which it adds nothing."""
    loss, weight, labels, codes = drawn(1000, 2, "weighted")
    {"loss": loss[:, 1], "weight": weight}[of][600] = unusual
    done, table = in_kernel(kernel, loss, weight, labels, codes, True, False)
    assert 600 - frame.GROUP_BLOCK < done <= 600
    part = slice(done)
    assert np.array_equal(
        table, in_numpy(loss[part], weight[part], labels[part], codes[part], True, False)
    )


def test_doubles_of_any_size_and_sign(kernel):
    """From the smallest that fits to the largest, and differences, which may be negative."""
    rng = np.random.default_rng(5)
    size = rng.choice([-1, 1], (1000, 1)) * (1.0 + rng.random((1000, 1)))
    loss = np.ldexp(size, rng.integers(-85, 29, (1000, 1)))
    loss[::7] = 0.0
    data = loss, NONE, *drawn(1000, 1, "plain")[2:], False, False
    done, table = in_kernel(kernel, *data)
    assert done == 1000
    assert np.array_equal(table, in_numpy(*data))


@pytest.mark.parametrize("code", [LOWEST - 1, LOWEST + SLOTS, 2**63 - 1, -(2**63)])
def test_a_code_without_a_slot_is_not_written_anywhere(kernel, code):
    loss, _, labels, codes = drawn(300, 1, "plain")
    codes[200] = code
    assert in_kernel(kernel, loss, NONE, labels, codes, True, True)[0] == -1
    sums, digits = GroupAccumulator(SLOTS, 1, False, True), np.zeros(4, np.int64)
    preds = np.zeros(300)
    assert kernel(preds, NONE, labels, codes, LOWEST, True, True, sums.pairs, digits) == -1


@pytest.mark.parametrize("labels", [[0, 1], [-1, 1], [1], [-1, 0, 1]])
def test_binary_predictions(kernel, labels):
    """The sums of pairs are those of tables; which codings there are is noted."""
    rng = np.random.default_rng(9)
    preds, target = rng.normal(scale=200.0, size=1000), rng.choice(labels, 1000)
    codes = rng.integers(LOWEST, LOWEST + SLOTS, 1000)
    of_preds, digits = GroupAccumulator(SLOTS, 1, False, True), np.zeros(4, np.int64)
    rest = LOWEST, True, True, of_preds.pairs, digits
    assert kernel(preds, NONE, target, codes, *rest) == 1000
    assert digits.tolist() == [0, 0 in labels, -1 in labels, 0]
    known = GroupAccumulator(SLOTS, 1, False, True)
    loss = np.maximum(0.0, 1.0 - np.where(target == 1, preds, -preds))
    known.add(loss[:, np.newaxis], None, codes - LOWEST, target < 1)
    found, wanted = (sums.sums()[1] for sums in (of_preds, known))
    assert found.totals(0) == wanted.totals(0)
    assert found.counts.tolist() == wanted.counts.tolist()


@pytest.mark.parametrize(
    ("pred", "label"),
    [(-1023.0, 1), (1023.0, 0), (np.nan, 1), (np.nan, 0), (-np.inf, 1), (0.5, 2), (0.5, -2)],
)
def test_where_predictions_stop(kernel, pred, label):
    preds, target = np.zeros(300), np.ones(300, int)
    preds[123], target[123] = pred, label
    sums, digits = GroupAccumulator(1, 1, False, True), np.zeros(4, np.int64)
    zeros = np.zeros(300, int)
    assert kernel(preds, NONE, target, zeros, 0, True, True, sums.pairs, digits) == 123
    assert sums.pairs.tolist() == [[123 << 53, 123 << 20]]
    assert digits.tolist() == [0, 0, 0, 0]


def test_constants_are_those_of_the_specification():
    k, s = group_kernel, group_sums
    assert (k.MAGIC0, k.MAGIC1, k.MAGIC2, k.MAGIC3) == s.SCATTER_MAGIC
    assert (len(s.SCATTER_MAGIC), s.PLAIN_SCATTER_LEVELS) == (k.LEVELS, k.PLAIN_LEVELS)
    assert k.LIMIT == s.SCATTER_LIMIT
    assert (k.ZEROS, k.NEGATIVES) == (tally.ZEROS, tally.NEGATIVES)
    assert 1 + max(tally.SAMPLES, tally.ZEROS, tally.NEGATIVES, tally.UNWEIGHTED) == k.COUNTERS
