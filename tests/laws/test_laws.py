"""One number, always the same bits: each law of the design, compared by bytes."""

import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import FLOATS, battery, cases, examples, forms, name
from hypothesis import assume, given
from hypothesis import strategies as st
from layouts import LAYOUTS, grown, shards
from oracle import bits
from processors import PROCESSORS

from hingemetrics import HingeState

# A batch of no rows or no weight has a NaN for its mean, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SEEDS = st.integers(0, 2**32 - 1)
REDUCTIONS = ("mean", "sum", "none")


def fingerprint(state):
    """Everything that a state can be asked for."""
    values = [bits(state.value(reduction)) for reduction in ("mean", "sum")] if state.count else []
    return state.to_bytes(), state.count, state.num_classes, values


@pytest.mark.usefixtures("backend")
class TestOneTier:
    """The laws that hold within each tier."""

    @given(cases(), SEEDS)
    def test_order(self, case, seed):
        shuffled = case.rows(np.random.default_rng(seed).permutation(len(case)))
        assert fingerprint(shuffled.state()) == fingerprint(case.state())
        assert bits(shuffled.loss()) == bits(case.loss())

    @given(cases(), SEEDS)
    def test_split(self, case, seed):
        rng = np.random.default_rng(seed)
        cuts = np.sort(rng.integers(0, len(case) + 1, rng.integers(1, 6)))
        metric = case.metric()
        for start, stop in zip([0, *cuts], [*cuts, len(case)], strict=True):
            case.rows(slice(start, stop)).feed(metric)
        assert fingerprint(metric.state) == fingerprint(case.state())

    @given(cases(cells=300))
    @examples(25)
    def test_split_to_single_rows(self, case):
        metric = case.metric()
        for k in range(len(case)):
            case.rows(slice(k, k + 1)).feed(metric)
        assert fingerprint(metric.state) == fingerprint(case.state())

    @given(cases(), SEEDS)
    def test_merge(self, case, seed):
        rng = np.random.default_rng(seed)
        parts = shards(case, rng, 5)
        whole = fingerprint(case.state())
        assert fingerprint(grown([part.state() for part in parts], rng)) == whole
        assert fingerprint(sum(part.state() for part in parts)) == whole

        metric = case.metric()
        for part in parts:
            metric.merge_state(part.feed(part.metric()))
        assert fingerprint(metric.state) == whole

    @given(cases(), st.sampled_from((0.0, 2.0, -2.0)))
    def test_empty_is_the_identity(self, case, shift):
        # Shifted, the data has one sign, where an identity that is really 0 or a bound would show.
        if case.preds.dtype.kind == "f" and shift:
            case = replace(case, preds=np.copysign(case.preds, shift))
        state, empty = case.state(), case.empty()
        assert fingerprint(state + empty) == fingerprint(empty + state) == fingerprint(state)
        assert fingerprint(state - empty) == fingerprint(state)
        assert empty + empty == empty

    @given(cases(), SEEDS)
    def test_unmerge(self, case, seed):
        a, b = (part.state() for part in shards(case, np.random.default_rng(seed), 2))
        assert fingerprint((a + b) - b) == fingerprint(a)
        assert fingerprint((a + b) - a) == fingerprint(b)
        assert fingerprint(case.state() - b) == fingerprint(a)
        assert fingerprint(a - a) == fingerprint(case.empty())

    @given(cases())
    @examples(30)
    def test_functional_and_class_agree(self, case):
        assume(len(case))  # an empty state has forgotten how many classes there were
        metric = case.metric()
        assert bits(metric(case.preds, case.target, case.weight)) == bits(case.loss())
        assert bits(metric.compute()) == bits(case.loss())

    @pytest.mark.parametrize("case", forms(1000), ids=name)
    def test_calls_from_many_threads(self, case):
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda _: bits(case.loss()), range(40)))
        assert found == {bits(case.loss())}

    @pytest.mark.parametrize("case", forms(4000), ids=name)
    def test_many_threads_lose_nothing(self, case):
        metric, parts = case.metric(), [case.rows(slice(k, None, 200)) for k in range(200)]
        start = threading.Barrier(8)

        def work(worker):
            start.wait(timeout=300)
            for part in parts[worker::8]:
                part.feed(metric)
                metric.compute()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert fingerprint(metric.state) == fingerprint(case.state())
        assert metric.update_count == len(parts)

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("case", forms(4000), ids=name)
    def test_large_and_small_updates_lose_nothing(self, short_spans, case, threads):
        """Small ones overtake large ones, which then have another state to add to."""
        short_spans(threads)
        ends = np.cumsum([1, 1, 700, 1, 1200, 3, 1, 1500, 2, 1] + [1] * 90)
        cuts = [0, *ends, len(case)]
        parts = [case.rows(slice(a, b)) for a, b in pairwise(cuts)]
        metric, start = case.metric(), threading.Barrier(4)

        def work(worker):
            start.wait(timeout=300)
            for k, part in enumerate(parts[worker::4]):
                if k % 3:
                    part.feed(metric)
                else:
                    metric(part.preds, part.target, part.weight)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert fingerprint(metric.state) == fingerprint(case.state())
        assert metric.update_count == len(parts)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("layout", LAYOUTS)
@given(case=cases(dtypes=FLOATS, cells=2000))
@examples(15)
def test_layout(layout, case):
    # An empty list of rows cannot say how many columns it has.
    if layout == "nested lists" and not len(case):
        return
    other = case.arrays(LAYOUTS[layout])
    for reduction in REDUCTIONS:
        assert bits(other.loss(reduction)) == bits(case.loss(reduction))
    assert fingerprint(other.state()) == fingerprint(case.state())


