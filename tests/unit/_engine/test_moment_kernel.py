"""The kernel of moments against NumPy: integers that must be the same, and where it stops."""

from itertools import product

import numpy as np
import pytest

from hingemetrics._core.moments import MOMENT_ROWS, MomentSums
from hingemetrics._engine import frame, machine_code, targets

KEY = (machine_code.MOMENTS, np.dtype(float))
ROWS = [1, 2, 3, 5, 95, 96, 97, 255, 256, 257, 1100, 4096, 4099, 9000]
NONE = np.empty(0)


@pytest.fixture(params=targets.of_processor())
def kernel(request, monkeypatch):
    """The kernel of a target, from the library, or else of this processor."""
    monkeypatch.setattr(targets, "of_processor", lambda: (request.param,))
    return machine_code.in_library.__wrapped__(*KEY) or machine_code.on_request(*KEY)


def losses(rows, columns, squared):
    """Losses of two models, as they are for predictions of ordinary size."""
    rng = np.random.default_rng(rows + columns)
    pair = np.maximum(0.0, 1.0 - rng.normal(scale=3.0, size=(2, rows, columns)))
    return pair * pair if squared else pair


def in_numpy(x, y, weight, plain):
    sums = MomentSums(x.shape[1] + 1)
    for start in range(0, len(x), MOMENT_ROWS):
        part = slice(start, start + MOMENT_ROWS)
        sums.add(x[part], y[part], weight[part] if weight.size else None, plain)
    return sums.moments(weight.size > 0)


@pytest.mark.parametrize("rows", ROWS)
def test_the_same_moments(kernel, rows):
    for columns, kind in product((1, 2, 7), ("plain", "squared", "weighted")):
        x, y = losses(rows, columns, kind == "squared")
        weight = np.random.default_rng(1).random(rows) if kind == "weighted" else NONE
        if weight.size:
            x, y = x * weight[:, np.newaxis], y * weight[:, np.newaxis]
        plain = kind == "plain"
        found = MomentSums(columns + 1)
        assert kernel(x, y, weight, plain, found.digits) == rows
        assert found.moments(weight.size > 0) == in_numpy(x, y, weight, plain), (columns, kind)


@pytest.mark.parametrize("scale", [2.0**-48, 2.0**-20, 2.0**17, 2.0**40])
def test_of_any_size(kernel, scale):
    """Few pieces or all of them."""
    x, y = np.maximum(losses(300, 2, True) / 1000.0, 2.0**-20) * scale
    x[::3] = 0.0
    found = MomentSums(3)
    assert kernel(x, y, NONE, False, found.digits) == 300
    assert found.moments(False) == in_numpy(x, y, NONE, False)


@pytest.mark.parametrize("unusual", [2.0**42, 2.0**-73, 5e-324, np.inf, np.nan])
@pytest.mark.parametrize("of", ["x", "y", "weight"])
def test_where_it_stops(kernel, unusual, of):
    """Before the block of a double that does not fit, of which it adds nothing."""
    x, y = losses(1000, 1, False)
    weight = np.random.default_rng(2).random(1000)
    {"x": x[:, 0], "y": y[:, 0], "weight": weight}[of][600] = unusual
    found = MomentSums(2)
    done = kernel(x, y, weight, False, found.digits)
    assert 600 - frame.MOMENT_BLOCK < done <= 600
    assert found.moments(True) == in_numpy(x[:done], y[:done], weight[:done], False)


@pytest.mark.parametrize("columns", [1, 2, 3, 64, 65, 119, 120, 121, 250])
@pytest.mark.parametrize("rows", [1, 4, 67, 131])
def test_plain_losses_of_any_number_of_classes(kernel, rows, columns):
    """Rows that are joined, one at a time, and in spans."""
    x, y = losses(rows, columns, False)
    found = MomentSums(columns + 1)
    assert kernel(x, y, NONE, True, found.digits) == rows
    assert found.moments(False) == in_numpy(x, y, NONE, True)


def test_plain_losses_that_are_not_small(kernel):
    """From 2**7 on they take other pieces, they and those near them."""
    x, y = losses(10_000, 1, False)
    x[700] = 2.0**7
    y[100] = x[9000] = 2.0**7 - 2.0**-23
    found = MomentSums(2)
    assert kernel(x, y, NONE, True, found.digits) == 10_000
    assert found.moments(False) == in_numpy(x, y, NONE, True)


HALVES = [2.0**-24, 2.0**-24 - 2.0**-53, 2.0**-24 + 2.0**-53, 3 * 2.0**-24]  # of the first unit
LARGEST = [2.0**7 - 2.0**-23, 2.0**7 - 2.0**-24 - 2.0**-46, 2.0**18 - 2.0**-20, 2.0**42 - 2.0**-10]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("x", [*HALVES, *LARGEST])
def test_the_most_that_fits(kernel, x, plain):
    """Sums of the largest pieces of either sign do not overflow."""
    rows = 5000
    for y in (0.0, 2.0**-24 + 2.0**-53, 3 * 2.0**-24 - 2.0**-53, 2.0**-30):
        for first, second in ((x, y), (y, x)):
            pair = np.full((2, rows, 1), [[[first]], [[second]]])
            found = MomentSums(2)
            assert kernel(*pair, NONE, plain, found.digits) == rows
            assert found.moments(False) == in_numpy(*pair, NONE, False)


@pytest.mark.parametrize("scale", [1.0, 2.0**-28, 2.0**-56])
def test_pieces_of_opposite_signs(kernel, scale):
    """Half a unit rounds down, and three halves up: the difference of what is left is a unit."""
    rows = 2000
    x, y = np.full((2, rows, 1), [[[2.0**14]], [[3 * 2.0**14]]]) * scale
    for first, second in ((x, y), (y, x)):
        for weight in (NONE, x[:, 0].copy()):
            found = MomentSums(2)
            assert kernel(first, second, weight, False, found.digits) == rows
            weighted = weight.size > 0
            assert found.moments(weighted) == in_numpy(first, second, weight, False)
