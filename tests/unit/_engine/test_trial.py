"""The trial finds code that is wrong, wherever it is wrong."""

import numpy as np
import pytest
from hingemetrics._engine.trial import gives_known_sums

from hingemetrics._core.exact import COUNTERS
from hingemetrics._core.tally import NEGATIVES, SAMPLES, UNWEIGHTED, ZEROS
from hingemetrics._engine import machine_code

KEYS = [(form, dtype) for form in machine_code.FORMS for dtype in machine_code.DTYPES]
FAULTS = {
    "a row too few": lambda arrays, done: done - 1,
    "a row too many": lambda arrays, done: done + 1,
    "a narrow digit": lambda arrays, done: add(arrays[5], COUNTERS, done),
    "the last narrow digit": lambda arrays, done: add(arrays[5], -1, done),
    "a wide digit": lambda arrays, done: add(arrays[6], 0, done),
    "the last wide digit": lambda arrays, done: add(arrays[6], -1, done),
    "samples": lambda arrays, done: add(arrays[5], SAMPLES, done),
    "zeros": lambda arrays, done: add(arrays[5], ZEROS, done),
    "negatives": lambda arrays, done: add(arrays[5], NEGATIVES, done),
    "unweighted": lambda arrays, done: add(arrays[5], UNWEIGHTED, done),
    "nothing": lambda arrays, done: clear(arrays[5], done),
    "no wide digits": lambda arrays, done: clear(arrays[6], done),
}


def add(array, place, done):
    array[place] += 1
    return done


def clear(array, done):
    array[:] = 0
    return done


@pytest.fixture(params=KEYS, ids=lambda key: f"{key[0]}-{key[1]}")
def key(request):
    return request.param


@pytest.fixture
def kernel(key):
    return machine_code.compiled(*key)


def test_right_code(key, kernel):
    assert gives_known_sums(kernel, *key)


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_sums(key, kernel, fault):
    change = FAULTS[fault]

    def wrong(*arrays):
        done = kernel(*arrays)
        return done if len(arrays) > 7 else change(arrays, done)

    assert not gives_known_sums(wrong, *key)


WRITTEN_FAULTS = {
    "a row too few": lambda arrays, done: done - 1,
    "the first loss": lambda arrays, done: add(arrays[7], (0, 0), done),
    "the last loss": lambda arrays, done: add(arrays[7], (-1, -1), done),
    "too far": lambda arrays, done: add(arrays[7].base, arrays[7].size, done),
    "samples": lambda arrays, done: add(arrays[5], SAMPLES, done),
    "zeros": lambda arrays, done: add(arrays[5], ZEROS, done),
    "unweighted": lambda arrays, done: add(arrays[5], UNWEIGHTED, done),
}


@pytest.mark.parametrize("fault", WRITTEN_FAULTS)
def test_wrong_losses(key, kernel, fault):
    change = WRITTEN_FAULTS[fault]

    def wrong(*arrays):
        done = kernel(*arrays)
        return change(arrays, done) if len(arrays) > 7 else done

    assert not gives_known_sums(wrong, *key)


@pytest.mark.parametrize("of", ["weighted", "squared"])
def test_one_kind_of_call_is_wrong(key, kernel, of):
    """Plain sums may be right all the same."""

    def wrong(preds, target, weight, squared, *rest):
        if of == "weighted":
            return kernel(preds, target, np.empty(0), squared, *rest)
        return kernel(preds, target, weight, False, *rest)

    assert not gives_known_sums(wrong, *key)


def test_the_code_of_another_kernel(key):
    for other in KEYS:
        if other[1] == key[1] and other != key and "binary" not in (other[0], key[0]):
            assert not gives_known_sums(machine_code.compiled(*other), *key)


def test_code_that_writes_too_far(key, kernel):
    """There is room behind, so that it can be told."""

    def wrong(*arrays):
        for array in arrays[5:7]:
            assert array.base is not None
            array.base[len(array) :] += 1
        return kernel(*arrays)

    assert gives_known_sums(wrong, *key)