@given(cases())
def test_tier(set_backend, case):
    seen = []
    for tier in ("numpy", "numba", "auto"):
        set_backend(tier)
        losses = [bits(case.loss(reduction)) for reduction in REDUCTIONS]
        seen.append((fingerprint(case.state()), losses))
    assert seen[0] == seen[1] == seen[2]


SCRIPT = """
from cases import battery
for case in battery():
    print(case.state().to_bytes().hex())
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"HINGEMETRICS_BACKEND": "numba"},
        *(
            pytest.param(environment, marks=pytest.mark.more)
            for environment in (
                {"HINGEMETRICS_BACKEND": "numpy"},
                {"HINGEMETRICS_BACKEND": "auto"},
                {"HINGEMETRICS_BACKEND": "numba", "NUMBA_DISABLE_JIT": "1"},
                {"HINGEMETRICS_BACKEND": "numpy", "PYTHONOPTIMIZE": "2"},
            )
        ),
    ],
    ids=lambda environment: "-".join(environment.values()),
)
def test_tier_of_another_process(python, environment):
    run = python("-c", SCRIPT, **environment)
    assert run.stderr == ""
    assert run.stdout.split() == [case.state().to_bytes().hex() for case in battery()]


@pytest.mark.more
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86-64 processors")
@pytest.mark.parametrize("name", PROCESSORS)
def test_processor(python, name):
    # NumPy warns of features that this processor lacks anyway.
    run = python("-W", "ignore", "-c", SCRIPT, **PROCESSORS[name])
    assert run.stderr == ""
    assert run.stdout.split() == [case.state().to_bytes().hex() for case in battery()]


class Unreadable:
    """An array that breaks while it is being read."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("disk on fire")


def spoilt(array, index, value):
    copy = array.astype(np.float64)
    copy[index] = value
    return copy


def middle(case):
    return len(case) // 2


SPOILERS = {
    "label in the middle": lambda c: replace(c, target=spoilt(c.target, middle(c), 7)),
    "label at the end": lambda c: replace(c, target=spoilt(c.target, -1, np.nan)),
    "weight at the end": lambda c: replace(c, weight=spoilt(np.ones(len(c)), -1, -1.0)),
    "weight in the middle": lambda c: replace(c, weight=spoilt(np.ones(len(c)), middle(c), np.inf)),
    "target too short": lambda c: replace(c, target=c.target[:-1]),
    "weight too long": lambda c: replace(c, weight=np.ones(len(c) + 1)),
    "complex preds": lambda c: replace(c, preds=c.preds * 1j),
    "other form": lambda c: replace(c, preds=np.zeros((len(c), 4)), target=np.zeros(len(c))),
    "preds that break": lambda c: replace(c, preds=Unreadable()),
    "target that breaks": lambda c: replace(c, target=Unreadable()),
}


@pytest.mark.usefixtures("backend")
class TestAtomic:
    """A call that raises leaves everything as it was."""

    @pytest.mark.parametrize("spoiler", SPOILERS)
    @pytest.mark.parametrize("entry", ["update", "forward"])
    @pytest.mark.parametrize("case", forms(3000), ids=name)
    def test_update(self, case, entry, spoiler):
        metric = case.feed(case.metric())
        value, bad = bits(metric.compute()), SPOILERS[spoiler](case)
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            getattr(metric, entry)(bad.preds, bad.target, bad.weight)
        assert fingerprint(metric.state) == fingerprint(case.state())
        assert (bits(metric.compute()), metric.update_count) == (value, 1)

        case.feed(metric)
        assert fingerprint(metric.state) == fingerprint(case.state() + case.state())

    # Nothing was seen yet that another form could disagree with.
    @pytest.mark.parametrize("spoiler", sorted(SPOILERS.keys() - {"other form"}))
    @pytest.mark.parametrize("case", forms(600, weighted=(None,)), ids=name)
    def test_first_update(self, case, spoiler):
        metric, bad = case.metric(), SPOILERS[spoiler](case)
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            metric.update(bad.preds, bad.target, bad.weight)
        assert metric.state == case.empty()
        assert (metric.update_called, metric.update_count) == (False, 0)

    @pytest.mark.parametrize("case", forms(50), ids=name)
    def test_merge(self, case):
        metric = case.feed(case.metric())
        two = replace(case, target=np.array([0, 1]), weight=None)
        other_coding_or_form = replace(two, preds=np.ones(2)).state()
        other_classes = replace(two, preds=np.ones((2, 7))).state()
        other_configuration = HingeState(not case.squared, case.mode)
        for bad in (
            other_coding_or_form,
            other_classes,
            other_configuration,
            None,
            "state",
            b"",
            object(),
        ):
            with pytest.raises((ValueError, TypeError)):
                metric.merge_state(bad)
        assert fingerprint(metric.state) == fingerprint(case.state())
        assert metric.update_count == 1

    @pytest.mark.parametrize("case", forms(50), ids=name)
    def test_load(self, case):
        metric = case.feed(case.metric())
        good = metric.state_dict()
        for field in good:
            for bad in ({**good, field: "?"}, {k: v for k, v in good.items() if k != field}):
                with pytest.raises((ValueError, TypeError)):
                    metric.load_state_dict(bad)
        assert fingerprint(metric.state) == fingerprint(case.state())
        assert (metric.update_count, metric.state_dict()) == (1, good)
