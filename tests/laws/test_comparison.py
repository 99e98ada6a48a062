"""Two models on the same samples: each law of the design, and each number, compared by bytes."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import Case, cases, examples, labels
from hypothesis import given
from hypothesis import strategies as st
from layouts import LAYOUTS, grown, shards
from oracle import bits, compared
from pairs import (
    Pair,
    fingerprint,
    float_pairs,
    is_vector,
    ordinary,
    pairs,
    quiet,
    shown,
    wanted,
)

from hingemetrics import ComparisonState, HingeComparison, compare, hinge_loss, loss_interval

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SEEDS = st.integers(0, 2**32 - 1)


def name(pair):
    """What to call an ordinary pair in a report."""
    form = pair.case.mode or "binary"
    weighted = ["weighted"] * (pair.case.weight is not None)
    return "-".join([form, *["squared"] * pair.case.squared, *weighted])


@pytest.mark.usefixtures("backend")
class TestOneTier:
    @given(pairs())
    @examples(40)
    def test_each_number_is_rounded_once(self, pair):
        columns, count = pair.expected()
        found = pair.compare()
        assert shown(found) == wanted(columns, count, is_vector(pair))
        losses = quiet(pair.case.loss), quiet(pair.swapped().case.loss)
        assert (bits(found.value), bits(found.baseline)) == tuple(map(bits, losses))

    @given(pairs(cells=600), st.sampled_from([0.5, 0.8, 0.99]), st.booleans())
    @examples(20)
    def test_ignored_rows_are_not_there(self, pair, level, at_all):
        # One of the labels, or one that no row has.
        ignored = int(pair.case.target[0]) if len(pair) and at_all else -100
        columns, count = pair.expected(ignore_index=ignored)
        found = pair.compare(ignore_index=ignored, confidence_level=level)
        assert shown(found) == wanted(columns, count, is_vector(pair), level)

    @given(pairs())
    @examples(20)
    def test_fractions(self, pair):
        columns, _ = pair.expected()
        exact = [column.exact for column in columns]
        if None in exact:
            with pytest.raises(ValueError, match="exact"):
                pair.state().as_fractions()
        else:
            found = pair.state().as_fractions()
            assert found == (tuple(exact) if is_vector(pair) else exact[0])

    @given(cases(cells=1000))
    @examples(20)
    def test_interval_of_one_model(self, case):
        found = quiet(
            loss_interval,
            *(case.preds, case.target, case.squared, case.mode),
            sample_weight=case.weight,
        )
        # Against a model that never loses: of a margin of 2, or of 2 classes 4 apart.
        best = np.full(case.preds.shape, -2.0)
        if best.ndim == 2:
            best[np.arange(len(case)), case.target.astype(int)] = 2.0
        else:
            best[case.target == 1] = 2.0
        pair = Pair(case, best)
        # A weight of 1e300 times a loss of 0 is 0 too.
        columns, count = pair.expected()
        value, _, difference, _, low, high, _ = wanted(columns, count, is_vector(pair))
        assert (bits(found.value), bits(found.low), bits(found.high)) == (value, low, high)
        assert difference == value

    @given(pairs(), SEEDS)
    @examples(20)
    def test_order(self, pair, seed):
        shuffled = pair.rows(np.random.default_rng(seed).permutation(len(pair)))
        assert fingerprint(shuffled.state()) == fingerprint(pair.state())
        assert shown(shuffled.compare()) == shown(pair.compare())

    @given(pairs(), SEEDS)
    @examples(20)
    def test_split(self, pair, seed):
        rng = np.random.default_rng(seed)
        cuts = np.sort(rng.integers(0, len(pair) + 1, rng.integers(1, 6)))
        metric = pair.metric()
        for start, stop in zip([0, *cuts], [*cuts, len(pair)], strict=True):
            pair.rows(slice(start, stop)).feed(metric)
        assert fingerprint(metric.state) == fingerprint(pair.state())

    @given(pairs(cells=200))
    @examples(20)
    def test_split_to_single_rows(self, pair):
        metric = pair.metric()
        for k in range(len(pair)):
            pair.rows(slice(k, k + 1)).feed(metric)
        assert fingerprint(metric.state) == fingerprint(pair.state())

    @given(pairs(), SEEDS)
    @examples(20)
    def test_merge(self, pair, seed):
        rng = np.random.default_rng(seed)
        parts = shards(pair, rng, 5)
        whole = fingerprint(pair.state())
        assert fingerprint(grown([part.state() for part in parts], rng)) == whole
        assert fingerprint(sum(part.state() for part in parts)) == whole
        metric = pair.metric()
        for part in parts:
            metric.merge_state(part.feed(part.metric()))
        assert fingerprint(metric.state) == whole

    @given(pairs())
    @examples(20)
    def test_empty_is_the_identity(self, pair):
        state, empty = pair.state(), pair.empty()
        assert fingerprint(state + empty) == fingerprint(empty + state) == fingerprint(state)
        assert fingerprint(state - empty) == fingerprint(state)
        assert empty + empty == empty

    @given(pairs(), SEEDS)
    @examples(20)
    def test_unmerge(self, pair, seed):
        a, b = (part.state() for part in shards(pair, np.random.default_rng(seed), 2))
        assert fingerprint((a + b) - b) == fingerprint(a)
        assert fingerprint((a + b) - a) == fingerprint(b)
        assert fingerprint(pair.state() - b) == fingerprint(a)
        assert fingerprint(a - a) == fingerprint(pair.empty())

    @given(pairs())
    @examples(20)
    def test_round_trip(self, pair):
        state = pair.state()
        again = ComparisonState.from_bytes(state.to_bytes())
        assert again == state
        assert fingerprint(again) == fingerprint(state)

    @given(pairs())
    @examples(20)
    def test_swapped(self, pair):
        """The difference changes its sign, and nothing else changes."""
        found, other = pair.compare(), pair.swapped().compare()
        assert bits(found.value) == bits(other.baseline)
        assert bits(found.difference) == bits(0.0 - np.asarray(other.difference))
        assert bits(found.stderr) == bits(other.stderr)

    @given(pairs())
    @examples(20)
    def test_no_weights_are_weights_of_one(self, pair):
        plain = Pair(replace(pair.case, weight=None), pair.baseline)
        ones = Pair(replace(pair.case, weight=np.ones(len(pair))), pair.baseline)
        assert fingerprint(plain.state()) == fingerprint(ones.state())
        half = slice(0, len(pair) // 2), slice(len(pair) // 2, None)
        mixed = ones.rows(half[1]).feed(plain.rows(half[0]).feed(plain.metric()))
        assert fingerprint(mixed.state) == fingerprint(plain.state())

    @pytest.mark.parametrize("pair", ordinary(300), ids=name)
    def test_many_threads_lose_nothing(self, pair):
        metric, parts = pair.metric(), [pair.rows(slice(k, None, 30)) for k in range(30)]
        start = threading.Barrier(6)

        def work(worker):
            start.wait(timeout=300)
            for part in parts[worker::6]:
                part.feed(metric)
                metric.compute()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        assert fingerprint(metric.state) == fingerprint(pair.state())


@given(pairs())
@examples(40)
def test_tier(set_backend, pair):
    seen = []
    for tier in ("numpy", "numba", "auto"):
        set_backend(tier)
        seen.append((fingerprint(pair.state()), shown(pair.compare())))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("threads", [2, 3])
@given(pair=pairs(cells=4000))
@examples(5)
def test_threads(backend, short_spans, threads, pair):
    short_spans(1)
    alone = fingerprint(pair.state())
    short_spans(threads)
    assert fingerprint(pair.state()) == alone


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("rows", [2047, 2049, 16_385, 40_000])
@pytest.mark.parametrize("kind", [None, "wild"])
def test_blocks(rows, kind):
    """However many blocks a batch has, each of its rows is in one of them."""
    pair = ordinary(40_000, (kind,))[0].rows(slice(0, rows))
    parts = [pair.rows(slice(start, start + 1000)).state() for start in range(0, rows, 1000)]
    assert fingerprint(sum(parts)) == fingerprint(pair.state())
    if rows < 10_000:
        assert shown(pair.compare()) == wanted(*pair.expected(), vector=False)


@pytest.mark.usefixtures("backend")
@given(float_pairs(), st.sampled_from(sorted(LAYOUTS)))
@examples(40)
def test_layout(pair, layout):
    if layout == "nested lists" and not len(pair):  # which cannot say how many columns it has
        return
    other = pair.arrays(LAYOUTS[layout])
    assert shown(other.compare()) == shown(pair.compare())
    assert fingerprint(other.state()) == fingerprint(pair.state())
    mixed = replace(pair, baseline=LAYOUTS[layout](pair.baseline))  # the two need not be alike
    assert fingerprint(mixed.state()) == fingerprint(pair.state())


@pytest.mark.usefixtures("backend")
class TestCodings:
    def test_either(self):
        rng = np.random.default_rng(0)
        preds, baseline = rng.normal(size=(2, 50))
        target = labels(rng, 50, None)
        found = [
            compare(preds, baseline, np.where(target == 1, 1, negative)) for negative in (0, -1)
        ]
        assert found[0] == found[1]
        assert found[0].value == hinge_loss(preds, target)

    @pytest.mark.parametrize("rows", [5, 40_000])
    @pytest.mark.parametrize(("first", "other"), [(0, -1), (-1, 0)])
    def test_mixed(self, rows, first, other):
        target = np.ones(rows, int)
        target[1], target[rows - 2] = first, other
        preds = np.zeros(rows)
        metric = HingeComparison()
        with pytest.raises(ValueError, match=f"0 and -1 mixed at index {rows - 2};"):
            metric.update(preds, preds, target)
        assert metric.state == ComparisonState()

        metric.update(preds[:2], preds[:2], target[:2])
        seen = metric.state
        with pytest.raises(ValueError, match=f"0 and -1 mixed at index {rows - 4};"):
            metric.update(preds[2:], preds[2:], target[2:])
        assert metric.state is seen

    def test_mixed_states(self):
        zero, negative = (
            Pair(Case(np.zeros(1), np.array([label])), np.zeros(1)).state() for label in (0, -1)
        )
        with pytest.raises(ValueError, match="0 and -1 mixed"):
            zero + negative


def test_the_oracle_can_tell():
    """A hand-made example: differences 1, 3, -1 of weights 1, 1, 2."""
    columns, count = compared(
        np.array([0.0, -2.0, 1.0]),
        np.array([1.0, 1.0, 0.0]),
        np.ones(3, int),
        sample_weight=np.array([1.0, 1.0, 2.0]),
    )
    ((value, baseline, difference, stderr, exact),) = columns
    assert (value, baseline, difference, count) == (1.0, 0.5, 0.5, 3)
    # 3 / 2 * (0.5**2 + 2.5**2 + (2 * -1.5)**2) / 16
    assert exact == (1, Fraction(1, 2), Fraction(1, 2), Fraction(93, 64))
    assert stderr == math.sqrt(93) / 8
