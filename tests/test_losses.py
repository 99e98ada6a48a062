"""The formulas, one sample at a time, against the oracle's."""

import numpy as np
import pytest
from hypothesis import given
from reference import bits, cells
from strategies import cases

from hingemetrics.losses import losses
from hingemetrics.state import MulticlassMode


@given(cases(dtypes=("f8", "f4")))
def test_losses(case):
    mode = MulticlassMode(case.mode or "crammer-singer")
    weight = None if case.weight is None else np.asarray(case.weight, np.float64)
    target = np.asarray(case.target).astype(np.int64)
    got = losses(case.preds, target, mode, case.squared, weight)
    rows = zip(
        case.preds.astype(np.float64).tolist(),
        target.tolist(),
        np.ones(len(case)) if weight is None else weight.tolist(),
        strict=True,
    )
    wanted = [[w * loss for loss in cells(row, y, case.squared, mode.value)] for row, y, w in rows]
    assert bits(got) == bits(np.array(wanted, np.float64).reshape(got.shape))


@pytest.mark.parametrize("mode", list(MulticlassMode))
def test_arguments_are_left_alone(mode):
    preds, target, weight = np.ones((3, 2)), np.zeros(3, np.int64), np.full(3, 0.5)
    losses(preds, target, mode, True, weight)
    assert (preds == 1).all()
    assert (target == 0).all()
    assert (weight == 0.5).all()
