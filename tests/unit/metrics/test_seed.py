"""A seed is any number of 128 bits, and each of its bits counts."""

import pytest

from hingemetrics import HingeLoss, bootstrap_interval


@pytest.fixture(scope="module")
def shards():
    def state(k):
        metric = HingeLoss()
        metric.update([k / 7 - 1.0, k * k / 29], [0, 1])
        return metric.state

    return [state(k) for k in range(12)]


@pytest.mark.parametrize("bit", [0, 1, 63, 64, 126, 127])
def test_each_bit_of_a_seed(shards, bit):
    plain, other = (bootstrap_interval(shards, seed=seed) for seed in (0, 1 << bit))
    assert plain.value == other.value
    assert plain != other


def test_the_greatest(shards):
    bootstrap_interval(shards, seed=2**128 - 1)
    with pytest.raises(ValueError, match=r"^seed must be below"):
        bootstrap_interval(shards, seed=2**128)
