"""The kernel of moments against NumPy: integers that must be the same, and where it stops."""

from itertools import product

import numpy as np
import pytest

from hingemetrics._core.moments import MOMENT_ROWS, MomentSums
from hingemetrics._engine import frame, levels, machine_code
from hingemetrics._engine.trial import gives_known_moments

KEY = (machine_code.MOMENTS, np.dtype(float))
ROWS = [1, 2, 3, 5, 127, 128, 129, 511, 512, 513, 1100]
NONE = np.empty(0)


@pytest.fixture(params=levels.of_processor())
def kernel(request, monkeypatch):
    """The kernel of a level, from the library or wherever it is to be had."""
    monkeypatch.setattr(levels, "of_processor", lambda: (request.param,))
    return machine_code.compiled.__wrapped__(*KEY)


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
        assert kernel(x, y, weight, plain, found.words) == rows
        assert found.moments(weight.size > 0) == in_numpy(x, y, weight, plain), (columns, kind)


@pytest.mark.parametrize("scale", [2.0**-48, 2.0**-20, 2.0**17, 2.0**40])
def test_of_any_size(kernel, scale):
    """Few pieces or all of them."""
    x, y = np.maximum(losses(300, 2, True) / 1000.0, 2.0**-20) * scale
    x[::3] = 0.0
    found = MomentSums(3)
    assert kernel(x, y, NONE, False, found.words) == 300
    assert found.moments(False) == in_numpy(x, y, NONE, False)


@pytest.mark.parametrize("unusual", [2.0**42, 2.0**-73, 5e-324, np.inf, np.nan])
@pytest.mark.parametrize("of", ["x", "y", "weight"])
def test_where_it_stops(kernel, unusual, of):
    """Before the block of a double that does not fit, of which it adds nothing."""
    x, y = losses(1000, 1, False)
    weight = np.random.default_rng(2).random(1000)
    {"x": x[:, 0], "y": y[:, 0], "weight": weight}[of][600] = unusual
    found = MomentSums(2)
    done = kernel(x, y, weight, False, found.words)
    assert 600 - frame.MOMENT_BLOCK < done <= 600
    assert found.moments(True) == in_numpy(x[:done], y[:done], weight[:done], False)


def test_plain_losses_that_are_not_small(kernel):
    """From 2**18 on they take all pieces."""
    x, y = losses(1000, 1, False)
    x[700] = 2.0**18
    y[100] = 2.0**18 - 2.0**-20
    found = MomentSums(2)
    assert kernel(x, y, NONE, True, found.words) == 1000
    assert found.moments(False) == in_numpy(x, y, NONE, False)


def test_the_most_that_fits(kernel):
    """Sums of the largest pieces of either sign do not overflow."""
    most = 2.0**18 - 2.0**-20
    for a, b in ((most, 0.0), (0.0, most), (2.0**-6, 2.0**-6 - 2.0**-53), (2.0**-30, 0.0)):
        x, y = np.full((2048, 1), a), np.full((2048, 1), b)
        for plain in (True, False):
            found = MomentSums(2)
            assert kernel(x, y, NONE, plain, found.words) == 2048
            assert found.moments(False) == in_numpy(x, y, NONE, plain)


def add(words, place, done):
    words[place] += 1
    return done


FAULTS = {
    "a row too few": lambda words, done: done - 1,
    "a row too many": lambda words, done: done + 1,
    "the first word": lambda words, done: add(words, (0, 0, 0), done),
    "the last word of the first column": lambda words, done: add(words, (-1, -1, 0), done),
    "each word": lambda words, done: add(words, slice(None), done),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_trial_finds_what_is_wrong(fault):
    right = machine_code.compiled(*KEY)

    def wrong(x, y, weight, plain, words):
        return FAULTS[fault](words, right(x, y, weight, plain, words))

    assert gives_known_moments(right)
    assert not gives_known_moments(wrong)
