"""The laws of groups: each has the state of its rows alone, and their sum is that of all rows."""

import json
import pickle
from fractions import Fraction

import numpy as np
import pytest
from cases import Case, battery, cases, examples
from hypothesis import given
from hypothesis import strategies as st
from oracle import bits

from hingemetrics import GroupedHingeLoss, hinge_loss_by
from hingemetrics._core import group_sums
from hingemetrics._engine import grouped
from hingemetrics._inputs import groups as room
from hingemetrics.metrics import grouped as metrics_room

SEEDS = st.integers(0, 2**32 - 1)


def named(case):
    return "-".join(map(str, case.traits().values()))


def metric(case):
    return GroupedHingeLoss(case.squared, case.mode)


def fed(case, groups, *parts):
    """A metric updated with all rows, or with each of these parts of them."""
    found = metric(case)
    for part in parts or [slice(None)]:
        rows = case.rows(part)
        found.update(rows.preds, rows.target, groups[part], rows.weight)
    return found


def written(found):
    """All that a metric has seen, as bytes."""
    return {key: state.to_bytes() for key, state in found.states.items()}


def alone(case, groups):
    """What each group's rows are, to a metric that sees nothing else."""
    return {
        key: case.rows(np.flatnonzero(groups == key)).state().to_bytes()
        for key in np.unique(groups).tolist()
    }


def drawn(case, seed, spread=7):
    return np.random.default_rng(seed).integers(-spread, spread, len(case))


@pytest.mark.filterwarnings("ignore:the mean hinge loss")
@examples(60)
@given(cases(cells=2000), SEEDS)
def test_each_group_is_its_rows_alone(backend, case, seed):
    groups = drawn(case, seed)
    found = fed(case, groups)
    assert written(found) == alone(case, groups)
    assert found.state.to_bytes() == case.state().to_bytes()


@pytest.mark.filterwarnings("ignore:the mean hinge loss")
@examples(60)
@given(cases(cells=2000), SEEDS)
def test_values_are_the_oracles(backend, case, seed):
    groups = drawn(case, seed)
    options = {"squared": case.squared, "multiclass_mode": case.mode}
    found = hinge_loss_by(case.preds, case.target, groups, **options, sample_weight=case.weight)
    assert list(found) == sorted(set(groups.tolist()))
    for key, value in found.items():
        assert bits(value) == bits(case.rows(groups == key).expected())


@examples(40)
@given(cases(cells=2000), SEEDS)
def test_order_and_batches_do_not_matter(backend, case, seed):
    rng, groups = np.random.default_rng(seed), drawn(case, seed)
    whole = written(fed(case, groups))
    order = rng.permutation(len(case))
    parts = np.array_split(order, rng.integers(1, 6))
    assert written(fed(case, groups, *parts)) == whole


@examples(40)
@given(cases(cells=2000), SEEDS)
def test_any_tree_of_merges(backend, case, seed):
    rng, groups = np.random.default_rng(seed), drawn(case, seed)
    parts = np.array_split(rng.permutation(len(case)), 5)
    a, b, c, d, e = (fed(case, groups, part) for part in parts)
    b.merge_state(a)
    d.merge_state([e, b, metric(case)])
    c.merge_state(d)
    assert written(c) == written(fed(case, groups))
    assert c.state.to_bytes() == case.state().to_bytes()


@pytest.mark.parametrize("case", [*battery(60)], ids=named)
def test_small_blocks_and_tables(backend, monkeypatch, case):
    """Tables are emptied, and unusual doubles added, in the middle of a batch."""
    groups = drawn(case, 0, spread=3)
    whole = written(fed(case, groups))
    assert whole == alone(case, groups)
    monkeypatch.setattr(grouped, "_BLOCK_ELEMENTS", 16)
    monkeypatch.setattr(grouped, "_BLOCK_ROWS", 1)
    monkeypatch.setattr(grouped, "_IN_PLACE_ROWS", 16)
    monkeypatch.setattr(group_sums, "_TABLE_ROWS", 20)
    monkeypatch.setattr(group_sums, "_PENDING", 3)
    assert written(fed(case, groups)) == whole


