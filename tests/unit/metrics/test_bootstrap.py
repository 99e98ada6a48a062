"""Resamples are what repeating samples, or shards, gives: to the bit, however it was counted."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext

import numpy as np
import pytest
from cases import battery, cases, form, forms, name
from hypothesis import given
from hypothesis import strategies as st
from injection import heard_points, inject, raiser
from oracle import bits

from hingemetrics import (
    BootstrapHingeLoss,
    HingeLoss,
    HingeState,
    Interval,
    bootstrap_interval,
    leave_one_out,
)
from hingemetrics._core import exact, resampling
from hingemetrics._core.grid import ONE
from hingemetrics._core.resampling import RESAMPLED_ROWS, sample_counts, shard_counts
from hingemetrics._core.totals import Total
from hingemetrics.metrics import bootstrap as bootstrap_room

SOME = list(battery(60))[::5]  # of every form, weight and flavour

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # a NaN of no weight says so


def bootstrap(case, **options):
    return BootstrapHingeLoss(case.squared, case.mode, **options)


def all_bits(interval):
    return [bits(part) for part in interval]


def ends(means, rank):
    """The rank-th smallest and largest of the oracle's means, NaN where any is; a class each."""
    columns = np.array(means).reshape(len(means), -1).T.tolist()
    pairs = [
        (np.nan, np.nan)
        if np.isnan(column).any()
        else (sorted(column)[rank - 1], sorted(column)[-rank])
        for column in columns
    ]
    return np.array(pairs).T


class TestCounts:
    """How often a sample, or a shard, counts in a resample."""

    def test_poisson_to_32_bits(self):
        """Against decimals of 60 digits."""
        with localcontext() as context:
            context.prec = 60
            term, total = Decimal(-1).exp(), Decimal(0)
            for k, bound in enumerate(resampling._POISSON_THRESHOLDS.tolist()):
                total += term
                term /= k + 1
                assert bound == int(total * 2**32), k

    def test_the_table_is_the_search(self):
        bounds = resampling._POISSON_THRESHOLDS.astype(np.int64)
        near = (bounds[:, np.newaxis] + np.arange(-70_000, 70_000, 7)).ravel()
        near = np.concatenate([bounds - 1, bounds, bounds + 1, near])
        numbers = np.clip(near, 0, 2**32 - 1)
        found = resampling._counts_by_high_half()[numbers >> 16]
        known = np.searchsorted(bounds, numbers, side="right")
        assert set(found[found != known]) == {-1.0}
        assert (resampling._counts_by_high_half() == -1.0).sum() <= len(bounds)

    def test_of_samples(self):
        counts = sample_counts(400, 5, 0, 1000)
        assert counts.shape == (400, 1000)
        assert abs(counts.mean() - 1) < 0.01
        assert abs(counts.var() - 1) < 0.02
        seen = np.bincount(counts.astype(int).ravel()) / counts.size
        poisson = np.array([1, 1, 1 / 2, 1 / 6, 1 / 24]) / np.e
        assert np.abs(seen[:5] - poisson).max() < 0.003
        correlation = np.corrcoef(counts)
        assert np.abs(correlation[~np.eye(400, dtype=bool)]).max() < 0.2

    @pytest.mark.parametrize("first", [0, 1, 63, 64, 65, 1000, 2**40])
    @pytest.mark.parametrize("samples", [1, 2, 64, 130])
    def test_depend_on_the_position_alone(self, first, samples):
        counts = sample_counts(7, 5, first, samples)
        for k in range(samples):
            assert counts[:, [k]].tolist() == sample_counts(7, 5, first + k, 1).tolist()
        assert counts[:3].tolist() == sample_counts(3, 5, first, samples).tolist()

    def test_of_shards(self):
        counts = np.array(list(shard_counts(400, 5, 37)))
        assert set(counts.sum(axis=1)) == {37}
        assert abs(counts.astype(float).var() - 36 / 37) < 0.02

    def test_streams_differ(self):
        numbers = {
            resampling._random(seed, stream, part, 1).item()
            for seed in (0, 1, 2**64, 2**128 - 1)
            for stream in (0, 1)
            for part in (0, 1, 2**40)
        }
        assert len(numbers) == 24


