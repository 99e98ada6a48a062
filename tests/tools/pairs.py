"""Predictions of two models for the same samples: `pairs()` for hypothesis, from `cases()`."""

import warnings
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from cases import BROKEN, FLOATS, REALS, Case, cases, cast, forms
from hypothesis import strategies as st
from oracle import bits, compared

import hingemetrics

MOST = 33  # classes: each has sums of thousands of bits
KINDS = ("same", "near", "shifted", "shuffled", "zero", "broken")


@dataclass(frozen=True)
class Pair:
    """A batch and the predictions of a baseline."""

    case: Case
    baseline: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.case)

    def arrays(self, change):
        return Pair(self.case.arrays(change), change(self.baseline), self.groups)

    def rows(self, index):
        groups = None if self.groups is None else self.groups[index]
        return replace(self.arrays(lambda array: array[index]), groups=groups)

    def swapped(self):
        case = self.case
        other = Case(self.baseline, case.target, case.weight, case.squared, case.mode)
        return Pair(other, case.preds, self.groups)

    def metric(self):
        return hingemetrics.HingeComparison(self.case.squared, self.case.mode)

    def feed(self, metric):
        case = self.case
        metric.update(case.preds, self.baseline, case.target, case.weight, self.groups)
        return metric

    def state(self):
        return self.feed(self.metric()).state

    def empty(self):
        return hingemetrics.ComparisonState(self.case.squared, self.case.mode)

    def compare(self, **options):
        return quiet(hingemetrics.compare, *self._arguments(), **self._more(), **options)

    def expected(self, **options):
        """The oracle's columns and its number of samples."""
        return compared(*self._arguments(), **self._more(), **options)

    def _arguments(self):
        case = self.case
        return case.preds, self.baseline, case.target, case.squared, case.mode

    def _more(self):
        return {"sample_weight": self.case.weight, "groups": self.groups}


def quiet(call, *arguments, **options):
    """Call without the warnings of means of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*arguments, **options)


def shown(comparison):
    """A comparison to compare with others, to the bit."""
    return [*map(bits, comparison[:-1]), comparison.count]


def wanted(columns, count, vector, confidence_level=0.95):
    """What the oracle's columns make of a comparison, as `shown`."""
    table = np.array([column[:4] for column in columns]).T
    with np.errstate(all="ignore"):
        reach = NormalDist().inv_cdf(0.5 + confidence_level / 2) * table[3]
        table = [*table, table[2] - reach, table[2] + reach]
    return [*(bits(numbers if vector else numbers[0]) for numbers in table), count]


def is_vector(pair):
    return pair.case.preds.ndim == 2 and pair.case.mode == "one-vs-all"


def fingerprint(state):
    """Everything of a state: what it says follows from its bytes."""
    return state.to_bytes(), state.count, state.num_classes, hash(state)


def baseline_of(preds, rng, kind):
    """Predictions of another model, in the dtype of the first one's."""
    if kind == "shuffled" or (kind != "same" and preds.dtype.kind not in "f"):
        return rng.permuted(preds, axis=0)
    noise = rng.normal(0.0, 1.0, preds.shape)
    values = preds.astype(np.float64)
    with np.errstate(all="ignore"):
        changed = {
            "same": lambda: values,
            "near": lambda: np.nextafter(values, rng.choice([-np.inf, np.inf], preds.shape)),
            "shifted": lambda: values + noise * np.exp2(rng.integers(-60, 10, preds.shape)),
            "zero": lambda: np.zeros(preds.shape),
            "broken": lambda: np.where(noise > 1.5, rng.choice(BROKEN, preds.shape), noise),
        }[kind]()
        return cast(changed, preds.dtype) if preds.dtype.kind == "f" else preds


@st.composite
def pairs(draw, dtypes=REALS, cells=500):
    """Any two batches that can be compared."""
    case = draw(cases(dtypes=dtypes, cells=cells))
    if case.preds.ndim == 2 and case.preds.shape[1] > MOST:
        case = replace(case, preds=case.preds[:, :MOST], target=case.target % MOST)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    baseline = baseline_of(case.preds, rng, draw(st.sampled_from(KINDS)))
    number = draw(st.sampled_from((None, None, 2, 50)))
    return Pair(case, baseline, None if number is None else rng.integers(0, number, len(case)))


def float_pairs(cells=500):
    return pairs(dtypes=FLOATS, cells=cells)


def ordinary(rows, weighted=(None, "tenths")):
    """One ordinary pair of each form."""
    rng = np.random.default_rng(7)
    return [
        Pair(case, case.preds + rng.normal(0, 0.3, case.preds.shape))
        for case in forms(rows, weighted)
    ]
