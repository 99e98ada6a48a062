"""Results have the same bits whatever the caller has NumPy raise or warn for."""

import itertools
import warnings

import numpy as np
import pytest
from cases import FLOATS, INTEGERS, battery, cast, labels
from oracle import says

from hingemetrics import (
    BootstrapHingeLoss,
    HingeLoss,
    HingeState,
    RunningHingeLoss,
    bootstrap_interval,
    hinge_loss,
    leave_one_out,
)
from hingemetrics import sklearn as adapter

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = float("nan"), float("inf")
VALUES = {
    "ordinary": [0.5, -1.5, 2.0],
    "NaN": [NAN, 0.5, 1.0],
    "inf": [INF, -INF, 0.5],
    "subnormal": [5e-324, -5e-324, 1e-310],
    "huge": [1.7e308, -1.7e308, 1e300],
}
DTYPES = (*FLOATS, *INTEGERS, "?", ">f4", ">f8", ">i4", "g")
SIGNALING = {"f4": ("u4", 0x7F800001), "f8": ("u8", 0x7FF0000000000001), "f2": ("u2", 0x7C01)}
BEYOND = [np.longdouble(f"{sign}1e{power}") for sign in "+-" for power in ("4000", "-4000")]
OPTIONS = [
    {"squared": squared, "multiclass_mode": mode}
    for squared in (False, True)
    for mode in ("crammer-singer", "one-vs-all")
]


def outcome(call):
    """What a call gives, as bytes, or what it raises; warnings of its own are part of neither."""
    try:
        found = call()
    except (ValueError, TypeError, ZeroDivisionError) as error:
        return type(error), str(error)
    if isinstance(found, (HingeState, bytes, str)):
        return found
    found = np.asarray(found)
    return found.dtype, found.shape, np.where(np.isnan(found), np.nan, found).tobytes()