class TestSamples:
    @pytest.mark.parametrize("case", SOME)
    def test_resamples_repeat_samples(self, backend, case):
        """Against the oracle, which sees each sample as often as it counts."""
        metric = bootstrap(case, n_resamples=39, confidence_level=0.9, seed=3)
        case.feed(metric)
        counts = sample_counts(39, 3, 0, len(case)).astype(int)
        means = [case.rows(np.repeat(np.arange(60), row)).expected() for row in counts]
        value, *interval = metric.compute()
        assert bits(value) == bits(case.expected())
        low, high = ends(means, rank=2)
        assert [bits(np.ravel(end)) for end in interval] == [bits(low), bits(high)]

    @given(cases(cells=1500), st.integers(0, 2**32 - 1))
    def test_any_batching(self, backend, case, seed):
        cuts = np.sort(np.random.default_rng(seed).integers(0, len(case) + 1, 4))
        whole = bootstrap(case, n_resamples=9, confidence_level=0.8)
        parts = whole.clone()
        case.feed(whole)
        for start, stop in zip([0, *cuts], [*cuts, len(case)], strict=True):
            case.rows(slice(start, stop)).feed(parts)
        assert all_bits(parts.compute()) == all_bits(whole.compute())
        assert parts.state == whole.state

    @pytest.mark.parametrize("case", forms(3000), ids=name)
    def test_any_number_of_threads_and_backend(self, set_backend, short_spans, case):
        intervals = []
        for chosen, threads in (("numpy", 1), ("numba", 1), ("numba", 2), ("numpy", 7)):
            set_backend(chosen)
            short_spans(threads)
            metric = bootstrap(case, n_resamples=39)
            case.feed(metric)
            intervals.append(all_bits(metric.compute()))
        assert intervals == intervals[:1] * 4

    def test_more_than_digits_hold(self, monkeypatch):
        """Digits are folded into integers of any size before they could overflow."""
        case = form(600, None, None, True, "wild")
        folded, kept = (bootstrap(case, n_resamples=9, confidence_level=0.8) for _ in range(2))
        case.feed(kept)
        case.feed(kept)
        monkeypatch.setattr(exact, "_MAX_ADDED", 100)
        case.feed(folded)
        case.feed(folded)
        assert folded._seen[1].carried is not None
        assert all_bits(folded.compute()) == all_bits(kept.compute())

    def test_products_stay_exact(self):
        """The largest digits, counted as often as 32 bits allow, stay below 2**53."""
        counts = np.full((3, RESAMPLED_ROWS), float(len(resampling._POISSON_THRESHOLDS)))
        digits = np.full((2, RESAMPLED_ROWS, 1), 2**34 - 1, np.int64)
        assert (2**34 - 1) * 13 * RESAMPLED_ROWS < 2**53
        known = [(2**34 - 1) * 13 * RESAMPLED_ROWS] * 6
        assert resampling._product(counts, digits).tolist() == known

    def test_ignored_rows_have_no_place(self):
        case = form(70, 3, None, False, "tenths")
        plain, marked = (
            bootstrap(case, n_resamples=9, confidence_level=0.8, ignore_index=7) for _ in range(2)
        )
        case.feed(plain)
        for row in range(70):
            marked.update(np.full((600, 3), np.nan), np.full(600, 7), np.ones(600))
            case.rows([row]).feed(marked)
        assert all_bits(plain.compute()) == all_bits(marked.compute())

    @pytest.mark.slow
    def test_coverage(self):
        """Of intervals for 95% and 80%, about so many hold the mean that is known.

        The mean of max(0, 1 - m) for m of N(1, 1) is 1 / sqrt(2 pi).
        """
        mean, held = 1 / np.sqrt(2 * np.pi), {0.95: 0, 0.8: 0}
        rng = np.random.default_rng(0)
        for seed in range(400):
            preds = rng.normal(1, 1, 150)
            for level in held:
                metric = BootstrapHingeLoss(n_resamples=199, confidence_level=level, seed=seed)
                metric.update(preds, np.ones(150, int))
                _, low, high = metric.compute()
                held[level] += low <= mean <= high
        # As docs/how_to_resample.md says; NumPy's normal numbers are not promised to stay the same.
        assert {level: hits / 400 for level, hits in held.items()} == pytest.approx(
            {0.95: 0.925, 0.8: 0.78}, abs=0.06
        )

    def test_seeds(self):
        case = form(100, None, None, False, None)
        found = set()
        for seed in (0, 1, 0):
            metric = bootstrap(case, seed=seed)
            case.feed(metric)
            found.add(metric.compute())
        assert len(found) == 2

    def test_before_any_update(self):
        metric = BootstrapHingeLoss()
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(metric.compute()).all()

    @pytest.mark.parametrize("mode", [None, "one-vs-all"])
    def test_resamples_of_no_weight_are_left_out(self, mode):
        metric = BootstrapHingeLoss(multiclass_mode=mode, n_resamples=99)
        metric.update([[0.5, 1.0]], [1])  # one sample, absent from a third of them
        value, low, high = metric.compute()
        assert bits(value) == bits(low) == bits(high)
        few = BootstrapHingeLoss(multiclass_mode=mode, n_resamples=39)
        few.update([[0.5, 1.0]], [1])
        assert np.isnan(few.compute()[1:]).all(), "for 95% there must be 39 of weight"
        weightless = BootstrapHingeLoss(multiclass_mode=mode)
        weightless.update([[0.5, 1.0]], [1], [0.0])
        shapes = {np.shape(part) for part in weightless.compute()}
        assert len(shapes) == 1
        assert np.isnan(weightless.compute()).all()

    def test_reset(self):
        metric = BootstrapHingeLoss()
        metric.update([0.5], [0])
        metric.reset()
        assert metric.state == HingeState()
        case = form(40, 3, None, False, None)
        fresh = bootstrap(case)
        assert all_bits(case.feed(metric).compute()) == all_bits(case.feed(fresh).compute())

    @pytest.mark.parametrize(
        "bad", [([0.5], [2]), ([0.5], [-1]), ([[0.5, 0.5]], [1]), ([0.5], [1], [-1.0])]
    )
    def test_what_is_refused_changes_nothing(self, bad):
        metric = BootstrapHingeLoss()
        metric.update([0.5, -0.25], [0, 1])
        before = metric._seen
        with pytest.raises(ValueError, match="must"):
            metric.update(*bad)
        assert metric._seen is before

    @pytest.mark.parametrize(
        "duplicate",
        [copy.deepcopy, BootstrapHingeLoss.clone, lambda m: pickle.loads(pickle.dumps(m))],
    )
    def test_copies_are_equal_and_independent(self, duplicate):
        case = form(40, 3, "one-vs-all", True, None)
        metric = bootstrap(case, n_resamples=9, confidence_level=0.8, seed=2**100, ignore_index=5)
        case.feed(metric)
        twin = duplicate(metric)
        assert repr(twin) == repr(metric)
        assert all_bits(twin.compute()) == all_bits(metric.compute())
        case.feed(twin)
        assert (twin.state.count, metric.state.count) == (80, 40)

    def test_threads_lose_nothing(self):
        metric = BootstrapHingeLoss(n_resamples=39)

        def work(_):
            for _ in range(40):
                metric.update([0.5, 0.5, 0.5], [1, 1, 1])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert metric.state.count == 480
        assert metric.compute() == (0.5, 0.5, 0.5)
        weights = [column.finite for column in metric._seen[1].totals().columns[1::2]]
        counts = sample_counts(39, 0, 0, 480).sum(axis=1)
        assert weights == [int(count) * ONE for count in counts]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
    def test_interrupts_anywhere(self, set_backend, error):
        """An update is done or not done; see test_interrupts.py."""
        set_backend("numpy")
        start = BootstrapHingeLoss(n_resamples=3, confidence_level=0.4)
        start.update([0.5, -0.5], [1, 0])
        done = start.clone()
        done.update([0.25], [1])
        known = [(m.state, m._seen[1].totals()) for m in (start, done)]
        seen = set()
        for k in [*heard_points(lambda: start.clone().update([0.25], [1])), 10**9]:
            metric = start.clone()
            inject(raiser(error), k, lambda m=metric: m.update([0.25], [1]))
            seen.add(known.index((metric.state, metric._seen[1].totals())))
        assert seen == {0, 1}