@pytest.mark.parametrize("case", [*battery(40)], ids=named)
def test_there_and_back(case):
    groups = drawn(case, 1)
    found = fed(case, groups)
    twin = metric(case)
    twin.load_state_dict(json.loads(json.dumps(found.state_dict())))
    for other in (twin, found.clone(), pickle.loads(pickle.dumps(found))):
        assert written(other) == written(found)
        assert other.state_dict() == found.state_dict()
        other.merge_state(found)  # and goes on
        assert other.state == found.state + found.state


def test_weighted_and_unweighted_batches(backend):
    rng = np.random.default_rng(5)
    preds, target, groups = rng.normal(size=90), rng.integers(0, 2, 90), rng.integers(0, 5, 90)
    weight = np.concatenate((np.ones(45), rng.random(45)))
    whole = Case(preds, target, weight)
    for first in (slice(0, 45), slice(45, 90)):
        found = GroupedHingeLoss()
        for part in (first, slice(90 - first.stop, 90 - first.start)):
            given_weight = None if part.start == 0 else weight[part]
            found.update(preds[part], target[part], groups[part], given_weight)
        assert written(found) == alone(whole, groups)
        assert {k: bits(v) for k, v in found.compute().items()} == {
            k: bits(whole.rows(groups == k).expected()) for k in range(5)
        }


def test_a_group_for_each_row(backend):
    """1e5 groups, shuffled: each value is a row's own loss."""
    rng = np.random.default_rng(7)
    preds, groups = rng.normal(size=100_000), rng.permutation(100_000)
    found = hinge_loss_by(preds, np.ones(100_000, int), groups)
    assert list(found) == list(range(100_000))
    wanted = np.empty(100_000)
    wanted[groups] = np.maximum(0.0, 1.0 - preds)
    assert np.array(list(found.values())).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("far", [-1000, 30, 10**6, 10**15])
def test_a_group_that_was_not_guessed(backend, monkeypatch, far):
    """A code outside of the bounds that a look here and there found."""
    monkeypatch.setattr(room, "_GUESSED_ROWS", 100)
    monkeypatch.setattr(room, "_LOOKED_AT", 10)
    monkeypatch.setattr(room, "_SPARE_SLOTS", 5)
    rng = np.random.default_rng(3)
    case = Case(rng.normal(size=1000), rng.integers(0, 2, 1000))
    groups = rng.integers(0, 9, 1000)
    groups[777] = far
    assert written(fed(case, groups)) == alone(case, groups)


def test_groups_that_change_while_they_are_read(backend, monkeypatch):
    groups = room.checked_groups(np.array([1, 2, 3]), 3)
    monkeypatch.setattr(groups, "slots", 2)
    monkeypatch.setattr(room, "_bounds", lambda codes: (1, 2))
    monkeypatch.setattr(metrics_room, "checked_groups", lambda *given: groups)
    with pytest.raises(RuntimeError, match="groups changed while they were read"):
        hinge_loss_by([0.5, 0.25, 0.75], [1, 1, 1], None)


def test_large_losses_among_others(backend):
    """Sums of more than 64 bits; from 2**10 on, none fits into pairs, from 2**30 on into tables."""
    rng = np.random.default_rng(11)
    for share, size in (
        (0.9, 1000.0),
        (0.001, 2.0**11),
        (0.2, 2.0**20),
        (0.01, 2.0**31),
        (0.01, np.inf),
    ):
        preds = np.where(rng.random(3000) < share, rng.choice([size, -size], 3000), 0.5)
        case = Case(preds, rng.integers(0, 2, 3000))
        groups = rng.integers(0, 50, 3000)
        assert written(fed(case, groups)) == alone(case, groups)


@pytest.mark.more
def test_the_most_rows_between_two_spills(backend):
    """2**21 of the largest losses that fit, in one group: nothing overflows."""
    rows = (1 << 21) + 5
    for loss in (2.0**10 - 2.0**-43, 2.0**30 - 2.0**-23, 2.0**-12):
        preds = np.full(rows, 1.0 - loss)
        found = fed(Case(preds, np.ones(rows, int)), np.zeros(rows, np.int8))
        exact = Fraction(max(0.0, 1.0 - float(preds[0])))
        assert found.states[0].as_fraction("sum") == rows * exact
