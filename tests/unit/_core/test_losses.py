"""The formulas, one sample at a time, against the oracle's."""

import numpy as np
import pytest
from cases import MODES, cases
from hypothesis import given
from oracle import bits, cells, says

from hingemetrics import HingeLoss, hinge_loss
from hingemetrics._core.config import MulticlassMode
from hingemetrics._core.losses import losses


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


SIGNALLING = {
    "f2": np.uint16(0x7D01).view(np.float16),
    "f4": np.uint32(0x7F800001).view(np.float32),
    "f8": np.uint64(0x7FF0000000000001).view(np.float64),
}


@pytest.mark.parametrize("dtype", SIGNALLING)
@pytest.mark.parametrize("mode", [None, *MODES])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_signalling_nan_is_a_quiet_one(backend, dtype, mode, reduction):
    """It is NaN, and no accident: the tests run with every warning an error."""
    preds = np.full(300 if mode is None else (300, 3), 0.5, dtype)
    preds[7] = SIGNALLING[dtype]
    for errors in ("warn", "raise"):
        with np.errstate(all=errors):
            found = np.asarray(
                hinge_loss(preds, np.ones(300), multiclass_mode=mode, reduction=reduction)
            )
            assert np.isnan(found[7] if reduction == "none" else found).all()
            metric = HingeLoss(multiclass_mode=mode)
            assert np.isnan(metric(preds, np.ones(300), np.ones(300, dtype))).all()
            metric.update(preds, np.ones(300))
            assert np.isnan(metric.compute()).all()


@pytest.mark.parametrize("dtype", SIGNALLING)
def test_a_signalling_nan_is_no_label_and_no_weight(backend, dtype):
    bad = np.ones(5, dtype)
    bad[2] = SIGNALLING[dtype]
    for errors in ("warn", "raise"):
        with np.errstate(all=errors):
            with pytest.raises(ValueError, match=says("target", "nan", "index 2")):
                hinge_loss(np.zeros(5), bad)
            with pytest.raises(ValueError, match=says("sample_weight", "nan", "index 2")):
                hinge_loss(np.zeros(5), np.ones(5), sample_weight=bad)