class TestShards:
    @pytest.mark.parametrize("case", SOME)
    def test_resamples_repeat_shards(self, case):
        owner = np.random.default_rng(0).integers(0, 9, 60)  # the tenth shard is empty
        states = [case.rows(owner == k).state() for k in range(10)]
        counts = shard_counts(39, 3, 10)
        means = []
        for row in counts:
            drawn = [rows for k in range(10) for rows in [np.flatnonzero(owner == k)] * row[k]]
            means.append(case.rows(np.concatenate(drawn)).expected())
        found = bootstrap_interval(states, n_resamples=39, confidence_level=0.9, seed=3)
        assert bits(found.value) == bits(case.expected())
        low, high = ends(means, rank=2)
        assert bits(np.ravel(found.low)) == bits(low)
        assert bits(np.ravel(found.high)) == bits(high)

    @pytest.mark.slow
    def test_coverage(self):
        """Of shards whose samples hang together, where an interval over samples would miss."""
        rng, mean, held = np.random.default_rng(1), 1 / np.sqrt(2 * np.pi), [0, 0]
        for seed in range(200):
            shards, samples = [], BootstrapHingeLoss(n_resamples=199, seed=seed)
            preds, ones = np.repeat(rng.normal(1, 1, (60, 1)), 9, axis=1), np.ones(540, int)
            samples.update(preds.ravel(), ones)
            for row in preds:
                shard = HingeLoss()
                shard.update(row, ones[:9])
                shards.append(shard.state)
            found = bootstrap_interval(shards, n_resamples=199, seed=seed), samples.compute()
            for k, (_, low, high) in enumerate(found):
                held[k] += low <= mean <= high
        # As docs/how_to_resample.md says; NumPy's normal numbers are not promised to stay the same.
        assert [hits / 200 for hits in held] == pytest.approx([0.94, 0.475], abs=0.1)

    def test_one_class(self):
        shards = [form(20, 2, "one-vs-all", False, None, seed).state() for seed in range(12)]
        found = bootstrap_interval(shards, seed=1)
        assert isinstance(found, Interval)
        assert found.low.shape == found.high.shape == found.value.shape == (2,)
        assert (found.low < found.value).all()
        assert (found.value < found.high).all()

    def test_of_nothing_seen(self):
        assert np.isnan(bootstrap_interval([HingeState(), HingeState()])).all()

    @pytest.mark.parametrize(
        ("states", "error", "words"),
        [
            ([], ValueError, "states must be of at least 2 shards, got 0"),
            ([HingeState()], ValueError, "states must be of at least 2 shards, got 1"),
            (
                HingeState(),
                TypeError,
                r"states must be an iterable of HingeState, got HingeState\(",
            ),
            ([HingeState(), 3], TypeError, "states must be of HingeState, got 3 at index 1"),
            ([HingeState(), HingeState(True)], ValueError, "at index 1, .* same configuration"),
        ],
    )
    def test_wrong_states(self, states, error, words):
        with pytest.raises(error, match=words):
            bootstrap_interval(states)