def same_whatever_numpy_raises(call):
    """Assert that a call gives the same with and without errors; NumPy's own are no results."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            ordinary = outcome(call)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the mean hinge loss is NaN", UserWarning)
        for mode in ("raise", "warn"):
            with np.errstate(all=mode):
                assert outcome(call) == ordinary
    return ordinary


def converted(values, dtype):
    """Values of another dtype, however it likes them."""
    with np.errstate(all="ignore"):
        return np.array(values).astype(dtype)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("dtype", DTYPES)
class TestDtypes:
    def test_predictions(self, dtype, kind):
        preds = converted(VALUES[kind], dtype)
        rows = np.stack([preds, preds[::-1], preds], axis=1)
        for options, reduction in itertools.product(OPTIONS, ("mean", "sum", "none")):
            for values, target in ((preds, [0, 1, 1]), (rows, [0, 1, 2])):
                same_whatever_numpy_raises(
                    lambda v=values, t=target, o=options, r=reduction: hinge_loss(
                        v, t, **o, sample_weight=[1e-310, 1.0, 1.7e308], reduction=r
                    )
                )

    def test_targets(self, dtype, kind):
        target = converted(VALUES[kind], dtype)
        same_whatever_numpy_raises(lambda: hinge_loss([0.5, 1.0, 2.0], target))
        same_whatever_numpy_raises(lambda: hinge_loss(np.eye(3), target, ignore_index=-1))
        same_whatever_numpy_raises(lambda: hinge_loss([0.5, 1.0, 2.0], converted([1, 0, 1], dtype)))

    def test_weights(self, dtype, kind):
        weight = converted(VALUES[kind], dtype)
        for values in (weight, abs(weight) if dtype != "?" else weight):
            same_whatever_numpy_raises(
                lambda v=values: hinge_loss([0.5, -1e308, 2.0], [0, 1, 1], True, sample_weight=v)
            )

    def test_adapter(self, dtype, kind):
        values = converted(VALUES[kind], dtype)
        columns = np.stack([values] * 3, axis=1)
        for y_true in (values, values.tolist(), list(values)):
            same_whatever_numpy_raises(lambda y=y_true: adapter.hinge_loss(y, columns))
            same_whatever_numpy_raises(lambda y=y_true: adapter.hinge_loss(y, [0.5, 1.0, 2.0]))
        for options in ({}, {"sample_weight": values}, {"labels": [0, 1, 2]}):
            for mode in (None, "one-vs-all"):
                same_whatever_numpy_raises(
                    lambda o=options, m=mode: adapter.hinge_loss(
                        [0, 1, 2], columns, squared=True, multiclass_mode=m, **o
                    )
                )


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("loss", [hinge_loss, lambda p, t, **w: adapter.hinge_loss(t, p, **w)])
class TestOutsideOfFloat64:
    """What only a longdouble holds, and NaN that signal."""

    def arrays(self, place, value, dtype):
        arrays = [converted(array, dtype) for array in ([0.5, 1.5, -1], [0, 1, 1], [1, 2, 3])]
        arrays[place][1] = value
        return arrays

    @pytest.mark.parametrize("value", BEYOND, ids=str)
    def test_longdouble(self, loss, place, value):
        preds, target, weight = self.arrays(place, value, "g")
        same_whatever_numpy_raises(lambda: loss(preds, target, sample_weight=weight))

    @pytest.mark.parametrize("value", BEYOND, ids=str)
    def test_ignored(self, loss, place, value):
        preds, target, weight = self.arrays(place, value, "g")
        for ignored in (-1, 2**63, 2**64 - 1):
            same_whatever_numpy_raises(
                lambda i=ignored: hinge_loss(preds, target, sample_weight=weight, ignore_index=i)
            )

    @pytest.mark.parametrize("dtype", SIGNALING)
    def test_signaling_nan(self, loss, place, dtype):
        integer, pattern = SIGNALING[dtype]
        preds, target, weight = self.arrays(place, 0.0, dtype)
        (preds, target, weight)[place].view(integer)[1] = pattern
        same_whatever_numpy_raises(lambda: loss(preds, target, sample_weight=weight))


def test_weights_that_float64_takes_for_zeros():
    weight = np.full(2, np.longdouble("1e-4000"))
    if weight.any() and not weight.astype("f8").any():  # where a longdouble is longer
        with pytest.raises(ZeroDivisionError, match=says("sample_weight")):
            adapter.hinge_loss([0, 1], [0.5, 0.5], sample_weight=weight)


@pytest.mark.parametrize("case", [*battery(40)][::5], ids=lambda case: str(case.preds.dtype))
class TestStates:
    def test_arithmetic(self, case):
        def call():
            left, right = case.rows(slice(None, 20)).state(), case.rows(slice(20, None)).state()
            assert left + right - right == left
            return HingeState.from_bytes((left + right).to_bytes())

        state = same_whatever_numpy_raises(call)
        for reduction in ("mean", "sum"):
            same_whatever_numpy_raises(lambda r=reduction: state.value(r))
        same_whatever_numpy_raises(lambda: str(state.as_fraction()))

    def test_windows(self, case):
        def call():
            window = RunningHingeLoss(2, case.squared, case.mode)
            for start in range(0, 40, 8):
                case.rows(slice(start, start + 8)).feed(window)
            return window.compute()

        same_whatever_numpy_raises(call)

    def test_leave_one_out(self, case):
        states = [case.rows(slice(start, start + 8)).state() for start in range(0, 40, 8)]
        same_whatever_numpy_raises(
            lambda: [np.asarray(state.value()) for state in leave_one_out(states)]
        )

    def test_resampling(self, case):
        def of_samples():
            metric = BootstrapHingeLoss(case.squared, case.mode, n_resamples=20, seed=0)
            return np.array(case.feed(metric).compute())

        states = [case.rows(slice(start, start + 8)).state() for start in range(0, 40, 8)]
        same_whatever_numpy_raises(of_samples)
        same_whatever_numpy_raises(
            lambda: np.array(bootstrap_interval(states, n_resamples=20, seed=0))
        )


def test_threads(short_spans):
    """Which have NumPy's defaults, or the caller's errors, each in its own way."""
    rng = np.random.default_rng(0)
    preds = cast(rng.choice([1.7e308, -1.7e308, 5e-324, NAN, 0.5], (3000, 3)), "f8")
    target = labels(rng, 3000, 3)
    short_spans(2)
    for options in OPTIONS:
        same_whatever_numpy_raises(lambda o=options: hinge_loss(preds, target, **o))


def test_picture_of_a_value():
    pytest.importorskip("matplotlib")
    metric = HingeLoss(True, "one-vs-all")
    metric.update([[1e200, 0.5], [5e-324, 0.0]], [0, 1])

    def call():
        _, ax = metric.plot()
        return ax.get_ylim()

    same_whatever_numpy_raises(call)