@pytest.mark.parametrize(
    ("option", "error", "words"),
    [
        ({"n_resamples": 0}, ValueError, "n_resamples must be at least 1, got 0"),
        ({"n_resamples": 38}, ValueError, "at least 39 for confidence_level 0.95, got 38"),
        ({"n_resamples": 2**32}, ValueError, r"n_resamples must be below 2\*\*32, got 4294967296"),
        ({"n_resamples": 9.0}, TypeError, "n_resamples must be an int, got 9.0"),
        ({"confidence_level": 1.0}, ValueError, "confidence_level must be between 0 and 1"),
        ({"confidence_level": float("nan")}, ValueError, "confidence_level must be between"),
        ({"confidence_level": 1}, TypeError, "must be a float between 0 and 1, got 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 2**128}, ValueError, "seed must be below"),
        ({"seed": None}, TypeError, "seed must be an int, got None"),
    ],
)
def test_wrong_options(option, error, words):
    with pytest.raises(error, match=words):
        BootstrapHingeLoss(**option)
    with pytest.raises(error, match=words):
        bootstrap_interval([HingeState(), HingeState()], **option)


@pytest.mark.parametrize(
    ("level", "resamples", "rank"),
    [(0.95, 999, 25), (0.9, 999, 50), (0.9, 199, 10), (0.99, 999, 5), (0.5, 3, 1), (0.99, 199, 1)],
)
def test_ranks_of_the_ends(level, resamples, rank):
    """The 2.5% and 97.5% quantiles of 999 are the 25th from both ends."""
    options = bootstrap_room._Options(resamples, level, 0)
    columns = [(ONE, [Total(0, 0, k * ONE)]) for k in range(1, resamples + 1)]
    _, low, high = options.interval(HingeState(), columns[::-1])
    assert (low, high) == (rank, resamples + 1 - rank)


class TestLeaveOneOut:
    @pytest.mark.parametrize("case", SOME)
    def test_is_the_sum_of_the_others(self, case):
        owner = np.arange(60) % 7
        shards = [case.rows(owner == k).state() for k in range(7)]
        for k, rest in enumerate(leave_one_out(shards)):
            others = case.rows(owner != k)
            assert rest.to_bytes() == others.state().to_bytes()
            assert bits(rest.value()) == bits(others.expected())

    def test_any_iterable(self):
        case = form(10, None, None, False, None)
        states = (case.rows([k]).state() for k in range(10))
        assert len(leave_one_out(states)) == 10

    def test_one_and_none(self):
        state = form(10, 3, "one-vs-all", True, None).state()
        assert leave_one_out([state]) == [HingeState(True, "one-vs-all")]
        assert leave_one_out([]) == []

    def test_wrong_states(self):
        with pytest.raises(TypeError, match="states must be of HingeState, got None at index 0"):
            leave_one_out([None])
        with pytest.raises(ValueError, match="same configuration"):
            leave_one_out([HingeState(), HingeState(True)])
